"""A product's columns: names and types from its SELECT as it binds now, the rest from its metadata."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from fabric.compose import probe, table_relations
from fabric.engine import Engine
from fabric.errors import FabricError
from fabric.parse import parse
from fabric.resolve import resolve
from fabric.types import Column, Product, Table

Find = Callable[[tuple[str, ...]], Table | Product | None]


@dataclass(frozen=True, slots=True)
class _Whole:
    """The whole catalog: a product's body is its domain's, whoever asks."""

    find: Find

    def known(self, parts: tuple[str, ...]) -> Table | Product | None:
        return self.find(parts)

    def candidates(self, name: str) -> list[str]:
        return []


def shaped(product: Product, find: Find, engine: Engine) -> Product:
    """The product with its columns, or with ``broken`` saying why it has none; no source is asked."""
    if product.broken:
        return product
    try:
        resolved = resolve(parse(product.sql), _Whole(find), None, f"domain:{product.domain}")
        if any(not table.columns for _, table in table_relations(resolved)):
            return replace(product, columns=(), broken="a source beneath it is not known yet")
        found = probe(resolved, engine)
    except FabricError as error:
        return replace(product, columns=(), broken=error.message)
    said = {column.name.lower(): column for column in product.columns}
    columns = []
    for name, kind in zip(found.schema.names, found.types, strict=True):
        column = said.get(name.lower(), Column(name, kind))
        columns.append(replace(column, name=name, type=kind))
    return replace(product, columns=tuple(columns))
