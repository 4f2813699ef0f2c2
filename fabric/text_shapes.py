"""Sets of texts, each told place by place, and the LIKE patterns and lists that hold them.

A shape is what ``LIKE`` knows, and at each place one of several characters: ``lower(x) = 'ab'`` is ``[aA][bB]``. Of
``lower`` and ``upper`` DuckDB 2.0 makes one character of each, whatever stands around it (the tests try all of them).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from fabric.predicates import Pattern
from fabric.value_domains import Found, any_of, held, points

Place = frozenset[str] | None
"""One of these characters; None for any one."""

_MOST_TEXTS = 128
_MOST_SPELLED = 8
_MOST_PATTERNS = 32
_MOST_SHAPES = 256
# What becomes an ASCII letter without being one.
_LOWERED = {"i": "\u0130", "k": "\u212a"}
_RAISED = {"I": "\u0131", "S": "\u017f"}


@dataclass(frozen=True, slots=True)
class Shape:
    """Parts with anything between them: one part is a text of a fixed length, ``("", "a")`` ends in an a."""

    parts: tuple[tuple[Place, ...], ...]

    @property
    def fixed(self) -> tuple[Place, ...] | None:
        """The places of a text of a fixed length."""
        return self.parts[0] if len(self.parts) == 1 else None

    def __add__(self, other: Shape) -> Shape:
        *head, last = self.parts
        first, *tail = other.parts
        return Shape((*head, last + first, *tail))

    def each(self, change: Callable[[Place], Place]) -> Shape:
        """With each place changed."""
        return Shape(tuple(tuple(map(change, part)) for part in self.parts))

    @property
    def pattern(self) -> re.Pattern[str]:
        """A regular expression for it."""
        return re.compile(".*".join("".join(map(_expression, part)) for part in self.parts), re.DOTALL)


def _expression(place: Place) -> str:
    if place is None:
        return "."
    return f"[{''.join(map(re.escape, sorted(place)))}]" if place else "(?!)"


ANYTHING = Shape(((), ()))


def exactly(text: str) -> Shape:
    """This text and no other."""
    return Shape((tuple(frozenset({each}) for each in text),))


def like(pattern: str) -> Shape:
    """The texts of a LIKE pattern without an escape character."""
    parts = [tuple(None if c == "_" else frozenset({c}) for c in part) for part in pattern.split("%")]
    return Shape(tuple(parts))


def of_any(count: int) -> Shape:
    """Any text of so many characters."""
    return Shape(((None,) * count,))


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of any of these shapes."""

    shapes: tuple[Shape, ...]
    null: bool = False

    def has(self, value: object) -> bool:
        """Whether a text is among them; None is NULL."""
        if value is None:
            return self.null
        return any(shape.pattern.fullmatch(str(value)) for shape in self.shapes)

    def not_null(self) -> Texts:
        """The same without NULL."""
        return Texts(self.shapes)

    def mapped(self, change: Callable[[Shape], Iterable[Shape]]) -> Texts | None:
        """With each shape changed; None when there are too many."""
        found = tuple(dict.fromkeys(new for shape in self.shapes for new in change(shape)))
        return Texts(found) if len(found) <= _MOST_SHAPES else None

    def listed(self) -> list[str] | None:
        """Every text, where they are few."""
        found = dict[str, None]()
        for shape in self.shapes:
            if shape.fixed is None or None in shape.fixed or _ways(shape.fixed) > _MOST_TEXTS:
                return None
            found.update(dict.fromkeys(_spelled(shape.fixed)))
        return list(found) if len(found) <= _MOST_TEXTS else None


def lowered(place: Place) -> Place:
    """What ``lower`` makes one of these of."""
    return _cased(place, str.islower, str.upper, _LOWERED)


def raised(place: Place) -> Place:
    """What ``upper`` makes one of these of."""
    return _cased(place, str.isupper, str.lower, _RAISED)


def _cased(
    place: Place, made: Callable[[str], bool], other: Callable[[str], str], more: dict[str, str]
) -> Place:
    if place is None or not all(map(str.isascii, place)):
        return None
    found = set[str]()
    for each in place:
        if not each.isalpha():
            found.add(each)
        elif made(each):
            found |= {each, other(each), *more.get(each, "")}
    return frozenset(found)


def caseless(place: Place) -> Place:
    """What has the same ``lower`` as one of these."""
    return lowered(frozenset(map(str.lower, place))) if place and all(map(str.isascii, place)) else None


def held_texts(column: str, texts: Texts) -> Found:
    """What a column holds whose text is one of these: exactly, or something wider."""
    shapes = [
        shape for shape in texts.shapes if all(place != frozenset() for part in shape.parts for place in part)
    ]
    listed = Texts(tuple(shapes)).listed()
    if listed is not None:
        return held(column, "VARCHAR", points(listed)) if listed else False
    most = max(1, _MOST_SPELLED // len(shapes))
    patterns = {pattern for shape in shapes for pattern in _patterns(shape, most)}
    if len(patterns) > _MOST_PATTERNS or any(not pattern.strip("%") for pattern in patterns):
        return True
    return any_of(Pattern(column, pattern) for pattern in sorted(patterns))


def _patterns(shape: Shape, most: int) -> list[str]:
    """LIKE patterns that hold a shape: letters are spelled out as long as there are few ways to."""
    left, parts = most, list[list[str]]()
    for part in shape.parts:
        places = list[Sequence[str]]()
        for place in part:
            spelled = "_" if place is None or len(place) > left else "".join(sorted(place))
            left //= len(spelled)
            # No LIKE without an escape character spells its own wildcards.
            places.append(["_" if each in "%_" else each for each in spelled])
        parts.append(["".join(each) for each in product(*places)])
    return list(dict.fromkeys(re.sub("%+", "%", "%".join(each)) for each in product(*parts)))


def _ways(places: Sequence[Place]) -> int:
    return math.prod(len(place or "") for place in places)


def _spelled(places: Sequence[Place]) -> Iterable[str]:
    return map("".join, product(*(sorted(place or "") for place in places)))


TESTS: Mapping[str, Callable[[str], Shape]] = {
    **dict.fromkeys(("prefix", "starts_with", "^@"), lambda text: exactly(text) + ANYTHING),
    **dict.fromkeys(("suffix", "ends_with"), lambda text: ANYTHING + exactly(text)),
    "contains": lambda text: ANYTHING + exactly(text) + ANYTHING,
    "~~": like,
    "~~*": lambda text: like(text).each(caseless),
}
"""Tests of a text, by the text that they look for."""
