"""How many rows a scan will give, from what its source knows of its columns: estimates, on which no answer depends.

Selectivities are those of Selinger et al. (SIGMOD 1979) where nothing better is known; common values and equal-height
bounds are read as Postgres reads its own (manual, 75.1 "Row Estimation Examples").
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache, reduce
from types import MappingProxyType
from typing import Any

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
    typed,
)
from fabric.types import ColumnStatistics, Scan, Table

_EQUAL, _RANGE, _PATTERN, _NULL = 0.05, 0.33, 0.05, 0.02
_LEAST = 1e-9
# Bytes of a value, in Arrow; of a text or a list of which nothing is known.
_WIDTHS = dict.fromkeys(("BOOLEAN", "TINYINT", "UTINYINT"), 1.0)
_WIDTHS |= dict.fromkeys(("SMALLINT", "USMALLINT"), 2.0) | dict.fromkeys(
    ("INTEGER", "UINTEGER", "FLOAT", "DATE"), 4.0
)
_WIDTHS |= dict.fromkeys(
    ("BIGINT", "UBIGINT", "DOUBLE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"), 8.0
)
_WIDTHS |= dict.fromkeys(("DECIMAL", "HUGEINT", "UUID", "INTERVAL"), 16.0)
_WIDTH = 20.0
_DAYS = {"month": 30, "quarter": 91, "year": 365}
_NOTHING_KNOWN = ColumnStatistics()
_READ = 2_000  # columns whose bounds are kept as values; a hundred take some kB


def rows_left(table: Table, predicates: Iterable[Predicate]) -> float | None:
    """Rows of a table that meet all predicates; None when nobody knows how many it has."""
    if table.rows is None:
        return None
    return max(1.0, table.rows * selectivity(table, predicates))


def selectivity(table: Table, predicates: Iterable[Predicate]) -> float:
    """The part of a table's rows that meets all predicates."""
    ranges: dict[str, list[float]] = {}
    found = 1.0
    for predicate in predicates:
        part = _selectivity(table, predicate)
        if isinstance(predicate, Comparison) and predicate.op not in ("=", "<>"):
            ranges.setdefault(predicate.column.lower(), []).append(part)
        else:
            found *= part
    for parts in ranges.values():
        # From below and from above: what both leave is what is missing from neither.
        found *= max(_LEAST, sum(parts) - (len(parts) - 1)) if _known(parts) else min(parts)
    return max(_LEAST, min(1.0, found))


def distinct(table: Table, column: str, rows: float) -> float:
    """Different values of a column in so many of the table's rows."""
    known = _statistics(table, column)
    if table.primary_key == (column,):
        return rows
    most = known.distinct if known.distinct is not None else _span(table, column, known)
    return max(1.0, min(rows, most))


def _span(table: Table, column: str, known: ColumnStatistics) -> float:
    """How many whole numbers or days lie within a column's bounds, or begin there."""
    found = table.column(column)
    ends = [_read(text, found.type) for text in (known.bounds[:1] + known.bounds[-1:])] if found else []
    if len(ends) == 2 and all(isinstance(end, int) for end in ends):
        return float(ends[1] - ends[0] + 1)
    if len(ends) == 2 and all(isinstance(end, date) for end in ends) and type(ends[0]) is type(ends[1]):
        return float((ends[1] - ends[0]).days + 1)
    return math.inf


def part_among(table: Table, column: str, keys: float) -> float | None:
    """The part of a table's rows of which a column is among so many keys; None when nobody knows how many rows it has."""
    if table.rows is None:
        return None
    return min(1.0, keys / distinct(table, column, float(table.rows)))


def rows_asked(scan: Scan) -> float | None:
    """Rows that meet a scan's predicates, and whose keys are among those of its semi-joins; as ``rows_left``."""
    rows = rows_left(scan.table, scan.predicates)
    for each in scan.semi_joins:
        inner = rows_asked(Scan(each.table, (each.key,), each.predicates, semi_joins=each.semi_joins))
        if rows is None or inner is None:
            return rows
        part = part_among(scan.table, each.column, distinct(each.table, each.key, inner))
        rows = max(1.0, rows * (part if part is not None else 1.0))
    return rows


def row_bytes(table: Table, columns: Iterable[str]) -> float:
    """Bytes that a row takes in memory, of these columns of a table."""
    return sum(_width(table, name) for name in columns)


def _width(table: Table, name: str) -> float:
    column = table.column(name)
    kind = column.type.split("(")[0].upper() if column else ""
    if kind in _WIDTHS:
        return _WIDTHS[kind]
    known = _statistics(table, name)
    values = [*(value for value, _ in known.common), *known.bounds]
    return sum(map(len, values)) / len(values) if values else _WIDTH


def groups(
    table: Table, columns: Iterable[str], rows: float, truncated: Mapping[str, str] = MappingProxyType({})
) -> float:
    """Different combinations of columns' values in so many of the table's rows; ``rows`` where nobody knows.

    Of a ``truncated`` column only the named unit counts.
    """
    known = [
        _units(table, column, truncated[column])
        if column in truncated
        else _statistics(table, column).distinct
        for column in columns
    ]
    # NULL is one more.
    return min(rows, math.prod(each + 1 if each is not None else rows for each in known))


def _units(table: Table, column: str, unit: str) -> float | None:
    """Different units of a date in a column; None when nobody knows."""
    known = _statistics(table, column)
    days = _span(table, column, known)
    found = min(known.distinct or math.inf, days / _DAYS[unit] + 1)
    return found if found < math.inf else known.distinct


def least_different(table: Table) -> str:
    """The column with the fewest different values, as far as anybody knows; else the first."""
    known = (_statistics(table, column.name).distinct for column in table.columns)
    ways = [each if each is not None else math.inf for each in known]
    return table.columns[ways.index(min(ways))].name


def _known(parts: Sequence[float]) -> bool:
    return len(parts) > 1 and _RANGE not in parts


def _statistics(table: Table, column: str) -> ColumnStatistics:
    return table.statistics.get(column.lower(), _NOTHING_KNOWN)


def _selectivity(table: Table, predicate: Predicate) -> float:
    if isinstance(predicate, AllOf):
        return selectivity(table, predicate.parts)
    if isinstance(predicate, AnyOf):
        return 1 - reduce(lambda left, part: left * (1 - _selectivity(table, part)), predicate.parts, 1.0)
    if isinstance(predicate, ColumnComparison):
        return _EQUAL if predicate.op == "=" else _RANGE
    known = _statistics(table, predicate.column)
    column = table.column(predicate.column)
    kind = column.type if column else ""
    if isinstance(predicate, NullTest):
        nulls = known.nulls if known.nulls is not None else _NULL
        return 1 - nulls if predicate.negated else nulls
    if isinstance(predicate, Pattern):
        return _pattern(predicate, known)
    if isinstance(predicate, Membership):
        found = min(1.0, sum(_equal(value, known, kind, table) for value in predicate.values))
        return max(0.0, 1 - found - (known.nulls or 0.0)) if predicate.negated else found
    if predicate.op == "=":
        return _equal(predicate.value, known, kind, table)
    if predicate.op == "<>":
        return max(0.0, 1 - _equal(predicate.value, known, kind, table) - (known.nulls or 0.0))
    below = _below(predicate.value, known, kind)
    if below is None:
        return _RANGE
    return below if predicate.op in ("<", "<=") else max(0.0, 1 - below - (known.nulls or 0.0))


def _equal(value: Value, known: ColumnStatistics, kind: str, table: Table) -> float:
    for text, part in known.common:
        if _read(text, kind) == value:
            return part
    if known.distinct is None:
        return _EQUAL
    common = sum(part for _, part in known.common)
    others = known.distinct - len(known.common)
    rest = max(0.0, 1 - common - (known.nulls or 0.0))
    return rest / others if others >= 1 else 1 / max(1.0, float(table.rows or 1))


def _pattern(pattern: Pattern, known: ColumnStatistics) -> float:
    start = pattern.pattern.split("%")[0].split("_")[0]
    found = _PATTERN
    if start and known.bounds:
        # A prefix is a range; between two bounds lies an equal part of the rows.
        steps = len(known.bounds) - 1
        inside = sum(bound.startswith(start) for bound in known.bounds)
        found = max(inside, 0.5) / max(1, steps)
    return 1 - found if pattern.negated else found


def _below(value: Value, known: ColumnStatistics, kind: str) -> float | None:
    """The part of rows whose value is less, common values counted one by one; None when nobody knows."""
    try:
        bounds = [each for each in _values(known.bounds, kind) if each is not None]
        common = [(_read(text, kind), part) for text, part in known.common]
        if len(bounds) < 2 and not common:
            return None
        less = sum(part for each, part in common if each is not None and each < value)
        rest = max(0.0, 1 - sum(part for _, part in common) - (known.nulls or 0.0))
        return float(less + rest * (_position(value, bounds) if len(bounds) > 1 else 0.5))
    except TypeError:
        return None  # a value of another type than the column's


@lru_cache(maxsize=_READ)
def _values(bounds: tuple[str, ...], kind: str) -> tuple[Any, ...]:
    return tuple(_read(text, kind) for text in bounds)


def _read(text: str, kind: str) -> Any:
    try:
        return typed(text, kind)
    except (ValueError, ArithmeticError):
        return None  # such as infinity


def _position(value: Any, bounds: list[Any]) -> float:
    """How far along the bounds a value stands, from 0 to 1."""
    at = bisect_left(bounds, value)
    if at == 0:
        return 0.0
    if at == len(bounds):
        return 1.0
    low, high = bounds[at - 1], bounds[at]
    try:
        within = float((value - low) / (high - low)) if high != low else 0.5
    except TypeError:
        within = 0.5  # texts
    return (at - 1 + within) / (len(bounds) - 1)
