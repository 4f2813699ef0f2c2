"""Predicates: what may travel to a source, free of the user's text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Literal
from uuid import UUID

Value = bool | int | float | Decimal | str | bytes | date | datetime | time | UUID
Operator = Literal["=", "<>", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Comparison:
    """``column op value``; NULL in the column makes it unknown, as in SQL."""

    column: str
    op: Operator
    value: Value


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


Predicate = Comparison | Membership | NullTest | Pattern | AllOf | AnyOf

# The words in which a connector declares what it takes, column by column.
PredicateWord = Literal["=", "<>", "<", "<=", ">", ">=", "in", "not in", "null", "like", "or"]
