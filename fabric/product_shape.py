"""A product's columns: names and types from its SELECT as it binds now, the rest from its metadata.

What a column is made of is known too, and its tags are its own and those of the columns that it is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from fabric.compose import probe, table_relations
from fabric.engine import Engine, Probe
from fabric.errors import FabricError
from fabric.lineage import origins
from fabric.parse import parse
from fabric.resolve import resolve
from fabric.types import Column, Origin, Product, Resolved, Table

Find = Callable[[tuple[str, ...]], Table | Product | None]
Shape = Callable[[Product], Product]


@dataclass(frozen=True, slots=True)
class _Whole:
    """The whole catalog: a product's body is its domain's, whoever asks."""

    find: Find

    def known(self, parts: tuple[str, ...]) -> Table | Product | None:
        return self.find(parts)

    def candidates(self, name: str) -> list[str]:
        return []


def shaped(product: Product, find: Find, engine: Engine, shape: Shape | None = None) -> Product:
    """The product with its columns and their origins, or with ``broken`` saying why it has none.

    No source is asked. An origin's ``part`` is a position among the relations of the product's own SELECT,
    which are the same, in the same order, whenever it is resolved.

    Args:
        product: as its file has it.
        find: the catalog's objects by name.
        engine: binds the SELECT over empty relations.
        shape: shapes the products that this one reads; absent, they are shaped here and now.
    """
    if product.broken:
        return product
    try:
        resolved = resolve(parse(product.sql), _Whole(find), None, f"domain:{product.domain}")
        if any(not table.columns for _, table in table_relations(resolved)):
            return replace(product, columns=(), broken="a source beneath it is not known yet")
        found = probe(_as_relation(resolved), engine)
    except FabricError as error:
        return replace(product, columns=(), broken=error.message)
    parts = _parts(resolved, shape or (lambda part: shaped(part, find, engine)))
    if any(not columns for columns in parts.values()):
        return replace(product, columns=(), broken="a product beneath it has no columns")
    made_of = origins(resolved, parts, len(found.types), engine)
    columns = _columns(product, found, _travelled(resolved, parts, made_of))
    return replace(product, columns=columns, origins=made_of)


def _as_relation(resolved: Resolved) -> Resolved:
    """The SELECT as a relation, as which it is read: there its columns have names of their own."""
    body = exp.Subquery(this=resolved.tree.copy(), alias=exp.TableAlias(this=exp.to_identifier("product")))
    return replace(resolved, tree=exp.select("*").from_(body))


def _parts(resolved: Resolved, shape: Shape) -> Mapping[str, tuple[Column, ...]]:
    """The columns of each object that the SELECT names, by relation id; none of a broken product."""
    parts = {}
    for relation in resolved.relations:
        part = relation.object
        if isinstance(part, Product):
            part = shape(part)
            parts[relation.id] = () if part.broken else part.columns
        else:
            parts[relation.id] = part.columns
    return parts


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
        column = said.get(name.lower(), Column(name, kind))
        both = tuple(dict.fromkeys((*column.tags, *tags)))
        columns.append(replace(column, name=name, type=kind, tags=both))
    return tuple(columns)
