"""``system.lineage``: of what products are made, as far as a principal may know.

A column has an edge to each column that it is made of or depends on; a row without ``column`` says what decides which
rows the product has, and one without ``source_column`` which objects those rows come from. What its reader may not know of has no name: a column that is also made of such a thing has one
row without a source, however many there are, and nothing is told of what else it decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fabric.domains import DomainPrincipal
from fabric.product_types import VALUE_KINDS, Edge
from fabric.spi import View
from fabric.types import Product, Table, TableName

if TYPE_CHECKING:
    from fabric.catalog import Entry
    from fabric.spi import Governor
    from fabric.types import Principal

LINEAGE = (
    "product VARCHAR, column VARCHAR, source VARCHAR, source_column VARCHAR, kind VARCHAR, masked BOOLEAN, "
    "query_id VARCHAR"
)

Row = tuple[Any, ...]
Find = Callable[[TableName], Table | Product | None]


def plain_name(name: TableName, fabric: str) -> str:
    """An object as ``system.lineage`` names it: ``domain.product``, or a source's table with its source."""
    return f"{name.schema}.{name.name}" if name.catalog.lower() == fabric.lower() else str(name)


@dataclass(frozen=True, slots=True)
class Place:
    """An object, or a column of it."""

    name: TableName
    column: str = ""

    def told(self, fabric: str) -> str:
        """The place as ``system.lineage`` names it."""
        return f"{plain_name(self.name, fabric)}{f'.{self.column}' if self.column else ''}"


@dataclass
class Knowledge:
    """What one principal may know of products' parts.

    Args:
        principal: who asks.
        governor: decides.
        entries: everything visible to them.
        find: the catalog's objects by their names, products shaped.
        everyone: they may read all of ``system.lineage``.
    """

    principal: Principal
    governor: Governor
    entries: Sequence[Entry]
    find: Find
    everyone: bool = False
    _seen: Mapping[tuple[str, str, str], Entry] = field(init=False)
    _views: dict[tuple[str, tuple[str, str, str]], View] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._seen = {entry.name.key: entry for entry in self.entries}

    def knows(self, name: TableName) -> bool:
        """Whether the principal may know of an object."""
        return name.key in self._seen

    def knows_place(self, place: Place) -> bool:
        """Whether they may know of an object or, where one is named, of a column of it."""
        return self.sees(place.name, place.column) if place.column else self.knows(place.name)

    def sees(self, name: TableName, column: str) -> bool:
        """Whether the principal may know of an object and of this column of it."""
        entry = self._seen.get(name.key)
        return entry is not None and any(each.name == column for each in entry.columns)

    def view(self, asker: Principal, name: TableName) -> View:
        """What somebody sees of the columns of an object."""
        key = (asker.user.lower(), name.key)
        if key not in self._views:
            found = self.find(name)
            self._views[key] = View() if found is None else self.governor.view(asker, found)
        return self._views[key]

    def told(self, product: Product, name: TableName, column: str, administers: bool) -> bool:
        """Whether a part's column may be named: its domain's own may be to who owns the product."""
        if self.everyone or self.sees(name, column):
            return True
        return administers and column.lower() not in self.view(_domain_of(product), name).hidden

    def masked(self, product: Product, name: TableName, column: str) -> bool:
        """Whether a rule masks a part's column, for the product's domain or for the principal."""
        asked = [_domain_of(product)] if product.reads_as_domain else [_domain_of(product), self.principal]
        views = [self.view(asker, name) for asker in asked]
        return any(column.lower() in view.masked | view.hidden for view in views)


def _domain_of(product: Product) -> DomainPrincipal:
    return DomainPrincipal(f"domain:{product.domain}")


def lineage_rows(products: Iterable[Product], known: Knowledge, fabric: str) -> Iterator[Row]:
    """The edges of products, which must be shaped and known to the principal."""
    for product in products:
        yield from _edges_of(product, known, fabric)


def _edges_of(product: Product, known: Knowledge, fabric: str) -> Iterator[Row]:
    name = plain_name(product.name, fabric)
    administers = known.governor.administers(known.principal, product.name)
    parts = product.lineage.parts

    def told(edge: Edge) -> bool:
        return known.told(product, parts[edge.part], edge.column, administers)

    def row(column: str | None, edge: Edge) -> Row:
        part = parts[edge.part]
        own = column is not None and column.lower() in known.view(known.principal, product.name).masked
        masked = edge.masked or own or known.masked(product, part, edge.column)
        return (name, column, plain_name(part, fabric), edge.column, edge.kind, masked, None)

    for column, edges in zip(product.columns, product.lineage.columns, strict=False):
        if not known.everyone and not known.sees(product.name, column.name):
            continue
        shown = [edge for edge in edges if told(edge)]
        yield from dict.fromkeys(row(column.name, edge) for edge in shown)
        if any(edge.kind in VALUE_KINDS and edge not in shown for edge in edges):
            yield (name, column.name, None, None, None, None, None)
    yield from dict.fromkeys(row(None, edge) for edge in product.lineage.rows if told(edge))
    for part in dict.fromkeys(parts):
        if known.everyone or administers or known.knows(part):
            yield (name, None, plain_name(part, fabric), None, "rows", False, None)
