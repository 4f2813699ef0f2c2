"""Of functions and casts of dates and timestamps, which values they make something of a domain of: rules as in ``preimages.py``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from typing import Any

from fabric.preimages import Preimage, moved, spread, turned, whole_ends
from fabric.value_domains import DAY, Domain, Interval, outside

_EPOCH = date(1970, 1, 1)
_FAR = 3_000_000
"""Days from 1970 within which no reckoning with dates leaves their types: some 8,000 years."""
_MOST_SHIFT = 1_000_000
_UNITS = {
    "microsecond": 1, "millisecond": 1000, "second": 1_000_000, "minute": 60_000_000, "hour": 3_600_000_000,
    "day": DAY, "week": 7 * DAY, "month": 31 * DAY, "quarter": 92 * DAY, "year": 366 * DAY, "decade": 3653 * DAY,
    "century": 36525 * DAY, "millennium": 365250 * DAY,
}  # fmt: skip
_SPELLED = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def day_of(kind: str) -> Preimage:
    """The DATE of a timestamp; with a time zone, of any zone."""
    room = DAY if kind == "TIMESTAMPTZ" else 0

    def preimage(domain: Domain) -> Domain:
        days = whole_ends(domain)
        return moved(days, lambda v: v * DAY - room, lambda v: (v + 1) * DAY - 1 + room)

    return preimage


def midnight_of(kind: str) -> Preimage:
    """The timestamp at which a DATE begins; with a time zone, in any zone."""
    room = DAY if kind == "TIMESTAMPTZ" else 0
    return lambda domain: _far(moved(spread(domain, room), lambda v: Fraction(v) / DAY), "DATE")


def in_a_zone(domain: Domain) -> Domain:
    """Between timestamps with and without a time zone: none is a day from the other."""
    return _far(spread(domain, DAY), "TIMESTAMP")


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
        found = moved(whole_ends(domain), begins, ends)
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
        moved(whole_ends(domain), lambda v: (v - 31) * scale - room, lambda v: (v + 1) * scale - 1 + room),
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
