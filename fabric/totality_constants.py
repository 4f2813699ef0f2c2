"""Values in a bound plan that no row has a part in, as far as they can be reckoned without DuckDB.

DuckDB folds what it can while it plans, and leaves what fails to the moment when a row comes: an error then says that
there is a row. Such an expression is therefore known here, and so cannot raise, or it is not total.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from typing import Any

from fabric.totality_types import FLOATS, RANGES, Node, decimal, kind_of


@dataclass(frozen=True, slots=True)
class Moment:
    """A date or a timestamp that is at most so many days from 1970."""

    days: float


@dataclass(frozen=True, slots=True)
class Span:
    """An interval of at most so many days."""

    days: float


Constant = int | float | Decimal | str | Moment | Span

_EXACT = Context(prec=100)
_MICROSECONDS = 86_400_000_000
_FAR = 10_000_000  # days, some 27,000 years; timestamps reach ten times as far
_NEAR = 1_000_000  # the year 4707: the clock's own time stays below
_NOW = ("today", "current_date", "now", "get_current_timestamp", "current_timestamp", "transaction_timestamp")
_MOMENTS = ("DATE", "TIMESTAMP", "TIMESTAMPTZ")
_REACH: Mapping[str, int] = {**dict.fromkeys(_MOMENTS, _FAR), "TIMESTAMP_NS": 100_000}  # NS: 1696 to 2243
_TRUNCATED = 366_000  # days that date_trunc goes back at most: a thousand years
_PARTS = frozenset("millennium century decade year quarter month week day hour minute second".split())  # noqa: SIM905

_TIME = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?"
_ZONE = r"(Z|[+-](0\d|1[0-4])(:[0-5]\d)?)?"
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_TIMESTAMP = re.compile(rf"(\d{{4}})-(\d\d)-(\d\d)([ T]{_TIME}{_ZONE})?", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,30}(\.\d{1,30})?", re.ASCII)
_SPELLED: Mapping[str, re.Pattern[str]] = {
    "TIME": re.compile(_TIME, re.ASCII),
    "BOOLEAN": re.compile(r"true|false", re.IGNORECASE),
    "UUID": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII),
}


def known(node: Node) -> Constant | None:
    """An expression's value, or its bounds; None where it is not known, or is NULL."""
    kind = node["expression_class"]
    if kind == "BOUND_CONSTANT":
        return _literal(node["value"])
    if kind != "BOUND_FUNCTION":
        return None
    arguments = []
    for child in node["children"]:
        value = known(child)
        if value is None:
            return None
        arguments.append(value)
    path = node["qname"]["path"]
    target = kind_of(node["return_type"])
    if path == ["__cast"]:
        return _cast(arguments[0], target)
    if path[:-1] != ["system", "main"]:
        return None
    if not arguments:
        return Moment(_NEAR) if path[-1] in _NOW else None
    return _called(path[-1], arguments, target)


def _literal(value: Mapping[str, Any]) -> Constant | None:
    if value["is_null"]:
        return None
    kind, held = kind_of(value["type"]), value["value"]
    if kind == "INTERVAL":
        return Span(abs(held["months"]) * 31 + abs(held["days"]) + abs(held["micros"]) / _MICROSECONDS)
    if kind == "VARCHAR":
        return held if isinstance(held, str) else None
    if kind in FLOATS:
        return held if isinstance(held, float) else None
    if isinstance(held, Mapping) and held.keys() == {"upper", "lower"}:
        held = (held["upper"] << 64) + held["lower"]  # the halves of 128 bits
    if not isinstance(held, int) or isinstance(held, bool):
        return None
    sizes = decimal(kind)
    if sizes:
        return _EXACT.scaleb(Decimal(held), -sizes[1])
    if kind == "DATE":
        return Moment(abs(held))
    if kind in _MOMENTS:
        return Moment(abs(held) / _MICROSECONDS)
    return held if kind in RANGES else None


# ── casts ────────────────────────────────────────────────────────────────────────────────────


def _cast(value: Constant, target: str) -> Constant | None:
    if isinstance(value, str):
        return _read(value, target)
    if isinstance(value, Moment):
        return value if value.days <= _REACH.get(target, -1) else None
    if isinstance(value, Span):
        return value if target == "INTERVAL" else None
    if isinstance(value, float):
        return value if target == "DOUBLE" else None
    return _number(value, target)


def _number(value: int | Decimal, target: str) -> Constant | None:
    """A number as another numeric type, when it is well within it."""
    if target in FLOATS:
        return float(value)
    if target in RANGES:
        least, greatest = RANGES[target]
        fits = least <= value <= greatest if isinstance(value, int) else least < value < greatest
        return round(value) if fits else None
    sizes = decimal(target)
    if sizes is None:
        return None
    most: int = 10 ** (sizes[0] - sizes[1]) - 1  # rounding may add one unit
    return Decimal(value) if -most <= value <= most else None


def _read(text: str, target: str) -> Constant | None:
    """A text as a type, in the spellings that need no guess."""
    if target == "VARCHAR":
        return text
    if target in _REACH:
        return _moment(text, _DATE if target == "DATE" else _TIMESTAMP, _REACH[target])
    if target in _SPELLED:
        return text if _SPELLED[target].fullmatch(text) else None
    if not _NUMBER.fullmatch(text) or (target in RANGES and "." in text):
        return None
    return _number(Decimal(text), target)


def _moment(text: str, spelling: re.Pattern[str], reach: int) -> Moment | None:
    match = spelling.fullmatch(text)
    if match is None:
        return None
    try:
        day = date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return None
    days = abs((day - date(1970, 1, 1)).days) + 1
    return Moment(days) if days <= reach else None


# ── calls ────────────────────────────────────────────────────────────────────────────────────


def _called(name: str, arguments: list[Constant], target: str) -> Constant | None:
    if all(isinstance(value, int) for value in arguments) and target in RANGES:
        return _reckoned(name, [value for value in arguments if isinstance(value, int)], target)
    if name in ("date_trunc", "datetrunc") and isinstance(arguments[-1], Moment):
        # With a zone an unknown part is no error before there is a row.
        known_part = isinstance(arguments[0], str) and arguments[0].lower() in _PARTS
        return _far(arguments[-1].days + _TRUNCATED) if known_part else None
    if name in ("+", "-", "add", "subtract") and len(arguments) == 2 and target in _MOMENTS:
        days = [_days(value) for value in arguments]
        return None if None in days else _far(sum(day for day in days if day is not None))
    return None


def _reckoned(name: str, arguments: list[int], target: str) -> int | None:
    reckon = _ARITHMETIC.get((name, len(arguments)))
    if reckon is None:
        return None
    least, greatest = RANGES[target]
    value = reckon(*arguments)
    return value if least < value <= greatest else None


def _days(value: Constant) -> float | None:
    if isinstance(value, Moment | Span):
        return value.days
    return abs(value) if isinstance(value, int) else None


def _far(days: float) -> Moment | None:
    return Moment(days) if days <= _FAR else None


_ARITHMETIC: Mapping[tuple[str, int], Callable[..., int]] = {
    ("+", 2): lambda one, other: one + other,
    ("-", 2): lambda one, other: one - other,
    ("*", 2): lambda one, other: one * other,
    ("-", 1): lambda one: -one,
}
