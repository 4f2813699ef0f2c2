"""Names in a statement, as the one who asks may know of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fabric.domains import DomainPrincipal
from fabric.errors import NotFound
from fabric.lake import RESULTS
from fabric.product_types import UNPUBLISHED
from fabric.resolve import Find
from fabric.types import Principal, Product, Table

if TYPE_CHECKING:
    from fabric.catalog import Catalog
    from fabric.spi import Governor

_LONGEST = 64


@dataclass(frozen=True, slots=True)
class CatalogNames:
    """``fabric.resolve.Names`` over the catalog, for one principal."""

    catalog: Catalog
    principal: Principal
    governor: Governor

    def body(self, domain: str) -> Find:
        """See ``Catalog.within``."""
        return self.catalog.within(domain)

    def known(self, parts: tuple[str, ...]) -> Table | Product | None:
        """The same, when the principal may know of it; the fabric's own tables are known to all."""
        if len(parts) == 2 and parts[0].lower() == RESULTS and self.catalog.results is not None:
            return self.catalog.results.find(parts[1], self.principal, self.catalog, self.governor)
        found = self.catalog.find(parts)
        if found is None or (found.name.catalog == self.catalog.fabric and isinstance(found, Table)):
            return found
        return found if known_to(self.governor, self.principal, found) else None

    def at(self, product: Product, snapshot_id: str) -> Product:
        """The product as it was when a snapshot was made; who may not read it is refused when they are judged.

        Raises:
            NotFound: none with that id is kept.
        """
        if not self.governor.may(self.principal, "read", product.name):
            return replace(product, at=snapshot_id, broken="it is not theirs to read")
        retained = self.catalog.retained
        sql = retained.sql_of(product, snapshot_id) if retained is not None else None
        if sql is None:
            raise NotFound(
                f"'{product.written}' has no snapshot '{snapshot_id[:_LONGEST]}'",
                hint="system.snapshots lists those that are kept",
            )
        return replace(product, at=snapshot_id, sql=sql)

    def candidates(self, name: str) -> list[str]:
        """Visible objects of that name, by their shortest full name."""
        wanted = name.lower()
        found = [
            f"{entry.name.schema}.{entry.name.name}"
            if entry.name.catalog == self.catalog.fabric
            else str(entry.name)
            for entry in self.catalog.visible(self.principal, self.governor)
            if entry.name.name.lower() == wanted
        ]
        return sorted(found)


def known_to(governor: Governor, principal: Principal, found: Table | Product) -> bool:
    """Whether the principal may know that the object exists; who may read it may.

    A product that is not published is known to those who may publish it, and within its domain.
    """
    if not governor.may(principal, "discover", found.name):
        return False
    if isinstance(found, Table) or found.status not in UNPUBLISHED:
        return True
    if isinstance(principal, DomainPrincipal):
        return principal.user.lower() == f"domain:{found.domain.lower()}"
    return governor.may(principal, "publish", found.name)
