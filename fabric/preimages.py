"""Of functions and casts, which values they make something of a domain of, or may raise at.

Each rule takes the domain that a call's value shall be in and gives one of its argument, which may be wider: never is a
value outside of it made one of the domain, and never does the call raise for it. Facts about DuckDB 2.0 (which dates
raise, how it rounds and divides) were tried; ``tests/fabric/test_implied.py`` tries them again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from fabric.totality_types import FLOATS, RANGES, decimal
from fabric.value_domains import Domain, Interval, ceiling, outside

Preimage = Callable[[Domain], Domain | None]
"""None where nothing is known."""

_ROUNDING = {"DOUBLE": Fraction(1, 2**50), "FLOAT": Fraction(1, 2**20)}
_TINY = Fraction(1, 2**1000)
_FLOATS = 3 * 10**38
_GREATEST = Fraction(1.7976931348623157e308)


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


def spread(domain: Domain, slack: Any) -> Domain:
    """With so much room on either side."""
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
        found = spread(domain, unit) if rounds else domain
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
        for each in whole_ends(domain).intervals:
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
        return spread(_rounded(_beyond(domain, kind), kind), unit)

    return preimage


def whole_ends(domain: Domain) -> Domain:
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
