"""Rows that no source counts: a whole read tells how many there are, a part of it does not, and nobody is told who may not know."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from fabric.errors import FabricError
from fabric.explanation import Explanation
from fabric.pipeline import Session
from fabric.row_counts import carried, with_rows
from fabric.types import Column, Principal, Table, TableName
from server.app import App, build
from server.demo.http import EmbeddedHttp, Filter
from server.demo.postgres import EmbeddedPostgres
from tests.fabric.project import ask, lines

_FABRIC = """
name: acme
domains: {{claims: {{owner: "role:claims"}}, risk: {{owner: "role:risk"}}}}
sources:
  db: {{type: postgres, domain: claims, uri: "{postgres}", schemas: [public]}}
  book: {{type: adbc, domain: claims, driver: adbc_driver_sqlite, dialect: sqlite, options: {{uri: book.db}}}}
  fraud:
    type: http
    domain: risk
    uri: {http}
    tables:
      score: &score
        path: /scores
        records: $.items
        columns: {{claim_id: BIGINT, score: BIGINT, region: VARCHAR}}
        params: {{claim_id: {{op: in, max_values: 100}}, region: {{exact: false}}}}
        pagination: {{type: cursor, param: cursor, next: $.next}}
      score_of: {{<<: *score, params: {{claim_id: {{op: in, max_values: 100, required: true}}}}}}
      told: {{<<: *score, path: /told, pagination: {{type: page, param: page, total: $.total}}}}
"""
_POLICIES = """p, role:all, *, read, allow
p, role:north, *, read, allow
p3, role:north, fraud.*, reverse(region) = 'htron'
"""
ALL = Principal("ana", frozenset({"role:all"}))
NORTH = Principal("nora", frozenset({"role:north"}))
SCORES, CLAIMS = 20_000, 1_500


@dataclass
class World:
    app: App
    http: EmbeddedHttp
    postgres: EmbeddedPostgres

    def score(self, rows: int) -> None:
        """Have the API hold so many scores, four of them north."""
        made = [
            {"claim_id": n, "score": n % 10, "region": "north" if n < 4 else "south"} for n in range(rows)
        ]
        filters = {"claim_id": Filter("claim_id", "in"), "region": Filter("region")}
        self.http.table("/scores", made, size=2_000, filters=filters)
        self.http.table("/told", made, "page", size=2_000, filters=filters)

    def known(self, table: str) -> int | None:
        """The rows of which EXPLAIN tells, to somebody who reads them all."""
        text = lines(self.app, f"EXPLAIN (FORMAT JSON) SELECT * FROM {table}", ALL)
        (scan,) = TypeAdapter(Explanation).validate_json(text).scans
        return scan.estimate.of if scan.estimate else None


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedHttp, EmbeddedPostgres]]:
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres")) as postgres, EmbeddedHttp() as http:
        postgres.execute(
            f"CREATE TABLE claim AS SELECT i AS claim_id, 'claim ' || i AS note FROM generate_series(1, {CLAIMS}) i; "
            "ANALYZE claim; "
            "CREATE TABLE party AS SELECT i AS party_id FROM generate_series(1, 60000) i; ANALYZE party; "
            "CREATE TABLE fresh WITH (autovacuum_enabled = off) AS SELECT i FROM generate_series(1, 70) i"
        )
        yield http, postgres


@pytest.fixture
def world(tmp_path: Path, servers: tuple[EmbeddedHttp, EmbeddedPostgres]) -> Iterator[World]:
    http, postgres = servers
    (tmp_path / "fabric.yaml").write_text(_FABRIC.format(http=http.uri, postgres=postgres.uri), "utf-8")
    (tmp_path / "users.yaml").write_text("users: {}\n", "utf-8")
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "federation.csv").write_text(_POLICIES, "utf-8")
    with closing(sqlite3.connect(tmp_path / "book.db")) as database, database:
        database.execute("CREATE TABLE entry (entry_id INTEGER)")
        database.executemany("INSERT INTO entry VALUES (?)", [(n,) for n in range(300)])
    with closing(build(tmp_path)) as app:
        made = World(app, http, postgres)
        made.score(SCORES)
        http.seen.clear()
        yield made


# ── what is counted, and what is not ─────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("table", "rows"), [("fraud.score", SCORES), ("book.main.entry", 300), ("db.fresh", 70)]
)
def test_a_whole_read_tells_how_many_rows_a_table_has(world: World, table: str, rows: int) -> None:
    assert world.known(table) is None
    ask(world.app, f"SELECT * FROM {table}", ALL)
    assert world.known(table) == rows


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM fraud.score WHERE claim_id IN (1, 2)",  # a parameter, honoured exactly
        "SELECT * FROM fraud.score WHERE region = 'north'",  # one that is not, so that it is not taken
        "SELECT * FROM fraud.score LIMIT 2500",
        "SELECT * FROM fraud.score JOIN db.claim c USING (claim_id) WHERE c.claim_id < 4",  # by two keys
        "SELECT * FROM fraud.score JOIN db.claim c USING (claim_id) WHERE c.claim_id < 0",  # nobody is asked
        "SELECT * FROM fraud.score_of s JOIN book.main.entry b ON s.claim_id = b.entry_id",
        "SELECT * FROM fraud.told WHERE claim_id = 7",
    ],
)
def test_a_part_of_it_tells_nothing(world: World, sql: str) -> None:
    ask(world.app, sql, ALL)
    for table in ("fraud.score", "fraud.score_of", "fraud.told"):
        text = lines(world.app, f"EXPLAIN SELECT * FROM {table} WHERE claim_id = 1", ALL)
        assert "estimate" not in text, text


def test_a_read_that_fails_on_its_way_tells_nothing(world: World) -> None:
    table, asked = world.http.endpoints["/scores"], len(world.http.seen)
    world.http.endpoints["/scores"] = type(table)([*table.rows, {"claim_id": "no number"}], "cursor", 2_000)
    with pytest.raises(FabricError):
        ask(world.app, "SELECT * FROM fraud.score", ALL)
    assert len(world.http.seen) - asked > 5
    assert world.known("fraud.score") is None


def test_a_condition_that_the_source_never_hears_of_takes_no_row_away(world: World) -> None:
    assert ask(world.app, "SELECT * FROM fraud.score WHERE score % 7 = 8", ALL).num_rows == 0
    assert world.known("fraud.score") == SCORES


def test_a_declared_total_is_known_from_the_first_page(world: World) -> None:
    assert ask(world.app, "SELECT * FROM fraud.told LIMIT 1", ALL).num_rows == 1
    assert len(world.http.seen) == 1
    assert world.known("fraud.told") == SCORES


def test_what_a_source_counts_itself_stays(world: World) -> None:
    world.postgres.execute("INSERT INTO claim SELECT -i, '' FROM generate_series(1, 900) i")
    try:
        assert ask(world.app, "SELECT * FROM db.claim", ALL).num_rows == CLAIMS + 900
        assert world.known("db.claim") == CLAIMS
    finally:
        world.postgres.execute("DELETE FROM claim WHERE claim_id < 0")


def test_it_is_known_until_a_read_says_otherwise(world: World) -> None:
    ask(world.app, "SELECT * FROM fraud.score", ALL)
    stamp = world.app.catalog.stamp()
    world.score(SCORES + 100)
    ask(world.app, "SELECT * FROM fraud.score", ALL)
    world.app.catalog.refresh("fraud").result()
    assert world.known("fraud.score") == SCORES
    assert world.app.catalog.stamp().holds(stamp), "every plan would be made anew"
    world.score(100)
    ask(world.app, "SELECT * FROM fraud.score", ALL)
    assert world.known("fraud.score") == 100


def test_numbers() -> None:
    table = Table(TableName("a", "main", "t"), (Column("id", "BIGINT"),))
    assert with_rows(table, 0).rows == 0
    assert with_rows(with_rows(table, 0), 1).rows == 1
    listed = {("main", "t"): table, ("main", "new"): table}
    assert [each.rows for each in carried(listed, {("main", "t"): with_rows(table, 9)}).values()] == [9, None]


# ── what it is good for ──────────────────────────────────────────────────────────────────────


def test_a_join_is_reduced_once_the_size_is_known(world: World) -> None:
    """1,500 keys are too many for a table of the 5,000 rows that are taken for granted, and few for one of 20,000."""
    sql = "SELECT count(*) AS n, sum(s.score) AS total FROM db.claim c JOIN fraud.score s USING (claim_id)"
    first = ask(world.app, sql, ALL)
    assert len(world.http.seen) == SCORES // 2_000
    assert not any("claim_id=" in path for path in world.http.seen)
    world.http.seen.clear()
    assert ask(world.app, sql, ALL).equals(first)
    assert len(world.http.seen) == CLAIMS // 100
    assert all(path.count("claim_id=") == 100 for path in world.http.seen)


def test_a_small_api_gives_its_keys_to_a_large_table(world: World) -> None:
    world.score(40)
    sql = "SELECT count(p.party_id) AS n FROM fraud.score s JOIN db.party p ON s.claim_id = p.party_id"
    asked = []
    for _ in range(2):
        with world.app.line.run(sql, ALL, Session()) as answer:
            assert [row for batch in answer.batches() for row in batch.to_pylist()] == [{"n": 39}]
            asked.append({scan.object: scan.rows for scan in answer.receipts()}["db.public.party"])
    assert asked == [60_000, 39]


# ── what it may not tell ─────────────────────────────────────────────────────────────────────

_ASKED = [
    "SELECT claim_id FROM fraud.score", "SELECT claim_id FROM fraud.score WHERE score < 3",
    "SELECT c.note FROM fraud.score s JOIN db.claim c USING (claim_id)",
    "SELECT c.note FROM fraud.score s JOIN db.claim c USING (claim_id) WHERE c.claim_id < 100",
    "SELECT e.entry_id FROM fraud.score s JOIN book.main.entry e ON s.claim_id = e.entry_id",
    "SELECT note FROM db.claim WHERE claim_id IN (SELECT claim_id FROM fraud.score)",
]  # fmt: skip


def test_how_many_rows_are_hidden_is_not_told(world: World) -> None:
    """Neither by an estimate, nor by what is shown of a relation whose reduction rests on it; whoever read it before."""

    def everything() -> dict[str, str]:
        said = {}
        for sql in _ASKED:
            for front in ("EXPLAIN ", "EXPLAIN (FORMAT JSON) ", "EXPLAIN (FORMAT MERMAID) "):
                said[front + sql] = lines(world.app, front + sql, NORTH)
            try:
                said[sql] = str(ask(world.app, f"ASSERT PUSHED {sql}", NORTH).num_rows)
            except FabricError as error:
                said[sql] = str(error)
        return said

    before = everything()
    own = ask(world.app, "SELECT * FROM fraud.score", NORTH)
    assert own.num_rows == 4
    assert everything() == before, "what she read whole herself, hidden rows included"
    assert world.known("fraud.score") == SCORES
    world.score(30)
    ask(world.app, "SELECT * FROM fraud.score", ALL)
    assert world.known("fraud.score") == 30
    assert everything() == before, "a number of hidden rows"
