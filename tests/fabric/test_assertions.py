"""Estimates in EXPLAIN and ``ASSERT PUSHED``, over a real Postgres: what they say holds, and tells of no hidden row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from pydantic import TypeAdapter

import fabric.assertions as assertions
import fabric.reductions as reductions
import fabric.semi_joins as semi_joins
from fabric.errors import FabricError, NotPushed, NotSupported, SyntaxProblem
from fabric.explanation import Explanation
from fabric.parse import parse
from fabric.pipeline import Session
from fabric.types import Principal
from server.app import App, build
from server.demo.postgres import EmbeddedPostgres
from tests.fabric.project import ask, lines

FILES = {
    "users.yaml": "users: {}\n",
    "policies/federation.csv": "p, role:full, *, read, allow\np, role:reader, claims.*, read, allow\n"
    "p, role:knows, db.*, discover, allow\np, role:table, db.*, read, allow\n",
    "policies/claims.csv": "p3, role:eu, db.claim, region = 'EU'\np3, role:odd, db.claim, length(region) = 2\n"
    "p2, role:masked, db.claim, note, hash\np, domain:claims, db.claim, declassify, allow\n",
    "products/claims/all.sql": "SELECT c.*, k.label FROM db.claim c JOIN db.kind k USING (kind)",
    "products/claims/counts.sql": "/*---\nreads_as: domain\n---*/\nSELECT region, count(*) AS n FROM db.claim GROUP BY region",
    "data/note.csv": "claim_id,text\n1,a\n2,b\n",
}
FABRIC = """
name: acme
domains: {{claims: {{owner: "role:claims-owner"}}}}
sources:
  db: {{type: postgres, domain: claims, uri: "{uri}", schemas: [public]}}
  desk: {{type: local, domain: claims, uri: data/, tables: {{note: {{path: note.csv, format: csv}}}}}}
"""
SCHEMA = """
CREATE TABLE claim (claim_id bigint PRIMARY KEY, kind bigint, region text, note text);
CREATE TABLE kind (kind bigint PRIMARY KEY, label text);
CREATE TABLE party (claim_id bigint PRIMARY KEY, name text);
INSERT INTO party SELECT i, 'party ' || i FROM generate_series(1, 6000) i;
INSERT INTO kind SELECT i, 'kind ' || i FROM generate_series(0, 4) i;
INSERT INTO claim SELECT i, i % 5, CASE WHEN i % 50 = 0 THEN 'EU' ELSE 'US' END, 'note ' || i FROM generate_series(1, 5000) i;
ANALYZE;
"""
FEWER = "DELETE FROM claim WHERE region = 'US' AND claim_id > 40; ANALYZE;"


def who(*roles: str) -> Principal:
    return Principal("ana", frozenset(f"role:{role}" for role in roles))


FULL = who("full")


@dataclass(frozen=True)
class World:
    app: App
    postgres: EmbeddedPostgres


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("acme")
    with EmbeddedPostgres(folder / "postgres") as postgres, pytest.MonkeyPatch.context() as patched:
        patched.setattr(assertions, "LARGE_ROWS", 1_000)
        postgres.execute(SCHEMA)
        project = folder / "project"
        for name, text in {**FILES, "fabric.yaml": FABRIC.format(uri=postgres.uri)}.items():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_text(text, "utf-8")
        with closing(build(project)) as app:
            yield World(app, postgres)


def told(world: World, sql: str, person: Principal = FULL) -> Explanation:
    return TypeAdapter(Explanation).validate_json(lines(world.app, sql, person))


def outcome(app: App, sql: str, person: Principal, options: dict[str, str] | None = None) -> str:
    """How a statement ends: its error as it is shown, or nothing."""
    try:
        with app.line.run(sql, person, Session(options=options or {})) as answer:
            list(answer.batches())
    except FabricError as error:
        return str(error)
    return ""


# ── estimates ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("condition", "rows"),
    [("", 5_000), ("WHERE region = 'EU'", 100), ("WHERE claim_id <= 1000", 1_000), ("WHERE kind IN (1, 2)", 2_000)],
)  # fmt: skip
def test_an_estimate_stands_beside_what_was_sent(world: World, condition: str, rows: int) -> None:
    sql = f"SELECT note FROM db.claim {condition}"
    (scan,) = told(world, f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}").scans
    assert scan.estimate is not None
    assert scan.actual is not None
    assert (scan.actual.rows, scan.estimate.of) == (rows, 5_000)
    assert scan.estimate.rows == pytest.approx(rows, rel=0.2)
    assert scan.estimate.selectivity == pytest.approx(rows / 5_000, rel=0.2)
    assert scan.actual.bytes is not None
    assert 0.2 < scan.estimate.bytes / scan.actual.bytes < 5
    text = lines(world.app, f"EXPLAIN ANALYZE {sql}", FULL)
    assert re.search(r"estimate: [\d,]+ of 5,000 rows \([\d.]+%\), [\d,]+ bytes\n  did: ", text), text


_SECRETIVE = [
    ("table", "eu"), ("table", "odd"), ("table", "masked"), ("reader",), ("reader", "eu"), ("reader", "knows"),
    ("reader", "table", "eu"), ("reader", "table", "masked"), ("reader", "knows", "odd"),
]  # fmt: skip
_ASKED = [
    "SELECT claim_id FROM db.claim", "SELECT claim_id FROM db.claim WHERE claim_id < 100",
    "SELECT n FROM claims.counts WHERE region = 'US'", "SELECT count(*) FROM claims.counts",
    "SELECT note FROM claims.all", "SELECT note FROM claims.all WHERE region = 'US'",
    "SELECT label FROM claims.all WHERE claim_id IN (7, 8) ORDER BY claim_id LIMIT 1",
    "SELECT c.claim_id FROM db.claim c JOIN db.kind k USING (kind) WHERE k.label = 'kind 2'",
    "SELECT p.name FROM db.claim c JOIN db.party p USING (claim_id)",  # reduced by few claims, not by many
    "SELECT region, sum(claim_id) AS s FROM db.claim GROUP BY region", "SELECT label, sum(claim_id) AS s FROM claims.all GROUP BY label",
    "SELECT k.label, avg(c.claim_id) AS a FROM db.claim c JOIN db.kind k USING (kind) GROUP BY k.label",
]  # fmt: skip


def test_nothing_that_is_said_depends_on_hidden_rows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Estimates, sums instead of values, and whether an assertion fails, are the same when nearly all of the hidden rows are gone.

    The order of joins and semi-joins may change with them; neither may be told to these.
    """

    def everything() -> dict[tuple[object, ...], str]:
        said: dict[tuple[object, ...], str] = {}
        for roles in _SECRETIVE:
            for sql in _ASKED:
                for front in ("EXPLAIN ", "EXPLAIN (FORMAT JSON) ", "EXPLAIN (FORMAT MERMAID) "):
                    try:
                        said[roles, front, sql] = lines(world.app, front + sql, who(*roles))
                    except FabricError as error:
                        said[roles, front, sql] = str(error)
                said[roles, sql] = outcome(world.app, f"ASSERT PUSHED {sql}", who(*roles))
        return said

    for module in (reductions, semi_joins):
        monkeypatch.setattr(module, "_MANY_ROWS", 1_000)
    before = everything()
    for sql in _ASKED[-3:]:
        assert "rows that are equal but for claim_id once, with sums" in lines(
            world.app, f"EXPLAIN {sql}", FULL
        )
        assert not [
            said
            for roles, *_, one in before
            if one == sql and "sum" in (said := before[roles, "EXPLAIN ", one])
        ]
    world.postgres.execute(FEWER)
    world.app.catalog.refresh("db").result()
    try:
        assert "of 140 rows" in lines(world.app, "EXPLAIN SELECT claim_id FROM db.claim", FULL)
        after = everything()
    finally:
        world.postgres.execute("DROP TABLE claim, kind, party;" + SCHEMA)
        world.app.catalog.refresh("db").result()
    assert after == before
    documents = [text for text in before.values() if text.startswith("{")]
    scans = [scan for text in documents for scan in TypeAdapter(Explanation).validate_json(text).scans]
    assert len(scans) > 50
    assert {scan.estimate for scan in scans if scan.object == "db.public.claim"} == {None}


# ── ASSERT PUSHED ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT note FROM db.claim", "no condition of the statement is on it alone"),
        ("SELECT note FROM db.claim WHERE reverse(note) = 'x'", "REVERSE(note) = 'x' has no form"),
        ("SELECT note FROM db.claim WHERE claim_id + 1 = kind", "has no form that a source could take"),
        ("SELECT count(*) FROM claims.counts", "no condition"),
    ],
)
def test_a_large_scan_that_is_not_reduced_is_refused_before_it_runs(world: World, sql: str, why: str) -> None:
    with pytest.raises(NotPushed) as refused, world.app.line.run(f"ASSERT PUSHED {sql}", FULL, Session()):
        pass
    assert "'db.public.claim' is not reduced: " in refused.value.message.replace(
        "'db.claim'", "'db.public.claim'"
    )
    assert why in refused.value.message
    assert "EXPLAIN" in refused.value.hint
    assert outcome(world.app, sql, FULL) == ""


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT note FROM db.claim WHERE claim_id = 7",
        "SELECT note FROM db.claim LIMIT 3",
        "SELECT label FROM db.kind",
        "SELECT text FROM desk.note",
        "SELECT c.note FROM db.claim c JOIN db.kind k USING (kind) WHERE c.region = 'EU'",
        "WITH x AS (SELECT * FROM db.claim WHERE claim_id = ?) SELECT note FROM x",
        "SELECT 1",
        "SELECT name FROM system.sources",
    ],
)
def test_anything_else_answers_as_without_it(world: World, sql: str) -> None:
    values = [7] if "?" in sql else []
    assert ask(world.app, f"assert pushed {sql}", FULL, values) == ask(world.app, sql, FULL, values)


def test_it_may_be_said_for_a_session(world: World) -> None:
    said = {"assert_pushed": "on"}
    for sql in ("SELECT note FROM db.claim", "EXPLAIN ANALYZE SELECT note FROM db.claim"):
        assert "NOT_PUSHED" in outcome(world.app, sql, FULL, said)
        assert outcome(world.app, sql, FULL, {"assert_pushed": "off"}) == ""
    for sql in (
        "EXPLAIN SELECT note FROM db.claim",
        "DESCRIBE db.claim",
        "SHOW TABLES",
        "SELECT * FROM system.queries",
    ):
        assert outcome(world.app, sql, FULL, said) == ""
    off = {"assert_pushed": "on", "pushdown": "off"}
    assert "pushdown is off" in outcome(world.app, "SELECT note FROM db.claim WHERE claim_id = 7", FULL, off)


def test_of_what_is_restricted_only_one_s_own_conditions_count(world: World) -> None:
    """The rule ``region = 'EU'`` goes down and ``length(region) = 2`` does not: who is told of neither finds no difference."""
    bare, own = (
        "ASSERT PUSHED SELECT note FROM db.claim",
        "ASSERT PUSHED SELECT note FROM db.claim WHERE claim_id < 9",
    )
    for rule in ("eu", "odd"):
        refused = outcome(world.app, bare, who("table", rule))
        assert "no scan for 'db.claim' is reduced by a condition of the statement" in refused
        assert outcome(world.app, own, who("table", rule)) == ""
        assert "region" not in refused


def test_of_a_product_s_parts_no_name_is_told(world: World) -> None:
    refused = outcome(world.app, "ASSERT PUSHED SELECT note FROM claims.all", who("reader"))
    assert "no scan for 'claims.all'" in refused
    assert not re.search(r"db\b|kind|5,?000", refused)
    assert (
        outcome(world.app, "ASSERT PUSHED SELECT note FROM claims.all WHERE claim_id = 7", who("reader"))
        == ""
    )


def test_it_stands_in_front_of_a_query_only() -> None:
    assert (parse("ASSERT /* why */ PUSHED FROM a.b").kind, parse("SELECT 1").about) == ("query", "")
    for text in ("ASSERT PUSHED", "ASSERT PUSHED SHOW TABLES", "ASSERT PUSHED EXPLAIN SELECT 1", "ASSERT SELECT 1",
                 "EXPLAIN ASSERT PUSHED SELECT 1", "ASSERT PUSHED DESCRIBE a.b", "ASSERT PUSHED DROP VIEW a.b"):  # fmt: skip
        with pytest.raises((SyntaxProblem, NotSupported)):
            parse(text)
