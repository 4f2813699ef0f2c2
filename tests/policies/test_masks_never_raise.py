"""No mask ever raises or changes a type, whatever the value, and NULL stays NULL."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Context, Decimal
from fractions import Fraction

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabric.types import Column
from policies.masks import fits, mask_expression, read_mask
from tests.policies.masked import DATES, SECRET, TYPES, WHOLE, masked, shown

CONTEXT = Context(prec=60)


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    """A session far from UTC: no mask may depend on its zone."""
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'Pacific/Kiritimati'")
        yield connection


@pytest.mark.parametrize("type_text", TYPES)
@pytest.mark.parametrize(
    "mask", ["hide", "null", "clear", "hash", "email", "last(2)", "first(2)", "year", "bucket(7)"]
)
def test_null_stays_null_and_of_its_type(duck: duckdb.DuckDBPyConnection, mask: str, type_text: str) -> None:
    if fits(read_mask(mask), type_text):
        assert masked(duck, mask, type_text, [None]) == [None]


@pytest.mark.parametrize("size", [1, 7, 10, 2**31, 10**18])
@pytest.mark.parametrize("type_text", [*WHOLE])
def test_the_ends_of_whole_types(duck: duckdb.DuckDBPyConnection, type_text: str, size: int) -> None:
    low, high = WHOLE[type_text]
    values = [
        v
        for v in (low, low + 1, low + size, -size, -1, 0, 1, size - 1, size, high - 1, high)
        if low <= v <= high
    ]
    floors = [value // size * size for value in values]
    expected = [floor if floor >= low else None for floor in floors]
    assert masked(duck, f"bucket({size})", type_text, values) == expected


@pytest.mark.parametrize("type_text", [*DATES])
def test_the_ends_of_time(duck: duckdb.DuckDBPyConnection, type_text: str) -> None:
    for value in (*DATES[type_text], "infinity", "-infinity", "1970-01-01", "2000-02-29"):
        shown(duck, "year", type_text, value)


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"])) | st.emails(), min_size=1), st.integers(1, 12)
)
@settings(max_examples=80, deadline=None)
def test_any_text(duck: duckdb.DuckDBPyConnection, values: list[str], size: int) -> None:
    def email(value: str) -> str:
        local, at, domain = value.rpartition("@")
        return f"{local[:1]}***@{domain}" if at else "***"

    assert masked(duck, "email", "VARCHAR", values) == [email(value) for value in values]
    assert masked(duck, f"first({size})", "VARCHAR", values) == [
        f"{value[:size]}***" if len(value) > size else "***" for value in values
    ]
    assert masked(duck, f"last({size})", "VARCHAR", values) == [
        f"***{value[-size:]}" if len(value) > size else "***" for value in values
    ]


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_any_whole_number(duck: duckdb.DuckDBPyConnection, data: st.DataObject) -> None:
    type_text = data.draw(st.sampled_from([*WHOLE]))
    low, high = WHOLE[type_text]
    size = data.draw(st.integers(1, 200) | st.integers(1, 10**18))
    values = data.draw(st.lists(st.integers(low, high), min_size=1))
    expected = [value // size * size if value // size * size >= low else None for value in values]
    assert masked(duck, f"bucket({size})", type_text, values) == expected


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_any_decimal(duck: duckdb.DuckDBPyConnection, data: st.DataObject) -> None:
    width = data.draw(st.integers(1, 38))
    scale = data.draw(st.integers(0, width))
    size = data.draw(st.integers(1, 200) | st.integers(1, 10**18))
    digits = data.draw(st.lists(st.integers(1 - 10**width, 10**width - 1), min_size=1))
    values = [Fraction(number, 10**scale) for number in digits]
    floors = [math.floor(value / size) * size for value in values]
    expected = [Decimal(floor) if abs(floor) < 10 ** (width - scale) else None for floor in floors]
    written = [f"{Decimal(number).scaleb(-scale, CONTEXT):f}" for number in digits]
    assert masked(duck, f"bucket({size})", f"DECIMAL({width},{scale})", written) == expected


@given(st.lists(st.floats(), min_size=1), st.integers(1, 10**6), st.sampled_from(["FLOAT", "DOUBLE"]))
@settings(max_examples=80, deadline=None)
def test_any_float(duck: duckdb.DuckDBPyConnection, values: list[float], size: int, type_text: str) -> None:
    if type_text == "FLOAT":
        values = [value for value in values if not abs(value) > 3e38 or math.isinf(value)]
    for value, found in zip(values, masked(duck, f"bucket({size})", type_text, values), strict=True):
        if not math.isfinite(value):
            assert found is None
        elif type_text == "DOUBLE" and abs(value) < 2**50:
            assert found == math.floor(Fraction(value) / size) * size


@given(st.lists(st.datetimes(), min_size=1), st.sampled_from([t for t in DATES if not t.endswith("NS")]))
@settings(max_examples=60, deadline=None)
def test_any_moment(duck: duckdb.DuckDBPyConnection, moments: list[datetime], type_text: str) -> None:
    for moment in moments:
        year = date(moment.year, 1, 1).isoformat()
        zone = "+00" if "ZONE" in type_text else ""
        found = shown(duck, "year", type_text, moment.isoformat(sep=" ") + zone)
        assert found == (year if type_text == "DATE" else f"{year} 00:00:00")


@given(st.lists(st.integers(-(2**63) + 2, 2**63 - 2), min_size=1))
@settings(max_examples=60, deadline=None)
def test_any_nanosecond(duck: duckdb.DuckDBPyConnection, nanos: list[int]) -> None:
    for count in nanos:
        year = (datetime(1970, 1, 1) + timedelta(microseconds=count // 1000)).year
        start = (date(year, 1, 1) - date(1970, 1, 1)).days * 86_400 * 10**9
        moment = f"make_timestamp_ns({count})"
        for type_text, value in (("TIMESTAMP_NS", moment), ("TIMESTAMPTZ_NS", f"timezone('UTC', {moment})")):
            shown = mask_expression(read_mask("year"), Column("c", type_text), SECRET)
            shown = shown if type_text == "TIMESTAMP_NS" else f"timezone('UTC', {shown})"
            row = duck.execute(f"SELECT epoch_ns({shown}) FROM (SELECT {value} AS c)").fetchone()
            assert row == (None if year == 1677 else start,)
