"""What is pushed to Postgres answers as DuckDB does over the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.postgres import PostgresConnector
from fabric.estimates import selectivity
from fabric.predicates import (
    AllOf,
    AnyOf,
    Comparison,
    Membership,
    NullTest,
    Operator,
    Pattern,
    Predicate,
    Value,
)
from fabric.pushdown import describe, order_expressions
from fabric.spi import ScanSession
from fabric.types import OrderKey, SemiJoin, Table
from server.demo.postgres import EmbeddedPostgres
from tests.connectors.postgres_source import read, rows_of, scan_of, source, table_of
from tests.embedded import embedded_postgres


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    yield from embedded_postgres()


TEXTS = ["", "a", "A", "ab", "a_b", "a%b", "a\\b", "\\", "%", "_", "ä", "a\u0308", "Z", "z", "é", "😀", "\uffff",
         " a", "a ", "'", '"', "a\nb", "\x01", "NULL", "ﬀ"]  # fmt: skip
VALUES: dict[str, tuple[str, list[Value]]] = {
    "small": ("smallint", [-32768, -1, 0, 1, 32767]),
    "whole": ("integer", [-(2**31), -1, 0, 1, 7, 2**31 - 1]),
    "big": ("bigint", [-(2**63), -1, 0, 2**53 + 1, 2**63 - 1]),
    "object": ("oid", [0, 2**31, 2**32 - 1]),
    "price": ("numeric(10,2)", [Decimal("-99999999.99"), Decimal("-0.01"), Decimal("0.00"), Decimal("1.50")]),
    "exact": ("numeric(38,10)", [Decimal("9999999999999999999999999999.9999999999"), Decimal("-1.5"), Decimal(0),
                                 Decimal(10), Decimal(9)]),
    "free": ("numeric", [Decimal("1.5"), Decimal(0)]),
    "single": ("real", [0.0, -0.0, 1.5, float("nan"), float("inf"), float("-inf"), 0.10000000149011612]),
    "double": ("double precision", [0.0, -0.0, 0.1, 1.5, float("nan"), float("inf"), float("-inf"), 5e-324]),
    "flag": ("boolean", [True, False]),
    "word": ("text", list(TEXTS)),
    "short": ("varchar(9)", ["a", "B", "ab"]),
    "padded": ("char(3)", ["a", "ab"]),
    "feeling": ("mood", ["sad", "happy", "A"]),
    "address": ("inet", ["10.0.0.1", "10.0.0.2/8"]),
    "day": ("date", [date(1, 1, 1), date(1969, 12, 31), date(2026, 2, 28), date(9999, 12, 31)]),
    "moment": ("timestamp", [datetime(1, 1, 1), datetime(2026, 2, 28), datetime(2026, 2, 28, 1, 2, 3, 4)]),
    "instant": ("timestamptz", [datetime(1, 1, 2, tzinfo=UTC), datetime(2026, 2, 28, 1, 2, 3, 4, tzinfo=UTC)]),
    "clock": ("time", [time(0), time(23, 59, 59, 999999)]),
    "uid": ("uuid", [UUID(int=0), UUID(int=2**127 - 1), UUID(int=2**127), UUID(int=2**128 - 1)]),
    "raw": ("bytea", [b"", b"\x00", b"a", b"ab", b"\xff"]),
}  # fmt: skip
MORE = {
    "day": ["infinity", "-infinity", "4713-01-01 BC"],
    "moment": ["infinity", "-infinity"],
    "instant": ["infinity"],
    "clock": ["24:00:00"],
}
ANY_VALUE: list[Value] = [value for _, values in VALUES.values() for value in values] + [
    Decimal("1.505"), Decimal("1e20"), 10**30, 2.5, "x\0y", "\ud800", "2026-02-28", Decimal("NaN"),
    datetime(2026, 2, 28, tzinfo=UTC), Decimal("0.1"), Decimal("123456789.123456789"),
]  # fmt: skip
OPERATORS: tuple[Operator, ...] = ("=", "<>", "<", "<=", ">", ">=")


@dataclass
class Twin:
    """The same rows in Postgres and in DuckDB."""

    connector: PostgresConnector
    table: Table
    local: duckdb.DuckDBPyConnection
    session: ScanSession

    def local_rows(self, where: str) -> list[int]:
        return [row[0] for row in self.local.sql(f"SELECT i FROM t WHERE {where} ORDER BY i").fetchall()]

    def pushed_rows(self, *predicates: Predicate) -> list[int]:
        found = read(self.connector, scan_of(self.table, *predicates, columns=["i"]), self.session)
        return [] if found is None else sorted(found.column(0).to_pylist())


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, datetime):
        return value.isoformat(sep=" ").rjust(19, "0")
    return str(value)


@pytest.fixture(scope="module")
def twin(server: EmbeddedPostgres) -> Iterator[Twin]:
    columns = ", ".join(f"{name} {type_}" for name, (type_, _) in VALUES.items())
    inserts = ["INSERT INTO t DEFAULT VALUES;"]
    for name, (_, values) in VALUES.items():
        for value in [*map(_text, values), *MORE.get(name, [])]:
            inserts.append(f"INSERT INTO t ({name}) VALUES ('{value.replace(chr(39), chr(39) * 2)}');")
    server.execute(
        f"CREATE TYPE mood AS ENUM ('sad', 'happy', 'A'); CREATE TABLE t (i serial, {columns}); {' '.join(inserts)}"
    )
    with source(server.uri) as connector, duckdb.connect() as local:
        local.execute("SET TimeZone = 'UTC'")
        table = table_of(connector, "t")
        rows = read(connector, scan_of(table))
        local.register("rows", rows)
        local.execute("CREATE TABLE t AS SELECT * FROM rows")
        with closing(connector.open()) as session:
            yield Twin(connector, table, local, session)


def _values(column: str) -> st.SearchStrategy[Value]:
    return st.one_of(st.sampled_from(VALUES[column][1]), st.sampled_from(ANY_VALUE))


@st.composite
def _leaves(draw: st.DrawFn) -> Predicate:
    column = draw(st.sampled_from(sorted(VALUES)))
    kind = draw(st.sampled_from(["comparison", "comparison", "membership", "null", "pattern"]))
    if kind == "comparison":
        return Comparison(column, draw(st.sampled_from(OPERATORS)), draw(_values(column)))
    if kind == "membership":
        values = draw(st.lists(st.sampled_from(VALUES[column][1]), min_size=1, max_size=4))
        return Membership(column, tuple(values), draw(st.booleans()))
    if kind == "null":
        return NullTest(column, draw(st.booleans()))
    texts = st.one_of(st.sampled_from(TEXTS), st.text("a_%\\ä\u0308😀'", max_size=4))
    return Pattern(draw(st.sampled_from(["word", "feeling", "padded"])), draw(texts), draw(st.booleans()))


_PREDICATES = st.recursive(
    _leaves(),
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: AllOf(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
    ),
    max_leaves=4,
)

_SETTINGS = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@_SETTINGS
@given(predicate=_PREDICATES)
def test_a_pushed_predicate_keeps_the_rows_that_duckdb_keeps(twin: Twin, predicate: Predicate) -> None:
    offer = twin.connector.offer(scan_of(twin.table, predicate, columns=["i"]))
    if offer.taken:
        assert twin.pushed_rows(predicate) == twin.local_rows(describe(predicate))
    else:
        assert offer.refused
        assert "WHERE" not in offer.request


@pytest.mark.parametrize("column", VALUES)
@pytest.mark.parametrize("op", OPERATORS)
def test_every_value_of_a_column_compares_as_in_duckdb(twin: Twin, column: str, op: Operator) -> None:
    predicates = [Comparison(column, op, value) for value in VALUES[column][1]]
    taken = [one for one in predicates if twin.connector.offer(scan_of(twin.table, one)).taken]
    assert taken == (
        [] if column in ("free", "padded") or (column == "flag" and op not in ("=", "<>")) else predicates
    )
    for predicate in taken:
        assert twin.pushed_rows(predicate) == twin.local_rows(describe(predicate)), describe(predicate)


@pytest.mark.parametrize("pattern", [*TEXTS, "a%", "%b", "_", "__", "%\\%", "a\\_b", "\\\\"])
def test_like_has_no_escape_character(twin: Twin, pattern: str) -> None:
    predicate = Pattern("word", pattern)
    assert twin.connector.offer(scan_of(twin.table, predicate)).taken
    assert twin.pushed_rows(predicate) == twin.local_rows(describe(predicate))


@pytest.mark.parametrize("column", sorted(set(VALUES) - {"free", "padded"}))
@pytest.mark.parametrize(
    ("descending", "nulls_first"), [(a, b) for a in (False, True) for b in (False, True)]
)
def test_the_first_rows_are_those_that_duckdb_sorts_first(
    twin: Twin, column: str, descending: bool, nulls_first: bool
) -> None:
    keys = (OrderKey(column, descending, nulls_first), OrderKey("i"))
    terms = ", ".join(term.sql(dialect="duckdb") for term in order_expressions(keys))
    for limit in (1, 5):
        scan = scan_of(twin.table, columns=["i", column], order=keys, limit=limit)
        offer = twin.connector.offer(scan)
        assert offer.order_taken
        assert offer.limit_taken
        expected = twin.local.sql(f"SELECT i FROM t ORDER BY {terms} LIMIT {limit}").fetchall()
        assert [row[:1] for row in rows_of(twin.connector, scan, twin.session)] == expected


@pytest.mark.parametrize("column", ["free", "padded"])
def test_what_sorts_differently_is_sorted_by_ripstop(twin: Twin, column: str) -> None:
    offer = twin.connector.offer(scan_of(twin.table, order=[OrderKey(column)], limit=3))
    assert not offer.order_taken
    assert not offer.limit_taken
    assert "LIMIT" not in offer.request
    assert offer.refused[0].what == "LIMIT 3"


def test_a_limit_stays_when_a_predicate_stays(twin: Twin) -> None:
    offer = twin.connector.offer(scan_of(twin.table, Comparison("padded", "=", "a"), limit=3))
    assert not offer.taken
    assert not offer.limit_taken


def test_long_key_lists_go_as_one_array(twin: Twin) -> None:
    keys = Membership("big", tuple(range(-20_000, 20_000)))
    offer = twin.connector.offer(scan_of(twin.table, keys))
    assert "= ANY(" in offer.request.replace("ANY (", "ANY(")
    assert twin.pushed_rows(keys) == twin.local_rows("big BETWEEN -20000 AND 19999")
    refused = Membership("big", tuple(range(-20, 20)), negated=True)
    assert twin.pushed_rows(refused) == twin.local_rows("NOT big BETWEEN -20 AND 19")


@pytest.mark.parametrize(
    ("column", "key", "taken"),
    [
        ("whole", "whole", True),
        ("small", "big", True),
        ("big", "object", True),
        ("word", "word", True),
        ("word", "short", True),
        ("day", "day", True),
        ("uid", "uid", True),
        ("word", "padded", False),
        ("feeling", "feeling", True),
        ("price", "exact", False),
        ("double", "double", False),
        ("moment", "day", False),
        ("instant", "instant", False),
        ("raw", "raw", False),
    ],
)
def test_a_semi_join_leaves_the_rows_that_duckdb_would_join(
    twin: Twin, column: str, key: str, taken: bool
) -> None:
    inner = Comparison("i", ">", 20)
    joined = SemiJoin(
        column, twin.table, key, (inner,), (SemiJoin("i", twin.table, "i", (NullTest(key, True),)),)
    )
    scan = replace(scan_of(twin.table, Comparison("i", ">", 3), columns=["i"]), semi_joins=(joined,))
    offer = twin.connector.offer(scan)
    assert bool(offer.semi_joins) == taken
    if taken:
        assert " IN (SELECT " in offer.request
        expected = twin.local_rows(f"i > 3 AND {column} IN (SELECT {key} FROM t WHERE i > 20)")
        assert [row[0] for row in sorted(rows_of(twin.connector, scan, twin.session))] == expected


def test_a_semi_join_is_taken_without_what_the_source_cannot_tell(twin: Twin) -> None:
    """Fewer conditions leave more rows, and DuckDB joins them all the same."""
    joined = SemiJoin("i", twin.table, "i", (Comparison("padded", "=", "a"), Comparison("i", ">", 20)))
    offer = twin.connector.offer(replace(scan_of(twin.table, columns=["i"]), semi_joins=(joined,)))
    assert [each.predicates for each in offer.semi_joins] == [(Comparison("i", ">", 20),)]


def test_postgres_tells_what_it_knows_of_values(server: EmbeddedPostgres) -> None:
    server.execute(
        "CREATE TABLE known AS SELECT n AS id, n % 4 = 0 AS flag, CASE WHEN n % 10 <> 0 THEN 'it''s {a,\"b\"}' END AS word, "
        "date '2024-01-01' + n % 100 AS day FROM generate_series(1, 5000) n; ANALYZE known;"
    )
    with source(server.uri) as connector:
        table = next(each for each in connector.tables() if each.name.name == "known")
    assert table.rows == 5_000
    assert table.statistics["id"].distinct == 5_000
    assert len(table.statistics["id"].bounds) > 50
    assert table.statistics["word"].nulls == pytest.approx(0.1)
    assert table.statistics["word"].common[0][0] == 'it\'s {a,"b"}'
    assert dict(table.statistics["flag"].common) == {
        "true": pytest.approx(0.25),
        "false": pytest.approx(0.75),
    }
    assert selectivity(table, (Comparison("id", "<=", 500),)) == pytest.approx(0.1, abs=0.02)
    assert selectivity(table, (Comparison("flag", "=", True),)) == pytest.approx(0.25)


@_SETTINGS
@given(text=st.text(max_size=12))
def test_no_text_can_leave_its_literal(twin: Twin, text: str) -> None:
    predicate = Comparison("word", "<>", text)
    if twin.connector.offer(scan_of(twin.table, predicate)).taken:
        assert twin.pushed_rows(predicate) == twin.local_rows(describe(predicate))
    else:
        assert "\0" in text
