"""``system.products`` and ``system.columns``: what a principal may know of products, from the catalog's entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fabric.types import Product

if TYPE_CHECKING:
    from fabric.catalog import Entry
    from fabric.spi import Governor
    from fabric.types import Principal

PRODUCTS = (
    "domain VARCHAR, name VARCHAR, version VARCHAR, status VARCHAR, state VARCHAR, reason VARCHAR, "
    "owner VARCHAR, description VARCHAR, tags VARCHAR[], as_of TIMESTAMP WITH TIME ZONE, replaced_by VARCHAR, "
    "sunset DATE, freshness DOUBLE, quality VARCHAR[], queries BIGINT, users BIGINT"
)
COLUMNS = (
    "domain VARCHAR, product VARCHAR, name VARCHAR, type VARCHAR, description VARCHAR, tags VARCHAR[], "
    "masked BOOLEAN, required BOOLEAN, is_unique BOOLEAN"
)

Row = tuple[Any, ...]

Popular = Mapping[tuple[str, str, str], tuple[int, int]]
"""Statements that used an object lately, and how many users asked them, by the object's name."""


def product_rows(
    entries: Sequence[Entry], principal: Principal, governor: Governor, popular: Popular
) -> list[Row]:
    """A row for each product; ``as_of`` is NULL, since every product is live."""
    return [
        (
            product.domain,
            product.name.name,
            product.version,
            product.status,
            product.state,
            _reason(product, principal, governor),
            governor.owner(product),
            product.description,
            list(product.tags),
            None,
            product.replaced_by or None,
            product.sunset,
            product.freshness,
            [rule.name for rule in product.quality],
            *popular.get(product.name.key, (0, 0)),
        )
        for product in (entry.object for entry in entries)
        if isinstance(product, Product)
    ]


def _reason(product: Product, principal: Principal, governor: Governor) -> str | None:
    """Why it is not ok: it may name parts that nobody but its owner may know of."""
    broken = f"its data breaks {', '.join(map(repr, product.violations))}" if product.violations else ""
    reasons = [product.broken or broken, product.stale and f"an older text serves: {product.stale}"]
    said = "; ".join(filter(None, reasons))
    if not said:
        return None
    if governor.administers(principal, product.name):
        return said
    return None if product.state == "ok" else "its owner can see why"


def column_rows(entries: Sequence[Entry]) -> list[Row]:
    """A row for each column of a product that the principal sees."""
    return [
        (
            entry.object.domain,
            entry.name.name,
            column.name,
            column.type,
            column.comment,
            list(column.tags),
            column.name.lower() in entry.masked,
            not column.nullable,
            column.unique,
        )
        for entry in entries
        if isinstance(entry.object, Product)
        for column in entry.columns
    ]
