"""``system.snapshots``: what can be read again of the products that a principal may read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fabric.product_types import key_of
from fabric.types import Product

if TYPE_CHECKING:
    from fabric.catalog import Entry
    from fabric.snapshots import Snapshots
    from fabric.spi import Governor
    from fabric.types import Principal

SNAPSHOTS = (
    "domain VARCHAR, product VARCHAR, snapshot_id VARCHAR, as_of TIMESTAMP WITH TIME ZONE, rows BIGINT, bytes BIGINT, "
    "current BOOLEAN"
)

Row = tuple[Any, ...]


def snapshot_rows(
    entries: Sequence[Entry], principal: Principal, governor: Governor, snapshots: Snapshots
) -> list[Row]:
    """A row for each snapshot of a product that the principal may read, the newest of a product first.

    ``rows`` and ``bytes`` are of the whole, which rules may hide from a reader: only who administers the product is told them.
    """
    kept = snapshots.all_kept()
    found: list[Row] = []
    for product in (entry.object for entry in entries):
        if not isinstance(product, Product) or not governor.may(principal, "read", product.name):
            continue
        own = [each for each in kept if each.product == key_of(product)]
        tells = governor.administers(principal, product.name)
        found += [
            (
                product.domain,
                product.name.name,
                each.snapshot_id,
                datetime.fromtimestamp(each.as_of, UTC),
                each.rows if tells else None,
                each.bytes if tells else None,
                product.stored is not None and each is own[0] and each.sql == product.sql,
            )
            for each in own
        ]
    return found
