"""The history as SQL shows it: what is in it, how long, and what nobody but those whose it is may learn from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fabric.errors import FabricError
from fabric.pipeline import Session
from fabric.types import Principal
from server.app import App, build
from tests.policies.governed import ANA, BO, EVE, ask, company, rows
from tests.server.tiny import until

RULES = {
    "federation": """
p, role:auditor, system.queries, read, allow
p, role:auditor, system.scans, read, allow
p, role:auditor, system.usage, read, allow
p, role:reader, crm_db.customer, read, allow
p3, role:analyst, crm_db.customer, region = attr('region')
""",
}
AUD = Principal("aud", frozenset({"role:auditor"}))
CLAIMS = Principal("cleo", frozenset({"role:claims-owner"}))
CRM = Principal("cora", frozenset({"role:crm-owner"}))
RAW = Principal("ray", frozenset({"role:reader"}))

LAST = "FROM system.queries WHERE sql NOT LIKE '%system.%' ORDER BY queued_at DESC LIMIT 1"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with company(tmp_path, RULES) as made:
        yield made


# ── what is in it ────────────────────────────────────────────────────────────────────────────


def test_a_query_says_how_long_each_stage_took_and_what_was_decided(app: App) -> None:
    ask(app, "SELECT name FROM crm.customer", ANA)
    (row,) = ask(app, f"SELECT * {LAST}", ANA).to_pylist()
    assert (row["state"], row["rows"], row["error"], row["cache"]) == ("succeeded", 1, "", "")
    stages = [row["queue_seconds"], row["plan_seconds"], row["run_seconds"]]
    assert all(seconds >= 0 for seconds in stages)
    assert sum(stages) == pytest.approx((row["ended_at"] - row["queued_at"]).total_seconds(), abs=0.001)
    receipt = json.loads(row["receipt"])
    described = app.line.describe("SELECT name FROM crm.customer", ANA, Session())
    assert receipt == {"restricted": {"crm.customer": "rows"}, "policy": described.policy_version}
    assert row["policy_version"]


def test_a_scan_says_what_its_source_was_asked_to_the_letter(app: App) -> None:
    ask(app, "SELECT name FROM crm_db.customer WHERE customer_id = 10", RAW)
    (scan,) = ask(app, "SELECT * FROM system.scans", RAW).to_pylist()
    assert all(word in scan["asked"] for word in ('"name"', "customer", "WHERE", "10"))
    ask(app, "SELECT count(*) FROM claims.claim", ANA)
    assert "1 of 1: claim.csv" in {row[0] for row in rows(app, "SELECT asked FROM system.scans", AUD)}


def test_what_came_from_the_cache_says_so(app: App) -> None:
    for _ in range(2):
        ask(app, "SELECT amount FROM claims.claim", ANA)
    found = ask(
        app, "SELECT cache, rows FROM system.queries WHERE sql LIKE 'SELECT amount%' ORDER BY queued_at", ANA
    )
    assert found.to_pylist() == [{"cache": "", "rows": 4}, {"cache": "result", "rows": 4}]


def test_a_query_that_could_not_start_is_in_it(app: App) -> None:
    (app.config.directory / "lake" / "claim.csv").unlink()
    with (
        pytest.raises(FabricError) as refused,
        app.line.run("SELECT amount FROM claims.claim", ANA, Session()),
    ):
        pass
    (row,) = ask(app, f"SELECT state, error {LAST}", ANA).to_pylist()
    assert row == {"state": "failed", "error": str(refused.value)}


def test_it_outlives_the_server(tmp_path: Path) -> None:
    with company(tmp_path, RULES) as app:
        ask(app, "SELECT name FROM crm.customer", ANA)
    with closing(build(tmp_path)) as again:
        assert ask(again, f"SELECT sql {LAST}", ANA)["sql"].to_pylist() == ["SELECT name FROM crm.customer"]
        assert ask(again, "SELECT * FROM system.scans", ANA).num_rows == 1
        assert ask(again, "SELECT queries FROM system.usage", ANA).num_rows == 1


@pytest.mark.parametrize("history", ["{queries: 3}", "{keep: 1ms}"])
def test_no_more_is_kept_than_is_said(tmp_path: Path, history: str) -> None:
    with company(tmp_path, RULES):
        pass
    with (tmp_path / "fabric.yaml").open("a") as file:
        file.write(f"history: {history}\n")
    with closing(build(tmp_path)) as app:
        for number in range(10):
            ask(app, f"SELECT {number}", ANA)
            app.journal._forgot = 0.0
        until(lambda: len(app.journal.queries(None)) == (3 if "queries" in history else 0))


# ── who sees what ────────────────────────────────────────────────────────────────────────────


def everything(app: App, who: Principal) -> str:
    """All that the tables of the history tell somebody, as one text; without what that was asked with."""
    tables = ("queries", "scans", "usage")
    return str([ask(app, f"SELECT * FROM system.{name}", who).to_pylist() for name in tables])


def test_nobody_learns_of_others_queries(app: App) -> None:
    secret = "SELECT 'sesame' FROM crm_db.customer WHERE name <> 'tulip'"
    ask(app, secret, RAW)
    for other in (ANA, BO, EVE, CLAIMS):
        told = everything(app, other)
        assert not any(word in told for word in ("sesame", "tulip", "ray", "crm_db"))
        for trick in (
            "SELECT count(*) FROM system.queries WHERE user = 'ray'",
            "SELECT count(*) FROM system.scans WHERE object LIKE 'crm_db%'",
            "SELECT coalesce(sum(queries), 0) FROM system.usage WHERE user = 'ray'",
        ):
            assert rows(app, trick, other) == [(0,)]
    assert "sesame" in everything(app, AUD)


def test_of_what_is_restricted_nobody_sees_text_or_counts_of_a_source(app: App) -> None:
    ask(app, "SELECT name FROM crm.customer", ANA)
    (scan,) = ask(app, "SELECT * FROM system.scans", ANA).to_pylist()
    hidden = ("source", "object", "pushed", "bytes", "requests", "cache", "asked")
    assert {scan[key] for key in hidden} == {None}
    told = everything(app, ANA)
    assert not any(word in told for word in ("crm_db", "region", "'EU'"))
    # Three rows were hidden or shown; the sums of her own use tell neither.
    (used,) = [row for row in ask(app, "SELECT * FROM system.usage", ANA).to_pylist()]
    assert (used["object"], used["queries"], used["rows"], used["bytes"], used["requests"]) == (
        "crm.customer", 1, None, None, None,
    )  # fmt: skip
    whole = str(ask(app, "SELECT asked FROM system.scans", AUD).to_pylist())
    assert "customer" in whole


def test_a_right_that_was_lost_takes_the_past_along(app: App) -> None:
    ask(app, "SELECT name FROM crm_db.customer", RAW)
    assert "crm_db" in str(ask(app, "SELECT object, asked FROM system.scans", RAW).to_pylist())
    without = replace(RAW, roles=frozenset())
    assert ask(app, "SELECT object, asked FROM system.scans", without).to_pylist() == [
        {"object": None, "asked": None}
    ]
    assert rows(app, "SELECT object FROM system.usage", without) == []


def test_no_secret_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUNTER", "hunter2-of-acme-and-more")
    with company(tmp_path, RULES):
        pass
    text = (tmp_path / "fabric.yaml").read_text()
    (tmp_path / "fabric.yaml").write_text(text + "key: ${env:HUNTER}\n")
    with closing(build(tmp_path)) as app:
        ask(app, "SELECT name FROM crm_db.customer WHERE name = 'hunter2-of-acme-and-more'", RAW)
        told = str([app.journal.queries(None), app.journal.scans(None)])
        assert "***" in told
        assert "hunter2" not in told


# ── who uses my product ──────────────────────────────────────────────────────────────────────

USED = "SELECT object, user, named, queries, failed FROM system.usage ORDER BY object, user, named"


def test_an_owner_sees_who_uses_what_is_theirs(app: App) -> None:
    ask(app, "SELECT claim_id, name FROM claims.open", ANA)
    ask(app, "SELECT claim_id, name FROM claims.open WHERE amount > 0", ANA)
    ask(app, "SELECT name FROM crm.customer", BO)
    assert [tuple(row.values()) for row in ask(app, USED, CRM).to_pylist()] == [
        ("crm.customer", "ana", False, 2, 0),
        ("crm.customer", "bo", True, 1, 0),
        ("crm_db.customer", "ana", False, 2, 0),
        ("crm_db.customer", "bo", False, 1, 0),
    ]
    # Of claims.open its owner sees what claims' own source did, and nothing of the customers beneath.
    assert [tuple(row.values()) for row in ask(app, USED, CLAIMS).to_pylist()] == [
        ("claims.open", "ana", True, 2, 0),
        ("lake.claim", "ana", False, 2, 0),
    ]
    took = {
        row["object"]: (row["rows"] if "crm" in row["object"] else "files", row["bytes"] > 0)
        for row in ask(app, "SELECT * FROM system.usage", AUD).to_pylist()
        if row["user"] == "ana"
    }
    assert took == {
        "claims.open": ("files", True),
        "lake.claim": ("files", True),
        "crm.customer": (2, True),
        "crm_db.customer": (2, True),
    }
    assert "crm" not in everything(app, CLAIMS)


def test_what_a_row_rule_reads_is_in_no_users_use(tmp_path: Path) -> None:
    rules = {"crm": "p3, role:analyst, crm.customer, region IN (SELECT region FROM crm_db.territory)\n"}
    with company(tmp_path, rules) as app:
        ask(app, "SELECT count(*) FROM crm.customer", ANA)
        assert [row[0] for row in rows(app, USED, ANA)] == ["crm.customer"]
        assert "crm_db.territory" in {row[0] for row in rows(app, USED, CRM)}


def test_failures_are_counted(app: App) -> None:
    (app.config.directory / "lake" / "claim.csv").unlink()
    with pytest.raises(FabricError), app.line.run("SELECT amount FROM claims.claim", ANA, Session()):
        pass
    assert ("claims.claim", "ana", True, 1, 1) in rows(app, USED, CLAIMS)


def test_products_say_how_much_they_are_used(app: App) -> None:
    for who in (ANA, ANA, BO):
        ask(app, "SELECT count(*) FROM crm.customer", who)
    ask(app, "SELECT count(*) FROM claims.open", ANA)
    app.state.flush()
    counted = "SELECT domain || '.' || name, queries, users FROM system.products WHERE queries > 0"
    until(lambda: rows(app, counted, BO) == [("claims.open", 1, 1), ("crm.customer", 4, 2)])
    assert rows(app, counted, EVE) == []
