"""One type for a column whose files differ: the wider of two, by declared rules only."""

from __future__ import annotations

import re

_SIGNED = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_UNSIGNED = ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")
_FLOATS = ("FLOAT", "DOUBLE")
_MOMENTS = ("TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP")
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
_MAX_DIGITS = 38


def widen(one: str, other: str) -> str | None:
    """The type that holds every value of both, exactly; None when no declared rule gives one.

    Integers widen within their sign and unsigned ones into the next signed, FLOAT to DOUBLE, decimals to
    enough digits on both sides of the point, timestamps to microseconds, an untyped NULL to anything.
    """
    if one == other:
        return one
    if '"NULL"' in (one, other):
        return other if one == '"NULL"' else one
    for ladder in (_SIGNED, _UNSIGNED, _FLOATS, _MOMENTS):
        if one in ladder and other in ladder:
            return ladder[max(ladder.index(one), ladder.index(other))]
    if one in _UNSIGNED and other in _SIGNED:
        one, other = other, one
    if one in _SIGNED and other in _UNSIGNED[:-1]:
        return _SIGNED[max(_SIGNED.index(one), _UNSIGNED.index(other) + 1)]
    return _decimals(one, other)


def widen_text(one: str, other: str, widest: str) -> str:
    """The same for sniffed text (CSV, JSON), where ``widest`` holds whatever was written."""
    wider = widen(one, other)
    if wider is not None:
        return wider
    pair = {one, other}
    if pair <= {"DATE", "TIMESTAMP"}:
        return "TIMESTAMP"
    if "DOUBLE" in pair and pair <= {"DOUBLE", *_SIGNED[:4]}:
        return "DOUBLE"
    return widest


def _decimals(one: str, other: str) -> str | None:
    left, right = _DECIMAL.fullmatch(one), _DECIMAL.fullmatch(other)
    if not left or not right:
        return None
    scale = max(int(left[2]), int(right[2]))
    whole = max(int(left[1]) - int(left[2]), int(right[1]) - int(right[2]))
    return f"DECIMAL({whole + scale},{scale})" if whole + scale <= _MAX_DIGITS else None
