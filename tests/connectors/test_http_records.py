from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime
from datetime import time as clock
from decimal import Decimal
from uuid import UUID

import duckdb
import pyarrow as pa
import pytest

from connectors.http.records import RecordShape, find_records, parse_body, parse_path, shape_column, to_batch
from fabric.errors import BadData


def shape(records: str = "$", **columns: str) -> RecordShape:
    made = tuple(shape_column(name, text, None, None) for name, text in columns.items())
    return RecordShape("fraud_api", "score", parse_path(records), made)


def batch(made: RecordShape, body: str) -> pa.RecordBatch:
    records = find_records(made, parse_body(made, body.encode(), 1), 1)
    return to_batch(made, records, [column.name for column in made.columns], 1, {})


def one(text: str, value: str, **more: str | None) -> object:
    column = shape_column("x", text, more.get("source"), more.get("format"))  # type: ignore[arg-type]
    made = RecordShape("fraud_api", "score", (), (column,))
    return batch(made, '[{"x": ' + value + "}]").to_pylist()[0]["x"]


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("BIGINT", "9007199254740993", 9007199254740993),
        ("BIGINT", '"9007199254740993"', 9007199254740993),
        ("BIGINT", "9007199254740993.0", 9007199254740993),
        ("BIGINT", "-9223372036854775808", -(2**63)),
        ("UBIGINT", "18446744073709551615", 2**64 - 1),
        ("TINYINT", "-128", -128),
        (
            "HUGEINT",
            "12345678901234567890123456789012345678",
            Decimal("12345678901234567890123456789012345678"),
        ),
        ("DOUBLE", "0.1", 0.1),
        ("DOUBLE", "3", 3.0),
        ("DOUBLE", '"1e3"', 1000.0),
        ("DOUBLE", "Infinity", float("inf")),
        ("DECIMAL(18,2)", "0.10", Decimal("0.10")),
        ("DECIMAL(18,2)", "1234567890123456.78", Decimal("1234567890123456.78")),
        (
            "DECIMAL(38,2)",
            "123456789012345678901234567890123456.78",
            Decimal("123456789012345678901234567890123456.78"),
        ),
        ("DECIMAL(9,2)", '"-12.30"', Decimal("-12.30")),
        ("DECIMAL(9,2)", "1.2300", Decimal("1.23")),
        ("DECIMAL(9,2)", "1e2", Decimal("100.00")),
        ("BOOLEAN", "true", True),
        ("VARCHAR", '"Žluťoučký 🐎"', "Žluťoučký 🐎"),
        ("VARCHAR", '""', ""),
        ("DATE", '"0001-01-01"', date(1, 1, 1)),
        ("TIME", '"23:59:59.5"', clock(23, 59, 59, 500000)),
        ("TIMESTAMP", '"2026-02-03T04:05:06"', datetime(2026, 2, 3, 4, 5, 6)),
        ("TIMESTAMP", '"2026-02-03T04:05:06+02:00"', datetime(2026, 2, 3, 2, 5, 6)),
        ("TIMESTAMP", '"2026-02-03T04:05:06.123456Z"', datetime(2026, 2, 3, 4, 5, 6, 123456)),
        ("TIMESTAMPTZ", '"2026-02-03T04:05:06+02:00"', datetime(2026, 2, 3, 2, 5, 6, tzinfo=UTC)),
        ("TIMESTAMPTZ", '"2026-02-03 04:05:06"', datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)),
        ("UUID", '"6f9619ff-8b86-d011-b42d-00c04fc964ff"', UUID("6f9619ff-8b86-d011-b42d-00c04fc964ff")),
        ("INTEGER[]", "[1, null, 3]", [1, None, 3]),
        ("STRUCT(a BIGINT, b VARCHAR[])", '{"a": 1, "b": ["x"], "c": 9}', {"a": 1, "b": ["x"]}),
        ("STRUCT(a BIGINT)[]", "[{}, null]", [{"a": None}, None]),
        ("JSON", '{"a": [1.10, "é", null, true]}', '{"a":[1.10,"é",null,true]}'),
        ("JSON", "12", "12"),
        ("BIGINT", "null", None),
        ("JSON", "null", None),
    ],
)
def test_values_arrive_exactly(text, value, expected):
    assert one(text, value) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("BIGINT", '"secret"'),
        ("BIGINT", "1.5"),
        ("BIGINT", "true"),
        ("BIGINT", "9223372036854775808"),
        ("BIGINT", "{}"),
        ("TINYINT", "128"),
        ("UINTEGER", "-1"),
        ("DOUBLE", '"secret"'),
        ("DOUBLE", "true"),
        ("DOUBLE", "1e400"),
        ("DECIMAL(9,2)", "1.234"),
        ("DECIMAL(9,2)", "12345678.9"),
        ("DECIMAL(9,2)", '"NaN"'),
        ("BOOLEAN", '"true"'),
        ("BOOLEAN", "1"),
        ("VARCHAR", "17"),
        ("VARCHAR", '"\\ud800"'),
        ("DATE", '"2026-02-30"'),
        ("DATE", '"2026-02-03T04:05:06"'),
        ("TIMESTAMP", '"yesterday"'),
        ("TIMESTAMP", "1700000000"),
        ("TIMESTAMPTZ", '"0001-01-01T00:00:00+02:00"'),
        ("TIME", '"10:00:00+01:00"'),
        ("UUID", '"secret"'),
        ("INTEGER[]", "1"),
        ("INTEGER[]", '["secret"]'),
        ("STRUCT(a BIGINT)", "[1]"),
    ],
)
def test_a_value_of_another_type_is_bad_data_without_the_value(text, value):
    with pytest.raises(BadData) as caught:
        one(text, value)
    assert "'score'" in str(caught.value)
    assert "'x', record 1 of page 1" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "how", "value", "expected"),
    [
        ("TIMESTAMP", "epoch", "1700000000", datetime(2023, 11, 14, 22, 13, 20)),
        ("TIMESTAMP", "epoch", "1700000000.123456", datetime(2023, 11, 14, 22, 13, 20, 123456)),
        ("TIMESTAMPTZ", "epoch_ms", "1700000000123", datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC)),
        ("TIMESTAMP", "epoch", "-1", datetime(1969, 12, 31, 23, 59, 59)),
        ("DATE", "epoch", "86400", date(1970, 1, 2)),
    ],
)
def test_epochs_are_read_as_format_says(text, how, value, expected):
    assert one(text, value, format=how) == expected


@pytest.mark.parametrize(("text", "value"), [("TIMESTAMP", '"x"'), ("DATE", "1"), ("TIMESTAMP", "1e30")])
def test_what_is_no_epoch_is_bad_data(text, value):
    with pytest.raises(BadData):
        one(text, value, format="epoch")


def test_a_missing_key_is_null_and_unknown_keys_are_ignored():
    made = shape(a="BIGINT", b="VARCHAR")
    assert batch(made, '[{"a": 1, "z": {}}, {"b": "x"}]').to_pylist() == [
        {"a": 1, "b": None},
        {"a": None, "b": "x"},
    ]


def test_a_column_may_lie_deeper_in_the_record():
    column = shape_column("claim_id", "BIGINT", "$.claim.id", None)
    made = RecordShape("fraud_api", "score", (), (column,))
    body = '[{"claim": {"id": 7}}, {"claim": null}, {}, {"claim": {}}]'
    assert batch(made, body).to_pylist() == [{"claim_id": n} for n in (7, None, None, None)]
    with pytest.raises(BadData):
        batch(made, '[{"claim": 7}]')


def test_scalars_may_be_records():
    column = shape_column("id", "BIGINT", "$", None)
    assert batch(RecordShape("s", "t", ("ids",), (column,)), '{"ids": [1, 2]}').to_pylist() == [
        {"id": 1},
        {"id": 2},
    ]


@pytest.mark.parametrize(
    ("records", "body"),
    [
        ("$", '[{"a": 1}]'),
        ("$.items", '{"items": [{"a": 1}]}'),
        ("$.items[*]", '{"items": [{"a": 1}]}'),
        ("$.data.items", '{"data": {"items": [{"a": 1}]}}'),
        ("$['my items']", '{"my items": [{"a": 1}]}'),
        ("$", '{"a": 1}'),
    ],
)
def test_records_are_found_where_the_path_points(records, body):
    assert batch(shape(records, a="BIGINT"), body).to_pylist() == [{"a": 1}]


@pytest.mark.parametrize("body", ['{"items": []}', '{"items": null}', ""])
def test_no_records_are_no_rows(body):
    made = shape("$.items" if body else "$", a="BIGINT")
    assert batch(made, body).num_rows == 0


@pytest.mark.parametrize("body", ['{"error": "secret"}', '{"items": 3}', '{"items": {"x": 1}}', '"secret"'])
def test_an_answer_without_records_is_bad_data(body):
    with pytest.raises(BadData) as caught:
        batch(shape("$.items", a="BIGINT"), body)
    assert "secret" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    "body", ['[{"a": 1}', "<html>secret</html>", "[" * 100_000, '[{"a": ' + "9" * 5000 + "}]"]
)
def test_malformed_json_is_bad_data_that_names_the_page(body):
    with pytest.raises(BadData) as caught:
        batch(shape(a="BIGINT"), body)
    assert "page 1 is not JSON" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_record_that_is_no_object_is_bad_data():
    with pytest.raises(BadData, match="record 2 of page 1"):
        batch(shape(a="BIGINT"), '[{"a": 1}, 2]')


def test_columns_come_in_the_order_that_was_asked():
    made = shape(a="BIGINT", b="VARCHAR")
    found = to_batch(made, [{"a": 1, "b": "x"}], ["B", "a"], 1, {})
    assert found.schema.names == ["B", "a"]


def test_duckdb_reads_the_types_as_declared():
    made = shape(u="UUID", j="JSON", d="DECIMAL(18,3)", z="TIMESTAMPTZ", s="STRUCT(a INTEGER, b VARCHAR[])")
    table = pa.Table.from_batches(
        [batch(made, '[{"u": "6f9619ff-8b86-d011-b42d-00c04fc964ff", "j": {"a": 1}}]')]
    )
    with duckdb.connect() as connection:
        connection.register("t", table)
        types = [row[1] for row in connection.sql("DESCRIBE t").fetchall()]
    assert types == [
        "UUID",
        "JSON",
        "DECIMAL(18,3)",
        "TIMESTAMP WITH TIME ZONE",
        "STRUCT(a INTEGER, b VARCHAR[])",
    ]


def test_a_large_page_is_read_quickly():
    records = [
        {"id": n, "score": n / 7, "at": "2026-01-01T00:00:00Z", "name": f"n{n}"} for n in range(20_000)
    ]
    body = json.dumps(records)
    started = time.monotonic()
    made = batch(shape(id="BIGINT", score="DOUBLE", at="TIMESTAMP", name="VARCHAR"), body)
    assert made.num_rows == 20_000
    assert time.monotonic() - started < 10
