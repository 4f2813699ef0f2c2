"""Estimates lie where the values lie; no answer depends on them."""

from __future__ import annotations

from datetime import date

import pytest

from fabric.estimates import distinct, rows_left, selectivity
from fabric.predicates import AnyOf, Comparison, Membership, NullTest, Pattern, Predicate
from fabric.types import Column, ColumnStatistics, Table, TableName

TABLE = Table(
    TableName("db", "public", "t"),
    (
        Column("id", "BIGINT"),
        Column("status", "VARCHAR"),
        Column("day", "DATE"),
        Column("name", "VARCHAR"),
        Column("odd", "BIGINT"),
    ),
    rows=10_000,
    primary_key=("id",),
    statistics={
        "id": ColumnStatistics(0.0, 10_000, (), tuple(str(n) for n in range(0, 10_001, 1_000))),
        "status": ColumnStatistics(0.1, 4, (("open", 0.6), ("shut", 0.2))),
        "day": ColumnStatistics(0.0, 365, (("2024-07-01", 0.5),), ("2024-01-01", "2024-06-30", "infinity")),
        "name": ColumnStatistics(0.0, 1_000, (), ("a", "b", "ma", "mb", "mz", "z")),
    },
)


@pytest.mark.parametrize(
    ("predicates", "part"),
    [
        ((), 1.0),
        ((Comparison("id", "=", 7),), 0.0001),
        ((Comparison("id", "<", 2_500),), 0.25),
        ((Comparison("id", ">=", 9_000),), 0.1),
        ((Comparison("id", ">", 20_000),), 0.0),
        ((Comparison("id", ">=", 2_000), Comparison("id", "<", 3_000)), 0.1),
        ((Membership("id", (1, 2, 3)),), 0.0003),
        ((Comparison("STATUS", "=", "open"),), 0.6),
        ((Comparison("status", "=", "new"),), 0.05),
        ((Comparison("status", "<>", "open"),), 0.3),
        ((NullTest("status"),), 0.1),
        ((NullTest("status", negated=True),), 0.9),
        ((Membership("status", ("open", "shut"), negated=True),), 0.1),
        ((AnyOf((Comparison("status", "=", "open"), Comparison("status", "=", "shut"))),), 0.68),
        ((Comparison("day", "=", date(2024, 7, 1)),), 0.5),
        ((Comparison("day", "<", date(2024, 6, 30)),), 0.5),
        ((Pattern("name", "m%"),), 0.6),
        ((Pattern("name", "m%", negated=True),), 0.4),
        ((Comparison("status", "=", "open"), Comparison("id", "<", 5_000)), 0.3),
    ],
)
def test_selectivity(predicates: tuple[Predicate, ...], part: float) -> None:
    assert selectivity(TABLE, predicates) == pytest.approx(part, abs=0.001)


def test_what_nobody_knows_is_guessed() -> None:
    assert (
        0
        < selectivity(TABLE, (Comparison("odd", "=", 1),))
        < selectivity(TABLE, (Comparison("odd", "<", 1),))
        < 1
    )
    assert 0 < selectivity(TABLE, (Comparison("day", "<", 5),)) < 1  # a value of another type
    assert rows_left(Table(TABLE.name, TABLE.columns), ()) is None


def test_rows_and_keys() -> None:
    assert rows_left(TABLE, (Comparison("id", "=", 7),)) == 1
    assert distinct(TABLE, "id", 50) == 50
    assert distinct(TABLE, "status", 9_000) == 4
    assert distinct(TABLE, "name", 10) == 10
