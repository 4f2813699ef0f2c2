"""The functions that are known not to raise, by what they are given.

``total_functions.csv`` was made by trying every function of DuckDB 2.0.0 over the extremes of its arguments' types
and reviewed by hand; the tests try every line of it again. A line's ``arguments`` are types as ``kind_of`` names
them, the groups below, or an ``@`` and what a constant must be; ``*`` stands for any number more. ``verdict``:

- ``total``: whatever the values, it does not raise.
- ``unchecked``: as long as DuckDB bound it without a check for overflow, because its result is wide enough.
- ``caught``: it may raise, and TRY makes NULL of that. (TRY does not catch everything: ``LIKE … ESCAPE`` and invalid
  JSON paths go through it.)

A text that a listed function makes is at most as long as all its arguments together, times the factor that ``calls``
gives: what multiplies lengths without bound could be made to raise by length alone.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from importlib import resources

from fabric.totality_constants import Constant, known
from fabric.totality_types import FLOATS, RANGES, UNKNOWN, UNSIGNED, WORDS, Node, decimal, kind

_WIDEST_SUM = 27  # digits of a DECIMAL whose sum needs more than 10^11 rows to leave 38 digits
_LONGEST = 2**32 - 1  # DuckDB refuses offsets into a text beyond
_UNITS = frozenset("millennium century decade year quarter month day hour minute second".split())  # noqa: SIM905
_CLOCK = frozenset("day hour minute second millisecond microsecond".split())  # noqa: SIM905
_CALENDAR = re.compile(r"([^%]|%-?[YymdbBaAjHMSwu]|%%)*", re.DOTALL)
_DIGESTS = ("md5", "sha1", "sha256")


@cache
def listed() -> Mapping[tuple[str, str], tuple[tuple[tuple[str, ...], str], ...]]:
    """By ``("scalar" | "aggregate", name)``, the arguments that are listed, each with its verdict."""
    found: dict[tuple[str, str], tuple[tuple[tuple[str, ...], str], ...]] = {}
    with resources.files("fabric").joinpath("total_functions.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            key = row["kind"], row["name"]
            found[key] = (*found.get(key, ()), (tuple(row["arguments"].split()), row["verdict"]))
    return found


def calls(group: str, name: str, arguments: Sequence[Node]) -> list[tuple[str, int]]:
    """The verdicts on a call, each with the factor by which its result may be longer than its arguments."""
    found = []
    for wanted, verdict in listed().get((group, name), ()):
        factor = _factor(wanted, arguments)
        if factor:
            found.append((verdict, factor))
    return found


def _factor(wanted: tuple[str, ...], arguments: Sequence[Node]) -> int:
    """0 when the arguments are not the wanted ones."""
    if wanted and wanted[-1].endswith("*"):
        more = len(arguments) - len(wanted) + 1
        wanted = (*wanted[:-1], *[wanted[-1][:-1]] * more)
    if len(wanted) != len(arguments):
        return 0
    factor = 1
    for position, word in enumerate(wanted):
        if word.startswith("@"):
            factor *= _CONSTANTS[word](arguments, position)
        elif not _is_of(word, kind(arguments[position])):
            return 0
    return factor


def _is_of(word: str, name: str) -> bool:
    group = _GROUPS.get(word)
    return group(name) if group else name == word


_GROUPS: Mapping[str, Callable[[str], bool]] = {
    "any": lambda name: name != UNKNOWN,
    "integer": lambda name: name in RANGES,
    "unsigned": lambda name: name in UNSIGNED,
    "word": lambda name: name in WORDS,
    "float": lambda name: name in FLOATS,
    "decimal": lambda name: decimal(name) is not None,
    "summable": lambda name: (decimal(name) or (_WIDEST_SUM + 1, 0))[0] <= _WIDEST_SUM,
    "number": lambda name: name in RANGES or name in FLOATS or decimal(name) is not None,
    "moment": lambda name: name in ("DATE", "TIMESTAMP", "TIMESTAMPTZ"),
}


# ── constants ────────────────────────────────────────────────────────────────────────────────


def _text(arguments: Sequence[Node], position: int) -> str | None:
    value = known(arguments[position])
    return value if isinstance(value, str) else None


def _integer(arguments: Sequence[Node], position: int, least: int, greatest: int) -> int:
    value = known(arguments[position])
    return int(isinstance(value, int) and least <= value <= greatest)


def _named(names: frozenset[str]) -> Callable[[Sequence[Node], int], int]:
    return lambda arguments, position: int((_text(arguments, position) or "").lower() in names)


def _escaped(arguments: Sequence[Node], position: int) -> int:
    """A LIKE pattern that does not end with the character that escapes, which is one byte to DuckDB."""
    pattern, escape = _text(arguments, position), _text(arguments, position + 1)
    one = escape is not None and len(escape) == 1 and escape.isascii()
    return int(pattern is not None and one and pattern[-1:] != escape)


def _replacement(arguments: Sequence[Node], position: int) -> int:
    text = _text(arguments, position)
    return 0 if text is None else max(1, len(text.encode()))


def _filler(arguments: Sequence[Node], position: int) -> int:
    return int(bool(_text(arguments, position)))


def _calendar(arguments: Sequence[Node], position: int) -> int:
    return int(_CALENDAR.fullmatch(_text(arguments, position) or "%") is not None)


def _digest(arguments: Sequence[Node], position: int) -> int:
    """Hexadecimal digits that a listed function makes."""
    argument = arguments[position]
    path = argument["qname"]["path"] if argument["expression_class"] == "BOUND_FUNCTION" else []
    return int(path[:-1] == ["system", "main"] and path[-1] in _DIGESTS)


def _divisor(arguments: Sequence[Node], position: int) -> int:
    """Not 0, nor -1: the least integer divided by that is too large."""
    value: Constant | None = known(arguments[position])
    return int(isinstance(value, int) and value not in (0, -1))


def _nonzero(arguments: Sequence[Node], position: int) -> int:
    value = known(arguments[position])
    return int(isinstance(value, float | Decimal) and value != 0)


def _fraction(arguments: Sequence[Node], position: int) -> int:
    return int(isinstance(known(arguments[position]), float))


_CONSTANTS: Mapping[str, Callable[[Sequence[Node], int], int]] = {
    "@text": lambda arguments, position: int(_text(arguments, position) is not None),
    "@offset": lambda arguments, position: _integer(arguments, position, -_LONGEST, _LONGEST),
    "@digits": lambda arguments, position: _integer(arguments, position, 0, 38),
    "@length": lambda arguments, position: _integer(arguments, position, 0, 10_000),
    "@unit": _named(_UNITS),
    "@clock": _named(_CLOCK),
    "@escaped": _escaped,
    "@escape": lambda arguments, position: 1,
    "@replacement": _replacement,
    "@filler": _filler,
    "@calendar": _calendar,
    "@digest": _digest,
    "@divisor": _divisor,
    "@nonzero": _nonzero,
    "@fraction": _fraction,
}
