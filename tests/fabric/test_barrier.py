"""The barrier: in DuckDB's own plan of what runs, no expression that can raise stands below a rule's filter.

Of a statement in which something may raise, DuckDB's plan has, from the top: the user's expression, the limit, the
rule's filter, the scan. Of one in which nothing may, there is no limit. A live scan is restricted in a statement of
its own, of which the one above reads the result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from fabric.errors import InvalidValue
from fabric.execute import Answer
from fabric.pipeline import Session
from fabric.types import Principal
from tests.policies.governed import App, ask, company, rows

_CLAIMS = """
p3, role:file,     lake.claim,    region = 'EU'
p3, role:raising,  lake.claim,    CAST(note AS INTEGER) < 100
p3, role:product,  claims.claim,  region = 'EU'
p3, role:both,     lake.claim,    claim_id < 4
p3, role:both,     claims.claim,  region = 'EU'
p2, role:mask,     claims.claim,  note, first(1)
"""
_CRM = """
p3, role:live,     crm_db.customer, region = 'EU'
p3, role:over,     crm.customer,    region = 'EU'
"""
_FEDERATION = """
p, role:analyst, lake.*, read, allow
p3, role:part,   claims.claim, region IN (SELECT region FROM crm_db.territory WHERE keeper = 'ana')
p3, role:deep,   claims.deep,  region IN (SELECT region FROM crm_db.territory WHERE keeper = 'ana')
"""
_RAISING = "CAST(note AS INTEGER) = 12"
_LIMIT = "9223372036854775807"

# Name, and what it says, of each operator on the way from the top to each scan.
Path = list[tuple[str, str]]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    rules = {"federation": _FEDERATION, "claims": _CLAIMS, "crm": _CRM}
    products = {"claims/deep": "SELECT * FROM claims.claim WHERE claim_id > 0"}
    with company(tmp_path_factory.mktemp("acme"), rules, products) as made:
        assert made.governor.errors() == ()
        yield made


def who(*roles: str) -> Principal:
    return Principal("ana", frozenset({"role:analyst", *(f"role:{role}" for role in roles)}))


def started(app: App, sql: str, *roles: str) -> Answer:
    answer = app.line.run(sql, who(*roles), Session())
    assert isinstance(answer, Answer)
    return answer


def paths(app: App, sql: str, *roles: str) -> list[Path]:
    """DuckDB's plan of what runs, for the statement as it was composed."""
    with started(app, sql, *roles) as answer:
        found = answer._cursor.sql(f"EXPLAIN (FORMAT JSON) {answer.executed}").fetchall()
        return list(_paths(json.loads(found[0][1])[0], []))


def _paths(node: dict[str, Any], above: Path) -> Iterator[Path]:
    here = [*above, (node["name"].strip().upper().replace(" ", "_"), json.dumps(node["extra_info"]))]
    if not node["children"]:
        yield here
    for child in node["children"]:
        yield from _paths(child, here)


def place(path: Path, name: str, said: str) -> int:
    """How far from the top an operator stands; -1 where there is none."""
    return next((n for n, (found, info) in enumerate(path) if name in found and said in info), -1)


def only_columns(below: Path) -> bool:
    """Whether nothing is computed there but filters: each projection is a column, by name or by number."""
    projections = [json.loads(info)["Projections"] for name, info in below if name == "PROJECTION"]
    items = [item for found in projections for item in ([found] if isinstance(found, str) else found)]
    return all(re.fullmatch(r"#\d+|\w+", item) for item in items) and not any(
        "CAST(note" in i for _, i in below
    )


def to_scan(found: list[Path], name: str) -> Path:
    (path,) = [path for path in found if name in path[-1][0]]
    return path


# ── file scans ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("sql", "operator", "said"),
    [
        (f"SELECT claim_id FROM {{}} WHERE {_RAISING}", "FILTER", "note"),
        ("SELECT CAST(note AS INTEGER) FROM {}", "PROJECTION", "note"),
        ("SELECT sum(CAST(note AS INTEGER)) FROM {} GROUP BY region", "PROJECTION", "note"),
        ("SELECT claim_id FROM {} WHERE CAST(note AS INTEGER) IN (12, 34, 5, 6, 7, 8)", "HASH_JOIN", "note"),
        ("SELECT c.claim_id FROM {} c JOIN range(100) r(n) ON CAST(c.note AS INTEGER) = r.n", "HASH_JOIN", "note"),
        ("SELECT claim_id FROM {} ORDER BY CAST(note AS INTEGER)", "PROJECTION", "note"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("name", "role"), [("lake.claim", "file"), ("claims.claim", "file")])
def test_over_a_file_the_limit_stands_between_the_rule_and_what_may_raise(
    app: App, name: str, role: str, sql: str, operator: str, said: str
) -> None:
    path = to_scan(paths(app, sql.format(name), role), "READ_CSV")
    raising, limit, rule = (
        place(path, operator, said),
        place(path, "LIMIT", _LIMIT),
        place(path, "FILTER", "region"),
    )
    assert 0 <= raising < limit < rule < len(path) - 1
    assert only_columns(path[limit:])
    assert ask(app, sql.format(name), who(role)).num_rows > 0  # the hidden row's note is no number


def test_a_conjunct_that_cannot_raise_stands_below_the_limit_too(app: App) -> None:
    """What cannot raise may meet hidden rows: so files are pruned by it."""
    sql = f"SELECT claim_id FROM claims.claim WHERE claim_id = 1 AND {_RAISING}"
    path = to_scan(paths(app, sql, "file"), "READ_CSV")
    below = path[place(path, "LIMIT", _LIMIT) :]
    assert any("claim_id = 1" in info for _, info in below)
    assert not any("note" in info and "CAST" in info for _, info in below)


def test_a_rule_that_may_raise_itself_needs_the_limit_of_a_harmless_statement_too(app: App) -> None:
    """Its TRY makes false of what raises; only what stands above could raise, and does not."""
    assert rows(app, "SELECT claim_id FROM claims.claim WHERE note > ''", who("raising")) == [
        (1,),
        (3,),
        (4,),
    ]
    path = to_scan(paths(app, f"SELECT claim_id FROM claims.claim WHERE {_RAISING}", "raising"), "READ_CSV")
    assert place(path, "LIMIT", _LIMIT) > place(path, "FILTER", "note") >= 0


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT claim_id FROM claims.claim WHERE note = '12'",
        "SELECT upper(note), count(*) FROM claims.claim GROUP BY ALL",
        "SELECT claim_id FROM claims.claim WHERE TRY_CAST(note AS INTEGER) = 12",
        "SELECT count(*) FROM claims.claim",
        "SELECT c.claim_id FROM claims.claim c JOIN fraud.score s USING (claim_id)",
    ],
)
@pytest.mark.parametrize("role", ["file", "product", "both"])
def test_a_statement_that_cannot_raise_has_no_limit(app: App, role: str, sql: str) -> None:
    with started(app, sql, role) as answer:
        assert _LIMIT not in answer.executed
        assert not answer.plan.barriers


def test_without_a_rule_there_is_no_limit(app: App) -> None:
    for roles in ((), ("mask",), ("live",)):
        with started(
            app, "SELECT claim_id FROM claims.claim WHERE claim_id / 2 > length(note)", *roles
        ) as answer:
            assert _LIMIT not in answer.executed


# ── products ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("role", ["product", "part"])
def test_over_a_product_the_limit_stands_there_too(app: App, role: str) -> None:
    sql = f"SELECT claim_id FROM claims.claim WHERE {_RAISING}"
    path = to_scan(paths(app, sql, role), "READ_CSV")
    raising, limit = place(path, "FILTER", "CAST(note"), place(path, "LIMIT", _LIMIT)
    assert 0 <= raising < limit
    assert only_columns(path[limit:])
    assert rows(app, sql, who(role)) == [(1,)]


def test_of_a_product_on_a_restricted_file_both_have_one(app: App) -> None:
    sql = f"SELECT claim_id FROM claims.claim WHERE {_RAISING}"
    with started(app, sql, "both") as answer:
        assert answer.executed.count(f"LIMIT {_LIMIT}") == 2
    path = to_scan(paths(app, sql, "both"), "READ_CSV")
    assert [name for name, info in path if "LIMIT" in name and _LIMIT in info] == ["STREAMING_LIMIT"] * 2


@pytest.mark.parametrize("role", ["part", "deep"])
def test_a_body_that_may_raise_is_held_off_the_rows_beneath_it(app: App, role: str) -> None:
    assert rows(app, f"SELECT claim_id FROM claims.deep WHERE {_RAISING}", who(role)) == [(1,)]


def test_the_limit_holds_a_masks_relation_too(app: App) -> None:
    sql = "SELECT claim_id FROM claims.claim WHERE CAST(left(note, 1) AS INTEGER) = 1"
    assert rows(app, sql, who("mask", "part")) == [(1,)]


# ── live scans ───────────────────────────────────────────────────────────────────────────────


def test_a_live_scan_has_no_limit_and_a_statement_of_its_own(app: App) -> None:
    sql = "SELECT name FROM crm.customer WHERE CAST(customer_id AS VARCHAR)::INTEGER = 10"
    with started(app, sql, "live") as answer:
        assert not answer.plan.barriers
        assert _LIMIT not in answer.executed
        assert "'EU'" not in answer.executed
        (read,) = answer.plan.reads
        own = answer.plan.guarded_sql(read, {})  # type: ignore[arg-type]
        assert "region = " in own
        assert "'EU'" in own
        assert "::INTEGER" not in own
        assert "CAST(customer_id" not in own
        assert f'"{read.relation.id}_g"' in answer.executed
        assert f'"{read.relation.id}_t"' not in answer.executed
        assert f'"{read.relation.id}_t"' in own


def test_a_product_with_a_rule_over_a_live_scan_has_the_limit(app: App) -> None:
    sql = "SELECT CAST(name AS INTEGER) FROM crm.customer"
    path = to_scan(paths(app, sql, "over"), "ARROW_SCAN")
    assert (
        0
        <= place(path, "PROJECTION", "CAST(name")
        < place(path, "LIMIT", _LIMIT)
        < place(path, "FILTER", "= 'EU'")
    )
    with pytest.raises(InvalidValue):
        ask(app, sql, who("over"))


def test_an_unread_part_tells_nothing(app: App) -> None:
    """DuckDB makes no plan of what nothing depends on, and no source is asked."""
    assert rows(app, "SELECT CAST(name AS INTEGER) FROM crm.customer WHERE false", who("live")) == []
