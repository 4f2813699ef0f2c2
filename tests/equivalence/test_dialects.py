"""Statements in other dialects: Postgres' against a real Postgres, the others against hand-written DuckDB SQL."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from adbc_driver_postgresql import dbapi

from fabric.errors import FabricError
from fabric.pipeline import Session
from tests.equivalence.comparison import AUDITOR, assert_same, expect
from tests.equivalence.conftest import Both
from tests.equivalence.test_queries import Query, read

FOLDER = Path(__file__).parent / "dialects"
POSTGRES = list(read(FOLDER / "postgres.sql"))
OTHERS = [
    (file.stem, query)
    for file in sorted(FOLDER.glob("*.sql"))
    if file.stem != "postgres"
    for query in read(file)
]


def asked(both: Both, sql: str, dialect: str, parameters: tuple[object, ...] = ()) -> pa.Table:
    session = Session(options={"dialect": dialect})
    described = both.app.line.describe(sql, AUDITOR, session, parameters or None)
    with both.app.line.run(sql, AUDITOR, session, parameters, described.policy_version) as answer:
        assert answer.schema == described.schema
        return pa.Table.from_batches(list(answer.batches()), schema=answer.schema)


def plain(value: object) -> object:
    """A value as both engines can be held to: numbers to 12 digits, a date as its midnight."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float | Decimal):
        number = float(value)
        return "nan" if math.isnan(number) else float(f"{number:.12g}") + 0.0
    if isinstance(value, datetime):
        return (value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value).isoformat()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day).isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def rows(table: pa.Table) -> list[list[object]]:
    columns = [[plain(value) for value in column.to_pylist()] for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def numbers(texts: list[object]) -> list[object]:
    """Postgres' numerics arrive as text: as numbers, where all of them are."""
    try:
        return [None if text is None else plain(Decimal(str(text))) for text in texts]
    except ArithmeticError:
        return texts


@pytest.mark.parametrize("query", POSTGRES, ids=lambda query: query.name)
def test_postgres_own_answer(both: Both, query: Query) -> None:
    got = asked(both, query.sql, "postgres")
    with dbapi.connect(both.servers.postgres.uri) as connection, connection.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'UTC'")
        cursor.execute(query.sql.replace("policy_db.", ""))
        wanted = cursor.fetch_arrow_table()
    assert got.column_names == wanted.column_names
    for n, field in enumerate(wanted.schema):
        if not pa.types.is_string(got.schema.field(n).type) and not pa.types.is_nested(field.type):
            texts = (
                numbers(wanted.column(n).to_pylist())
                if pa.types.is_string(field.type) or "opaque" in str(field.type)
                else None
            )
            if texts is not None:
                wanted = wanted.set_column(n, field.name, pa.array(texts))
    mine, theirs = rows(got), rows(wanted)
    if not query.ordered:
        mine, theirs = sorted(mine, key=repr), sorted(theirs, key=repr)
    assert mine == theirs
    assert mine or "empty" in query.sql


@pytest.mark.parametrize(
    ("dialect", "query"), OTHERS, ids=lambda value: value if isinstance(value, str) else value.name
)
def test_other_dialects_answer_as_duckdb_does(both: Both, dialect: str, query: Query) -> None:
    sql, own = re.split(r"\n-- is\n", query.sql)
    got, wanted = asked(both, sql, dialect), expect(both.copies, own)
    assert_same(both.copies, got.rename_columns(wanted.column_names), wanted, query.ordered)


@pytest.mark.parametrize(
    ("dialect", "sql", "parameters"),
    [
        (
            "postgres",
            "SELECT policy_id / $1 AS a FROM policy_db.policy WHERE renewals > $2 AND policy_id / $1 > 300",
            (3, 2),
        ),
        (
            "postgres",
            "SELECT policy_id / %s AS a FROM policy_db.policy WHERE renewals > %s AND policy_id / %s > 300",
            (3, 2, 3),
        ),
        (
            "tsql",
            "SELECT policy_id / @p1 AS a FROM policy_db.policy WHERE renewals > @p2 AND policy_id / @p1 > 300",
            (3, 2),
        ),
        (
            "trino",
            "SELECT policy_id / ? AS a FROM policy_db.policy WHERE renewals > ? AND policy_id / ? > 300",
            (3, 2, 3),
        ),
    ],
)
def test_parameters_keep_their_places(
    both: Both, dialect: str, sql: str, parameters: tuple[object, ...]
) -> None:
    own = "SELECT policy_id // 3 AS a FROM policy_db.policy WHERE renewals > 2 AND policy_id // 3 > 300"
    got = asked(both, sql, dialect, parameters)
    assert_same(both.copies, got, expect(both.copies, own), ordered=False)


@pytest.mark.parametrize(
    ("dialect", "sql", "said"),
    [
        (
            "tsql",
            "SELECT TOP 1 policy_id,\n  [no_such] FROM policy_db.policy",
            "no column 'no_such' .* at line 2, column 4",
        ),
        ("bigquery", "SELECT `a` FROM\n\n `policy_db`.`nothing`", "no 'policy_db.nothing' that you may see"),
        ("trino", "SELECT a FROM\n  policy_db.nothing", "no 'policy_db.nothing' .* at line 2, column 3"),
        (
            "snowflake",
            "SELECT policy_id FROM policy_db.policy p, policy_db.policy q",
            "column 'policy_id' is in more .* at line 1, column 8",
        ),
    ],
)
def test_errors_of_names_point_at_the_user_s_own_text(both: Both, dialect: str, sql: str, said: str) -> None:
    for ask_it in (both.app.line.describe, both.app.line.run):
        with pytest.raises(FabricError, match=said):
            ask_it(sql, AUDITOR, Session(options={"dialect": dialect}))
