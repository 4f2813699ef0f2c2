"""Sets of values, and what a bare column must meet to hold one of them.

A domain is a union of intervals, with or without NULL. Numbers are exact (``int`` or ``Fraction``), a DATE is its days
and a TIMESTAMP its microseconds since 1970, as DuckDB's plans have them; an interval without an upper end holds what
sorts last, be it an infinity or a NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

from fabric.predicates import AllOf, AnyOf, Comparison, Membership, NullTest, Operator, Predicate, Value
from fabric.totality_types import RANGES, decimal

DAY = 86_400_000_000
"""Microseconds of a day."""

Found = Predicate | bool
"""What a row must meet: a predicate; True where nothing is known of it, False where no row can."""

_MOST_RANGES = 16
_EXACT = Context(prec=100)
_EPOCH = date(1970, 1, 1)
_FIRST_DAY, _LAST_DAY = (date.min - _EPOCH).days, (date.max - _EPOCH).days
_MOMENTS = ("DATE", "TIMESTAMP", "TIMESTAMPTZ")


@dataclass(frozen=True, slots=True)
class Interval:
    """The values from ``low`` to ``high``; None is no end, an open end is not among them."""

    low: Any = None
    high: Any = None
    low_open: bool = False
    high_open: bool = False

    def has(self, value: Any) -> bool:
        """Whether a value is within."""
        above = self.low is None or self.low < value or (self.low == value and not self.low_open)
        below = self.high is None or value < self.high or (value == self.high and not self.high_open)
        return above and below

    @property
    def is_point(self) -> bool:
        """Whether there is one value in it."""
        return self.low is not None and self.low == self.high


@dataclass(frozen=True, slots=True)
class Domain:
    """Values of one type."""

    intervals: tuple[Interval, ...]
    null: bool = False

    def has(self, value: Any) -> bool:
        """Whether a value is among them; None is NULL."""
        return self.null if value is None else any(each.has(value) for each in self.intervals)

    def not_null(self) -> Domain:
        """The same without NULL."""
        return replace(self, null=False)

    @property
    def points(self) -> list[Any] | None:
        """The values, where there are only single ones."""
        return (
            [each.low for each in self.intervals] if all(each.is_point for each in self.intervals) else None
        )

    def joined(self, more: Iterable[Interval]) -> Domain:
        """With the values of further intervals."""
        return replace(self, intervals=(*self.intervals, *more))


VALUES = Domain((Interval(),))
"""Whatever is not NULL."""

NULL = Domain((), null=True)


def compared(op: Operator, value: Any) -> Domain:
    """The values ``x`` of which ``x op value`` is true."""
    if op == "<>":
        return Domain((Interval(high=value, high_open=True), Interval(low=value, low_open=True)))
    if op == "=":
        return points([value])
    end = op in ("<", ">")
    return Domain(
        (Interval(low=value, low_open=end) if op.startswith(">") else Interval(high=value, high_open=end),)
    )


def points(values: Iterable[Any]) -> Domain:
    """These values."""
    return Domain(tuple(Interval(value, value) for value in values))


def others(values: Iterable[Any]) -> Domain:
    """All values but these."""
    ordered = sorted(set(values))
    if not ordered:
        return VALUES
    between = [Interval(low, high, True, True) for low, high in pairwise(ordered)]
    first = Interval(high=ordered[0], high_open=True)
    return Domain((first, *between, Interval(low=ordered[-1], low_open=True)))


def outside(low: Any, high: Any) -> tuple[Interval, ...]:
    """What is not from ``low`` to ``high``."""
    return Interval(high=low, high_open=True), Interval(low=high, low_open=True)


# ── of several ───────────────────────────────────────────────────────────────────────────────


def any_of(parts: Iterable[Found]) -> Found:
    """What a row meets that meets one of these."""
    flat: dict[Predicate, None] = {}
    for part in parts:
        if part is True:
            return True
        if part is not False:
            flat.update(dict.fromkeys(part.parts if isinstance(part, AnyOf) else (part,)))
    return AnyOf(tuple(flat)) if len(flat) > 1 else next(iter(flat), False)


def all_of(parts: Iterable[Found]) -> Found:
    """What a row meets that meets all of these."""
    flat: dict[Predicate, None] = {}
    for part in parts:
        if part is False:
            return False
        if part is not True:
            flat.update(dict.fromkeys(part.parts if isinstance(part, AllOf) else (part,)))
    return AllOf(tuple(flat)) if len(flat) > 1 else next(iter(flat), True)


# ── of a column ──────────────────────────────────────────────────────────────────────────────


def held(column: str, kind: str, domain: Domain) -> Found:
    """What a column holds whose value is in a domain: exactly, or something wider.

    Args:
        column: its name.
        kind: its type, as ``totality_types.kind_of`` names it.
        domain: of values of that type.
    """
    return any_of([_values(column, kind, domain.intervals), NullTest(column) if domain.null else False])


def _values(column: str, kind: str, intervals: Sequence[Interval]) -> Found:
    if not intervals:
        return False
    if kind == "BOOLEAN":
        return any_of(Comparison(column, "=", v) for v in (True, False) if any(i.has(v) for i in intervals))
    if kind == "VARCHAR":
        return _listed(column, [(each, each.low, each.high) for each in intervals])
    if kind == "DOUBLE":
        return _listed(column, list(map(_floats, intervals)))
    sizes = decimal(kind)
    if sizes is None and kind not in RANGES and kind not in _MOMENTS:
        return True
    return any_of(_whole(column, kind, _merged(intervals, 10 ** sizes[1] if sizes else 1)))


def _merged(intervals: Iterable[Interval], unit: int) -> list[tuple[int | None, int | None]]:
    """The whole multiples of ``1 / unit`` within, counted in it, as closed ranges that do not touch."""
    ranges = []
    for each in intervals:
        low = None if each.low is None else ceiling(each.low * unit, each.low_open)
        high = None if each.high is None else -ceiling(-each.high * unit, each.high_open)
        if low is None or high is None or low <= high:
            ranges.append((low, high))
    found: list[tuple[int | None, int | None]] = []
    for low, high in sorted(ranges, key=lambda ends: (ends[0] is not None, ends[0] or 0)):
        if found and (found[-1][1] is None or (low is None or low <= found[-1][1] + 1)):
            last = found[-1]
            found[-1] = (last[0], None if last[1] is None or high is None else max(last[1], high))
        else:
            found.append((low, high))
    return found


def ceiling(value: Any, is_open: bool) -> int:
    """The least whole number not below, or above where the end is open."""
    found: int = math.floor(value) + 1 if is_open else math.ceil(value)
    return found


def _whole(column: str, kind: str, ranges: Sequence[tuple[int | None, int | None]]) -> list[Found]:
    least, most = _limits(kind)
    found: list[Found] = []
    single, wider = list[Value](), list[tuple[int | None, int | None]]()
    for low, high in ranges:
        if low is not None and low > most:
            found.append(_beyond(column, ">", most, kind))
        elif high is not None and high < least:
            found.append(_beyond(column, "<", least, kind))
        elif low is not None and low == high:
            single.append(_value(low, kind))
        else:
            cut = (
                None if low is None or low <= least else low,
                None if high is None or high >= most else high,
            )
            wider.append(cut)
    if len(wider) > _MOST_RANGES:
        wider = [(wider[0][0], wider[-1][1])]
    return [_single(column, single), *(_range(column, kind, low, high) for low, high in wider), *found]


def _limits(kind: str) -> tuple[int, int]:
    """The least and the greatest value of a type, or of those that Python has of it."""
    sizes = decimal(kind)
    if sizes:
        most: int = 10 ** sizes[0] - 1
        return -most, most
    if kind in RANGES:
        return RANGES[kind]
    return (_FIRST_DAY, _LAST_DAY) if kind == "DATE" else (_FIRST_DAY * DAY, _LAST_DAY * DAY)


def _beyond(column: str, op: Operator, limit: int, kind: str) -> Found:
    """What is further than Python's dates reach; of other types there is nothing."""
    return Comparison(column, op, _value(limit, kind)) if kind in _MOMENTS else False


def _range(column: str, kind: str, low: int | None, high: int | None) -> Found:
    found: list[Found] = []
    if low is not None:
        found.append(Comparison(column, ">=", _value(low, kind)))
    if high is not None and kind in ("TIMESTAMP", "TIMESTAMPTZ"):  # a day ends where the next one begins
        found.append(Comparison(column, "<", _value(high + 1, kind)))
    elif high is not None:
        found.append(Comparison(column, "<=", _value(high, kind)))
    return all_of(found) if found else NullTest(column, negated=True)


def _single(column: str, values: Sequence[Value]) -> Found:
    if not values:
        return False
    return Comparison(column, "=", values[0]) if len(values) == 1 else Membership(column, tuple(values))


def _value(count: int, kind: str) -> Value:
    sizes = decimal(kind)
    if sizes:
        return _EXACT.scaleb(Decimal(count), -sizes[1])
    if kind == "DATE":
        return _EPOCH + timedelta(days=count)
    if kind == "TIMESTAMP":
        return datetime(1970, 1, 1) + timedelta(microseconds=count)
    if kind == "TIMESTAMPTZ":
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=count)
    return count


def _floats(each: Interval) -> tuple[Interval, float | None, float | None]:
    """An interval with its ends as doubles, no nearer than they are."""
    low, high = _float(each.low, -math.inf), _float(each.high, math.inf)
    return (
        replace(
            each,
            low_open=each.low_open and low is not None and Fraction(low) == each.low,
            high_open=each.high_open and high is not None and Fraction(high) == each.high,
        ),
        low,
        high,
    )


def _float(value: Any, outward: float) -> float | None:
    if value is None:
        return None
    try:
        near = float(value)
    except OverflowError:
        near = math.copysign(math.inf, value)
    if math.isfinite(near) and (Fraction(near) > value if outward < 0 else Fraction(near) < value):
        near = math.nextafter(near, outward)
    if math.isfinite(near):
        return near
    # Beyond the greatest double there are the infinities, and above all a NaN.
    return None if near == outward else math.copysign(1.7976931348623157e308, near)


def _listed(column: str, intervals: Sequence[tuple[Interval, Any, Any]]) -> Found:
    single = [low for each, low, high in intervals if low is not None and low == high and not each.low_open]
    wider = [each for each in intervals if not (each[1] is not None and each[1] == each[2])]
    if len(wider) > _MOST_RANGES:
        return True
    found = [_single(column, list(dict.fromkeys(single)))]
    for each, low, high in wider:
        ends: list[Found] = []
        if low is not None:
            ends.append(Comparison(column, ">" if each.low_open else ">=", low))
        if high is not None:
            ends.append(Comparison(column, "<" if each.high_open else "<=", high))
        found.append(all_of(ends) if ends else NullTest(column, negated=True))
    return any_of(found)
