"""Parameters as SQL: the typed literal that stands in a placeholder's place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from sqlglot import exp

from fabric.errors import InvalidValue
from fabric.pushdown import literal
from fabric.types import Written

PLACE = "place"
"""In the ``meta`` of a NULL that stands for a placeholder which is not bound yet: the placeholder's number."""


def place(number: int) -> exp.Expr:
    """The NULL that stands for a placeholder while nothing is bound to it."""
    null = exp.null()
    null.meta[PLACE] = number
    return null


def bound(value: object) -> exp.Expr:
    """A parameter's value as a typed literal; its text can never become syntax.

    Raises:
        InvalidValue: SQL has no literal for it.
    """
    if value is None:
        return exp.null()
    if isinstance(value, Written):
        return exp.cast(exp.Literal.string(value.text), value.type, dialect="duckdb")
    if isinstance(value, timedelta):
        text = f"{value.days} days {value.seconds} seconds {value.microseconds} microseconds"
        return exp.cast(exp.Literal.string(text), "INTERVAL", dialect="duckdb")
    if isinstance(value, float) and not math.isfinite(value):
        return literal(value)
    if isinstance(value, Mapping):
        return exp.Struct(expressions=[_field(str(name), item) for name, item in value.items()])
    if isinstance(value, list | tuple):
        return exp.Array(expressions=[bound(item) for item in value])
    if isinstance(value, bool | int | float | Decimal | str | bytes | date | datetime | time | UUID):
        return literal(value)
    raise InvalidValue(f"a parameter of type {type(value).__name__} cannot be bound")


def _field(name: str, value: object) -> exp.Expr:
    return exp.PropertyEQ(this=exp.to_identifier(name, quoted=True), expression=bound(value))
