"""Subqueries that are answered before the statement: which, for whom, and that the answer is the same."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import duckdb
import pyarrow as pa
import pytest

import fabric.ahead as ahead
import fabric.asides as asides
import fabric.dynamic_filters as dynamic_filters
from fabric.errors import FabricError
from fabric.execute import Answer
from fabric.pipeline import Session
from fabric.reads import LiveRead
from fabric.types import Principal
from server.app import App, build
from server.demo.http import EmbeddedHttp, Filter

_FABRIC = """
name: acme
domains: {sales: {owner: "role:sales"}}
sources:
  lake: {type: local, domain: sales, uri: lake/, tables: {line: {path: line.csv, format: csv}, part: {path: part.csv, format: csv}}}
  book: {type: adbc, domain: sales, driver: adbc_driver_sqlite, dialect: sqlite, options: {uri: book.db}}
"""
_OWNERS = """
name: acme
domains: {{sales: {{owner: "role:sales"}}}}
sources:
  lake: {{type: local, domain: sales, uri: ., tables: {{line: {{path: line.csv, format: csv, columns: {{owner: UUID}}}}}}}}
  api:
    type: http
    domain: sales
    uri: {uri}
    auth: {{bearer: hush}}
    tables:
      owner:
        path: /owners
        records: $.items
        columns: {{id: UUID, n: BIGINT}}
        params: {{id: {{name: id, op: in, max_values: 10}}}}
        pagination: {{type: cursor, param: cursor, next: $.next}}
"""
_POLICIES = """p, role:all, *, read, allow
p, role:north, *, read, allow
p3, role:north, lake.line, region = 'north'
p3, role:north, book.main.orders, day < 4
"""
ALL, NORTH = Principal("ana", frozenset({"role:all"})), Principal("nora", frozenset({"role:north"}))
_RULES = {"ana": ("true", "true"), "nora": ("region = 'north'", "day < 4")}
_TABLES = {
    "orders": "SELECT i AS order_no, i % 5 AS day FROM range(400) t(i)",
    "line": "SELECT i * 7 % 400 AS order_no, i % 9 AS qty, CASE WHEN i % 3 = 0 THEN 'south' ELSE 'north' END AS region FROM range(1000) t(i)",
    "part": "SELECT i * 11 % 400 AS order_no, i % 4 AS kind FROM range(50) t(i)",
}
_BIG = "SELECT order_no FROM {line} GROUP BY order_no HAVING sum(qty) > 12"
_FIRST = {
    "in": "SELECT o.order_no, o.day FROM {orders} o WHERE o.order_no IN (" + _BIG + ")",
    "beside a join": "SELECT o.order_no, sum(l.qty) AS q FROM {orders} o JOIN {line} l USING (order_no) "
    "WHERE o.day > 1 AND (o.order_no IN (" + _BIG + ")) GROUP BY o.order_no",
    "of a join": "SELECT o.order_no FROM {orders} o WHERE o.order_no IN (SELECT l.order_no FROM {line} l "
    "JOIN {part} p USING (order_no) GROUP BY l.order_no HAVING count(*) > 1)",
    "of none": "SELECT o.order_no FROM {orders} o WHERE o.order_no IN (SELECT order_no FROM {line} GROUP BY order_no HAVING sum(qty) > 999)",
}
_NOT = {
    "not in": "SELECT o.order_no FROM {orders} o WHERE o.order_no NOT IN (" + _BIG + ")",
    "or": "SELECT o.order_no FROM {orders} o WHERE o.order_no IN (" + _BIG + ") OR o.day = 1",
    "shown": "SELECT o.order_no, o.order_no IN (" + _BIG + ") AS big FROM {orders} o",
    "correlated": "SELECT o.order_no FROM {orders} o WHERE o.order_no IN "
    "(SELECT l.order_no FROM {line} l GROUP BY l.order_no HAVING sum(l.qty) > o.day)",
    "an outer join": "SELECT p.kind, o.order_no FROM {part} p LEFT JOIN {orders} o ON p.order_no = o.order_no "
    "AND o.order_no IN (" + _BIG + ")",
    "of the moment": "SELECT o.order_no FROM {orders} o WHERE o.order_no IN "
    "(SELECT order_no FROM {line} GROUP BY order_no HAVING sum(qty) > 12 AND now() > TIMESTAMPTZ '2000-01-01')",
    "without having": "SELECT o.order_no FROM {orders} o WHERE o.order_no IN (SELECT order_no FROM {line} WHERE qty > 7)",
    "of a live scan": "SELECT o.order_no FROM {orders} o WHERE o.order_no IN "
    "(SELECT order_no FROM {orders} GROUP BY order_no HAVING count(*) > 0)",
    "an expression": "SELECT o.order_no FROM {orders} o WHERE o.order_no + 1 IN (" + _BIG + ")",
}  # fmt: skip


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    directory = tmp_path_factory.mktemp("asides")
    (directory / "fabric.yaml").write_text(_FABRIC, "utf-8")
    (directory / "users.yaml").write_text("users: {}\n", "utf-8")
    (directory / "policies").mkdir()
    (directory / "policies" / "federation.csv").write_text(_POLICIES, "utf-8")
    (directory / "lake").mkdir()
    for name in ("line", "part"):
        duckdb.execute(f"COPY ({_TABLES[name]}) TO '{directory / 'lake' / name}.csv' (HEADER)")
    with closing(sqlite3.connect(directory / "book.db")) as database, database:
        database.execute("CREATE TABLE orders (order_no INTEGER, day INTEGER)")
        database.executemany("INSERT INTO orders VALUES (?, ?)", duckdb.execute(_TABLES["orders"]).fetchall())
    with closing(build(directory)) as made:
        yield made


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asides, "_is_large", lambda reducible: not reducible.unpushed)


def _ask(app: App, sql: str, who: Principal) -> tuple[list[tuple[object, ...]], Answer]:
    names = {"orders": "book.main.orders", "line": "lake.line", "part": "lake.part"}
    with app.line.run(sql.format(**names), who, Session()) as answer:
        assert isinstance(answer, Answer)
        table = pa.Table.from_batches(list(answer.batches()), schema=answer.schema)
        return sorted((tuple(row.values()) for row in table.to_pylist()), key=repr), answer


def _expected(sql: str, who: Principal) -> list[tuple[object, ...]]:
    line, orders = _RULES[who.user]
    names = {
        "line": f"(SELECT * FROM ({_TABLES['line']}) WHERE {line})",
        "orders": f"(SELECT * FROM ({_TABLES['orders']}) WHERE {orders})",
        "part": f"({_TABLES['part']})",
    }
    return sorted(duckdb.execute(sql.format(**names)).fetchall(), key=repr)


@pytest.mark.parametrize("who", [ALL, NORTH], ids=["all", "north"])
@pytest.mark.parametrize("name", _FIRST)
def test_what_is_answered_first(app: App, name: str, who: Principal) -> None:
    got, answer = _ask(app, _FIRST[name], who)
    assert got == _expected(_FIRST[name], who)
    assert len(answer.plan.asides) == 1
    # No more orders came than there are keys; those of hidden lines are none.
    query = re.search(r"IN \((SELECT.*HAVING [^)]*\)? ?> ?\d+)", _FIRST[name])
    assert query is not None
    keys = _expected(query[1], who)
    (orders,) = [scan.rows for scan in answer.receipts() if scan.source == "book"]
    assert orders <= len(keys), [scan.object for scan in answer.receipts()]


@pytest.mark.parametrize("who", [ALL, NORTH], ids=["all", "north"])
@pytest.mark.parametrize("name", _NOT)
def test_what_is_not(app: App, name: str, who: Principal) -> None:
    got, answer = _ask(app, _NOT[name], who)
    assert got == _expected(_NOT[name], who)
    assert not answer.plan.asides


def test_the_name_of_an_aside_cannot_be_asked_for(app: App) -> None:
    _, answer = _ask(app, _FIRST["in"], ALL)
    (aside,) = answer.plan.asides.values()
    with pytest.raises(FabricError, match="NOT_FOUND"):
        _ask(app, f'SELECT * FROM "{aside.name}"', ALL)


def test_an_error_in_it_is_told_as_ever(app: App) -> None:
    broken = _FIRST["in"].replace("sum(qty) > 12", "sum(CAST(region AS INTEGER)) > 12")
    with pytest.raises(FabricError, match=r"cannot be converted"):
        _ask(app, broken, ALL)


def test_of_a_scan_that_waits_for_it_no_more_is_told_than_of_its_rows(app: App) -> None:
    """Who sees a part of the lines would else learn how many orders all of them are of."""
    for explain in ("EXPLAIN", "EXPLAIN ANALYZE"):
        with app.line.run(
            explain + " " + _FIRST["in"].format(orders="book.main.orders", line="lake.line"), NORTH, Session()
        ) as answer:
            text = str([batch.to_pylist() for batch in answer.batches()])
        assert "requests" not in text
        assert 'SELECT "order_no"' not in text


def test_it_waits_for_nobody_where_pushing_is_off(app: App) -> None:
    with app.line.run(
        _FIRST["in"].format(orders="book.main.orders", line="lake.line"),
        ALL,
        Session(options={"pushdown": "off"}),
    ) as answer:
        assert isinstance(answer, Answer)
        rows = sum(batch.num_rows for batch in answer.batches())
    assert rows == len(_expected(_FIRST["in"], ALL))
    assert not [read for read in answer.plan.reads if isinstance(read, LiveRead) and read.awaits]


def test_keys_that_arrow_carries_as_another_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A UUID comes out of a statement as a text, and is compared as the UUID that it is."""
    monkeypatch.setattr(ahead, "_MANY_TIMES", 0.0)
    monkeypatch.setattr(dynamic_filters, "_wins", lambda *known: True)
    ids = [str(UUID(int=n)) for n in range(40)]
    with EmbeddedHttp("hush") as http:
        http.table(
            "/owners",
            [{"id": id, "n": n} for n, id in enumerate(ids)],
            size=50,
            filters={"id": Filter("id", "in")},
        )
        (tmp_path / "fabric.yaml").write_text(_OWNERS.format(uri=http.uri), "utf-8")
        (tmp_path / "users.yaml").write_text("users: {}\n", "utf-8")
        (tmp_path / "policies").mkdir()
        (tmp_path / "policies" / "federation.csv").write_text(
            _POLICIES.splitlines()[0] + "\np, role:north, *, read, allow\np3, role:north, api.owner, n < 3\n",
            "utf-8",
        )
        (tmp_path / "line.csv").write_text("owner\n" + "".join(f"{ids[n % 7]}\n" for n in range(10)), "utf-8")
        with closing(build(tmp_path)) as app:
            first = "SELECT n FROM api.owner WHERE id IN (SELECT owner FROM lake.line GROUP BY owner HAVING count(*) > 1)"
            rows, answer = _ask(app, first, ALL)
            assert rows == [(0,), (1,), (2,)]
            assert len(answer.plan.asides) == 1
            joined = "SELECT o.n FROM api.owner o JOIN lake.line l ON l.owner = o.id JOIN lake.line m ON m.owner = o.id WHERE o.n < 2"
            for who in (ALL, NORTH):
                rows, _ = _ask(app, joined, who)
                assert rows == [(0,)] * 4 + [(1,)] * 4
