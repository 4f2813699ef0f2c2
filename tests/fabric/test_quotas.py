"""Quotas on one statement: whose they are, that they hold, and what a refusal tells."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from fabric.config import load_project
from fabric.errors import FabricError, InvalidConfig, LimitError, ResultTooLarge, Timeout
from fabric.pipeline import Session
from fabric.quotas import Quota, Quotas, Used
from fabric.types import Principal
from server.app import App, build
from tests.policies.governed import ANA, EVE, ask, company, rows

ROOT = Principal("root", frozenset({"role:root"}))
RULES = {
    "federation": "p, role:root, *, read, allow\np, role:root, system.limits, read, allow\n",
    "crm": "p3, role:analyst, crm_db.customer, region = attr('region')\n",
}


@contextmanager
def limited(directory: Path, limits: str, federation: str = "") -> Iterator[App]:
    with company(directory, RULES):
        pass
    if federation:
        (directory / "policies" / "federation.csv").write_text(federation)
    with (directory / "fabric.yaml").open("a") as file:
        file.write(f"cache: off\nlimits:\n{limits}")
    with closing(build(directory)) as app:
        yield app


def refused(app: App, sql: str, who: Principal = ROOT) -> FabricError:
    with pytest.raises(LimitError) as caught, app.line.run(sql, who, Session()) as answer:
        list(answer.batches())
    return caught.value


# ── the bounds ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("bound", "used", "kind", "told"),
    [
        (Quota("seconds", 60, "default"), Used(seconds=61.5), Timeout,
         "the query ran longer than 60 seconds (limits.default.seconds; used so far: 61.5 seconds)"),
        (Quota("rows", 1000, "role:analyst"), Used(rows=1024), ResultTooLarge,
         "the result has more than 1,000 rows (limits.role:analyst.rows; used so far: 1,024 rows)"),
        (Quota("result_bytes", 10**6, "default"), Used(result_bytes=2 * 10**6), ResultTooLarge,
         "the result is larger than 1MB (limits.default.result_bytes; used so far: 2MB)"),
        (Quota("source_bytes", 20_000, "default"), Used(sources={"a": (15_000, 1), "b": (6_000, 1)}), LimitError,
         "the query read more than 20KB of its sources (limits.default.source_bytes; used so far: 21KB)"),
        (Quota("source_requests", 3, "source:api", "api"), Used(sources={"api": (0, 4), "b": (0, 9)}), LimitError,
         "the query sent its sources more than 3 requests (limits.source:api.source_requests; "
         "used so far: 4 requests)"),
        (Quota("rows", 10, ""), Used(rows=11), ResultTooLarge,
         "the result has more than it may: a part of it has a limit of its own"),
    ],
)  # fmt: skip
def test_a_breach_names_the_rule_and_what_was_used(
    bound: Quota, used: Used, kind: type[LimitError], told: str
) -> None:
    with pytest.raises(kind) as caught:
        Quotas((bound,)).require(used)
    assert type(caught.value) is kind
    assert caught.value.message == told
    assert caught.value.hint


@pytest.mark.parametrize(
    ("bound", "used"),
    [
        (Quota("rows", 1000, "default"), Used(rows=1000)),
        (Quota("source_requests", 3, "source:api", "api"), Used(sources={"api": (0, 3), "b": (0, 9)})),
        (Quota("source_bytes", 9, "source:api", "api"), Used(sources={"b": (99, 9)})),
    ],
)
def test_what_is_within_is_within(bound: Quota, used: Used) -> None:
    Quotas((bound,)).require(used)


def test_of_what_is_hidden_no_amount_is_told() -> None:
    hidden = Quotas((Quota("source_bytes", 10, "default"),), tells=lambda: False)
    with pytest.raises(
        LimitError, match=r"more than 10B of its sources \(limits.default.source_bytes\) Hint"
    ):
        hidden.require(Used(sources={"a": (11, 1)}))
    assert hidden.told(Used(sources={"a": (11, 1)}), whole=False) == {
        "seconds": 0,
        "rows": 0,
        "result_bytes": 0,
    }
    assert hidden.told(Used(sources={"a": (11, 1)}), whole=True)["source_bytes"] == 11


# ── over the line ────────────────────────────────────────────────────────────────────────────


def test_each_limit_of_a_role_holds(tmp_path: Path) -> None:
    limits = "  role:root: {result_bytes: 1KB, source_requests: 1}\n  role:analyst: {rows: 2}\n"
    with limited(tmp_path, limits) as app:
        assert isinstance(refused(app, "SELECT range FROM range(1000)"), ResultTooLarge)
        both = "SELECT * FROM crm_db.customer a, crm_db.territory b"
        assert "limits.role:root.source_requests; used so far: 2 requests" in refused(app, both).message
        assert ask(app, "SELECT claim_id FROM claims.claim LIMIT 2", ANA).num_rows == 2
        assert "limits.role:analyst.rows" in refused(app, "SELECT claim_id FROM claims.claim", ANA).message


def test_a_products_limit_holds_for_everyone_who_reads_it_and_through_others(tmp_path: Path) -> None:
    with limited(tmp_path, "  product:crm.customer: {rows: 1}\n") as app:
        assert ask(app, "SELECT name FROM crm.customer LIMIT 1", ROOT).num_rows == 1
        for sql in (
            "SELECT name FROM crm.customer",
            "SELECT name FROM claims.open",
            'SELECT name FROM CRM."customer"',
        ):
            assert "limits.product:crm.customer.rows" in refused(app, sql).message
        assert ask(app, "SELECT claim_id FROM claims.claim", ROOT).num_rows == 4


def test_a_sources_limit_counts_what_that_source_does(tmp_path: Path) -> None:
    with limited(tmp_path, "  source:lake: {source_bytes: 10B}\n") as app:
        assert "limits.source:lake.source_bytes" in refused(app, "SELECT max(ssn) FROM claims.claim").message
        assert ask(app, "SELECT * FROM fraud.score", ROOT).num_rows == 2
        assert ask(app, "SELECT * FROM crm.customer", ROOT).num_rows == 3


def test_the_strictest_of_all_that_apply_holds(tmp_path: Path) -> None:
    limits = "  default: {rows: 3}\n  product:claims.claim: {rows: 2}\n  source:lake: {rows: 1}\n"
    with limited(tmp_path, limits) as app:
        assert ask(app, "SELECT claim_id FROM claims.claim LIMIT 1", ROOT).num_rows == 1
        refused(app, "SELECT claim_id FROM claims.claim LIMIT 2")
        refused(app, "SELECT range FROM range(4)")


def test_a_limit_of_a_part_that_may_not_be_known_names_nothing(tmp_path: Path) -> None:
    limits = "  source:crm_db: {rows: 1}\n  product:fraud.score: {rows: 1}\n"
    rules = "p, role:analyst, claims.*, read, allow\np, domain:claims, *, read, allow\n"
    with limited(tmp_path, limits, rules) as app:
        for sql in ("SELECT claim_id FROM claims.open", "SELECT claim_id FROM claims.risk"):
            told = str(refused(app, sql, ANA))
            assert "a part of it has a limit of its own" in told
            assert not any(word in told for word in ("crm", "fraud", "score", "source:", "product:"))
        for name in ("crm_db", "fraud.score"):
            assert not [
                row for row in rows(app, "SELECT given_by FROM system.limits", ANA) if name in str(row)
            ]


def test_a_failed_query_says_so_in_the_history(tmp_path: Path) -> None:
    with limited(tmp_path, "  role:root: {rows: 2}\n") as app:
        error = refused(app, "SELECT claim_id FROM claims.claim")
        (row,) = ask(
            app, "SELECT state, error, rows FROM system.queries WHERE sql LIKE '%claims.claim'", ROOT
        ).to_pylist()
        assert row == {"state": "failed", "error": str(error), "rows": 0}


# ── system.limits ────────────────────────────────────────────────────────────────────────────


def test_what_is_used_so_far_is_shown_as_far_as_one_may_know(tmp_path: Path) -> None:
    limits = "  default: {rows: 100000000, source_bytes: 1GB}\n  source:lake: {source_bytes: 2GB}\n"
    shown = "SELECT name, in_use FROM system.limits WHERE name IN ('rows', 'source_bytes') AND given_by = 'default'"
    with limited(tmp_path, limits) as app:
        sql = "SELECT a.claim_id FROM claims.claim a, range(1000000)"
        restricted = "SELECT a.name FROM crm.customer a, range(1000000)"
        with app.line.run(sql, ROOT, Session()) as answer, app.line.run(restricted, ANA, Session()) as other:
            batches, others = answer.batches(), other.batches()
            first, _ = next(batches), next(others)
            mine = dict(rows(app, shown, ROOT))
            assert mine["rows"] >= first.num_rows
            assert mine["source_bytes"] > 0
            hers = dict(rows(app, shown, ANA))
            assert hers["rows"] > 0
            assert hers["source_bytes"] is None  # it would count hidden rows
            assert dict(rows(app, shown, EVE)) == {"rows": None, "source_bytes": None}
        theirs = "SELECT value, given_by FROM system.limits WHERE given_by LIKE 'source:%'"
        assert rows(app, theirs, ROOT) == [(2e9, "source:lake")]
        assert rows(app, theirs, EVE) == []


# ── fabric.yaml ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (
            "product:claims.open: {running: 2}",
            "a product has no such limit; it may have seconds, rows, result_bytes",
        ),
        ("source:lake: {memory: 2GB}", "a source has no such limit"),
        ("source:lakes: {rows: 2}", "there is no source 'lakes'; did you mean 'lake'?"),
        ("product:claim.open: {rows: 2}", "there is no domain 'claim'; did you mean 'claims'?"),
        ("product:claims: {rows: 2}", "it is written product:<domain>.<name>"),
        ("product:claims.open@1: {rows: 2}", "it is written product:<domain>.<name>, without a version"),
        ("role:analyst: {memory: 1GB}", "memory is the engine's, which all share"),
        ("analyst: {rows: 2}", "did you mean 'role:analyst'?"),
    ],
)
def test_a_limit_that_could_never_hold_is_refused(tmp_path: Path, limits: str, told: str) -> None:
    with company(tmp_path, RULES):
        pass
    with (tmp_path / "fabric.yaml").open("a") as file:
        file.write(f'limits:\n  "{limits.partition(": ")[0]}": {limits.partition(": ")[2]}\n')
    with pytest.raises(InvalidConfig) as caught:
        load_project(tmp_path)
    assert told in caught.value.message
    assert "fabric.yaml:" in caught.value.message
