"""Arrow types as DuckDB has them: what a driver's column lands as, and DuckDB's text for it."""

from __future__ import annotations

import re

import pyarrow as pa

from fabric.predicates import PredicateWord

INTEGERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
)

INTEGER_WORDS: frozenset[PredicateWord] = frozenset(
    {"=", "<>", "<", "<=", ">", ">=", "in", "not in", "null", "or"}
)
OTHER_WORDS: frozenset[PredicateWord] = frozenset({"null", "or"})

_MOST_DIGITS = 38
_NAMES = {
    pa.bool_(): "BOOLEAN",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.uint8(): "UTINYINT",
    pa.uint16(): "USMALLINT",
    pa.uint32(): "UINTEGER",
    pa.uint64(): "UBIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.string(): "VARCHAR",
    pa.binary(): "BLOB",
    pa.date32(): "DATE",
    pa.time64("us"): "TIME",
    pa.time64("ns"): "TIME_NS",
    pa.timestamp("s"): "TIMESTAMP_S",
    pa.timestamp("ms"): "TIMESTAMP_MS",
    pa.timestamp("us"): "TIMESTAMP",
    pa.timestamp("ns"): "TIMESTAMP_NS",
    pa.month_day_nano_interval(): "INTERVAL",
    pa.duration("us"): "INTERVAL",
    pa.uuid(): "UUID",
    pa.json_(pa.string()): "JSON",
}
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def landed(kind: pa.DataType) -> pa.DataType:
    """The Arrow type, equal in value, that DuckDB reads as one of its own types.

    Raises:
        TypeError: there is none.
    """
    if kind in _NAMES:
        return kind
    if isinstance(kind, pa.DictionaryType | pa.RunEndEncodedType):
        return landed(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return landed(kind.storage_type)
    if pa.types.is_null(kind):
        return pa.int32()
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_binary_view(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return pa.binary()
    return _landed_number(kind) or _landed_nested(kind)


def _landed_number(kind: pa.DataType) -> pa.DataType | None:
    if pa.types.is_date64(kind):
        return pa.date32()
    if pa.types.is_time32(kind):
        return pa.time64("us")
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", "UTC")  # with a zone: DuckDB knows one unit and keeps the instant alone
    if pa.types.is_duration(kind):
        return pa.duration("us")
    if pa.types.is_decimal(kind):
        if kind.precision > _MOST_DIGITS:
            return pa.string()
        return pa.decimal128(kind.precision, kind.scale) if kind.scale >= 0 else pa.string()
    return None


def _landed_nested(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_map(kind):
        return pa.map_(landed(kind.key_type), landed(kind.item_type))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(landed(field.type)) for field in kind])
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(landed(kind.value_type), kind.list_size)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(landed(kind.value_type))
    raise TypeError(str(kind))


def type_text(kind: pa.DataType) -> str:
    """DuckDB's text for a landed type."""
    if kind in _NAMES:
        return _NAMES[kind]
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP WITH TIME ZONE"
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    if pa.types.is_map(kind):
        return f"MAP({type_text(kind.key_type)}, {type_text(kind.item_type)})"
    if pa.types.is_struct(kind):
        return f"STRUCT({', '.join(f'{_quoted(field.name)} {type_text(field.type)}' for field in kind)})"
    if pa.types.is_fixed_size_list(kind):
        return f"{type_text(kind.value_type)}[{kind.list_size}]"
    return f"{type_text(kind.value_type)}[]"


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return name if _PLAIN_NAME.fullmatch(name) else f'"{doubled}"'
