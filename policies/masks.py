"""Column masks: what a ``p2`` rule's last field means, and the DuckDB expression that does it.

Every expression is total: whatever the value, it gives one of the column's own type or NULL, and never raises.
Characters are code points, so that a letter and the accents after it count as several.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from sqlglot import exp

from fabric.naming import suggest
from fabric.pushdown import literal
from fabric.types import Column
from policies.expressions import read_value, value_for

_PLAIN = ("hide", "null", "hash", "email", "year", "clear")
_SIZED = ("last", "first", "bucket")
_WRITTEN = (*_PLAIN, *(f"{name}(n)" for name in _SIZED), "sql:<expression>")
_CALL = re.compile(r"(\w+)\s*\(\s*([0-9]{1,30})\s*\)", re.ASCII)
_SQL = "sql:"
_LARGEST = 10**18
_STRICTNESS = {"hide": 3, "null": 2, "clear": 0}
_BLOCK = 64  # bytes in a block of SHA-256: B in RFC 2104

# DuckDB's names of types and the aliases that a fabric.yaml may use (duckdb_types(); a test compares). Whole numbers
# with the type that their buckets are reckoned in.
_TEXT = frozenset("VARCHAR TEXT STRING CHAR BPCHAR NVARCHAR".split())  # noqa: SIM905
_DATES = frozenset("DATE TIMESTAMP DATETIME TIMESTAMP_US TIMESTAMP_S TIMESTAMP_MS TIMESTAMP_NS".split())  # noqa: SIM905
_ZONED = frozenset({"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ", "TIMESTAMPTZ_NS"})
_NARROW = (
    "TINYINT INT1 SMALLINT INT2 INT16 SHORT INTEGER INT INT4 INT32 INTEGRAL SIGNED BIGINT INT8 INT64 LONG OID"
)
_WHOLE = {
    **dict.fromkeys(_NARROW.split(), "BIGINT"),
    **dict.fromkeys(["UTINYINT", "UINT8", "USMALLINT", "UINT16", "UINTEGER", "UINT32"], "UBIGINT"),
    **dict.fromkeys(["UBIGINT", "UINT64"], "UBIGINT"),
    **dict.fromkeys(["HUGEINT", "INT128"], "HUGEINT"),
    **dict.fromkeys(["UHUGEINT", "UINT128"], "UHUGEINT"),
}
_DECIMALS = frozenset({"DECIMAL", "NUMERIC", "DEC"})
_FLOATS = frozenset({"FLOAT", "FLOAT4", "REAL", "DOUBLE", "FLOAT8"})
_FITTING = {
    **dict.fromkeys(["hash", "email", "last", "first"], _TEXT),
    "year": _DATES | _ZONED,
    "bucket": _DECIMALS | _FLOATS | _WHOLE.keys(),
}


@dataclass(frozen=True, slots=True)
class MaskKind:
    """A mask as a rule writes it: ``argument`` is the number of a sized one, ``value`` the tree of a ``sql:`` one.

    ``text`` is the canonical spelling; two masks of the same text are the same mask.
    """

    name: str
    argument: int | None
    value: exp.Expr | None
    text: str

    @property
    def strictness(self) -> int:
        """Which of two masks wins: hide, then null, then any other, and clear last."""
        return _STRICTNESS.get(self.name, 1)


def read_mask(text: str) -> MaskKind:
    """The mask that a rule's field names; ``sql:`` is followed by an expression over the column or ``value``.

    Raises:
        ValueError: there is no such mask, or it is not written so; says what is wrong.
    """
    text = text.strip()
    if text.startswith(_SQL):
        expression = text.removeprefix(_SQL).strip()
        return MaskKind("sql", None, read_value(expression), f"{_SQL}{expression}")
    if text in _PLAIN:
        return MaskKind(text, None, None, text)
    call = _CALL.fullmatch(text)
    if call is None or call[1] not in _SIZED:
        raise ValueError(_unknown(text))
    size = int(call[2])
    if not 1 <= size <= _LARGEST:
        raise ValueError(f"the number in {call[1]}(n) is from 1 to {_LARGEST}")
    return MaskKind(call[1], size, None, f"{call[1]}({size})")


def fits(kind: MaskKind, type_text: str) -> bool:
    """Whether the mask can stand on a column of this DuckDB type.

    ``hide``, ``null`` and ``clear`` fit everything; so does ``sql:``, as far as can be known before it is bound.
    """
    fitting = _FITTING.get(kind.name)
    return fitting is None or _base(type_text) in fitting


def mask_expression(kind: MaskKind, column: Column, secret: bytes) -> str:
    """DuckDB text of the masked value, over a relation that has the column under its own name.

    A value out of the type's range is NULL, and NULL stays NULL. The text of a ``hash`` is as secret as the key.

    Args:
        kind: a mask that fits the column; the values of ``attr`` and its like already stand in ``kind.value``.
        column: the column, its type as DuckDB writes it.
        secret: the key of ``hash``, derived for this purpose alone.

    Raises:
        ValueError: the mask does not fit, or a ``sql:`` mask names another column.
    """
    if not fits(kind, column.type):
        raise ValueError(f"the mask {kind.text} does not fit {column.type}")
    name = '"' + column.name.replace('"', '""') + '"'
    if kind.name == "clear":
        return name
    if kind.name in ("hide", "null"):
        return f"CAST(NULL AS {column.type})"
    if kind.value is not None:
        expression = value_for(kind.value, column.name).sql(dialect="duckdb")
        made = f"CASE WHEN {name} IS NOT NULL THEN {expression} END"
    elif kind.name == "hash":
        made = _hash(name, secret)
    else:
        made = _MASKS[kind.name](name, kind.argument or 0, column.type)
    return f"TRY(CAST({made} AS {column.type}))"


def _unknown(text: str) -> str:
    stem = text.partition("(")[0].strip()
    if stem in _SIZED:
        return f"{stem} is written {stem}(n), with a number from 1 upwards"
    if stem in _PLAIN:
        return f"{stem} takes no number"
    return f"there is no mask '{text}'; {suggest(text, _WRITTEN, 'masks')}"


@lru_cache(maxsize=1000)
def _base(type_text: str) -> str:
    """A type's name without width and scale; a list or a struct keeps what shows that it is one."""
    return re.sub(r"\s*\([\s0-9,]*\)$", "", re.sub(r"\s+", " ", type_text.strip())).upper()


def _hash(name: str, secret: bytes) -> str:
    """16 hex digits of HMAC-SHA256 (RFC 2104), by DuckDB's ``sha256`` over bytes."""
    outer, inner = _pads(secret)
    return f"left(sha256({outer} || unhex(sha256({inner} || encode({name})))), 16)"


@lru_cache(maxsize=8)
def _pads(secret: bytes) -> tuple[str, str]:
    key = (hashlib.sha256(secret).digest() if len(secret) > _BLOCK else secret).ljust(_BLOCK, b"\0")
    outer, inner = (literal(bytes(byte ^ pad for byte in key)).sql(dialect="duckdb") for pad in (0x5C, 0x36))
    return outer, inner


def _email(name: str, _: int, __: str) -> str:
    """The first character before the last ``@``, ``***``, and all from that ``@`` on; without one ``***``.

    So of ``@x`` nothing is shown before the ``@``, of ``a@b@c`` only ``a`` and ``@c``, of an accented letter that
    is written as two characters the first, which is the letter.
    """
    domain = f"string_split({name}, '@')[-1]"
    shown = f"CASE WHEN starts_with({name}, '@') AND {domain} = substr({name}, 2) THEN '' ELSE left({name}, 1) END"
    return (
        f"CASE WHEN contains({name}, '@') THEN {shown} || '***@' || {domain} "
        f"WHEN {name} IS NOT NULL THEN '***' END"
    )


def _first(name: str, size: int, _: str) -> str:
    return f"CASE WHEN length({name}) > {size} THEN left({name}, {size}) || '***' WHEN {name} IS NOT NULL THEN '***' END"


def _last(name: str, size: int, _: str) -> str:
    """A value not longer than n shows nothing, as with ``first``: the whole of it would stand there."""
    return f"CASE WHEN length({name}) > {size} THEN '***' || right({name}, {size}) WHEN {name} IS NOT NULL THEN '***' END"


def _year(name: str, _: int, type_text: str) -> str:
    """1 January, midnight, UTC whatever the session's zone; an infinite date stays infinite."""
    base = _base(type_text)
    if base == "DATE":
        # Years that a TIMESTAMP, which date_trunc gives, does not reach.
        return f"CASE WHEN isfinite({name}) THEN make_date(year({name}), 1, 1) ELSE {name} END"
    zoned, local = base in _ZONED, name
    if base == "TIMESTAMPTZ_NS":
        local = f"timezone('UTC', {name})"
    elif zoned:
        local = f"make_timestamp(epoch_us({name}))"  # eight times as fast as timezone(), which asks ICU
    if base.endswith("_NS"):
        # A cast to microseconds rounds, and the last of December would be in the next year.
        finite, nanos = f"isfinite({local})", f"epoch_ns({local})"
        local = f"make_timestamp(({nanos} - ({nanos} % 1000 + 1000) % 1000) // 1000)"
    else:
        finite = f"isfinite({name})"
    start = f"date_trunc('year', {local})"
    start = f"make_timestamptz(epoch_us({start}))" if zoned else start
    return f"CASE WHEN {finite} THEN CAST({start} AS {type_text}) ELSE {name} END"


def _bucket(name: str, size: int, type_text: str) -> str:
    """The largest multiple of n that is not above the value; NULL for NaN and infinity."""
    base = _base(type_text)
    if base in _FLOATS:
        # What % leaves of a float is exact, a quotient is not.
        return f"CASE WHEN isfinite({name}) THEN {_floor(name, size, 'DOUBLE')} END"
    if base in _DECIMALS:
        return _floor(f"floor({name})", size, "HUGEINT")
    return _floor(name, size, _WHOLE[base])


def _floor(value: str, size: int, wide: str) -> str:
    value, by = f"CAST({value} AS {wide})", f"CAST({size} AS {wide})"
    towards_zero = f"{value} - {value} % {by}"
    if wide.startswith("U"):
        return towards_zero
    return f"CASE WHEN {value} % {by} < 0 THEN {towards_zero} - {by} ELSE {towards_zero} END"


_MASKS: dict[str, Callable[[str, int, str], str]] = {
    "email": _email,
    "first": _first,
    "last": _last,
    "year": _year,
    "bucket": _bucket,
}
