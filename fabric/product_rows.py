"""``system.products`` and ``system.columns``: what a principal may know of products, from the catalog's entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fabric.product_types import key_of
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

Stored = Mapping[str, tuple[datetime | None, str]]
"""As of when a product's snapshot is, and why its last refresh failed, by ``key_of``."""


def product_rows(
    entries: Sequence[Entry], principal: Principal, governor: Governor, popular: Popular, stored: Stored
) -> list[Row]:
    """A row for each product; ``as_of`` is NULL where it is live."""
    return [
        (
            product.domain,
            product.name.name,
            product.version,
            product.status,
            product.state,
            _reason(product, principal, governor, _stored(product, stored)[1]),
            governor.owner(product),
            product.description,
            list(product.tags),
            _stored(product, stored)[0],
            product.replaced_by or None,
            product.sunset,
            product.freshness,
            [rule.name for rule in product.quality],
            *popular.get(product.name.key, (0, 0)),
        )
        for product in (entry.object for entry in entries)
        if isinstance(product, Product)
    ]


def _stored(product: Product, stored: Stored) -> tuple[datetime | None, str]:
    return stored.get(key_of(product), (None, "")) if product.stored else (None, "")


def _reason(product: Product, principal: Principal, governor: Governor, failed: str) -> str | None:
    """Why it is not ok: it may name parts that nobody but its owner may know of."""
    broken = f"its data breaks {', '.join(map(repr, product.violations))}" if product.violations else ""
    reasons = [product.broken or broken, product.stale and f"an older text serves: {product.stale}"]
    reasons.append(failed and f"its last refresh failed: {failed}")
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
