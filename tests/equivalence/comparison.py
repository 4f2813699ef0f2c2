"""Ask the line and plain DuckDB the same, and hold the two answers side by side."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from fabric.pipeline import Line, Session
from fabric.types import Principal
from tests.equivalence.sources import USER

AUDITOR = Principal(USER, frozenset({"role:auditor"}))

PLAIN = Session()

Row = tuple[str | None, ...]


def ask(
    line: Line,
    sql: str,
    parameters: Sequence[object] = (),
    *,
    who: Principal = AUDITOR,
    session: Session = PLAIN,
) -> pa.Table:
    """The line's answer; what it promised beforehand must be what comes."""
    described = line.describe(sql, who, session, parameters or None)
    with line.run(sql, who, session, parameters, described.policy_version) as answer:
        assert answer.schema == described.schema
        return pa.Table.from_batches(list(answer.batches()), schema=answer.schema)


def expect(copies: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
    """DuckDB's answer over the local copies."""
    with copies.sql(sql, params=list(parameters)).to_arrow_reader() as reader:
        return reader.read_all()


def assert_same(copies: duckdb.DuckDBPyConnection, got: pa.Table, wanted: pa.Table, ordered: bool) -> None:
    """Equal names, types and rows: in order, or as multisets."""
    assert got.schema == wanted.schema
    rows, wanted_rows = texts(copies, got), texts(copies, wanted)
    if not ordered:
        rows, wanted_rows = sorted(rows, key=_key), sorted(wanted_rows, key=_key)
    assert rows == wanted_rows


def texts(copies: duckdb.DuckDBPyConnection, table: pa.Table) -> list[Row]:
    """The rows as DuckDB writes their values, which loses no digit and knows NaN and infinite dates."""
    if not table.num_columns or not table.num_rows:
        return [()] * table.num_rows
    plain = table.rename_columns([f"c{n}" for n in range(table.num_columns)])
    with copies.cursor() as cursor:
        cursor.execute("SET TimeZone = 'UTC'")
        cursor.register("answer", plain)
        rows = cursor.execute("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM answer").fetchall()
        cursor.unregister("answer")
    return rows


def _key(row: Row) -> tuple[tuple[bool, str], ...]:
    return tuple((value is None, value or "") for value in row)
