"""Predicates and order keys as Postgres text that means what DuckDB means. Pure functions."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from decimal import Decimal
from functools import reduce

from sqlglot import exp

from connectors.postgres.types import Family, Reading, reading
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
from fabric.pushdown import literal
from fabric.types import Column, OrderKey, Table

_RANGES: frozenset[PredicateWord] = frozenset({"=", "<>", "<", "<=", ">", ">=", "in", "not in", "null", "or"})
_WORDS: dict[Family, frozenset[PredicateWord]] = {
    "integer": _RANGES | {"column"},
    "date": _RANGES | {"column"},
    "timestamp": _RANGES | {"column"},
    "timestamptz": _RANGES | {"column"},
    "boolean": _RANGES - {"<", "<=", ">", ">="},
    "text": _RANGES | {"like", "column"},
    "opaque": frozenset({"null", "or"}),
}

# A long list of numbers goes as one array: 41x over reading all rows, where IN plans slower with each
# element (notes/federation.md, section 3).
_LIST_AS_ARRAY = 16


def words(family: Family) -> frozenset[PredicateWord]:
    """What is filtered on a column of that family exactly as in DuckDB."""
    return _WORDS.get(family, _RANGES)


def named(table: Table, name: str) -> Column:
    """The column of that name.

    Raises:
        KeyError: the scan names a column that its own table does not have.
    """
    column = table.column(name)
    if column is None:
        raise KeyError(f"{table.name} has no column {name}")
    return column


# ── values ───────────────────────────────────────────────────────────────────────────────────

_INT64 = range(-(2**63), 2**63)
_EXACT_DOUBLE = 2**53
_EXACT_DIGITS = 15
_WIDEST = 38
_UNSPEAKABLE = re.compile("[\0\ud800-\udfff]")


def fits(leaf: Leaf, table: Table) -> bool:
    """Whether every value is of the column's own type, so that both sides compare the same things."""
    if isinstance(leaf, NullTest):
        return True
    how = reading(named(table, leaf.column))
    if isinstance(leaf, ColumnComparison):
        return how.family == reading(named(table, leaf.other)).family
    if isinstance(leaf, Pattern):
        return _speakable(leaf.pattern)
    values = leaf.values if isinstance(leaf, Membership) else (leaf.value,)
    return all(_value_fits(value, how) for value in values)


def _value_fits(value: Value, how: Reading) -> bool:
    family = how.family
    if isinstance(value, bool):
        return family == "boolean"
    if isinstance(value, int):
        return (
            (family == "integer" and value in _INT64)
            or (
                family == "decimal"
                and value in _INT64
                and max(_whole_digits(how), 19) + _scale(how) <= _WIDEST
            )
            or (family == "double" and abs(value) <= _EXACT_DOUBLE)
        )
    if isinstance(value, Decimal):
        return _decimal_fits(value, how)
    if isinstance(value, float):
        return family in ("double", "float")
    if isinstance(value, str):
        return family == "text" and _speakable(value)
    if isinstance(value, datetime):
        return family == ("timestamp" if value.tzinfo is None else "timestamptz")
    if isinstance(value, time):
        return family == "time" and value.tzinfo is None
    if isinstance(value, date):
        return family in ("date", "timestamp")
    return family == ("blob" if isinstance(value, bytes) else "uuid")


def _decimal_fits(value: Decimal, how: Reading) -> bool:
    """Where DuckDB compares exactly: within 38 digits, or as a DOUBLE that holds every digit."""
    if not value.is_finite():
        return False
    scale = max(0, -int(value.as_tuple().exponent))
    whole = max(value.adjusted() + 1, 0)
    if how.family == "double":
        return whole + scale <= _EXACT_DIGITS
    if how.family == "integer":
        return max(whole, 19) + scale <= _WIDEST
    return how.family == "decimal" and max(whole, _whole_digits(how)) + max(scale, _scale(how)) <= _WIDEST


def _scale(how: Reading) -> int:
    return int(how.type.rstrip(")").rpartition(",")[2])


def _whole_digits(how: Reading) -> int:
    return int(how.type.partition("(")[2].partition(",")[0]) - _scale(how)


def _speakable(text: str) -> bool:
    """Whether Postgres can hold the text: no NUL, no half of a surrogate pair."""
    return not _UNSPEAKABLE.search(text)


# ── text ─────────────────────────────────────────────────────────────────────────────────────


def column_of(column: Column) -> exp.Column:
    """The column, quoted."""
    return exp.column(exp.to_identifier(column.name, quoted=True))


def _bytewise(column: exp.Expr, how: Reading) -> exp.Expr:
    if how.family != "text":
        return column
    return exp.Collate(this=column, expression=exp.to_identifier("C", quoted=True))


def order_key(key: OrderKey, table: Table) -> exp.Ordered:
    """One term of ORDER BY: text by code point, the place of NULLs spelled out."""
    column = named(table, key.column)
    how = reading(column)
    # Unqualified, a name in ORDER BY means the output, which may be text where the column is a number.
    qualified = exp.column(
        exp.to_identifier(column.name, quoted=True), table=exp.to_identifier(table.name.name, quoted=True)
    )
    subject = _bytewise(how.subject(qualified), how)
    return exp.Ordered(this=subject, desc=key.descending, nulls_first=key.nulls_first)


_COMPARISONS: dict[str, type[exp.Binary]] = {
    "=": exp.EQ, "<>": exp.NEQ, "<": exp.LT, "<=": exp.LTE, ">": exp.GT, ">=": exp.GTE,
}  # fmt: skip


def condition(predicate: Predicate, table: Table) -> exp.Expr:
    """The predicate over the table's quoted columns."""
    if isinstance(predicate, AllOf | AnyOf):
        join = exp.and_ if isinstance(predicate, AllOf) else exp.or_
        return exp.paren(
            reduce(lambda a, b: join(a, b), (condition(part, table) for part in predicate.parts))
        )
    column = named(table, predicate.column)
    how = reading(column)
    subject = how.subject(column_of(column))
    if isinstance(predicate, Comparison):
        if predicate.op not in ("=", "<>"):
            subject = _bytewise(subject, how)
        return _COMPARISONS[predicate.op](this=subject, expression=_literal(predicate.value))
    if isinstance(predicate, ColumnComparison):
        beside = named(table, predicate.other)
        other = _bytewise(reading(beside).subject(column_of(beside)), reading(beside))
        return _COMPARISONS[predicate.op](this=_bytewise(subject, how), expression=other)
    if isinstance(predicate, NullTest):
        test: exp.Expr = exp.Is(this=subject, expression=exp.null())
    elif isinstance(predicate, Pattern):
        # DuckDB's LIKE has no escape character, Postgres's is the backslash.
        pattern = predicate.pattern.replace("\\", "\\\\")
        test = exp.Like(this=subject, expression=exp.Literal.string(pattern))
    else:
        test = _member(subject, predicate.values)
    return exp.not_(test) if predicate.negated else test


def _member(subject: exp.Expr, values: tuple[Value, ...]) -> exp.Expr:
    if len(values) > _LIST_AS_ARRAY and all(type(value) is int for value in values):
        listed = exp.Literal.string("{" + ",".join(map(str, values)) + "}")
        array = exp.cast(listed, exp.DataType.build("BIGINT[]", dialect="postgres"))
        return exp.EQ(this=subject, expression=exp.Any(this=exp.paren(array)))
    return exp.In(this=subject, expressions=[_literal(value) for value in values])


def _literal(value: Value) -> exp.Expr:
    if isinstance(value, bytes):
        return exp.cast(exp.Literal.string("\\x" + value.hex()), "VARBINARY")
    if isinstance(value, Decimal):
        return exp.cast(exp.Literal.string(f"{value:f}"), "DECIMAL")
    return literal(value)
