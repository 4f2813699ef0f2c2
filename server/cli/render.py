"""Arrow columns as text, exactly: no float between, no time lost, NULL kept apart from everything."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

# DuckDB's infinities, in days or in microseconds (and the other units) since 1970.
_INFINITE = {
    2**31 - 1: "infinity",
    -(2**31 - 1): "-infinity",
    2**63 - 1: "infinity",
    -(2**63 - 1): "-infinity",
}
_ZERO = ("UTC", "Etc/UTC", "GMT", "Z", "+00:00")


def texts(column: pa.Array) -> list[str | None]:
    """Each value as text, nested ones as JSON; NULL is None."""
    if isinstance(column, pa.ExtensionArray):
        if column.type.extension_name == "arrow.uuid":
            return [None if v is None else str(v) for v in column.to_pylist()]
        column = column.storage
    kind = column.type
    if pt.is_dictionary(kind):
        return texts(column.dictionary_decode())
    if pt.is_nested(kind):
        return [
            None if missing else text for text, missing in zip(jsons(column), _nulls(column), strict=True)
        ]
    if pt.is_date(kind) or pt.is_timestamp(kind):
        return _times(column)
    if pt.is_interval(kind):
        return [None if v is None else _interval(*v) for v in column.to_pylist()]
    if pt.is_integer(kind) or pt.is_string(kind):
        return list(column.cast(pa.string()).to_pylist())
    if pt.is_time(kind):
        return [None if v is None else _trim(v) for v in column.cast(pa.string()).to_pylist()]
    return [None if value is None else _plain(value) for value in column.to_pylist()]


def jsons(column: pa.Array) -> list[str]:
    """Each value as JSON: numbers with all their digits, NULL as null, what JSON lacks as text."""
    kind = column.type
    if pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind):
        items = jsons(column.flatten())
        return _cut(items, pc.list_value_length(column).to_pylist(), "[", "]")
    if pt.is_map(kind):
        entries = column.cast(pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)])))
        pairs = entries.flatten()
        keys = [json.dumps(key, ensure_ascii=False) for key in texts(pairs.field(0))]
        items = [f"{k}: {v}" for k, v in zip(keys, jsons(pairs.field(1)), strict=True)]
        return _cut(items, pc.list_value_length(entries).to_pylist(), "{", "}")
    if pt.is_struct(kind):
        return _structs(column)
    bare = is_number(kind) or pt.is_boolean(kind)
    return [_json(text, bare) for text in texts(column)]


def is_number(kind: pa.DataType) -> bool:
    """Whether values of the type are numbers."""
    return bool(pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind))


def _structs(column: pa.StructArray) -> list[str]:
    names = [json.dumps(field.name, ensure_ascii=False) for field in column.type]
    fields = [jsons(values) for values in column.flatten()]
    rows = zip(*fields, strict=True) if fields else iter(() for _ in range(len(column)))
    whole = ["{" + ", ".join(f"{n}: {v}" for n, v in zip(names, row, strict=True)) + "}" for row in rows]
    return ["null" if missing else text for text, missing in zip(whole, _nulls(column), strict=True)]


def _json(text: str | None, bare: bool) -> str:
    if text is None:
        return "null"
    if bare and text not in ("nan", "inf", "-inf"):
        return text
    return json.dumps(text, ensure_ascii=False)


def _cut(items: list[str], lengths: list[int | None], opening: str, closing: str) -> list[str]:
    """The items, shared out by the length of each row."""
    rows: list[str] = []
    start = 0
    for length in lengths:
        if length is None:
            rows.append("null")
            continue
        rows.append(opening + ", ".join(items[start : start + length]) + closing)
        start += length
    return rows


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, bytes):
        return "".join(f"\\x{byte:02X}" for byte in value)
    if hasattr(value, "as_tuple"):  # Decimal
        return f"{value:f}"
    return str(value)


def _times(column: pa.Array) -> list[str | None]:
    """Dates and timestamps of any year, as DuckDB writes them; a zone is shown as its offset."""
    unit = getattr(column.type, "unit", "D")
    zone = getattr(column.type, "tz", None)
    wide = pa.int32() if pt.is_date32(column.type) else pa.int64()
    unit = "ms" if pt.is_date64(column.type) else unit
    numbers = column.view(wide).fill_null(0).to_numpy(zero_copy_only=False)
    written = np.datetime_as_string(numbers.astype(f"datetime64[{unit}]"))
    rows = zip(numbers.tolist(), written.tolist(), _nulls(column), strict=True)
    return [None if missing else _INFINITE.get(number) or _time(text, zone) for number, text, missing in rows]


def _time(text: str, zone: str | None) -> str:
    day, _, clock = text.partition("T")
    year = int(day[:-6])
    if year < 1:  # numpy counts a year 0, people do not
        day = f"{1 - year:04}{day[-6:]} (BC)"
    if not clock:
        return day
    clock = _trim(clock)
    if zone is None:
        return f"{day} {clock}"
    if zone not in _ZERO and 1 < year < 9999 and len(clock) <= 15:
        there = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
        return there.isoformat(sep=" ")
    return f"{day} {clock}+00:00"


def _trim(clock: str) -> str:
    return clock.rstrip("0").rstrip(".") if "." in clock else clock


def _interval(months: int, days: int, nanoseconds: int) -> str:
    seconds, rest = divmod(abs(nanoseconds), 10**9)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    clock += f".{rest:09}".rstrip("0") if rest else ""
    parts = [f"{months} months"] if months else []
    parts += [f"{days} days"] if days else []
    if nanoseconds or not parts:
        parts.append(("-" if nanoseconds < 0 else "") + clock)
    return " ".join(parts)


def _nulls(column: pa.Array) -> list[bool]:
    return list(column.is_null().to_pylist())
