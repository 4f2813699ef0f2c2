"""What an attribute can be cast to, and that its literal is that value in DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.attributes import literal_as, target

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        yield connection


def read_back(duck: duckdb.DuckDBPyConnection, value: object, wanted: str) -> tuple[object, str]:
    """The value and the type that DuckDB reads from the literal."""
    literal = literal_as(value, wanted).sql(dialect="duckdb")
    row = duck.execute(f"SELECT {literal}, typeof({literal})").fetchone()
    assert row is not None
    return row[0], row[1]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("VARCHAR", "VARCHAR"),
        ("text", "VARCHAR"),
        (" bigint ", "BIGINT"),
        ("int", "INTEGER"),
        ("Double", "DOUBLE"),
        ("bool", "BOOLEAN"),
        ("DATE", "DATE"),
        ("timestamp", "TIMESTAMP"),
        ("decimal( 10 , 2 )", "DECIMAL(10,2)"),
        ("NUMERIC(5)", "DECIMAL(5,0)"),
        ("DECIMAL", "DECIMAL(18,3)"),
    ],
)
def test_a_type_has_one_name_and_duckdb_knows_it(
    duck: duckdb.DuckDBPyConnection, text: str, name: str
) -> None:
    assert target(text) == name
    assert duck.execute(f"SELECT typeof(CAST(NULL AS {text})) = ?", [name]).fetchone() == (True,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "INET",
        "BLOB",
        "VARCHAR[]",
        "DECIMAL(39,2)",
        "DECIMAL(2,3)",
        "DECIMAL(0,0)",
        "DECIMAL(a)",
        "INT); --",
    ],
)
def test_another_type_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="an attribute cannot be had as"):
        target(text)


@pytest.mark.parametrize(
    ("value", "wanted", "expected"),
    [
        ("EU", "VARCHAR", "EU"),
        ("", "VARCHAR", ""),
        ("o'x\\n'; --", "VARCHAR", "o'x\\n'; --"),
        (7, "VARCHAR", "7"),
        (True, "VARCHAR", "true"),
        (1.5, "VARCHAR", "1.5"),
        (Decimal("1.50"), "VARCHAR", "1.50"),
        (date(2024, 5, 6), "VARCHAR", "2024-05-06"),
        (datetime(2024, 5, 6, 7, 8), "VARCHAR", "2024-05-06 07:08:00"),
        (5, "BIGINT", 5),
        ("-9223372036854775808", "BIGINT", -(2**63)),
        (" 12 ", "INTEGER", 12),
        (12.0, "INTEGER", 12),
        (2, "DOUBLE", 2.0),
        ("1e3", "DOUBLE", 1000.0),
        (-0.1, "DOUBLE", -0.1),
        ("1.005", "DECIMAL(10,2)", Decimal("1.01")),
        (-5, "DECIMAL(3,2)", Decimal("-5.00")),
        (10**37, "DECIMAL(38,0)", Decimal(10**37)),
        (True, "BOOLEAN", True),
        ("FALSE", "BOOLEAN", False),
        (0, "BOOLEAN", False),
        ("2024-02-29", "DATE", date(2024, 2, 29)),
        (date(1, 1, 1), "DATE", date(1, 1, 1)),
        (datetime(2024, 5, 6, 23, tzinfo=timezone(timedelta(hours=-2))), "DATE", date(2024, 5, 7)),
        ("2024-05-06T07:08:09.5Z", "TIMESTAMP", datetime(2024, 5, 6, 7, 8, 9, 500000)),
        ("2024-05-06 07:08+02:00", "TIMESTAMP", datetime(2024, 5, 6, 5, 8)),
        ("2024-05-06", "TIMESTAMP", datetime(2024, 5, 6)),
        (datetime(2024, 5, 6, 7, tzinfo=UTC), "TIMESTAMP", datetime(2024, 5, 6, 7)),
        (date(2024, 5, 6), "TIMESTAMP", datetime(2024, 5, 6)),
    ],
)
def test_a_value_becomes_a_literal_of_the_type(
    duck: duckdb.DuckDBPyConnection, value: object, wanted: str, expected: object
) -> None:
    assert read_back(duck, value, wanted) == (expected, wanted)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (["a"], "VARCHAR"),
        ({"a": 1}, "VARCHAR"),
        (b"a", "VARCHAR"),
        ("a\x00b", "VARCHAR"),
        ("\ud800", "VARCHAR"),
        (None, "VARCHAR"),
        ("", "BIGINT"),
        ("12a", "BIGINT"),
        ("1_000", "BIGINT"),
        ("١٢", "BIGINT"),
        ("1.5", "BIGINT"),
        (1.5, "INTEGER"),
        (True, "BIGINT"),
        (2**63, "BIGINT"),
        (2**31, "INTEGER"),
        ("1e30", "BIGINT"),
        ("nan", "DOUBLE"),
        (float("nan"), "DOUBLE"),
        (float("inf"), "DOUBLE"),
        ("1e999", "DOUBLE"),
        (10**400, "DOUBLE"),
        (Decimal("NaN"), "DECIMAL(5,2)"),
        ("1000", "DECIMAL(5,2)"),
        ("999.995", "DECIMAL(5,2)"),
        (True, "DECIMAL(5,2)"),
        ("maybe", "BOOLEAN"),
        (2, "BOOLEAN"),
        (0.5, "BOOLEAN"),
        ("2024-02-30", "DATE"),
        ("20240229", "DATE"),
        ("2024-W01-1", "DATE"),
        ("today", "DATE"),
        ("infinity", "DATE"),
        (20240229, "DATE"),
        ("2024-05-06 25:00", "TIMESTAMP"),
        ("now", "TIMESTAMP"),
        (1714979289, "TIMESTAMP"),
    ],
)
def test_what_cannot_be_cast_is_refused_without_the_value(value: object, wanted: str) -> None:
    with pytest.raises(ValueError, match=rf"^no {wanted.replace('(', '.').replace(')', '.')}$"):
        literal_as(value, wanted)


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_no_text_can_become_syntax(duck: duckdb.DuckDBPyConnection, value: str) -> None:
    assert read_back(duck, value, "VARCHAR") == (value, "VARCHAR")


@given(st.integers(-(2**63), 2**63 - 1))
@settings(max_examples=100, deadline=None)
def test_any_whole_number(duck: duckdb.DuckDBPyConnection, value: int) -> None:
    assert read_back(duck, value, "BIGINT") == (value, "BIGINT")
    assert read_back(duck, str(value), "BIGINT") == (value, "BIGINT")


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(max_examples=100, deadline=None)
def test_any_float(duck: duckdb.DuckDBPyConnection, value: float) -> None:
    assert read_back(duck, value, "DOUBLE") == (value, "DOUBLE")


@given(st.datetimes())
@settings(max_examples=100, deadline=None)
def test_any_moment(duck: duckdb.DuckDBPyConnection, value: datetime) -> None:
    assert read_back(duck, value, "TIMESTAMP") == (value, "TIMESTAMP")
    assert read_back(duck, value.isoformat(), "TIMESTAMP") == (value, "TIMESTAMP")
    assert read_back(duck, value, "DATE") == (value.date(), "DATE")


@given(st.one_of(TEXTS, st.integers(), st.floats(), st.booleans(), st.dates(), st.decimals(), st.none()))
@settings(max_examples=300, deadline=None)
def test_a_literal_or_a_value_error_and_nothing_else(duck: duckdb.DuckDBPyConnection, value: object) -> None:
    for wanted in ("VARCHAR", "BIGINT", "INTEGER", "DOUBLE", "DECIMAL(9,3)", "BOOLEAN", "DATE", "TIMESTAMP"):
        try:
            literal = literal_as(value, wanted).sql(dialect="duckdb")
        except ValueError:
            continue
        assert duck.execute(f"SELECT typeof({literal})").fetchone() == (wanted,)
