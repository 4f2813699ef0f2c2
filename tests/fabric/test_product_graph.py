"""What products read of one another."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fabric.product_graph import above, beneath, told
from fabric.types import Product, TableName


def world(**reads: str) -> tuple[dict[str, Product], Callable[[tuple[str, ...]], Product | None]]:
    products = {
        name: Product(
            TableName("acme", "crm" if name.startswith("x") else "claims", name),
            "crm" if name.startswith("x") else "claims",
            "",
            reads=tuple(("claims", each) for each in said.split()),
        )
        for name, said in reads.items()
    }
    return products, lambda parts: products.get(parts[-1])


def names(products: object) -> list[str]:
    return [each.name.name for each in products]  # type: ignore[attr-defined]


def test_parts_stand_before_what_they_are_parts_of() -> None:
    products, find = world(a="b c", b="d", c="d table", d="")
    ordered, circle = beneath(products["a"], find)
    assert (names(ordered), circle) == (["d", "b", "c"], ())
    assert names(above(products["d"], products.values(), find)) == ["b", "c", "a"]
    assert above(products["a"], products.values(), find) == []


@pytest.mark.parametrize(
    ("reads", "circle"),
    [
        ({"a": "a"}, ["a", "a"]),
        ({"a": "b", "b": "c", "c": "a"}, ["a", "b", "c", "a"]),
        ({"a": "b", "b": "c", "c": "b"}, ["b", "c", "b"]),
    ],
)
def test_a_circle_is_found(reads: dict[str, str], circle: list[str]) -> None:
    products, find = world(**reads)
    assert names(beneath(products["a"], find)[1]) == circle


def test_depth_and_breadth_cost_no_more_than_there_is() -> None:
    reads = {f"p{n}": f"p{n - 1} q{n - 1}" if n else "" for n in range(3_000)}
    reads |= {f"q{n}": f"p{n - 1}" if n else "" for n in range(3_000)}
    products, find = world(**reads)
    ordered, circle = beneath(products["p2999"], find)
    assert len(ordered) == 5_998
    assert circle == ()
    assert len(above(products["p0"], products.values(), find)) == 5_998 - 0


def test_a_circle_names_what_a_domain_may_know() -> None:
    products, find = world(a="x1", x1="x2", x2="x3", x3="a")
    circle = beneath(products["a"], find)[1]
    assert told(circle, "claims") == "claims.a → crm.x1 → … → … → claims.a"
    assert told(circle, "crm") == "… → crm.x1 → crm.x2 → crm.x3 → claims.a"
