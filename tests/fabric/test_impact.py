"""Whom a change would hit: by the names in the texts of queries, and through products on products."""

from __future__ import annotations

import pytest

from fabric.impact import Use, downstream, told, uses
from fabric.parse import parse
from fabric.products import names_in
from fabric.types import Product, TableName


def product(name: str, sql: str, status: str = "active") -> Product:
    return Product(
        TableName("acme", "claims", name), "claims", sql, reads=names_in(parse(sql)), status=status
    )


PRODUCTS = {
    "late": product("late", "SELECT 1 AS a, 2 AS b"),
    "over": product("over", "SELECT a AS x FROM claims.late"),
    "above": product("above", "FROM claims.over"),
    "gone": product("gone", "FROM claims.late", "retired"),
    "apart": product("apart", "SELECT 1 AS a"),
}


def find(parts: tuple[str, ...]) -> Product | None:
    return PRODUCTS.get(parts[-1].lower()) if parts[-2].lower() == "claims" else None


def hit(*texts: str, columns: tuple[str, ...] = ("a",)) -> list[Use]:
    readers = downstream(PRODUCTS["late"], PRODUCTS.values(), find)
    return uses(PRODUCTS["late"], readers, columns, [(n, "ana", text) for n, text in enumerate(texts)], find)


def test_what_rests_on_it_and_is_served() -> None:
    assert [each.name.name for each in downstream(PRODUCTS["late"], PRODUCTS.values(), find)] == [
        "over",
        "above",
    ]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("SELECT a FROM claims.late", ("a",)),
        ("SELECT x.A FROM acme.claims.late x", ("a",)),
        ("SELECT count(*) FROM claims.late WHERE a > 1", ("a",)),
        ("SELECT * FROM claims.late", ("a",)),
        ("FROM claims.late", ("a",)),
        ("SELECT a FROM late", ("a",)),
        ("SELECT x FROM claims.over", ()),
        ("SELECT x FROM claims.above", ()),
        ("EXPLAIN ANALYZE SELECT a FROM claims.late", ("a",)),
    ],
)
def test_a_query_that_names_it_is_hit(text: str, columns: tuple[str, ...]) -> None:
    assert hit(text) == [Use("ana", 1, columns)]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT b FROM claims.late",
        "SELECT count(*) FROM claims.late",
        "SELECT a FROM claims.apart",
        "SELECT 'claims.late' AS a",
        "SELECT a FROM other.late",
        "SELEC a FROM claims.late",
        "EXPLAIN SELECT a FROM claims.late",
    ],
)
def test_one_that_does_not_is_not(text: str) -> None:
    assert hit(text) == []


def test_users_are_counted_and_told() -> None:
    found = hit(
        "SELECT a FROM claims.late",
        "SELECT a, b FROM claims.late",
        "SELECT a FROM claims.late",
        columns=("a", "b"),
    )
    assert found == [Use("ana", 3, ("a", "b"))]
    assert told(["claims.over"], found) == (
        "products that read it: claims.over; users whose queries name it: ana (3 queries: a, b)"
    )
    assert told([], []) == ""
