import pyarrow as pa
import pytest

from server.parameters import parameter_schema


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("TINYINT", pa.int64()),
        ("UINTEGER", pa.int64()),
        ("UBIGINT", pa.decimal128(38, 0)),
        ("DECIMAL(9,2)", pa.decimal128(38, 2)),
        ("FLOAT", pa.float64()),
        ("TIME", pa.time32("ms")),
        ("TIMESTAMP_NS", pa.timestamp("ms")),
        ("TIMESTAMP WITH TIME ZONE", pa.utf8()),
        ("SMALLINT[][]", pa.list_(pa.list_(pa.int64()))),
        ("STRUCT", pa.utf8()),
        (None, pa.utf8()),
    ],
)
def test_a_placeholder_is_promised_the_widest_type_of_its_kind(kind, wanted):
    assert parameter_schema(1, [kind]) == pa.schema([("1", wanted)])


def test_what_nobody_typed_is_text():
    assert parameter_schema(2, []) == pa.schema([("1", pa.utf8()), ("2", pa.utf8())])
