"""What DuckDB makes of a statement, remembered under a text in which the random ids of relations are numbered.

The same question has other ids each time it is asked; what it binds to, and its plan over empty relations, is the
same until a type in it changes, and types are part of what it is remembered under.
"""

from __future__ import annotations

import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Generic, TypeVar

_ID = re.compile(r"\b([rc])_[0-9a-f]{16}")
_QUOTED = re.compile(r"""'(?:[^']|'')*+'|"(?:[^"]|"")*+\"""")
# Whatever gives another answer at another time, in lower case: DuckDB's optimizer puts its value into the plan.
_OF_THE_MOMENT = re.compile(
    r"\b(now|today|age|ago|random|setseed|uuid\w*(?=\s*\()|gen_random_uuid|nextval|currval|txid_current|getvariable"
    r"|current_\w+|get_current_\w+|local\w+|transaction_timestamp|statement_timestamp|clock_timestamp"
    r"|sample|tablesample)\b"
)

_FRONT, _FIRST = 2**48 - 1, 2**47

EmptyRelations = Mapping[str, Sequence[tuple[str, str]] | str]
"""What DuckDB plans a statement over, by name: a table's columns, each with its DuckDB type, or the SELECT of a view of those before it."""

_Value = TypeVar("_Value")


def depends_on_the_moment(text: str) -> bool:
    """Whether a statement may answer otherwise at another time, or the next time, over the same data."""
    return _OF_THE_MOMENT.search(text.lower()) is not None


def begins_with_id(name: str) -> bool:
    """Whether a name is made of a relation's id, or of a number in its form."""
    return _ID.match(name) is not None


class Numbered:
    """A text in which each id is numbered in the order of its first occurrence, in an id's own form.

    Nothing is numbered where a value of the statement looks like an id: DuckDB reckons with values.

    Args:
        text: the statement.
        over: the relations that it names: the id of one is numbered by its columns, so that what DuckDB holds under
            that number mostly serves the next statement over such a relation, too.
    """

    def __init__(self, text: str, over: EmptyRelations = MappingProxyType({})) -> None:
        self._numbers: dict[str, str] = {}
        self._plain = _has_value_like_an_id(text)
        alike: Counter[int] = Counter()
        for name, columns in over.items():
            found = _ID.match(name)
            if found and found[0] not in self._numbers and not isinstance(columns, str):
                looks = hash(tuple((column.removeprefix(found[0]), kind) for column, kind in columns))
                front = looks & _FRONT | _FIRST  # no other number begins with so high a digit
                self._numbers[found[0]] = f"{found[1]}_{front:012x}{alike[front]:04x}"
                alike[front] += 1
        self.text = self.number(text)

    @property
    def ids(self) -> frozenset[str]:
        """What was numbered so far."""
        return frozenset(self._numbers)

    def number(self, text: str) -> str:
        """Another text with the same numbers."""
        return text if self._plain else _ID.sub(self._number, text)

    def relations(self, over: EmptyRelations) -> EmptyRelations:
        """Relations with the same numbers."""
        return {
            self.number(name): self.number(each)
            if isinstance(each, str)
            else [(self.number(column), kind) for column, kind in each]
            for name, each in over.items()
        }

    def restore(self, text: str) -> str:
        """A text with the ids in the places of their numbers."""
        if self._plain:
            return text
        ids = {number: own for own, number in self._numbers.items()}
        return _ID.sub(lambda match: ids.get(match[0], match[0]), text)

    def _number(self, match: re.Match[str]) -> str:
        return self._numbers.setdefault(match[0], f"{match[1]}_{len(self._numbers):016x}")


def _has_value_like_an_id(text: str) -> bool:
    # Of the text that sqlglot generates: no comments, no dollar quotes, quotes within are doubled.
    quoted = (match[0] for match in _QUOTED.finditer(text))
    return "\\'" in text or any(each[0] == "'" and _ID.search(each) for each in quoted)


class Remembered(Generic[_Value]):
    """The newest ``most`` answers by text; any thread may ask."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[str, _Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str, make: Callable[[], _Value]) -> _Value:
        """The answer, made when it is not known; an error is not remembered, nor what depends on the moment."""
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        value = make()
        if not depends_on_the_moment(key):
            with self._lock:
                self._known[key] = value
                if len(self._known) > self._most:
                    self._known.popitem(last=False)
        return value
