"""The extremes of DuckDB's types, as tables; what no type should hold but Parquet can bring is among them.

Timestamps and dates before the first and after the last that can be written are such. Invalid UTF-8 is not: every
reader of files refuses it. Nor are decimals of more digits than their type has.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from decimal import Context, Decimal

import duckdb
import pyarrow as pa

MICROSECONDS = (
    -(2**63), -(2**63) + 1, -(2**63) + 2, -9223372022400000001, -9223372022400000000, -9223372022399999999,
    -62135596800000000, -1, 0, 1, 951782400000000, 1704067200000000, 253402300799999999, 9223285636854775806,
    9223372036854775805, 9223372036854775806, 2**63 - 1,
)  # fmt: skip
DAYS = (
    -(2**31), -(2**31) + 1, -(2**31) + 2, -106751992, -106751991, -719528, -719163, -141428, -1, 0, 1, 59, 19723,
    2932896, 106751990, 106751991, 106751992, 2**31 - 2, 2**31 - 1,
)  # fmt: skip
TEXTS = (
    "", " ", "a", "A", "b", "%", "_", "\\", "a\\", "a%\\", "[", "(", "*", "+", "!", "ab!", "ß", "İ", "ﬃ", "é", "e\u0301",
    "日本語", "👨‍👩‍👧‍👦", "\x00", "a\x00b", "\U0010ffff", "NaN", "inf", "infinity", "-infinity", "epoch", "1", "-1", "9" * 40,
    "1e400", "0x10", "2024-01-01", "2024-13-45", "294248-01-01", "24:00:00", "true", "null", '{"a":1}', "[1", "x" * 5000,
    "é" * 3000, "it's", '"', "\n\t", ",", "1 day", "00000000-0000-0000-0000-000000000000", "\ufeff", "a" + "\u0301" * 300,
)  # fmt: skip
FLOATS = (
    float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1.0, -1.5, 0.5, 2.5, 1e300, -1e300, 1.7976931348623157e308,
    5e-324, 1e18, 9.3e18, 1e-300, 123456789.987654321,
)  # fmt: skip
INTERVALS = (
    (-(2**31), -(2**31), -(2**63)), (2**31 - 1, 2**31 - 1, 2**63 - 1), (0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1000),
    (-1, -1, -1000), (12, 30, 10**12), (2**31 - 1, 0, 0), (0, 2**31 - 1, 0), (0, 0, 2**63 - 1),
)  # fmt: skip
BITS = {
    "TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128,
    "UTINYINT": 8, "USMALLINT": 16, "UINTEGER": 32, "UBIGINT": 64, "UHUGEINT": 128,
}  # fmt: skip
DECIMALS = (
    "DECIMAL(4,1)",
    "DECIMAL(9,2)",
    "DECIMAL(10,2)",
    "DECIMAL(18,3)",
    "DECIMAL(27,0)",
    "DECIMAL(38,10)",
    "DECIMAL(38,0)",
)
TYPES = (
    "BOOLEAN", *BITS, "FLOAT", "DOUBLE", *DECIMALS, "VARCHAR", "BLOB", "DATE", "TIME", "TIMESTAMP", "TIMESTAMP_NS",
    "TIMESTAMPTZ", "INTERVAL", "UUID", "ENUM('a', 'b')", "INTEGER[]", "VARCHAR[]", "STRUCT(a INTEGER, b VARCHAR)",
    "MAP(VARCHAR, INTEGER)", "JSON",
)  # fmt: skip


def raw(kind: pa.DataType, values: Sequence[int], size: int) -> pa.Array:
    """Values as the bytes that they are, whatever the type makes of them."""
    data = b"".join(value.to_bytes(size, "little", signed=True) for value in values)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(data)])


def values(kind: str) -> pa.Array:
    """The extremes of a type, in Arrow or as text that DuckDB casts to it."""
    if kind in BITS:
        bits, signed = BITS[kind], not kind.startswith("U")
        top = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
        least = [-top - 1, -top, -2, -1] if signed else []
        return pa.array([str(value) for value in [*least, 0, 1, 2, 7, 63, 64, top - 1, top]])
    if kind in DECIMALS:
        width, scale = (int(part) for part in kind[8:-1].split(","))
        top = 10**width - 1
        exact = Context(prec=40)
        return pa.array(
            [str(exact.scaleb(Decimal(value), -scale)) for value in (-top, -1, 0, 1, 5, top // 2, top)]
        )
    made: dict[str, pa.Array] = {
        "BOOLEAN": pa.array([True, False]),
        "FLOAT": pa.array(
            [value for value in FLOATS if not 1e39 < abs(value) < 1e309] + [3.4028234e38], pa.float32()
        ),
        "DOUBLE": pa.array(FLOATS),
        "VARCHAR": pa.array(TEXTS),
        "BLOB": pa.array([b"", b"\x00", b"\xff" * 10, b"abc", b"x" * 3000]),
        "DATE": raw(pa.date32(), DAYS, 4),
        "TIME": raw(pa.time64("us"), [0, 1, 86_399_999_999, 86_400_000_000], 8),
        "TIMESTAMP": raw(pa.timestamp("us"), MICROSECONDS, 8),
        "TIMESTAMP_NS": raw(pa.timestamp("ns"), MICROSECONDS, 8),
        "TIMESTAMPTZ": raw(pa.timestamp("us", "UTC"), MICROSECONDS, 8),
        "INTERVAL": pa.Array.from_buffers(
            pa.month_day_nano_interval(),
            len(INTERVALS),
            [None, pa.py_buffer(b"".join(struct.pack("<iiq", *value) for value in INTERVALS))],
        ),
        "UUID": pa.array([f"{digit * 8}-0000-0000-0000-{digit * 12}" for digit in "08f"]),
        "ENUM('a', 'b')": pa.array(["a", "b"]),
        "INTEGER[]": pa.array(
            [[], [1], [None], [1, 2, None, 2**31 - 1], list(range(3000))], pa.list_(pa.int32())
        ),
        "VARCHAR[]": pa.array([[], ["a"], [None], ["", "it's", "x" * 1000]]),
        "STRUCT(a INTEGER, b VARCHAR)": pa.array([{"a": 1, "b": "x"}, {"a": None, "b": ""}]),
        "MAP(VARCHAR, INTEGER)": pa.array(
            [[], [("a", 1)], [("", None), ("b", 2)]], pa.map_(pa.string(), pa.int32())
        ),
        "JSON": pa.array(["{}", "[]", "null", '"a"', '{"a": [1, {"b": null}]}']),
    }
    return made[kind]


def table(cursor: duckdb.DuckDBPyConnection, name: str, columns: dict[str, str]) -> None:
    """A table of extremes, NULL among them; of several columns, each row has them from another place."""
    arrays = {column: values(kind) for column, kind in columns.items()}
    longest = max(map(len, arrays.values())) + 1
    rotated = {
        column: pa.chunked_array([pa.nulls(1, array.type), *[array] * ((longest + shift) // len(array) + 1)])[
            shift : shift + longest
        ]
        for shift, (column, array) in enumerate(arrays.items())
    }
    if len(columns) == 1:
        rotated = {
            column: pa.chunked_array([array, pa.nulls(1, array.type)]) for column, array in arrays.items()
        }
    cursor.register("extremes", pa.table(rotated))
    chosen = ", ".join(
        f'"{column}"' if kind in _AS_THEY_ARE else f'"{column}"::{kind} AS "{column}"'
        for column, kind in columns.items()
    )
    cursor.execute(f'CREATE OR REPLACE TEMP TABLE "{name}" AS SELECT {chosen} FROM extremes')
    cursor.unregister("extremes")


def failure(cursor: duckdb.DuckDBPyConnection, sql: str) -> str:
    """What DuckDB says when it runs a statement to its end; nothing when it runs."""
    try:
        # Into a table, since Python cannot write every date.
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE answer AS {sql}")
    except duckdb.Error as error:
        return f"{type(error).__name__}: {error}"
    return ""


_AS_THEY_ARE = (
    "DATE",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP_NS",
    "TIMESTAMPTZ",
    "INTERVAL",
    "DOUBLE",
    "FLOAT",
    "BLOB",
    "BOOLEAN",
)
