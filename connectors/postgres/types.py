"""How each Postgres type is selected, travels, and arrives in Arrow as exactly one DuckDB type.

The driver's facts (adbc-driver-postgresql 1.13, PostgreSQL 18): numeric arrives as text, oid as a signed
int4, everything it does not know as wire bytes, arrays of several dimensions flattened, and infinite
dates wrapped around. So numerics travel as scaled integers or text, strangers as ``::text``, arrays with
their number of dimensions beside them, and wrapped dates are mapped to DuckDB's infinities.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from fabric.errors import InvalidConfig
from fabric.types import Column

Family = Literal[
    "integer", "decimal", "double", "float", "boolean", "text", "date", "timestamp", "timestamptz",
    "time", "uuid", "blob", "opaque",
]  # fmt: skip
"""What a column's literals look like and which predicates equal DuckDB's; ``opaque`` has none."""

Expression = Callable[[exp.Expr], exp.Expr]

WHOLE = {pa.int16(): "SMALLINT", pa.int32(): "INTEGER", pa.int64(): "BIGINT"}
"""By what the driver delivers of it, each whole number of Postgres."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a column.

    ``type`` is the DuckDB type text, ``wire`` what the driver delivers for ``select`` of the column,
    ``land`` turns that into the batch's array. ``subject`` is the expression that predicates test.
    """

    type: str
    family: Family
    wire: pa.DataType
    select: Expression
    land: Callable[[pa.Array], pa.Array]
    subject: Expression
    is_array: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether its values travel as whole numbers, so that sums of them are exact."""
        return self.wire in WHOLE and self.family in ("integer", "decimal")

    @property
    def may_raise(self) -> bool:
        """Whether Postgres or the driver may refuse a value of the column on its way."""
        return self.select is not _same or self.type == "INTERVAL"


def _same(column: exp.Expr) -> exp.Expr:
    return column


def _keep(values: pa.Array) -> pa.Array:
    return values


def _as(kind: str) -> Expression:
    built = exp.DataType.build(kind, dialect="postgres")
    return lambda column: exp.cast(column, built.copy())


_AS_TEXT = _as("TEXT")


# ── numerics ─────────────────────────────────────────────────────────────────────────────────

_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_INT64_DIGITS = 18
_MOST_DIGITS = 38


def _scaled(precision: int, scale: int) -> Reading:
    """A numeric of at most 18 digits as int8, whose buffers are then called decimal64: no copy."""
    final = pa.decimal64(precision, scale)

    def select(column: exp.Expr) -> exp.Expr:
        factor = exp.Literal.number(10**scale)
        return exp.cast(exp.Mul(this=column, expression=factor) if scale else column, "BIGINT")

    def land(values: pa.Array) -> pa.Array:
        return pa.Array.from_buffers(final, len(values), values.buffers(), offset=values.offset)

    return Reading(f"DECIMAL({precision},{scale})", "decimal", pa.int64(), select, land, _same)


def _exact(precision: int, scale: int, family: Family) -> Reading:
    """A numeric as text, parsed by Arrow, which refuses NaN and any digit that does not fit."""
    final = pa.decimal128(precision, scale)

    def land(values: pa.Array) -> pa.Array:
        return pc.cast(values, final)

    return Reading(f"DECIMAL({precision},{scale})", family, pa.string(), _AS_TEXT, land, _same)


def _numeric(modifier: str) -> Reading:
    if modifier:
        precision, scale = (int(part) for part in modifier.split(","))
        # Postgres allows a negative scale and one above the precision; DuckDB neither.
        precision, scale = max(precision, scale) - min(scale, 0), max(scale, 0)
        if precision <= _INT64_DIGITS:
            return _scaled(precision, scale)
        if precision <= _MOST_DIGITS:
            return _exact(precision, scale, "decimal")
    # A value beyond DOUBLE makes the cast raise: nothing may be filtered by it at the source.
    return Reading("DOUBLE", "opaque", pa.float64(), _as("DOUBLE PRECISION"), _keep, _same)


# ── dates ────────────────────────────────────────────────────────────────────────────────────

_EPOCH_DAYS = 10_957  # from 1970-01-01 to 2000-01-01, which the driver adds without an overflow check
_EPOCH_MICROS = _EPOCH_DAYS * 86_400_000_000
_FIRST_MICROS = -210_866_803_200_000_000  # 4714-11-24 BC, the first day that Postgres knows


class OutOfRange(ValueError):
    """A value that DuckDB's type cannot hold."""


def _infinite(bits: int, epoch: int, first: int) -> Callable[[pa.Array], pa.Array]:
    """Map the driver's wrapped infinities to DuckDB's (the greatest integer and its negative).

    The bounds are those of DuckDB's timestamp and date types; what wraps without being infinite
    (timestamps after the year 294246) has no place in DuckDB.
    """
    top = 2 ** (bits - 1) - 1
    wrapped_up, wrapped_down = top + epoch - 2**bits, -top - 1 + epoch
    integer = pa.int64() if bits == 64 else pa.int32()

    def land(values: pa.Array) -> pa.Array:
        raw = values.view(integer)
        edges = pc.min_max(raw)
        low, high = edges["min"].as_py(), edges["max"].as_py()
        if low is None or (low >= first and high < top):
            return values
        up, down = pc.equal(raw, wrapped_up), pc.equal(raw, wrapped_down)
        stray = pc.or_(pc.less(raw, first), pc.equal(raw, top))
        if pc.any(pc.and_not(stray, pc.or_(up, down))).as_py():
            raise OutOfRange
        mapped = pc.if_else(up, pa.scalar(top, integer), pc.if_else(down, pa.scalar(-top, integer), raw))
        return mapped.view(values.type)

    return land


_LAND_MICROS = _infinite(64, _EPOCH_MICROS, _FIRST_MICROS)
_LAND_DAYS = _infinite(32, _EPOCH_DAYS, _FIRST_MICROS // 86_400_000_000)


# ── the table of types ───────────────────────────────────────────────────────────────────────


def _plain(
    type_: str,
    family: Family,
    wire: pa.DataType,
    select: Expression = _same,
    land: Callable[[pa.Array], pa.Array] = _keep,
) -> Reading:
    return Reading(type_, family, wire, select, land, select)


def _printed_inet(column: exp.Expr) -> exp.Expr:
    """The address as Postgres prints it; its cast to text adds ``/32`` to a single host."""
    printed = exp.Anonymous(this="inet_out", expressions=[column])
    return exp.Anonymous(this="textin", expressions=[printed])


def _printed_array(column: exp.Expr) -> exp.Expr:
    """An array of texts with its elements as Postgres prints them, which their casts may not."""
    return _as("TEXT[]")(_AS_TEXT(column))


_CAST_TO_TEXT = _plain("VARCHAR", "text", pa.string(), _AS_TEXT)
_STRANGER = _plain("VARCHAR", "opaque", pa.string(), _AS_TEXT)

_READINGS = {
    "smallint": _plain("SMALLINT", "integer", pa.int16()),
    "integer": _plain("INTEGER", "integer", pa.int32()),
    "bigint": _plain("BIGINT", "integer", pa.int64()),
    "oid": _plain("BIGINT", "integer", pa.int64(), _as("BIGINT")),
    "real": _plain("FLOAT", "float", pa.float32()),
    "double precision": _plain("DOUBLE", "double", pa.float64()),
    "boolean": _plain("BOOLEAN", "boolean", pa.bool_()),
    "text": _plain("VARCHAR", "text", pa.string()),
    "character varying": _plain("VARCHAR", "text", pa.string()),
    "character": _plain("VARCHAR", "opaque", pa.string()),  # blank-padded; Postgres ignores the blanks
    "date": _plain("DATE", "date", pa.date32(), land=_LAND_DAYS),
    "time without time zone": _plain("TIME", "time", pa.time64("us")),
    "timestamp without time zone": _plain("TIMESTAMP", "timestamp", pa.timestamp("us"), land=_LAND_MICROS),
    "timestamp with time zone": _plain(
        "TIMESTAMP WITH TIME ZONE", "timestamptz", pa.timestamp("us", "UTC"), land=_LAND_MICROS
    ),
    "interval": _plain("INTERVAL", "opaque", pa.month_day_nano_interval()),
    "uuid": _plain("UUID", "uuid", pa.uuid()),
    "json": _plain("JSON", "opaque", pa.json_(pa.string())),
    "jsonb": _plain("JSON", "opaque", pa.json_(pa.string())),
    "bytea": _plain("BLOB", "blob", pa.binary()),
    "money": _exact(19, 2, "opaque"),
    # Text by an output function of Postgres itself, which cannot raise: filtered as the text it is.
    "inet": _plain("VARCHAR", "text", pa.string(), _printed_inet),
    **dict.fromkeys(("cidr", "macaddr", "macaddr8", "time with time zone"), _CAST_TO_TEXT),
    **dict.fromkeys(("name", '"char"', "bit", "bit varying"), _CAST_TO_TEXT),
}
_READINGS["money"] = Reading(
    "DECIMAL(19,2)", "opaque", pa.string(), lambda c: _AS_TEXT(exp.cast(c, "DECIMAL")),
    _READINGS["money"].land, _same,
)  # fmt: skip

_IN_ARRAYS = frozenset(_READINGS) - {"oid", "interval", "json", "jsonb", "money"}
_MODIFIER = re.compile(r"\((\d+(?:,-?\d+)?)\)")
_MARK = re.compile(r" \{.*\}$")  # what the catalog adds about a collation or an encoding


def normal_type(text: str) -> str:
    """DuckDB's own spelling of a declared type: ``numeric(20, 4)`` is ``DECIMAL(20,4)``."""
    try:
        spelled: str = exp.DataType.build(text, dialect="duckdb").sql("duckdb")
    except Exception:  # noqa: BLE001  (sqlglot's errors have no common root)
        return text.upper()
    spelled = spelled.replace(", ", ",").replace("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE")
    return {"TEXT": "VARCHAR", "REAL": "FLOAT", "INT": "INTEGER"}.get(spelled, spelled)


@lru_cache(maxsize=4096)
def natural(native: str) -> Reading:
    """How a column of Postgres type ``native`` is read when nobody declared it otherwise."""
    native, marked = _MARK.sub("", native), bool(_MARK.search(native))
    if native.endswith("[][]"):
        return _STRANGER
    if native.endswith("[]"):
        return _array(native.removesuffix("[]"))
    modifier = _MODIFIER.search(native)
    base = _MODIFIER.sub("", native)
    if base == "numeric":
        return _numeric(modifier[1] if modifier else "")
    if base.startswith("interval"):
        base = "interval"
    if base.startswith("enum "):
        return _CAST_TO_TEXT
    found = _READINGS.get(base, _STRANGER)
    if marked and found.family == "text":
        return _plain(found.type, "opaque", found.wire, found.select)
    return found


def _array(element: str) -> Reading:
    base = _MODIFIER.sub("", element)
    if base == "numeric":
        inner = _numeric(modifier[1] if (modifier := _MODIFIER.search(element)) else "")
        if inner.type != "DOUBLE":
            precision, scale = (int(part) for part in _DECIMAL.fullmatch(inner.type).groups())  # type: ignore[union-attr]
            inner = _exact(precision, scale, "opaque")
            return _listed(inner, _as("TEXT[]"))
        return _listed(inner, _as("DOUBLE PRECISION[]"))
    inner = _READINGS[base] if base in _IN_ARRAYS else _STRANGER
    return _listed(inner, _printed_array if inner.select is not _same else _same)


def _listed(inner: Reading, select: Expression) -> Reading:
    def land(values: pa.Array) -> pa.Array:
        if inner.land is _keep:
            return values
        landed = inner.land(values.values)
        kind = pa.list_(landed.type)
        return pa.ListArray.from_arrays(values.offsets, landed, type=kind, mask=values.is_null())

    return Reading(f"{inner.type}[]", "opaque", pa.list_(inner.wire), select, land, _same, is_array=True)


@lru_cache(maxsize=4096)
def _declared(native: str, type_: str) -> Reading | None:
    found = natural(native)
    if type_ == found.type:
        return found
    if type_ == "VARCHAR":
        return _STRANGER
    base = _MODIFIER.sub("", native)
    decimal = _DECIMAL.fullmatch(type_)
    if base == "numeric" and decimal and int(decimal[1]) <= _MOST_DIGITS:
        return _exact(int(decimal[1]), int(decimal[2]), "decimal")
    if base == "numeric" and type_ == "DOUBLE":
        return _numeric("")
    return None


def reading(column: Column) -> Reading:
    """How ``column`` is read as its ``type``.

    Raises:
        InvalidConfig: Postgres's type cannot be read exactly as the declared one.
    """
    found = _declared(column.native, column.type)
    if found is None:
        raise InvalidConfig(
            f"column '{column.name}' is {column.native} in Postgres and cannot be read as {column.type}",
            hint="declare VARCHAR, or DECIMAL(p,s) for a numeric, or leave the column out of `columns`",
        )
    return found
