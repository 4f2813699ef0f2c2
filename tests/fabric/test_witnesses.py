"""A witness passes the filters that it stands for, as DuckDB judges them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
)
from fabric.pushdown import describe, literal
from fabric.witnesses import witness

_VALUES: dict[str, st.SearchStrategy[Value]] = {
    "SMALLINT": st.integers(-(2**15), 2**15 - 1),
    "BIGINT": st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3),
    "VARCHAR": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4) | st.text("a%_Ä\n", max_size=3),
    "DATE": st.dates(date(1, 1, 1)) | st.dates(date(2000, 1, 1), date(2000, 1, 3)),
    "BOOLEAN": st.booleans(),
}  # fmt: skip


def _predicates(kind: str) -> st.SearchStrategy[Predicate]:
    values = _VALUES[kind]
    leaves: st.SearchStrategy[Predicate] = (
        st.builds(Comparison, st.just("c"), st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), values)
        | st.builds(
            Membership, st.just("c"), st.lists(values, min_size=1, max_size=3).map(tuple), st.booleans()
        )
        | st.builds(NullTest, st.just("c"), st.booleans())
    )
    if kind == "VARCHAR":
        leaves |= st.builds(Pattern, st.just("c"), st.text("ab%_Ä\n", max_size=4), st.booleans())
    parts = st.lists(leaves, min_size=2, max_size=3).map(tuple)
    return leaves | st.builds(AllOf, parts) | st.builds(AnyOf, parts)


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_witness_passes(duck: duckdb.DuckDBPyConnection, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(_VALUES)))
    predicates = data.draw(st.lists(_predicates(kind), min_size=1, max_size=3))
    found = witness(predicates, kind)
    if found is not None:
        condition = " AND ".join(f"({describe(each)})" for each in predicates)
        sql = f"SELECT {condition} FROM (SELECT CAST({literal(found).sql('duckdb')} AS {kind}) AS c)"
        assert duck.sql(sql).fetchall() == [(True,)]


@pytest.mark.parametrize(
    ("predicates", "kind", "found"),
    [
        ((Comparison("c", "=", 7),), "BIGINT", 7),
        ((Comparison("c", ">=", 7), Comparison("c", "<", 9)), "INTEGER", 7),
        ((Comparison("c", ">", 7), Comparison("c", "<", 9)), "INTEGER", 8),
        ((Comparison("c", ">", 7), Comparison("c", "<", 8)), "INTEGER", None),
        ((Comparison("c", ">", 32_767),), "SMALLINT", None),
        ((Pattern("c", "%special%requests%", negated=True),), "VARCHAR", ""),
        ((Pattern("c", "a%b_"),), "VARCHAR", "aba"),
        ((Membership("c", ("x", "y")), Comparison("c", ">", "x")), "VARCHAR", "y"),
        ((NullTest("c", negated=True),), "DATE", date(2000, 1, 1)),
        ((NullTest("c"),), "DATE", None),
        ((Comparison("c", "<=", Decimal("1.005")),), "DECIMAL(6,2)", None),
        ((ColumnComparison("c", "=", "d"),), "BIGINT", None),
        ((Comparison("c", "=", 0.5),), "DOUBLE", None),
    ],
)
def test_what_is_found(predicates: tuple[Predicate, ...], kind: str, found: Value | None) -> None:
    assert witness(predicates, kind) == found
