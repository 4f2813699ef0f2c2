"""Whether two answers are the same: the same rows in any order, numbers to 1e-9 of their size."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pyarrow as pa

TOLERANCE = 1e-9


def difference(one: pa.Table, other: pa.Table) -> str:
    """What differs first, in words; empty where nothing does. Names of columns are not compared."""
    if one.num_columns != other.num_columns:
        return f"{one.num_columns} columns, not {other.num_columns}"
    if one.num_rows != other.num_rows:
        return f"{one.num_rows} rows, not {other.num_rows}"
    for mine, theirs in zip(_rows(one), _rows(other), strict=True):
        if not all(_same(a, b) for a, b in zip(mine, theirs, strict=True)):
            return f"{mine}, not {theirs}"
    return ""


def _rows(table: pa.Table) -> list[tuple[Any, ...]]:
    columns = [column.to_pylist() for column in table.columns]
    return sorted(zip(*columns, strict=True), key=lambda row: tuple(_key(value) for value in row))


def _key(value: Any) -> tuple[int, str]:
    """Numbers by seven digits: what differs behind them sorts as equal, whatever its type."""
    if value is None:
        return 0, ""
    return (1, f"{float(value):.6e}") if _number(value) else (2, str(value))


def _same(one: Any, other: Any) -> bool:
    if _number(one) and _number(other):
        return math.isclose(float(one), float(other), rel_tol=TOLERANCE, abs_tol=1e-12)
    # A date and its midnight are told apart: that is a type, not a rounding.
    return bool(one == other)


def _number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
