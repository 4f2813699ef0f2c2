"""Predicates against capabilities: what a source takes, what is left, and why. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from functools import reduce
from uuid import UUID

from sqlglot import exp

from fabric.predicates import (
    AllOf,
    AnyOf,
    ColumnComparison,
    Comparison,
    Leaf,
    Membership,
    NullTest,
    Pattern,
    Predicate,
    PredicateWord,
    Value,
)
from fabric.types import Capabilities, OrderKey, Refusal, Scan

_COMPARISONS: dict[str, type[exp.Binary]] = {
    "=": exp.EQ,
    "<>": exp.NEQ,
    "<": exp.LT,
    "<=": exp.LTE,
    ">": exp.GT,
    ">=": exp.GTE,
}


def leaves(predicate: Predicate) -> Iterator[Leaf]:
    """The column tests of which a predicate is made."""
    if isinstance(predicate, AllOf | AnyOf):
        for part in predicate.parts:
            yield from leaves(part)
    else:
        yield predicate


def is_ranged(predicate: Predicate) -> bool:
    """Whether the least and the greatest value of some rows may show that none of them meets it."""
    return all(isinstance(leaf, Comparison | Membership | NullTest) for leaf in leaves(predicate))


def words(predicate: Predicate) -> Iterator[tuple[str, PredicateWord]]:
    """The ``(lower-cased column, word)`` pairs that a source must take to take the predicate."""
    for leaf in leaves(predicate):
        column = leaf.column.lower()
        if isinstance(leaf, Comparison):
            yield column, leaf.op
        elif isinstance(leaf, ColumnComparison):
            yield column, "column"
            yield leaf.other.lower(), "column"
        elif isinstance(leaf, Membership):
            yield column, "not in" if leaf.negated else "in"
        elif isinstance(leaf, NullTest):
            yield column, "null"
        else:
            yield column, "like"
        if isinstance(predicate, AnyOf):
            yield column, "or"


def divide(
    predicates: Iterable[Predicate], capabilities: Capabilities
) -> tuple[tuple[Predicate, ...], tuple[Refusal, ...]]:
    """Part conjuncts into those that the source takes and those that it does not, with the reason."""
    taken: list[Predicate] = []
    refused: list[Refusal] = []
    for predicate in predicates:
        missing = next(
            (
                (column, word)
                for column, word in words(predicate)
                if word not in capabilities.predicates.get(column, frozenset())
            ),
            None,
        )
        if missing is None:
            taken.append(predicate)
        else:
            column, word = missing
            refused.append(
                Refusal(describe(predicate), f"{column} is not filtered by '{word}' at the source")
            )
    return tuple(taken), tuple(refused)


def takes_limit(scan: Scan, taken: tuple[Predicate, ...], capabilities: Capabilities) -> bool:
    """Whether the limit may go down: every conjunct and every order key must go with it."""
    return (
        scan.limit is not None
        and capabilities.limit
        and len(taken) == len(scan.predicates)
        and takes_order(scan, capabilities)
    )


def takes_order(scan: Scan, capabilities: Capabilities) -> bool:
    """Whether the source sorts by every key as DuckDB does (trivially so without keys)."""
    return all(key.column.lower() in capabilities.order for key in scan.order)


def literal(value: Value) -> exp.Expr:
    """A typed SQL literal made by sqlglot; the value's text can never become syntax."""
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, int):
        number = exp.Literal.number(abs(value))
        return exp.Neg(this=number) if value < 0 else number
    if isinstance(value, Decimal):
        if not value.is_finite():
            return exp.cast(exp.Literal.string(str(value)), "DOUBLE")
        exponent = int(value.as_tuple().exponent)
        digits = max(len(value.as_tuple().digits) + max(exponent, 0), -exponent, 1)
        return exp.cast(exp.Literal.string(f"{value:f}"), f"DECIMAL({digits}, {max(0, -exponent)})")
    if isinstance(value, float):
        text = (
            repr(value)
            if math.isfinite(value)
            else {"nan": "NaN", "inf": "Infinity"}.get(str(value), "-Infinity")
        )
        return exp.cast(exp.Literal.string(text), "DOUBLE")
    if isinstance(value, str):
        return exp.Literal.string(value)
    if isinstance(value, bytes):
        return exp.cast(exp.Literal.string("".join(f"\\x{b:02X}" for b in value)), "BLOB")
    if isinstance(value, datetime):
        kind = "TIMESTAMP" if value.tzinfo is None else "TIMESTAMPTZ"
        return exp.cast(exp.Literal.string(value.isoformat(sep=" ")), kind)
    if isinstance(value, date):
        return exp.cast(exp.Literal.string(value.isoformat()), "DATE")
    if isinstance(value, time):
        return exp.cast(exp.Literal.string(value.isoformat()), "TIME")
    if isinstance(value, UUID):
        return exp.cast(exp.Literal.string(str(value)), "UUID")
    raise TypeError(f"no literal for {type(value).__name__}")


def to_expression(predicate: Predicate) -> exp.Expr:
    """The predicate as a DuckDB expression over quoted bare columns."""
    if isinstance(predicate, AllOf):
        return reduce(lambda a, b: exp.and_(a, b), map(to_expression, predicate.parts))
    if isinstance(predicate, AnyOf):
        return exp.paren(reduce(lambda a, b: exp.or_(a, b), map(to_expression, predicate.parts)))
    column = exp.column(exp.to_identifier(predicate.column, quoted=True))
    if isinstance(predicate, Comparison):
        return _COMPARISONS[predicate.op](this=column, expression=literal(predicate.value))
    if isinstance(predicate, ColumnComparison):
        other = exp.column(exp.to_identifier(predicate.other, quoted=True))
        return _COMPARISONS[predicate.op](this=column, expression=other)
    if isinstance(predicate, NullTest):
        test: exp.Expr = exp.Is(this=column, expression=exp.null())
    elif isinstance(predicate, Pattern):
        test = exp.Like(this=column, expression=exp.Literal.string(predicate.pattern))
    else:
        test = exp.In(this=column, expressions=[literal(v) for v in predicate.values])
    return exp.not_(test) if predicate.negated else test


def describe(predicate: Predicate) -> str:
    """The predicate as DuckDB text, for EXPLAIN."""
    return to_expression(predicate).sql(dialect="duckdb")


def order_expressions(order: Iterable[OrderKey]) -> list[exp.Ordered]:
    """The keys as ORDER BY terms with their null order spelled out."""
    return [
        exp.Ordered(
            this=exp.column(exp.to_identifier(key.column, quoted=True)),
            desc=key.descending,
            nulls_first=key.nulls_first,
        )
        for key in order
    ]
