"""A value that stands for a column of which a statement reads nothing but whether it passes a filter.

Where a source applies the filter exactly, each row that it sends passes. The filter stays in the statement all the same, over
a constant that passes too: a witness. So the column need not be sent.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime, timedelta

from fabric.demand import Demand
from fabric.predicates import (
    AllOf,
    AnyOf,
    ColumnComparison,
    Comparison,
    Membership,
    NullTest,
    Pattern,
    Predicate,
    Value,
    columns_of,
)
from fabric.pushdown import leaves
from fabric.types import Table

_WHOLE = {"SMALLINT": 2**15, "INTEGER": 2**31, "BIGINT": 2**63}
# What is tried where no predicate names a value that passes.
_PLAIN: dict[str, tuple[Value, ...]] = {
    "VARCHAR": ("", "a"),
    "DATE": (date(2000, 1, 1),),
    "BOOLEAN": (True, False),
}


def witnesses(
    table: Table,
    demand: Demand,
    taken: Sequence[Predicate],
    filtered: Collection[int],
    counted: Collection[int],
) -> dict[int, Value]:
    """A witness for each column, by position, that need not be sent.

    Args:
        table: the scan's.
        demand: what the statement demands of it.
        taken: the predicates that the source applies, exactly.
        filtered: the columns of which nothing is read but filters right over the relation.
        counted: those that are never NULL, and of which nothing is read but that.
    """
    if demand.kept or demand.implied or demand.repeated:
        return {}
    found = dict[int, Value | None]()
    for position in demand.columns:
        column = table.columns[position]
        tests = [each for each in demand.predicates if column.name in _columns(each)]
        if position in counted and not tests:
            found[position] = witness((), column.type)
        elif (
            position in filtered
            and tests
            and position not in demand.elsewhere
            and all(_columns(each) == {column.name} and each in taken for each in tests)
        ):
            found[position] = witness(tests, column.type)
    return {position: value for position, value in found.items() if value is not None}


def _columns(predicate: Predicate) -> set[str]:
    return {column for leaf in leaves(predicate) for column in columns_of(leaf)}


def witness(predicates: Sequence[Predicate], kind: str) -> Value | None:
    """A value of a DuckDB type that meets all predicates of one column; None when none is found."""
    for value in _candidates(predicates, kind):
        if _is_of(value, kind) and all(_meets(predicate, value) for predicate in predicates):
            return value
    return None


def _candidates(predicates: Sequence[Predicate], kind: str) -> Iterator[Value]:
    for predicate in predicates:
        if isinstance(predicate, AllOf | AnyOf):
            yield from _candidates(predicate.parts, kind)
        elif isinstance(predicate, Membership):
            yield from predicate.values if not predicate.negated else ()
        elif isinstance(predicate, Pattern):
            yield predicate.pattern.replace("%", "").replace("_", "a")
        elif isinstance(predicate, Comparison):
            yield from _near(predicate.value)
    yield from _PLAIN.get(kind, (0, 1) if kind in _WHOLE else ())


def _near(value: Value) -> Iterator[Value]:
    yield value
    if isinstance(value, str):
        yield value + "a"
    elif isinstance(value, date) and not isinstance(value, datetime):
        for days in (1, -1):
            if date(1000, 1, 1) < value < date(9000, 1, 1):
                yield value + timedelta(days)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield from (value + 1, value - 1)


def _is_of(value: Value, kind: str) -> bool:
    """Whether a value is one of the type as it is, and every value that a source may have of that type can be read.

    A numeric of Postgres may be NaN, which must stay an error and not be passed over.
    """
    if kind in _WHOLE:
        return type(value) is int and -_WHOLE[kind] <= value < _WHOLE[kind]
    if kind == "VARCHAR":
        return isinstance(value, str)
    if kind == "DATE":
        return type(value) is date
    return kind == "BOOLEAN" and isinstance(value, bool)


def _meets(predicate: Predicate, value: Value) -> bool:
    """Whether a value surely meets a predicate, as DuckDB judges it."""
    if isinstance(predicate, AllOf):
        return all(_meets(part, value) for part in predicate.parts)
    if isinstance(predicate, AnyOf):
        return any(_meets(part, value) for part in predicate.parts)
    if isinstance(predicate, ColumnComparison):
        return False
    if isinstance(predicate, NullTest):
        return predicate.negated
    if isinstance(predicate, Membership):
        alike = all(type(each) is type(value) for each in predicate.values)
        return alike and (value in predicate.values) != predicate.negated
    if isinstance(predicate, Pattern):
        return isinstance(value, str) and _is_like(value, predicate.pattern) != predicate.negated
    return type(predicate.value) is type(value) and _compares(value, predicate)


def _is_like(text: str, pattern: str) -> bool:
    shapes = {"%": ".*", "_": "."}
    return (
        re.fullmatch("".join(shapes.get(each) or re.escape(each) for each in pattern), text, re.DOTALL)
        is not None
    )


def _compares(value: Value, comparison: Comparison) -> bool:
    # Python orders texts by code point, as DuckDB orders their bytes.
    other, op = comparison.value, comparison.op
    if op == "=":
        return value == other
    if op == "<>":
        return value != other
    if op in (">", ">="):
        return value > other or (op == ">=" and value == other)  # type: ignore[operator]
    return value < other or (op == "<=" and value == other)  # type: ignore[operator]
