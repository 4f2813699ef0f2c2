"""How much of a date an expression looks at: where its month, quarter or year decides, the first day of that stands for it.

Each expression here gives the same for a date or timestamp as for the beginning of its unit, so that a source may send
that one instead. Facts on DuckDB's functions are its own (2.0, "Date Part Functions"), and are tried in the tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any

from fabric.plan_nodes import Node

UNITS = ("month", "quarter", "year")
"""The finest first; each begins with one of those before it."""

_PARTS = {
    **{part: "year" for part in ("year", "decade", "century", "millennium", "era")},
    "quarter": "quarter",
    **{part: "month" for part in ("month", "monthname", "last_day")},
}
_TRUNCATED = {
    **{unit: "year" for unit in ("year", "decade", "century", "millennium")},
    "quarter": "quarter",
    "month": "month",
}
_FORMATTED = {"Y": "year", "y": "year", "m": "month", "-m": "month", "B": "month", "b": "month", "%": "year"}
_DIRECTIVE = re.compile(r"%(-?.?)", re.DOTALL)
_MOMENTS = ("DATE", "TIMESTAMP")
# Whether a comparison turns at its constant, or right after it: by the operator, and with its sides exchanged.
_AT = {"COMPARE_GREATERTHANOREQUALTO": False, "COMPARE_LESSTHAN": False, "COMPARE_GREATERTHAN": True, "COMPARE_LESSTHANOREQUALTO": True}  # fmt: skip
_FLIPPED = {
    "COMPARE_GREATERTHANOREQUALTO": "COMPARE_LESSTHANOREQUALTO",
    "COMPARE_LESSTHANOREQUALTO": "COMPARE_GREATERTHANOREQUALTO",
    "COMPARE_GREATERTHAN": "COMPARE_LESSTHAN",
    "COMPARE_LESSTHAN": "COMPARE_GREATERTHAN",
}
_EPOCH = date(1970, 1, 1)
_DAY = 86_400_000_000  # microseconds


def finest(units: Iterable[str]) -> str:
    """The unit in which all of some units begin."""
    return min(units, key=UNITS.index)


def looks(tree: Any) -> Iterator[tuple[int, str]]:
    """The places of the columns that a part of a plan reads, each with the unit of its date that decides, or "" where all of it does."""
    stack = [tree]
    while stack:
        part = stack.pop()
        if type(part) is list:
            stack.extend(part)
        elif type(part) is dict:
            found = truncation(part)
            if found is not None:
                yield found
            elif part.get("type") == "BOUND_REF":
                yield part["index"], ""
            else:
                stack.extend(part.values())


def truncation(node: Node) -> tuple[int, str] | None:
    """The place of the one column that an expression of a plan reads, and the unit of it that decides; None where it reads more.

    The column's own type is for who asks to know: only of DATE and TIMESTAMP is anything said here.
    """
    kind, children = node.get("type"), node.get("children") or []
    if not isinstance(kind, str):
        return None
    if kind in ("OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL"):
        return _with(_column(children[0]), "year")
    if kind == "COMPARE_EQUAL" and len(children) == 2 and children[0] == children[1]:
        return _with(_column(children[0]), "year")  # how DuckDB writes that it is not NULL
    if kind in _AT and len(children) == 2:
        return _compared(kind, *children)
    if kind == "BOUND_FUNCTION":
        return _called(str(node["qname"]["path"][-1]), children)
    return None


def _called(name: str, children: list[Node]) -> tuple[int, str] | None:
    if len(children) == 1:
        return _with(_column(children[0], typed=True), _PARTS.get(name))
    if len(children) != 2:
        return None
    if name == "strftime":
        return _with(_column(children[0], typed=True), _formatted(_text(children[1])))
    if name in ("date_trunc", "datetrunc"):
        return _with(_column(children[1], typed=True), _TRUNCATED.get((_text(children[0]) or "").lower()))
    return None


def _with(place: int | None, unit: str | None) -> tuple[int, str] | None:
    return None if place is None or unit is None else (place, unit)


def _column(node: Node, *, typed: bool = False) -> int | None:
    """The place of a column of dates or timestamps, or of one made of the other."""
    while node["type"] == "OPERATOR_CAST" and _kind(node) in _MOMENTS:
        (node,) = node["children"]
        typed = True
    if node["type"] != "BOUND_REF" or (typed and _kind(node) not in _MOMENTS):
        return None
    place: int = node["index"]
    return place


def _kind(node: Node) -> str | None:
    return (node.get("return_type") or {}).get("id")


def _value(node: Node) -> Any:
    constant = node["value"] if node["type"] == "VALUE_CONSTANT" else {"is_null": True}
    return None if constant["is_null"] else constant.get("value")


def _text(node: Node) -> str | None:
    value = _value(node)
    return value if isinstance(value, str) else None


def _formatted(pattern: str | None) -> str | None:
    if pattern is None:
        return None
    units = [_FORMATTED.get(directive) for directive in _DIRECTIVE.findall(pattern)]
    return None if None in units else finest([unit for unit in units if unit] or ["year"])


def _compared(kind: str, left: Node, right: Node) -> tuple[int, str] | None:
    if left["type"] == "VALUE_CONSTANT":
        kind, left, right = _FLIPPED[kind], right, left
    if right["type"] != "VALUE_CONSTANT":
        return None
    compared = right["value"]["type"]["id"]
    # A scan's own filter has no type of its column, which is the constant's.
    if compared not in _MOMENTS or _kind(left) not in (None, compared):
        return None
    value = _value(right)
    return _with(_column(left), _begun(compared, value + _AT[kind]) if type(value) is int else None)


def _begun(kind: str, value: int) -> str | None:
    """The coarsest unit that begins at a number of days, or of microseconds; None where none does."""
    days, rest = (value, 0) if kind == "DATE" else divmod(value, _DAY)
    try:
        day = _EPOCH + timedelta(days)
    except OverflowError:
        return None
    if rest or day.day != 1:
        return None
    return "year" if day.month == 1 else "quarter" if day.month % 3 == 1 else "month"
