"""The functions and casts of DuckDB 2.0 that are looked through, by what varies in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from fabric import date_preimages, preimages, text_shapes
from fabric.preimages import Preimage
from fabric.text_shapes import ANYTHING, Shape, Texts, exactly, of_any
from fabric.totality_types import FLOATS, RANGES
from fabric.value_domains import DAY, Domain, ceiling, points

Wanted = Domain | Texts

_MOMENTS = ("TIMESTAMP", "TIMESTAMPTZ")
_DATED = ("DATE", *_MOMENTS)
_LONGEST = 100
_FORMATS = {"%Y": 4, "%Y-%m": 7, "%Y-%m-%d": 10}
_DAYS = ("day", "days", "d")


@dataclass(frozen=True, slots=True)
class Rule:
    """What an argument must be for a wanted value; None where nothing is known.

    ``null_of_null`` says that NULL comes of NULL alone.
    """

    change: Callable[[Wanted], Wanted | None]
    null_of_null: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A function's call with one argument that varies, at ``place``; the ``values`` of the others are not NULL."""

    name: str
    kind: str
    kinds: tuple[str, ...]
    values: tuple[Any, ...]
    place: int

    @property
    def of(self) -> str:
        """The type of what varies."""
        return self.kinds[self.place]

    @property
    def value(self) -> Any:
        """The value of the other one of two arguments.

        Raises:
            ValueError: there are not two.
        """
        (found,) = self.values[: self.place] + self.values[self.place + 1 :]
        return found

    @property
    def behind(self) -> tuple[Any, ...]:
        """The values behind what varies, which is in front.

        Raises:
            ValueError: it is not.
        """
        if self.place:
            raise ValueError(self.place)
        return self.values[1:]


def cast_rule(source: str, target: str, tries: bool) -> Rule | None:
    """What is known of a cast; one that ``tries`` makes NULL of what does not fit."""
    if source == target:
        return Rule(lambda wanted: wanted, null_of_null=True)
    numbers = preimages.number_cast(source, target)
    if numbers is not None:
        return Rule(_on_domain(numbers), null_of_null=not tries)
    if target == "DATE" and source in _MOMENTS:
        return Rule(_on_domain(date_preimages.day_of(source)))
    if source == "DATE" and target in _MOMENTS:
        return Rule(_on_domain(date_preimages.midnight_of(target)))
    if source in _MOMENTS and target in _MOMENTS:
        return Rule(_on_domain(date_preimages.in_a_zone))
    if target == "VARCHAR" and source in RANGES:
        return Rule(_whole_numbers, null_of_null=True)
    if target == "VARCHAR" and source in _DATED:
        return Rule(lambda wanted: _dated(wanted, source))
    return None


def call_rule(call: Call) -> Rule | None:
    """What is known of a call."""
    try:
        if call.of == "VARCHAR":
            return _text_rule(call)
        if call.name == "strftime":
            return _format_rule(call)
        rule = _RULES.get(call.name)
        found = rule(call) if rule else None
    except (ValueError, TypeError):
        return None  # other arguments than those that are known
    numeric = call.kind in RANGES or call.kind.startswith("DECIMAL") or call.kind in FLOATS
    return Rule(_on_domain(found), null_of_null=numeric and call.of not in _DATED) if found else None


def _on_domain(preimage: Preimage) -> Callable[[Wanted], Wanted | None]:
    return lambda wanted: preimage(wanted) if isinstance(wanted, Domain) else None


# ── numbers and dates ────────────────────────────────────────────────────────────────────────


def _sum(call: Call) -> Preimage | None:
    value = call.value
    if isinstance(value, Mapping):
        return date_preimages.later(value, call.of) if call.of in _DATED and call.kind in _MOMENTS else None
    if call.of == "DATE" and call.kind == "DATE":
        return date_preimages.days_later(value)
    return preimages.plus(Fraction(value), call.kind) if _is_number(call) else None


def _difference(call: Call) -> Preimage | None:
    value = call.value
    if isinstance(value, Mapping):
        turned = {unit: -count for unit, count in value.items()}
        varies = call.place == 0 and call.of in _DATED and call.kind in _MOMENTS
        return date_preimages.later(turned, call.of) if varies else None
    if set(call.kinds) == {"DATE"}:
        days = date_preimages.days_until if call.place else date_preimages.days_since
        return days(value, "DATE") if call.kind in RANGES else None
    if call.of == "DATE" and call.kind == "DATE" and not call.place:
        return date_preimages.days_later(-value)
    if not _is_number(call):
        return None
    return (
        preimages.minus_from(Fraction(value), call.kind)
        if call.place
        else preimages.plus(-Fraction(value), call.kind)
    )


def _is_number(call: Call) -> bool:
    return all(kind in FLOATS or preimages.ranged(kind) is not None for kind in (call.of, call.kind))


def _product(call: Call) -> Preimage | None:
    return preimages.times(Fraction(call.value), call.kind) if _is_number(call) else None


def _quotient(call: Call) -> Preimage | None:
    (divisor,) = call.behind
    if not divisor or call.kind != "DOUBLE" or not _is_number(call):
        return None
    return preimages.times(1 / Fraction(divisor), call.kind)


def _whole_quotient(call: Call) -> Preimage | None:
    (divisor,) = call.behind
    return preimages.whole_quotient(divisor) if call.of in RANGES and call.kind in RANGES else None


def _negative(call: Call) -> Preimage | None:
    return preimages.negative(call.kind) if not call.behind and _is_number(call) else None


def _stepped(call: Call) -> Preimage | None:
    digits = call.behind[0] if call.behind else 0
    return preimages.stepped(call.kind, digits) if _is_number(call) and abs(digits) < 40 else None


def _absolute(call: Call) -> Preimage | None:
    return preimages.absolute(call.kind) if _is_number(call) else None


def _of_date(rule: Callable[[str], Preimage]) -> Callable[[Call], Preimage | None]:
    return lambda call: rule(call.of) if call.of in _DATED and not call.behind else None


def _truncated(call: Call) -> Preimage | None:
    known = call.place == 1 and call.of in _DATED and call.kind in _MOMENTS
    return date_preimages.truncated(str(call.value).lower(), call.of) if known else None


def _bucketed(call: Call) -> Preimage | None:
    known = call.place == 1 and call.of == call.kind and isinstance(call.value, Mapping)
    return date_preimages.bucketed(call.value, call.of) if known else None


def _days_between(call: Call) -> Preimage | None:
    unit, start, end = call.values
    if not call.place or str(unit).lower() not in _DAYS or call.kinds[1] != call.kinds[2]:
        return None
    value = end if call.place == 1 else start
    day = value if call.of == "DATE" else value // DAY
    return (date_preimages.days_until if call.place == 1 else date_preimages.days_since)(day, call.of)


def _zoned(call: Call) -> Preimage | None:
    known = call.place == 1 and isinstance(call.value, str) and {call.of, call.kind} == set(_MOMENTS)
    return date_preimages.in_a_zone if known else None


_RULES: Mapping[str, Callable[[Call], Preimage | None]] = {
    "+": _sum,
    "-": lambda call: _negative(call) if len(call.values) == 1 else _difference(call),
    "*": _product,
    "/": _quotient,
    "//": _whole_quotient,
    "abs": _absolute,
    **dict.fromkeys(("floor", "ceil", "ceiling", "round", "trunc"), _stepped),
    "year": _of_date(date_preimages.year_of),
    "date_trunc": _truncated,
    "datetrunc": _truncated,
    "time_bucket": _bucketed,
    "last_day": _of_date(date_preimages.last_day),
    **dict.fromkeys(("date_diff", "datediff"), _days_between),
    "timezone": _zoned,
}


# ── texts ────────────────────────────────────────────────────────────────────────────────────


def _texts(wanted: Wanted) -> Texts | None:
    if isinstance(wanted, Texts):
        return wanted
    listed = wanted.points
    return None if listed is None else Texts(tuple(map(exactly, listed)))


def _text_rule(call: Call) -> Rule | None:
    """Of a text. None of these functions makes NULL of anything else, or raises, with these arguments."""
    if call.name in ("length", "len", "char_length", "character_length") and call.kind in RANGES:
        return Rule(_of_length, null_of_null=True)
    change = _TEXTS[call.name](call) if call.name in _TEXTS else None
    return Rule(_on_texts(change), null_of_null=True) if change else None


def _on_texts(change: Callable[[Shape], Iterable[Shape]]) -> Callable[[Wanted], Wanted | None]:
    def changed(wanted: Wanted) -> Wanted | None:
        texts = _texts(wanted)
        return None if texts is None else texts.mapped(change)

    return changed


_Change = Callable[[Shape], Iterable[Shape]]


def _front(call: Call) -> _Change | None:
    """``left(x, count)``."""
    (count,) = call.behind
    return _cut(0, count) if count >= 0 else None


def _part(call: Call) -> _Change | None:
    """``substring(x, first[, count])``."""
    first, *rest = call.behind
    count = rest[0] if rest else None
    return _cut(first - 1, count) if first >= 1 and (count is None or count >= 0) else None


def _cut(skipped: int, count: int | None) -> _Change | None:
    if skipped > _LONGEST:
        return None

    def change(shape: Shape) -> Iterable[Shape]:
        front, fixed = of_any(skipped), shape.fixed
        if fixed is None:
            yield (front if not skipped else ANYTHING) + shape + ANYTHING
        elif not fixed:
            yield ANYTHING  # so is what is too short
        elif count is None or len(fixed) < count:
            yield front + shape
        elif len(fixed) == count:
            yield front + shape + ANYTHING

    return change


def _back(call: Call) -> _Change | None:
    """``right(x, count)``."""
    (count,) = call.behind
    if count < 0:
        return None

    def change(shape: Shape) -> Iterable[Shape]:
        if shape.fixed is None or len(shape.fixed) == count:
            yield ANYTHING + shape
        elif len(shape.fixed) < count:
            yield shape

    return change


def _within(call: Call) -> _Change | None:
    """``trim(x)``, whatever is taken away."""
    front = () if call.name == "rtrim" else (ANYTHING,)
    back = () if call.name == "ltrim" else (ANYTHING,)

    def change(shape: Shape) -> Iterable[Shape]:
        yield sum((*front, shape, *back), exactly(""))

    return change if call.place == 0 else None


def _each(change: Callable[[text_shapes.Place], text_shapes.Place]) -> Callable[[Call], _Change | None]:
    return lambda call: None if call.behind else lambda shape: [shape.each(change)]


def _beside(call: Call) -> _Change | None:
    """``x || text`` and ``text || x``."""
    text = str(call.value)

    def change(shape: Shape) -> Iterable[Shape]:
        if shape.fixed is None:
            yield ANYTHING
            return
        count = len(shape.fixed) - len(text)
        own, rest = (shape.fixed[:count], shape.fixed[count:]) if count >= 0 else ((), ())
        if call.place:
            rest, own = shape.fixed[: len(text)], shape.fixed[len(text) :]
        if count >= 0 and all(place is None or c in place for place, c in zip(rest, text, strict=True)):
            yield Shape((own,))

    return change


_TEXTS: Mapping[str, Callable[[Call], _Change | None]] = {
    **dict.fromkeys(("lower", "lcase"), _each(text_shapes.lowered)),
    **dict.fromkeys(("upper", "ucase"), _each(text_shapes.raised)),
    "left": _front,
    "right": _back,
    **dict.fromkeys(("substring", "substr"), _part),
    **dict.fromkeys(("trim", "ltrim", "rtrim"), _within),
    "||": _beside,
}


def _of_length(wanted: Wanted) -> Wanted | None:
    if not isinstance(wanted, Domain):
        return None
    shapes = []
    for each in wanted.intervals:
        least = 0 if each.low is None else max(0, ceiling(each.low, each.low_open))
        if least > _LONGEST:
            return None
        shapes.append(of_any(least) + (exactly("") if each.is_point else ANYTHING))
    return Texts(tuple(shapes))


def _whole_numbers(wanted: Wanted) -> Wanted | None:
    """Of whole numbers as texts."""
    texts = _texts(wanted)
    listed = None if texts is None else texts.listed()
    if listed is None:
        return None
    return points(int(text) for text in listed if _is_canonical(text))


def _is_canonical(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 40 and str(int(text)) == text


def _format_rule(call: Call) -> Rule | None:
    (text,) = call.behind
    length = _FORMATS.get(text)
    if length is None or call.of not in _DATED:
        return None

    def change(wanted: Wanted) -> Wanted | None:
        texts = _texts(wanted)
        if texts is None or any(shape.fixed is None for shape in texts.shapes):
            return None
        written = tuple(shape for shape in texts.shapes if shape.fixed and len(shape.fixed) == length)
        return _dated(Texts(written), call.of)

    return Rule(change)


def _dated(wanted: Wanted, kind: str) -> Wanted | None:
    """Of dates as texts."""
    texts = _texts(wanted)
    if texts is None:
        return None
    found = Domain(())
    for shape in texts.shapes:
        begin = shape.parts[0]
        if not all(place is not None and len(place) == 1 for place in begin):
            return None
        text = "".join(character for place in begin if place for character in place)
        days = date_preimages.spelled(text, kind, whole=shape.fixed is not None)
        if days is None:
            return None
        found = found.joined(days.intervals)
    return found
