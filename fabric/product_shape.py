"""A product's columns: names and types from its SELECT as it binds now, the rest from its metadata.

What a column is made of is known too, and its tags are its own and those of the columns that it is made of. A SELECT
binds over its parts' columns, products' like tables', so that it costs the same however deep they are nested.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from fabric.compose import probe_relation
from fabric.contract import amiss, changes, told
from fabric.engine import Engine, Probe
from fabric.errors import FabricError, InvalidConfig
from fabric.incremental import unfit
from fabric.inputs import silent
from fabric.lineage import lineage
from fabric.naming import of_nobody
from fabric.product_graph import beneath
from fabric.product_graph import told as circle_told
from fabric.product_types import ON_CHANGE, UNPUBLISHED
from fabric.resolve import resolve_body
from fabric.types import Column, Origin, Product, Resolved, StoredTable, Table

Find = Callable[[tuple[str, ...]], Table | Product | None]
Shape = Callable[[Product], Product]


@dataclass(frozen=True, slots=True)
class _Part(Table):
    """A product as a table of its columns; ``until`` as of the product."""

    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Parts:
    """The whole catalog, a product's body being its domain's, whoever asks; products as tables of their columns."""

    product: Product
    find: Find
    shape: Shape
    found: dict[tuple[str, ...], Table] = field(default_factory=dict)

    def known(self, parts: tuple[str, ...]) -> Table | None:
        key = tuple(part.lower() for part in parts)
        if key not in self.found:
            found = self.find(parts)
            if found is None:
                return None
            self.found[key] = self._table(found) if isinstance(found, Product) else found
            if not self.found[key].columns:
                raise InvalidConfig("a source beneath it is not known yet")
        return self.found[key]

    def candidates(self, name: str) -> list[str]:
        return []

    def body(self, domain: str) -> Find:
        return self.known  # products are tables here

    def _table(self, part: Product) -> Table:
        shape = self.shape(part)
        own = part.domain.lower() == self.product.domain.lower()
        if shape.broken or not shape.columns:
            why = f": {shape.broken}" if own and shape.broken else ""
            raise InvalidConfig(f"{part.written}, which it reads, is broken{why}")
        if part.stopped:
            raise InvalidConfig(f"{part.written}, which it reads, is not served: {why_not(part)}")
        if part.status in UNPUBLISHED and self.product.status not in UNPUBLISHED:
            raise InvalidConfig(f"{part.written}, which it reads, is not published: it is {part.status}")
        return _Part(part.name, shape.columns, until=shape.until)


def _until(found: Table | Product) -> datetime | None:
    """When the stored result expires that a part of a product rests on, or is."""
    if isinstance(found, StoredTable):
        return found.expires_at
    return found.until if isinstance(found, _Part) else None


def why_not(product: Product) -> str:
    """Why a product is not served that could be."""
    if product.status == "retired":
        return "it is retired"
    return f"its data breaks {', '.join(repr(rule) for rule in product.violations)}"


def shaped(
    product: Product, find: Find, engine: Engine, shape: Shape | None = None, *, promises: bool = True
) -> Product:
    """The product with its columns and their origins, or with ``broken`` saying why it has none.

    No source is asked. An origin's ``part`` is a position among the relations of the product's own SELECT,
    which are the same, in the same order, whenever it is resolved.

    Args:
        product: as its file has it.
        find: the catalog's objects by name.
        engine: binds the SELECT over empty relations.
        shape: shapes the products that this one reads, and knows of no circle; absent, they are shaped here and now.
        promises: its file's declarations and its contract must hold; else it is broken.
    """
    if product.broken:
        return product
    if shape is None:
        ordered, circle = beneath(product, find)
        if circle:
            return in_circle(product, circle)
        shapes: dict[tuple[str, str, str], Product] = {}
        shape = lambda part: shapes[part.name.key]  # noqa: E731
        for part in ordered:
            shapes[part.name.key] = shaped(part, find, engine, shape)
    try:
        resolved = resolve_body(product.sql, _Parts(product, find, shape), f"domain:{product.domain}")
        found = probe_relation(resolved, engine)
        parts = {relation.id: relation.object.columns for relation in resolved.relations}
        made_of = lineage(resolved, parts, len(found.types), engine)
        columns = _columns(product, found, _travelled(resolved, parts, made_of.origins))
        if promises:
            _require_promise(product, columns, engine)
            _require_storable(product, unfit(product, resolved, made_of, found.plan, columns), find)
    except FabricError as error:
        return replace(product, columns=(), broken=of_nobody(error.message))
    ends = [until for each in resolved.relations if (until := _until(each.object)) is not None]
    return replace(product, columns=columns, lineage=made_of, until=min(ends, default=None))


def in_circle(product: Product, circle: tuple[Product, ...]) -> Product:
    """A product that rests on itself, or on one that does."""
    own = any(each.name.key == product.name.key for each in circle)
    what = "it reads itself" if own else "it reads a product that reads itself"
    return replace(product, columns=(), broken=f"{what}: {circle_told(circle, product.domain)}")


def _require_promise(product: Product, columns: tuple[Column, ...], engine: Engine) -> None:
    """Refuse columns that are not what the file declares, or less than what was published.

    Raises:
        FabricError: says which.
    """
    wrong = amiss(product.columns, columns, engine.type_named)
    if wrong:
        raise InvalidConfig(wrong)
    if product.promised is not None and product.status not in UNPUBLISHED:
        broken = [told(change) for change in changes(product.promised, columns) if change.breaking]
        if broken:
            raise InvalidConfig(
                f"it breaks what version {product.promised.version} promised: {'; '.join(broken)}"
            )


def _require_storable(product: Product, unfit: str, find: Find) -> None:
    """Refuse a product that cannot be stored as it says.

    Raises:
        InvalidConfig: says why.
    """
    stored = product.stored
    if stored is None:
        return
    blind = silent(product, find) if stored.refresh == ON_CHANGE and not stored.watermark else ""
    if unfit or blind:
        raise InvalidConfig(
            unfit or f"materialize: refresh: {blind}; name a watermark, or write it as for cron"
        )


def _travelled(
    resolved: Resolved,
    parts: Mapping[str, tuple[Column, ...]],
    made_of: tuple[tuple[Origin, ...], ...],
) -> list[list[str]]:
    """For each column of the result, the tags of what it is made of."""
    tags = [{column.name: column.tags for column in parts[relation.id]} for relation in resolved.relations]
    return [[tag for origin in column for tag in tags[origin.part][origin.column]] for column in made_of]


def _columns(product: Product, found: Probe, travelled: list[list[str]]) -> tuple[Column, ...]:
    said = {column.name.lower(): column for column in product.columns}
    columns = []
    for name, kind, tags in zip(found.schema.names, found.types, travelled, strict=True):
        column = said.get(name.lower())
        if column is None:
            columns.append(Column(name, kind, tags=tuple(dict.fromkeys(tags))))
            continue
        both = tuple(dict.fromkeys((*column.tags, *tags)))
        columns.append(
            Column(name, kind, column.nullable, column.comment, both, column.native, column.unique)
        )
    return tuple(columns)
