"""Parameters between Arrow and SQL: what a prepared statement promises of them, and the values that came.

The Arrow JDBC driver binds what it was promised: it casts what a setter was given to the one promised type, in whole milliseconds
and with exactly the promised scale, and refuses a union. So each placeholder is promised the widest type of its
kind, in the unit that the driver writes, and a value arrives as it was set or is refused there. ADBC binds
whatever it was given.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from fabric.errors import InvalidValue
from fabric.types import Written

_DECIMAL = re.compile(r"DECIMAL\(\d+,(\d+)\)")
_WIDEST = 38
_TYPES: dict[str, pa.DataType] = (
    {
        "BOOLEAN": pa.bool_(),
        "FLOAT": pa.float64(),
        "DOUBLE": pa.float64(),
        "BLOB": pa.binary(),
        "DATE": pa.date32(),
        "TIME": pa.time32("ms"),
        "TIMESTAMP": pa.timestamp("ms"),
        "TIMESTAMP_S": pa.timestamp("ms"),
        "TIMESTAMP_MS": pa.timestamp("ms"),
        "TIMESTAMP_NS": pa.timestamp("ms"),
    }
    | {
        name: pa.int64()
        for name in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
    }
    | {name: pa.decimal128(_WIDEST, 0) for name in ("UBIGINT", "HUGEINT", "UHUGEINT")}
)


def parameter_schema(count: int, types: Sequence[str | None]) -> pa.Schema:
    """One field a placeholder, named by its number; text where its type is not known or has no better one.

    Args:
        count: how many placeholders there are.
        types: their DuckDB types, as far as they are known.
    """
    known = [*types, *[None] * (count - len(types))]
    return pa.schema([(str(number), _arrow(kind)) for number, kind in enumerate(known, start=1)])


def _arrow(kind: str | None) -> pa.DataType:
    if kind is None:
        return pa.utf8()
    if kind.endswith("[]"):
        return pa.list_(_arrow(kind.removesuffix("[]")))
    decimal = _DECIMAL.fullmatch(kind)
    if decimal:
        return pa.decimal128(_WIDEST, int(decimal[1]))
    return _TYPES.get(kind, pa.utf8())


def value(scalar: pa.Scalar, number: int) -> object:
    """The value of an Arrow scalar as ``fabric.parse.bind`` takes it.

    Args:
        scalar: the value, of any type.
        number: the parameter's, for the message.

    Raises:
        InvalidValue: SQL cannot be told it exactly.
    """
    try:
        return _value(scalar)
    except (pa.ArrowException, ValueError, OverflowError):
        raise InvalidValue(
            f"parameter {number} has no exact value in SQL",
            hint="bind it as text and CAST it in the statement",
        ) from None


def _value(scalar: pa.Scalar) -> object:
    while isinstance(scalar, pa.UnionScalar | pa.ExtensionScalar | pa.DictionaryScalar):
        if scalar.type == pa.uuid():
            return scalar.as_py()
        scalar = scalar.value
    if scalar is None or not scalar.is_valid:
        return None
    kind = scalar.type
    if isinstance(scalar, pa.MapScalar):
        raise ValueError("a map has no literal of its own")
    if isinstance(scalar, pa.StructScalar):
        return {name: _value(item) for name, item in scalar.items()}
    if isinstance(scalar, pa.ListScalar):
        return [_value(item) for item in scalar.values]
    if isinstance(scalar, pa.MonthDayNanoIntervalScalar):
        return _interval(scalar.as_py())
    if getattr(kind, "unit", None) == "ns":
        return _nanoseconds(scalar)
    return scalar.as_py()


def _interval(parts: Any) -> Written:
    microseconds, rest = divmod(parts.nanoseconds, 1000)
    if rest:
        raise ValueError("DuckDB's intervals end at microseconds")
    return Written(f"{parts.months} months {parts.days} days {microseconds} microseconds", "INTERVAL")


def _nanoseconds(scalar: pa.Scalar) -> object:
    """Python's times end at microseconds: those that do too are Python's, others are written out."""
    kind = scalar.type
    if scalar.value % 1000 == 0 or pa.types.is_duration(kind):
        return scalar.cast(_microseconds(kind)).as_py()
    if pa.types.is_time(kind):
        return Written(str(scalar.cast(pa.utf8())), "TIME_NS")
    if kind.tz is not None:
        raise ValueError("sqlglot reads no type of nanoseconds with a time zone")
    return Written(str(scalar.cast(pa.utf8())), "TIMESTAMP_NS")


def _microseconds(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    return pa.time64("us") if pa.types.is_time(kind) else pa.duration("us")
