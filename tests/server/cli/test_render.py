"""Values as text: exact, and NULL apart."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import duckdb
import pyarrow as pa
import pytest

from server.cli.render import jsons, texts


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([Decimal("0.10"), None], pa.decimal128(38, 2)), ["0.10", None]),
        (pa.array([Decimal("0.0000000001")], pa.decimal128(20, 10)), ["0.0000000001"]),
        (pa.array([Decimal("9" * 38)], pa.decimal128(38, 0)), ["9" * 38]),
        (pa.array([2**63 - 1, -(2**63)], pa.int64()), ["9223372036854775807", "-9223372036854775808"]),
        (pa.array([0.1, 1e300, float("nan"), float("-inf")]), ["0.1", "1e+300", "nan", "-inf"]),
        (pa.array([True, False, None]), ["true", "false", None]),
        (pa.array(["", "NULL", None]), ["", "NULL", None]),
        (pa.array([b"\x00a"], pa.binary()), ["\\x00\\x61"]),
        (pa.array([date(2024, 2, 29), None]), ["2024-02-29", None]),
        (pa.array([2**31 - 1, -(2**31 - 1)], pa.int32()).view(pa.date32()), ["infinity", "-infinity"]),
        (pa.array([-1_000_000], pa.int32()).view(pa.date32()), ["0769-02-04 (BC)"]),
        (pa.array([datetime(2024, 1, 2, 3, 4, 5, 60)], pa.timestamp("us")), ["2024-01-02 03:04:05.00006"]),
        (pa.array([1], pa.timestamp("ns")), ["1970-01-01 00:00:00.000000001"]),
        (pa.array([0], pa.timestamp("us", "UTC")), ["1970-01-01 00:00:00+00:00"]),
        (pa.array([0], pa.timestamp("us", "Europe/Berlin")), ["1970-01-01 01:00:00+01:00"]),
        (pa.array([2**63 - 1], pa.int64()).view(pa.timestamp("us", "UTC")), ["infinity"]),
        (pa.array([3_661_500_000], pa.time64("us")), ["01:01:01.5"]),
        (pa.array([timedelta(days=1)], pa.duration("us")), ["1 day, 0:00:00"]),
        (pa.array([(14, 3, 1_500_000_000)], pa.month_day_nano_interval()), ["14 months 3 days 00:00:01.5"]),
        (pa.array([None], pa.null()), [None]),
        (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
    ],
)
def test_a_scalar_keeps_every_digit(column: pa.Array, expected: list[str | None]) -> None:
    assert texts(column) == expected


def test_uuids_read_as_uuids() -> None:
    value = UUID("12345678-1234-5678-1234-567812345678")
    assert texts(pa.array([value.bytes, None], pa.uuid())) == [str(value), None]


def test_nested_values_are_json_with_exact_numbers() -> None:
    rows = (
        duckdb.sql("""
        SELECT [{'a': 1.10::DECIMAL(4,2), 'b': 'ü"'}, NULL] AS l, MAP {'k': DATE '2024-01-01'} AS m, 3::HUGEINT AS h
        UNION ALL SELECT NULL, NULL, NULL UNION ALL SELECT [], MAP {}, 0
    """)
        .to_arrow_table()
        .combine_chunks()
    )
    assert texts(rows["l"].chunk(0)) == ['[{"a": 1.10, "b": "ü\\""}, null]', None, "[]"]
    assert texts(rows["m"].chunk(0)) == ['{"k": "2024-01-01"}', None, "{}"]


def test_slices_render_their_own_rows() -> None:
    column = pa.array([[1], [2, 3], None, [4]])
    assert texts(column.slice(1, 2)) == ["[2, 3]", None]
    structs = pa.array([{"a": 1}, {"a": 2}, None]).slice(1)
    assert texts(structs) == ['{"a": 2}', None]


def test_json_objects_of_a_row_parse_again() -> None:
    row = pa.array([{"n": None, "i": 2**63 - 1, "f": 0.1, "nan": float("nan"), "s": "a\nb", "t": [1, None]}])
    assert json.loads(jsons(row)[0]) == {
        "n": None, "i": 2**63 - 1, "f": 0.1, "nan": "nan", "s": "a\nb", "t": [1, None],
    }  # fmt: skip
