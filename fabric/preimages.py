"""Of functions and casts, which values they make something of a domain of, or may raise at.

Each rule takes the domain that a call's value shall be in and gives one of its argument, which may be wider: never is a
value outside of it made one of the domain, and never does the call raise for it. Facts about DuckDB 2.0 (which dates
raise, how it rounds and divides) were tried; ``tests/fabric/test_implied.py`` tries them again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

from fabric.totality_types import FLOATS, RANGES, decimal
from fabric.value_domains import DAY, Domain, Interval, ceiling, outside

Preimage = Callable[[Domain], Domain | None]
"""None where nothing is known."""

_EPOCH = date(1970, 1, 1)
_FAR = 3_000_000
"""Days from 1970 within which no reckoning with dates leaves their types: some 8,000 years."""
_MOST_SHIFT = 1_000_000
_ROUNDING = {"DOUBLE": Fraction(1, 2**50), "FLOAT": Fraction(1, 2**20)}
_TINY = Fraction(1, 2**1000)
_FLOATS = 3 * 10**38
_GREATEST = Fraction(1.7976931348623157e308)
_MOMENTS = ("TIMESTAMP", "TIMESTAMPTZ")
_UNITS = {
    "microsecond": 1, "millisecond": 1000, "second": 1_000_000, "minute": 60_000_000, "hour": 3_600_000_000,
    "day": DAY, "week": 7 * DAY, "month": 31 * DAY, "quarter": 92 * DAY, "year": 366 * DAY, "decade": 3653 * DAY,
    "century": 36525 * DAY, "millennium": 365250 * DAY,
}  # fmt: skip
_SPELLED = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def ranged(kind: str) -> tuple[Fraction | int, Fraction | int] | None:
    """The least and the greatest number of a type that ends."""
    sizes = decimal(kind)
    if sizes:
        most: Fraction = Fraction(10 ** sizes[0] - 1, 10 ** sizes[1])
        return -most, most
    return RANGES.get(kind)


def moved(
    domain: Domain,
    low: Callable[[Any], Any],
    high: Callable[[Any], Any] | None = None,
    *,
    wider: bool = False,
) -> Domain:
    """The intervals with other ends; ``wider`` has them closed. None stays, and may be made."""

    def one(each: Interval) -> Interval:
        first = None if each.low is None else low(each.low)
        last = None if each.high is None else (high or low)(each.high)
        return Interval(first, last, each.low_open and not wider, each.high_open and not wider)

    return Domain(tuple(map(one, domain.intervals)))


def turned(domain: Domain) -> Domain:
    """The domain of ``-x``."""
    return Domain(
        tuple(
            Interval(
                None if each.high is None else -each.high,
                None if each.low is None else -each.low,
                each.high_open,
                each.low_open,
            )
            for each in domain.intervals
        )
    )


def _spread(domain: Domain, slack: Any) -> Domain:
    return moved(domain, lambda v: v - slack, lambda v: v + slack, wider=True) if slack else domain


def _rounded(domain: Domain, kind: str, beside: Any = 0) -> Domain:
    """With room for how a type of floating point rounds; ``beside`` is what else was reckoned with."""
    part = _ROUNDING.get(kind)
    if part is None:
        return domain

    def slack(value: Any) -> Fraction:
        found: Fraction = (abs(value) + abs(beside)) * part + _TINY
        return found

    return moved(domain, lambda v: v - slack(v), lambda v: v + slack(v), wider=True)


# ── numbers ──────────────────────────────────────────────────────────────────────────────────


def number_cast(source: str, target: str) -> Preimage | None:
    """Between types of numbers: what rounds has room for it, what does not fit raises."""
    numeric = [kind in FLOATS or ranged(kind) is not None for kind in (source, target)]
    if not all(numeric):
        return None
    limits, own = ranged(target), ranged(source)
    sizes, own_sizes = decimal(target), decimal(source)
    unit = Fraction(1, 10 ** sizes[1]) if sizes else Fraction(1)
    rounds = source in FLOATS or bool(own_sizes and own_sizes[1] > (sizes[1] if sizes else 0))

    def preimage(domain: Domain) -> Domain:
        if limits is None:
            found = _rounded(domain, target)
            return (
                found.joined(outside(-_FLOATS, _FLOATS)) if (source, target) == ("DOUBLE", "FLOAT") else found
            )
        found = _spread(domain, unit) if rounds else domain
        if own is not None and limits[0] + unit <= own[0] and own[1] <= limits[1] - unit:
            return found
        if own is not None and not rounds and limits[0] <= own[0] and own[1] <= limits[1]:
            return found
        inner = (limits[0] + unit, limits[1] - unit) if rounds else limits
        return found.joined(outside(*inner))

    return preimage


def _beyond(domain: Domain, kind: str) -> Domain:
    """With what a result cannot hold, which raises."""
    limits = ranged(kind)
    return domain.joined(outside(*limits)) if limits else domain


def plus(value: Fraction, kind: str) -> Preimage:
    """``x + value``."""
    return lambda domain: moved(_rounded(_beyond(domain, kind), kind, value), lambda v: v - value)


def minus_from(value: Fraction, kind: str) -> Preimage:
    """``value - x``."""

    def preimage(domain: Domain) -> Domain:
        return _or_nan(
            moved(turned(_rounded(_beyond(domain, kind), kind, value)), lambda v: v + value), domain, kind
        )

    return preimage


def _or_nan(found: Domain, wanted: Domain, kind: str) -> Domain:
    """What is turned around stays a NaN, which is above all."""
    if kind not in FLOATS or all(each.high is not None for each in wanted.intervals):
        return found
    return found.joined([Interval(low=_GREATEST)])


def times(value: Fraction, kind: str) -> Preimage | None:
    """``x * value``."""
    if not value:
        return None

    def preimage(domain: Domain) -> Domain:
        found = _rounded(_beyond(domain, kind), kind)
        if value < 0:
            return _or_nan(moved(turned(found), lambda v: v / -value), domain, kind)
        return moved(found, lambda v: v / value)

    return preimage


def whole_quotient(value: int) -> Preimage | None:
    """``x // value`` of whole numbers, cut towards zero."""
    if value <= 0:
        return None

    def preimage(domain: Domain) -> Domain:
        intervals = []
        for each in _whole_ends(domain).intervals:
            low, high = each.low, each.high
            if low is not None:
                low = low * value if low > 0 else (low - 1) * value + 1
            if high is not None:
                high = high * value if high < 0 else (high + 1) * value - 1
            intervals.append(Interval(low, high))
        return Domain(tuple(intervals))

    return preimage


def negative(kind: str) -> Preimage:
    """``-x``."""
    return minus_from(Fraction(0), kind)


def absolute(kind: str) -> Preimage:
    """``abs(x)``."""

    def preimage(domain: Domain) -> Domain:
        found = _beyond(domain, kind)
        sizes = Domain(
            tuple(_from_zero(each) for each in found.intervals if each.high is None or each.high >= 0)
        )
        return sizes.joined(turned(sizes).intervals)

    return preimage


def _from_zero(each: Interval) -> Interval:
    return replace(each, low=0, low_open=False) if each.low is None or each.low < 0 else each


def stepped(kind: str, digits: int = 0) -> Preimage:
    """``floor``, ``ceil``, ``trunc`` and ``round`` to so many digits: away from the value by one unit at most."""
    unit = Fraction(10) ** -digits

    def preimage(domain: Domain) -> Domain:
        return _spread(_rounded(_beyond(domain, kind), kind), unit)

    return preimage


# ── dates and timestamps ─────────────────────────────────────────────────────────────────────


def day_of(kind: str) -> Preimage:
    """The DATE of a timestamp; with a time zone, of any zone."""
    room = DAY if kind == "TIMESTAMPTZ" else 0

    def preimage(domain: Domain) -> Domain:
        days = _whole_ends(domain)
        return moved(days, lambda v: v * DAY - room, lambda v: (v + 1) * DAY - 1 + room)

    return preimage


def _whole_ends(domain: Domain) -> Domain:
    """The same whole numbers, of which each end is one."""
    return Domain(
        tuple(
            Interval(
                None if each.low is None else ceiling(each.low, each.low_open),
                None if each.high is None else -ceiling(-each.high, each.high_open),
            )
            for each in domain.intervals
        )
    )


def midnight_of(kind: str) -> Preimage:
    """The timestamp at which a DATE begins; with a time zone, in any zone."""
    room = DAY if kind == "TIMESTAMPTZ" else 0
    return lambda domain: _far(moved(_spread(domain, room), lambda v: Fraction(v) / DAY), "DATE")


def in_a_zone(domain: Domain) -> Domain:
    """Between timestamps with and without a time zone: none is a day from the other."""
    return _far(_spread(domain, DAY), "TIMESTAMP")


def _far(domain: Domain, kind: str, below: bool = True, above: bool = True) -> Domain:
    """With what is so far that reckoning with it may raise."""
    end = _FAR if kind == "DATE" else _FAR * DAY
    return domain.joined([*[Interval(high=-end)] * below, *[Interval(low=end)] * above])


def year_of(kind: str) -> Preimage:
    """``year(x)``."""
    room = DAY if kind == "TIMESTAMPTZ" else 0
    scale = 1 if kind == "DATE" else DAY

    def first(year: int) -> int:
        return (date(year, 1, 1) - _EPOCH).days * scale

    def begins(year: int) -> int | None:
        return first(year) - room if 1 <= year <= 9999 else None if year < 1 else first(9999)

    def ends(year: int) -> int | None:
        return first(year + 1) - 1 + room if 1 <= year < 9999 else None if year >= 9999 else first(1)

    def preimage(domain: Domain) -> Domain:
        found = moved(_whole_ends(domain), begins, ends)
        # With a time zone there are eras, in which years are counted from one.
        return found if kind != "TIMESTAMPTZ" else found.joined([Interval(high=first(1) + room)])

    return preimage


def truncated(unit: str, kind: str) -> Preimage | None:
    """``date_trunc(unit, x)``, a timestamp."""
    length = _UNITS.get(unit)
    if length is None:
        return None
    room = DAY if kind == "TIMESTAMPTZ" else 0

    def last(value: Any) -> Any:
        return _last_of(unit, value, length)

    def preimage(domain: Domain) -> Domain:
        found = moved(domain, lambda v: v - room, lambda v: last(v) + room)
        if kind != "DATE":
            return _far(found, kind, above=False)
        return _far(moved(found, lambda v: Fraction(v) / DAY), "DATE")

    return preimage


def _last_of(unit: str, value: Any, length: int) -> Any:
    """The last moment that is truncated to ``value``, or a later one."""
    months = _MONTHS.get(unit)
    days, rest = divmod(value, DAY)
    if months is None or rest or abs(days) > 700_000:
        return value + length - 1
    begin = date.fromordinal(_EPOCH.toordinal() + int(days))
    if begin.day != 1 or (begin.month - 1) % months or begin.year == 9999:
        return value + length - 1
    return (_months_later(begin, months) - _EPOCH).days * DAY - 1


def _months_later(first: date, months: int) -> date:
    """From the first day of a month to that of another."""
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return date(year, month + 1, 1)


def bucketed(span: Mapping[str, int], kind: str) -> Preimage | None:
    """``time_bucket(span, x)`` of a DATE or a TIMESTAMP."""
    length = (span["months"] * 31 + span["days"]) * DAY + span["micros"]
    if length <= 0 or kind not in ("DATE", "TIMESTAMP"):
        return None
    scale = DAY if kind == "DATE" else 1
    room = -(-length // scale)
    return lambda domain: _far(moved(domain, lambda v: v, lambda v: v + room), kind)


def last_day(kind: str) -> Preimage:
    """``last_day(x)``, a DATE."""
    room = DAY if kind == "TIMESTAMPTZ" else 0
    scale = 1 if kind == "DATE" else DAY
    return lambda domain: _far(
        moved(_whole_ends(domain), lambda v: (v - 31) * scale - room, lambda v: (v + 1) * scale - 1 + room),
        kind,
    )


def days_later(days: int) -> Preimage | None:
    """``x + days`` of a DATE."""
    if abs(days) > _MOST_SHIFT:
        return None
    return lambda domain: _far(moved(domain, lambda v: v - days), "DATE", days < 0, days > 0)


def later(span: Mapping[str, int], kind: str) -> Preimage | None:
    """``x + span``, a timestamp, of a DATE or a timestamp."""
    months, days, micros = span["months"], span["days"], span["micros"]
    if max(abs(months) * 31, abs(days), abs(micros) // DAY) > _MOST_SHIFT:
        return None
    # Months have 28 to 31 days, and what falls behind their end is moved to it; a day may have a change of the clock.
    room = (4 if months else 0) * DAY + (DAY if kind == "TIMESTAMPTZ" else 0)
    shortest, longest = _days_of(months)
    rest = days * DAY + micros

    def preimage(domain: Domain) -> Domain:
        found = moved(
            domain, lambda v: v - rest - longest * DAY - room, lambda v: v - rest - shortest * DAY + room
        )
        if kind == "DATE":
            found = moved(found, lambda v: Fraction(v) / DAY)
        signs = [part < 0 for part in (months, days, micros) if part]
        is_wider = kind == "DATE"
        return _far(found, kind, is_wider or any(signs), is_wider or not all(signs))

    return preimage


def _days_of(months: int) -> tuple[int, int]:
    """The fewest and the most days of so many months: 400 years have 146,097 days."""
    near = Fraction(146_097, 4800) * months
    around = 4 if months else 0
    return int(near) - around, int(near) + around


def days_until(value: int, kind: str) -> Preimage | None:
    """``date_diff('day', x, value)`` and ``value - x``; the value is a DATE's."""
    if kind == "DATE":
        return lambda domain: moved(turned(domain), lambda v: v + value)
    if kind == "TIMESTAMP":
        return lambda domain: day_of(kind)(moved(turned(domain), lambda v: v + value))
    return None


def days_since(value: int, kind: str) -> Preimage | None:
    """``date_diff('day', value, x)`` and ``x - value``."""
    if kind == "DATE":
        return lambda domain: moved(domain, lambda v: v + value)
    if kind == "TIMESTAMP":
        return lambda domain: day_of(kind)(moved(domain, lambda v: v + value))
    return None


def spelled(text: str, kind: str, whole: bool) -> Domain | None:
    """The dates, or timestamps, that are written so, or begin so: ``2025-03`` for a month.

    Args:
        text: what is written.
        kind: of what.
        whole: whether nothing follows; else a year of five digits may, or BC.
    """
    kept = next((text[:length] for length in (10, 7, 4) if len(text) >= length), "")
    match = _SPELLED.fullmatch(kept)
    if match is None:
        return None
    try:
        begin = date(*(int(part or 1) for part in match.groups()))
    except ValueError:
        return None
    length = {4: 366, 7: 31, 10: 1}[len(kept)]
    if begin.year < date.max.year and length > 1:
        length = (_months_later(begin, 12 if length > 31 else 1) - begin).days
    first = (begin - _EPOCH).days
    scale, room = 1 if kind == "DATE" else DAY, DAY if kind == "TIMESTAMPTZ" else 0
    found = Domain((Interval(first * scale - room, (first + length) * scale - 1 + room),))
    if whole:
        return found
    ends = ((date.min - _EPOCH).days * scale - room, ((date.max - _EPOCH).days + 1) * scale - 1 + room)
    return found.joined(outside(*ends))
