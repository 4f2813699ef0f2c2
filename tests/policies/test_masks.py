"""Masks: their spelling, their exact formats, and that none of them ever raises or changes a type."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabric.confirm import confirm
from fabric.types import Column
from policies.masks import fits, mask_expression, read_mask
from tests.policies.masked import DATES, FITTING, SECRET, TYPES, WHOLE, masked, shown


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    """A session far from UTC: no mask may depend on its zone."""
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'Pacific/Kiritimati'")
        yield connection


# ── spelling ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "name", "argument", "canonical", "strictness"),
    [
        ("hide", "hide", None, "hide", 3),
        ("null", "null", None, "null", 2),
        ("hash", "hash", None, "hash", 1),
        ("email", "email", None, "email", 1),
        ("year", "year", None, "year", 1),
        ("clear", "clear", None, "clear", 0),
        ("last(4)", "last", 4, "last(4)", 1),
        (" first ( 02 ) ", "first", 2, "first(2)", 1),
        ("bucket(1000000000000000000)", "bucket", 10**18, "bucket(1000000000000000000)", 1),
    ],
)
def test_a_mask_is_read(text: str, name: str, argument: int | None, canonical: str, strictness: int) -> None:
    kind = read_mask(text)
    assert (kind.name, kind.argument, kind.value, kind.text) == (name, argument, None, canonical)
    assert kind.strictness == strictness


def test_a_mask_of_an_expression_keeps_its_tree() -> None:
    kind = read_mask("sql: upper(value)")
    assert (kind.name, kind.argument, kind.text, kind.strictness) == ("sql", None, "sql:upper(value)", 1)
    assert kind.value is not None
    assert kind.value.sql(dialect="duckdb") == "UPPER(value)"


def test_equal_spellings_are_equal_masks() -> None:
    assert read_mask("last(4)") == read_mask("last( 4)")
    assert read_mask("sql:lower(value)") == read_mask("sql: lower(value)")
    assert read_mask("last(4)") != read_mask("last(3)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no mask ''"),
        ("hidden", "there is no mask 'hidden'; did you mean 'hide'"),
        ("Hide", "did you mean 'hide'"),
        ("NULL", "did you mean 'null'"),
        ("last", r"last is written last\(n\)"),
        ("last()", r"last is written last\(n\)"),
        ("last(-1)", r"last is written last\(n\)"),
        ("last(1.5)", r"last is written last\(n\)"),
        ("last(x)", r"last is written last\(n\)"),
        ("last(4", r"last is written last\(n\)"),
        ("last(٤)", r"last is written last\(n\)"),
        ("bucket(0)", "from 1 to"),
        ("bucket(1000000000000000001)", "from 1 to"),
        ("hash(8)", "hash takes no number"),
        ("year()", "year takes no number"),
        ("first(1) OR true", r"first is written first\(n\)"),
        ("sql:", "one expression"),
        ("sql:value FROM x", "one expression"),
        ("sql:(SELECT 1)", "cannot hold a subquery"),
        ("sql:a || b", "names a and b"),
        ("sql:random()", "random"),
        ("sql:max(value)", r"max\(\) belongs into a subquery"),
    ],
)
def test_what_is_no_mask_says_why(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_mask(text)


# ── which column it fits ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mask", [*FITTING])
def test_a_mask_fits_its_types_and_no_other(mask: str) -> None:
    fitting = {type_text for type_text in TYPES if fits(read_mask(mask), type_text)}
    assert fitting == set(FITTING[mask])


@pytest.mark.parametrize("mask", ["hide", "null", "clear", "sql:value"])
def test_some_masks_fit_everything(mask: str) -> None:
    assert all(fits(read_mask(mask), type_text) for type_text in TYPES)


def test_every_name_of_a_fitting_type_is_known(duck: duckdb.DuckDBPyConnection) -> None:
    families = {
        "hash": {"VARCHAR"},
        "year": {*DATES},
        "bucket(2)": {*WHOLE, "DECIMAL", "FLOAT", "DOUBLE"},
    }
    names = duck.execute(
        "SELECT DISTINCT type_name, logical_type FROM duckdb_types() WHERE type_name <> 'JSON'"
    )
    for name, logical in names.fetchall():
        for mask, family in families.items():
            assert fits(read_mask(mask), name) == (logical in family), name


def test_a_mask_that_does_not_fit_makes_no_expression() -> None:
    with pytest.raises(ValueError, match="hash does not fit BIGINT"):
        mask_expression(read_mask("hash"), Column("n", "BIGINT"), SECRET)


# ── formats ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("mask", "value", "expected"),
    [
        ("email", "peter@mail.example", "p***@mail.example"),
        ("email", "p@mail.example", "p***@mail.example"),
        ("email", "no address", "***"),
        ("email", "", "***"),
        ("email", "@x", "***@x"),
        ("email", "a@", "a***@"),
        ("email", "@", "***@"),
        ("email", "a@b@c", "a***@c"),
        ("email", '"a@b"@c', '"***@c'),
        ("email", "@b@c", "@***@c"),
        ("email", "élan@x", "é***@x"),
        ("email", "e\u0301lan@x", "e***@x"),
        ("email", "\U0001f468\u200d\U0001f469@x", "\U0001f468***@x"),
        ("email", "x@\u0301y", "x***@\u0301y"),
        ("email", "\nx@y\nz", "\n***@y\nz"),
        ("email", "%_\\1@x", "%***@x"),
        ("last(4)", "4111111111111111", "***1111"),
        ("last(4)", "12345", "***2345"),
        ("last(4)", "1234", "***"),
        ("last(4)", "1", "***"),
        ("last(4)", "", "***"),
        ("last(2)", "éàü", "***àü"),
        ("last(1)", "xe\u0301", "***\u0301"),
        ("last(1000000000000000000)", "abc", "***"),
        ("first(2)", "Peter", "Pe***"),
        ("first(5)", "Peter", "***"),
        ("first(9)", "Peter", "***"),
        ("first(1)", "", "***"),
        ("first(2)", "éàü", "éà***"),
        ("first(1)", "e\u0301x", "e***"),
        ("first(1000000000000000000)", "abc", "***"),
        ("hide", "x", None),
        ("null", "x", None),
        ("clear", "x", "x"),
        ("sql:upper(value)", "x", "X"),
        ('sql:upper("The Column")', "x", "X"),
        ("sql:'***'", "x", "***"),
        ("sql:CAST(value AS INTEGER)", "x", None),
        ("sql:CAST(value AS INTEGER) + 1", "41", "42"),
    ],
)
def test_texts(duck: duckdb.DuckDBPyConnection, mask: str, value: str, expected: str | None) -> None:
    assert masked(duck, mask, "VARCHAR", [value]) == [expected]


@pytest.mark.parametrize(
    ("type_text", "value", "expected"),
    [
        ("DATE", "2024-02-29", "2024-01-01"),
        ("DATE", "2024-01-01", "2024-01-01"),
        ("DATE", "1969-12-31", "1969-01-01"),
        ("DATE", "0044-03-15 (BC)", "0044-01-01 (BC)"),
        ("DATE", "5881580-07-10", "5881580-01-01"),
        ("DATE", "5877642-06-25 (BC)", None),
        ("DATE", "infinity", "infinity"),
        ("DATE", "-infinity", "-infinity"),
        ("TIMESTAMP", "2024-12-31 23:59:59.999999", "2024-01-01 00:00:00"),
        ("TIMESTAMP", "290309-12-22 (BC) 00:00:00", None),
        ("TIMESTAMP", "infinity", "infinity"),
        ("TIMESTAMP_S", "2024-12-31 23:59:59", "2024-01-01 00:00:00"),
        ("TIMESTAMP_MS", "2024-12-31 23:59:59.999", "2024-01-01 00:00:00"),
        ("TIMESTAMP_NS", "2024-12-31 23:59:59.999999999", "2024-01-01 00:00:00"),
        ("TIMESTAMP_NS", "1969-12-31 23:59:59.999999999", "1969-01-01 00:00:00"),
        ("TIMESTAMP_NS", "1969-12-31 23:59:59.999", "1969-01-01 00:00:00"),
        ("TIMESTAMP_NS", "1677-09-22", None),
        ("TIMESTAMP_NS", "-infinity", "-infinity"),
        # The year in UTC, whatever the session's zone or the text's: here it is the year before or after.
        ("TIMESTAMP WITH TIME ZONE", "2024-01-01 01:00:00+02", "2023-01-01 00:00:00"),
        ("TIMESTAMP WITH TIME ZONE", "2023-12-31 23:00:00-02", "2024-01-01 00:00:00"),
        ("TIMESTAMP WITH TIME ZONE", "2023-12-31 12:00:00+00", "2023-01-01 00:00:00"),
        ("TIMESTAMP WITH TIME ZONE", "infinity", "infinity"),
        ("TIMESTAMP WITH TIME ZONE", "290309-12-22 (BC) 00:00:00+00", None),
        ("TIMESTAMPTZ_NS", "2023-12-31 23:00:00-02", "2024-01-01 00:00:00"),
        ("TIMESTAMPTZ_NS", "2023-12-31 23:59:59.999999999+00", "2023-01-01 00:00:00"),
        ("TIMESTAMPTZ_NS", "infinity", "infinity"),
    ],
)
def test_years(duck: duckdb.DuckDBPyConnection, type_text: str, value: str, expected: str | None) -> None:
    assert shown(duck, "year", type_text, value) == expected


@pytest.mark.parametrize(
    ("type_text", "size", "value", "expected"),
    [
        ("INTEGER", 10, "19", 10),
        ("INTEGER", 10, "20", 20),
        ("INTEGER", 10, "-1", -10),
        ("INTEGER", 10, "-10", -10),
        ("INTEGER", 1, "7", 7),
        ("TINYINT", 10, "-128", None),
        ("TINYINT", 1000, "127", 0),
        ("TINYINT", 1000, "-1", None),
        ("BIGINT", 10**18, "-9223372036854775808", None),
        ("UBIGINT", 10, "18446744073709551615", 18446744073709551610),
        ("HUGEINT", 10, str(-(2**127)), None),
        ("UHUGEINT", 10, str(2**128 - 1), 2**128 - 6),
        ("DECIMAL(10,2)", 100, "1234.56", Decimal("1200.00")),
        ("DECIMAL(10,2)", 100, "-0.01", Decimal("-100.00")),
        ("DECIMAL(5,2)", 10, "-999.99", None),
        ("DECIMAL(38,38)", 1, "0.5", Decimal(0)),
        ("DECIMAL(38,38)", 1, "-0.5", None),
        ("DOUBLE", 10, "19.99", 10.0),
        ("DOUBLE", 10, "-0.5", -10.0),
        ("DOUBLE", 3, "0.3", 0.0),
        ("DOUBLE", 10, "nan", None),
        ("DOUBLE", 10, "inf", None),
        ("DOUBLE", 10, "-inf", None),
        ("DOUBLE", 10, "-0.0", 0.0),
        ("FLOAT", 10, "-5.5", -10.0),
        ("FLOAT", 10, "nan", None),
    ],
)
def test_buckets(
    duck: duckdb.DuckDBPyConnection, type_text: str, size: int, value: str, expected: object
) -> None:
    assert masked(duck, f"bucket({size})", type_text, [value]) == [expected]


@pytest.mark.parametrize("length", [0, 1, 31, 63, 64, 65, 200])
def test_a_hash_is_hmac_sha256_as_python_has_it(duck: duckdb.DuckDBPyConnection, length: int) -> None:
    secret = bytes(range(256))[-length:] if length else b""
    values = [
        "",
        "a",
        "peter@mail.example",
        "élan",
        "\U0001f600",
        "'; --",
        "\\x00",
        "x" * 63,
        "x" * 64,
        "y" * 100_000,
    ]
    expected = [hmac.new(secret, value.encode(), hashlib.sha256).hexdigest()[:16] for value in values]
    assert masked(duck, "hash", "VARCHAR", values, secret) == expected


def test_the_bytes_of_the_key_matter(duck: duckdb.DuckDBPyConnection) -> None:
    assert masked(duck, "hash", "VARCHAR", ["a"], b"k1") != masked(duck, "hash", "VARCHAR", ["a"], b"k2")


@given(values=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1), secret=st.binary())
@settings(max_examples=60, deadline=None)
def test_any_text_hashes_as_in_python(
    duck: duckdb.DuckDBPyConnection, values: list[str], secret: bytes
) -> None:
    expected = [hmac.new(secret, value.encode(), hashlib.sha256).hexdigest()[:16] for value in values]
    assert masked(duck, "hash", "VARCHAR", values, secret) == expected


# ── what stands in the statement ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["c", 'a"b', "a.b", "select", "ünï", "'", "--", 'x" FROM secrets --'])
def test_a_column_is_named_by_its_quoted_name_alone(duck: duckdb.DuckDBPyConnection, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    for mask in ("clear", "hash", "email", "last(1)", "first(1)", "sql:upper(value)"):
        expression = mask_expression(read_mask(mask), Column(name, "VARCHAR"), SECRET)
        relation = f"(SELECT 'peter@x' AS {quoted}) AS {quoted}"
        row = duck.execute(f"SELECT {expression} FROM {relation}").fetchone()
        assert row is not None
        assert isinstance(row[0], str)


@pytest.mark.parametrize(
    ("type_text", "mask"), [(type_text, mask) for mask, types in FITTING.items() for type_text in types]
)
def test_a_mask_passes_the_second_reader(duck: duckdb.DuckDBPyConnection, type_text: str, mask: str) -> None:
    def serialize(sql: str) -> str:
        row = duck.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
        assert row is not None
        return str(row[0])

    expression = mask_expression(read_mask(mask), Column("c", type_text), SECRET)
    confirm(f'SELECT {expression} AS "c" FROM r', serialize, {"r"})


@pytest.mark.parametrize(
    ("type_text", "value", "mask", "expected"),
    [
        (
            "STRUCT(city VARCHAR, n INTEGER)",
            "{'city': 'Oslo', 'n': 1}",
            "sql:{'city': value.city, 'n': NULL}",
            {"city": "Oslo", "n": None},
        ),
        ("VARCHAR[]", "['ab', NULL]", "sql:list_transform(value, lambda v: left(v, 1))", ["a", None]),
        ("ENUM('a', 'b')", "'a'", "sql:'b'", "b"),
        ("ENUM('a', 'b')", "'a'", "sql:'z'", None),
        ("INTEGER", "7", "sql:value * 1000000000000", None),
        ("INTEGER", "7", "sql:value / 0", None),
        ("TINYINT", "7", "sql:value * 100", None),
        ("DECIMAL(4,2)", "7.25", "sql:value * 2", Decimal("14.50")),
        ("DATE", "'2024-05-06'", "sql:date_trunc('month', value)", date(2024, 5, 1)),
        ("INTEGER", "NULL", "sql:coalesce(value, 3)", None),
    ],
)
def test_an_expression_gives_the_columns_type_or_null(
    duck: duckdb.DuckDBPyConnection, type_text: str, value: str, mask: str, expected: object
) -> None:
    expression = mask_expression(read_mask(mask), Column("c", type_text), SECRET)
    row = duck.execute(
        f"SELECT {expression}, typeof({expression}) = typeof(c) FROM (SELECT CAST({value} AS {type_text}) AS c)"
    ).fetchone()
    assert row == (expected, True)


def test_an_expression_may_not_name_another_column() -> None:
    with pytest.raises(ValueError, match="the mask names 'ssn', and stands on the column 'email'"):
        mask_expression(read_mask("sql:upper(ssn)"), Column("email", "VARCHAR"), SECRET)
