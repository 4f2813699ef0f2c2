"""Predicates: what may travel to a source, free of the user's text."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

Value = bool | int | float | Decimal | str | bytes | date | datetime | time | UUID
Operator = Literal["=", "<>", "<", "<=", ">", ">="]

COMPARE: Mapping[Operator, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
"""What each operator says of two values that are there, and of one type."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """``column op value``; NULL in the column makes it unknown, as in SQL."""

    column: str
    op: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class ColumnComparison:
    """``column op other``, of two columns of one table and of one type."""

    column: str
    op: Operator
    other: str


@dataclass(frozen=True, slots=True)
class Membership:
    """``column [NOT] IN (values)``; no value is NULL, there is at least one."""

    column: str
    values: tuple[Value, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class NullTest:
    """``column IS [NOT] NULL``."""

    column: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Pattern:
    """``column [NOT] LIKE pattern`` as DuckDB means it: ``%`` and ``_``, no escape, case counts."""

    column: str
    pattern: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class AllOf:
    """Conjunction."""

    parts: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Disjunction."""

    parts: tuple[Predicate, ...]


Leaf = Comparison | ColumnComparison | Membership | NullTest | Pattern
Predicate = Leaf | AllOf | AnyOf


def columns_of(leaf: Leaf) -> tuple[str, ...]:
    """The columns that a test reads."""
    return (leaf.column, leaf.other) if isinstance(leaf, ColumnComparison) else (leaf.column,)


def renamed(predicate: Predicate, name: Callable[[str], str]) -> Predicate:
    """The same of columns of other names."""
    if isinstance(predicate, AllOf):
        return AllOf(tuple(renamed(part, name) for part in predicate.parts))
    if isinstance(predicate, AnyOf):
        return AnyOf(tuple(renamed(part, name) for part in predicate.parts))
    if isinstance(predicate, ColumnComparison):
        return ColumnComparison(name(predicate.column), predicate.op, name(predicate.other))
    return replace(predicate, column=name(predicate.column))


# The words in which a connector declares what it takes, column by column.
PredicateWord = Literal["=", "<>", "<", "<=", ">", ">=", "in", "not in", "null", "like", "column", "or"]


_INTEGERS = frozenset(
    ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
)


def typed(text: str, kind: str) -> Value | None:
    """A text as a value of a DuckDB type; None when it has no exact form here.

    Raises:
        ValueError, ArithmeticError: it is no text of a value of that type.
    """
    if kind in _INTEGERS:
        return int(text)
    if kind.startswith("DECIMAL"):
        return Decimal(text)
    if kind == "DOUBLE":
        number = float(text)
        return number if number - number == 0 else None  # a NaN or an infinity
    if kind == "VARCHAR":
        return text
    if kind == "BOOLEAN":
        return {"true": True, "false": False}.get(text)
    if kind == "DATE":
        return date.fromisoformat(text)
    if kind == "TIME":
        return time.fromisoformat(text)
    if kind == "UUID":
        return UUID(text)
    if kind == "TIMESTAMP":
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo is None else None
    if kind == "TIMESTAMP WITH TIME ZONE":
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo is not None else None
    return None
