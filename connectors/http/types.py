"""DuckDB's type names over JSON: the Arrow type of a column, and what a JSON value becomes in it.

A value that does not fit exactly is refused, never rounded: the one exception is time beyond
microseconds, which neither DuckDB's TIMESTAMP nor JSON's usual formats keep.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID

import pyarrow as pa
from sqlglot import exp
from sqlglot.errors import SqlglotError

Family = Literal[
    "integer",
    "double",
    "decimal",
    "text",
    "boolean",
    "date",
    "timestamp",
    "timestamptz",
    "uuid",
    "other",
]
TimeFormat = Literal["epoch", "epoch_ms"]
Decode = Callable[[object], object]

_EPOCH = datetime(1970, 1, 1)
_TICKS = {"epoch": 1_000_000, "epoch_ms": 1_000}
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_INTEGERS = {
    "TINYINT": pa.int8(),
    "SMALLINT": pa.int16(),
    "INT": pa.int32(),
    "BIGINT": pa.int64(),
    "UTINYINT": pa.uint8(),
    "USMALLINT": pa.uint16(),
    "UINT": pa.uint32(),
    "UBIGINT": pa.uint64(),
}


@dataclass(frozen=True, slots=True)
class JsonType:
    """How one column is read.

    ``decode`` takes a JSON value that is not null and raises ValueError when it does not fit.
    ``plain`` are the Python types that Arrow itself takes as they are. ``digits`` says that numbers must
    keep the digits that were sent.
    """

    arrow: pa.DataType
    decode: Decode
    family: Family = "other"
    plain: frozenset[type] = frozenset()
    digits: bool = False


def json_type(text: str, time_format: TimeFormat | None = None) -> JsonType:
    """The reading of a DuckDB type, e.g. ``DECIMAL(9,2)`` or ``STRUCT(a BIGINT)[]``.

    Raises:
        ValueError: no such type, or none that JSON values become.
    """
    try:
        parsed = exp.DataType.build(text, dialect="duckdb")
    except SqlglotError:
        raise ValueError(f"'{text}' is not a DuckDB type") from None
    made = _build(parsed, text, time_format)
    if time_format and made.family not in ("date", "timestamp", "timestamptz"):
        raise ValueError(f"format: {time_format} needs a DATE, TIMESTAMP or TIMESTAMPTZ, not {text}")
    return made


def _build(parsed: exp.DataType, text: str, time_format: TimeFormat | None) -> JsonType:
    kind = parsed.this.name
    if kind in _INTEGERS:
        arrow = _INTEGERS[kind]
        bits = arrow.bit_width
        low, high = (0, 2**bits - 1) if kind.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return JsonType(arrow, _integer(low, high), "integer", frozenset({int, type(None)}))
    if kind == "INT128":
        bound = 10**38 - 1
        whole = _integer(-bound, bound)
        # DuckDB's own Arrow form of HUGEINT.
        return JsonType(pa.decimal128(38, 0), lambda value: Decimal(whole(value)), "integer")
    if kind == "DECIMAL":
        precision, scale = ([int(param.name) for param in parsed.expressions] + [0])[:2]
        arrow = pa.decimal128(precision, scale)
        return JsonType(arrow, _decimal(precision, scale), "decimal", digits=True)
    if kind == "ARRAY" and parsed.expressions and not parsed.args.get("values"):
        return _list(_build(parsed.expressions[0], text, time_format))
    if kind == "STRUCT" and parsed.expressions:
        return _struct({part.name: _build(part.args["kind"], text, None) for part in parsed.expressions})
    if kind in ("DATE", "TIMESTAMPNTZ", "TIMESTAMPTZ"):
        return _instant(kind, time_format)
    if kind in _SCALARS:
        return _SCALARS[kind]
    raise ValueError(f"{text} is not a type that JSON values become; declare the column as VARCHAR or JSON")


def _list(made: JsonType) -> JsonType:
    item = _nested(made)

    def decode(value: object) -> object:
        if not isinstance(value, list):
            raise ValueError
        return [None if part is None else item.decode(part) for part in value]

    return JsonType(pa.list_(item.arrow), decode, digits=item.digits)


def _struct(made: dict[str, JsonType]) -> JsonType:
    fields = {name: _nested(field) for name, field in made.items()}

    def decode(value: object) -> object:
        if not isinstance(value, dict):
            raise ValueError
        found = {name: value.get(name) for name in fields}
        return {name: None if v is None else fields[name].decode(v) for name, v in found.items()}

    arrow = pa.struct([(name, field.arrow) for name, field in fields.items()])
    return JsonType(arrow, decode, digits=any(field.digits for field in fields.values()))


def _nested(made: JsonType) -> JsonType:
    # Arrow builds no extension type inside a list or struct; DuckDB casts from text.
    if made.arrow == pa.uuid():
        return JsonType(pa.string(), lambda value: str(UUID(bytes=_uuid(value))))
    return replace(made, arrow=pa.string()) if isinstance(made.arrow, pa.BaseExtensionType) else made


def _integer(low: int, high: int) -> Callable[[object], int]:
    def decode(value: object) -> int:
        if (
            (isinstance(value, str) and re.fullmatch(r"-?\d{1,40}", value))
            or (isinstance(value, float) and value.is_integer() and abs(value) < 2**53)
            or (isinstance(value, Decimal) and abs(value) < 10**40 and value == value.to_integral_value())
        ):
            value = int(value)
        if type(value) is not int or not low <= value <= high:
            raise ValueError
        return value

    return decode


def _decimal(precision: int, scale: int) -> Decode:
    bound = 10 ** (precision - scale)

    def decode(value: object) -> object:
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            value = Decimal(value)
        if type(value) is int:
            value = Decimal(value)
        if not isinstance(value, Decimal) or value.copy_abs() >= bound:  # abs() rounds
            raise ValueError
        sign, digits, exponent = value.as_tuple()
        if isinstance(exponent, int) and exponent < -scale:
            spare = -scale - exponent
            if any(digits[-spare:]):
                raise ValueError
            value = Decimal((sign, digits[:-spare] or (0,), -scale))
        return value

    return decode


def _double(value: object) -> object:
    if isinstance(value, str):
        if value in _NOT_FINITE:
            return _NOT_FINITE[value]
        if not _NUMBER.fullmatch(value):
            raise ValueError
    elif type(value) is not int and not isinstance(value, float | Decimal):
        raise ValueError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _float(value: object) -> object:
    number = _double(value)
    if isinstance(number, float) and math.isfinite(number) and abs(number) > 3.4028235677973366e38:
        raise ValueError
    return number


def _text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError
    value.encode()
    return value


def _boolean(value: object) -> object:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _time(value: object) -> object:
    made = time.fromisoformat(value) if isinstance(value, str) else None
    if made is None or made.tzinfo is not None:
        raise ValueError
    return made


def _uuid(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError
    return UUID(value).bytes


def _instant(kind: str, time_format: TimeFormat | None) -> JsonType:
    if kind == "DATE":
        return JsonType(pa.date32(), lambda value: _date(value, time_format), "date")
    if kind == "TIMESTAMPNTZ":
        return JsonType(pa.timestamp("us"), lambda value: _timestamp(value, time_format), "timestamp")
    arrow = pa.timestamp("us", tz="UTC")
    return JsonType(arrow, lambda value: _timestamp(value, time_format).replace(tzinfo=UTC), "timestamptz")


def _timestamp(value: object, time_format: TimeFormat | None) -> datetime:
    if time_format:
        if type(value) is not int and not isinstance(value, float | Decimal):
            raise ValueError
        return _EPOCH + timedelta(microseconds=math.floor(Decimal(str(value)) * _TICKS[time_format]))
    if not isinstance(value, str):
        raise ValueError
    made = datetime.fromisoformat(value)
    return made if made.tzinfo is None else made.astimezone(UTC).replace(tzinfo=None)


def _date(value: object, time_format: TimeFormat | None) -> date:
    if time_format:
        made = _timestamp(value, time_format)
        if made.time() != time():
            raise ValueError
        return made.date()
    if not isinstance(value, str):
        raise ValueError
    return date.fromisoformat(value)


def json_text(value: object) -> str:
    """JSON text of a parsed value, its decimals with the digits that were sent."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json_text(key)}:{json_text(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(json_text, value)) + "]"
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


_SCALARS: dict[str, JsonType] = {
    "DOUBLE": JsonType(pa.float64(), _double, "double"),
    "FLOAT": JsonType(pa.float32(), _float),
    "TEXT": JsonType(pa.string(), _text, "text", frozenset({str, type(None)})),
    "VARCHAR": JsonType(pa.string(), _text, "text", frozenset({str, type(None)})),
    "BOOLEAN": JsonType(pa.bool_(), _boolean, "boolean", frozenset({bool, type(None)})),
    "TIME": JsonType(pa.time64("us"), _time),
    "UUID": JsonType(pa.uuid(), _uuid, "uuid"),
    "JSON": JsonType(pa.json_(pa.string()), lambda value: _text(json_text(value)), digits=True),
}
