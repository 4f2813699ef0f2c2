"""Which files are read before the joins are ordered; that no answer, and nothing told, depends on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

import fabric.ahead as ahead
from fabric.ahead import read_ahead
from fabric.execute import Answer
from fabric.guarded import GuardedSource
from fabric.join_graph import Edge
from fabric.pipeline import Session
from fabric.plan_outputs import Key
from fabric.predicates import Comparison, Predicate
from fabric.semi_joins import Reducible
from fabric.types import Column, ColumnStatistics, Principal, Scan, Table, TableName
from server.app import App, build


def _scan(name: str, rows: int, *predicates: Predicate, most: int | None = None) -> Reducible:
    bounds = ColumnStatistics(bounds=("1", str(most or rows)))
    columns = (Column("id", "BIGINT"), Column("part", "BIGINT"), Column("kind", "VARCHAR"))
    table = Table(
        TableName("lake", "main", name), columns, rows=rows, statistics={"id": bounds, "part": bounds}
    )
    return Reducible("lake", Scan(table, ("id", "part"), predicates, (), None))


def _edges(one: str, other: str, column: int = 0) -> list[Edge]:
    """Both directions of a join of one's ``id`` with a column of the other."""
    ours, theirs = Key(one, 0), Key(other, column)
    return [Edge(theirs, ours), Edge(ours, theirs)]


_KIND = Comparison("kind", "=", "steel")
_PART = _scan("part", 1_000, _KIND)
_LINE = _scan("line", 100_000, most=1_000)
_ORDER = _scan("order", 20_000)
_STAR = {"part": _PART, "line": _LINE, "order": _ORDER}
_JOINS = [*_edges("part", "line", 1), *_edges("order", "line")]


def test_the_small_filtered_side_of_a_large_join_is_read_first() -> None:
    assert read_ahead(_STAR, _JOINS, _STAR, ()) == {"part": ()}


@pytest.mark.parametrize(
    ("change", "files"),
    [
        ({"part": _scan("part", 1_000)}, _STAR),  # without a predicate, its rows are known
        ({"part": _scan("part", 90_000, _KIND)}, _STAR),  # not much smaller
        ({"part": _scan("part", 10**8, _KIND)}, _STAR),  # too large to hold
        ({"order": _scan("order", 10)}, _STAR),  # few lines are left anyway
        ({}, ("line", "order")),  # not a file
    ],
)
def test_what_is_not_read_first(change: dict[str, Reducible], files: tuple[str, ...]) -> None:
    assert read_ahead({**_STAR, **change}, _JOINS, files, ()) == {}


def test_keys_of_live_scans_with_few_rows_reduce_it() -> None:
    few, many = _scan("few", 10), _scan("many", 20_000)
    joins = [*_JOINS, *_edges("few", "part"), *_edges("many", "part")]
    (edges,) = read_ahead({**_STAR, "few": few, "many": many}, joins, ("part",), ("few", "many")).values()
    assert edges == (Edge(Key("part", 0), Key("few", 0)),)


def test_two_relations_have_no_order() -> None:
    assert not read_ahead({"part": _PART, "line": _LINE}, _edges("part", "line", 1), ("part",), ())


_DAY = _scan("day", 100)


@pytest.mark.parametrize(
    ("line", "day", "read"),
    [
        (_scan("line", 10**6), _DAY, True),
        (_scan("line", 90_000), _DAY, False),  # quick to read whole
        (_scan("line", 10**6), _scan("day", 20_000), False),  # too many keys
        (_scan("line", 10**6, most=200), _DAY, False),  # half of its rows would be left
        (_scan("line", 10**8, most=2_000), _DAY, False),  # more than can be held
    ],
)
def test_a_large_file_is_read_by_keys_that_duckdb_does_not_carry(
    line: Reducible, day: Reducible, read: bool
) -> None:
    every, edge = {"line": line, "day": day}, Edge(Key("line", 0), Key("day", 0))
    assert read_ahead(every, [edge], ("line",), ("day",), [edge]) == ({"line": (edge,)} if read else {})
    assert not read_ahead(every, [edge], ("line",), ("day",), []), "DuckDB carries them"
    assert not read_ahead(every, [edge], ("line",), (), [edge]), "nobody gives them in time"
    assert not read_ahead(every, [edge], (), ("day",), [edge]), "it is read twice"


_FABRIC = """
name: acme
domains: {stock: {owner: "role:stock"}}
sources:
  lake:
    type: local
    domain: stock
    uri: lake/
    tables:
      part: {path: part/*.parquet, format: parquet}
      line: {path: line/*.parquet, format: parquet}
      orders: {path: orders/*.parquet, format: parquet}
"""
_POLICIES = """p, role:all, *, read, allow
p, role:few, *, read, allow
p3, role:few, lake.part, id < 500
p3, role:few, lake.line, qty < 3
"""
_SQL = """SELECT o.day, count(*) AS n, sum(l.qty) AS qty
FROM lake.line l JOIN lake.part p ON p.id = l.part JOIN lake.orders o ON o.id = l.id
WHERE p.kind = 'kind 7' GROUP BY o.day ORDER BY o.day"""
_TABLES = {
    "part": "SELECT i AS id, 'kind ' || i % 100 AS kind FROM range(1000) t(i)",
    "line": "SELECT i % 20000 AS id, i * 7919 % 1000 AS part, i % 5 AS qty FROM range(100000) t(i)",
    "orders": "SELECT i AS id, DATE '2025-01-01' + (i % 10)::INTEGER AS day FROM range(20000) t(i)",
}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    for name, sql in _TABLES.items():
        (tmp_path / "lake" / name).mkdir(parents=True)
        duckdb.execute(f"COPY ({sql}) TO '{tmp_path / 'lake' / name / name}.parquet'")
    (tmp_path / "fabric.yaml").write_text(_FABRIC, "utf-8")
    (tmp_path / "users.yaml").write_text("users: {}\n", "utf-8")
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "federation.csv").write_text(_POLICIES, "utf-8")
    (tmp_path / "policies" / "stock.csv").write_text("", "utf-8")
    with closing(build(tmp_path)) as made:
        yield made


def _ask(app: App, sql: str, role: str) -> tuple[list[dict[str, object]], list[tuple[str, int]]]:
    with app.line.run(sql, Principal("ana", frozenset({role})), Session()) as answer:
        rows = pa.Table.from_batches(list(answer.batches()), schema=answer.schema).to_pylist()
        assert isinstance(answer, Answer)
        return rows, [(scan.object, scan.rows) for scan in answer.receipts()]


@pytest.mark.parametrize(("role", "rule"), [("role:all", "true"), ("role:few", "p.id < 500 AND l.qty < 3")])
def test_the_answer_is_that_of_plain_duckdb(
    app: App, role: str, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = list[int]()
    batches = GuardedSource.batches

    def seen(self: GuardedSource) -> Iterator[pa.RecordBatch]:
        for batch in batches(self):
            read.append(batch.num_rows)
            yield batch

    monkeypatch.setattr(GuardedSource, "batches", seen)
    rows, told = _ask(app, _SQL, role)
    assert read == [5 if role == "role:few" else 10]  # once, of part, and no row that is hidden
    plain = _SQL.replace("WHERE", f"WHERE {rule} AND")
    for name, sql in _TABLES.items():
        plain = plain.replace(f"lake.{name} ", f"({sql}) ")
    expected = duckdb.sql(plain)
    assert expected is not None
    assert rows == expected.to_arrow_table().to_pylist()
    monkeypatch.setattr(ahead, "_FEWEST_RELATIONS", 4)
    assert _ask(app, _SQL + ", 1", role) == (rows, told)  # nothing tells whether it was read first
