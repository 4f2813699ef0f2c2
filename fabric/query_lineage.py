"""Where the answer of one query comes from: its own lineage, with the masks and row rules of who asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sqlglot import exp

from fabric.compose import probe_governed
from fabric.engine import Engine
from fabric.lineage import lineage
from fabric.product_types import Edge, Lineage
from fabric.types import Column, Governed, Product, Relation, Resolved, TableName

Shape = Callable[[Product], Product]


@dataclass(frozen=True, slots=True)
class QueryLineage:
    """The columns of an answer and their edges to the objects that the query names.

    ``rules`` are the columns by which row rules chose the rows: no asker may be told them. ``products`` are those that
    the query names or rests on, shaped.
    """

    columns: tuple[Column, ...]
    inputs: tuple[tuple[TableName, tuple[Column, ...]], ...]
    lineage: Lineage
    rules: tuple[Edge, ...]
    products: tuple[Product, ...]


def query_lineage(governed: Governed, engine: Engine, shaped: Shape) -> QueryLineage:
    """The lineage of a governed query; nothing is read.

    Args:
        governed: the query.
        engine: binds it over empty relations.
        shaped: gives a product its columns.

    Raises:
        FabricError: it does not bind any more.
    """
    resolved = governed.resolved
    visible = {each.id: _visible(each, governed, shaped) for each in resolved.relations}
    result = probe_governed(governed, engine)
    names = result.schema.names
    found = lineage(resolved, visible, len(names), engine)

    def told(edge: Edge) -> Edge:
        relation = resolved.relations[edge.part]
        bears = edge.masked or _is_masked(relation, edge.column, governed, shaped)
        return replace(edge, masked=bears)

    columns = tuple(tuple(dict.fromkeys(map(told, edges))) for edges in found.columns)
    return QueryLineage(
        tuple(Column(name, kind) for name, kind in zip(names, result.types, strict=True)),
        tuple((each.name, visible[each.id]) for each in resolved.relations),
        replace(found, columns=columns, rows=tuple(dict.fromkeys(map(told, found.rows)))),
        tuple(_chosen_by_rules(governed, shaped)),
        tuple({product.name.key: product for product in _products(resolved, shaped)}.values()),
    )


def _columns(relation: Relation, shaped: Shape) -> tuple[Column, ...]:
    found = relation.object
    return (shaped(found) if isinstance(found, Product) else found).columns


def _visible(relation: Relation, governed: Governed, shaped: Shape) -> tuple[Column, ...]:
    hidden = governed.decisions[relation.id].hidden
    return tuple(column for column in _columns(relation, shaped) if column.name.lower() not in hidden)


def _is_masked(relation: Relation, column: str, governed: Governed, shaped: Shape) -> bool:
    """Whether a mask lies on a column, or on one that it is made of."""
    decision, lower = governed.decisions[relation.id], column.lower()
    if lower in decision.hidden or any(mask.column == lower for mask in decision.masks):
        return True
    if relation.body is None or not isinstance(relation.object, Product):
        return False
    shape, parts = shaped(relation.object), relation.body.relations
    for made, origins in zip(shape.columns, shape.origins, strict=False):
        if made.name.lower() == lower:
            return any(_is_masked(parts[each.part], each.column, governed, shaped) for each in origins)
    return False


def _chosen_by_rules(governed: Governed, shaped: Shape) -> Iterator[Edge]:
    for part, relation in enumerate(governed.resolved.relations):
        rules = [rule for group in governed.decisions[relation.id].rows for rule in group]
        trees = [rule.condition.tree for rule in rules]
        named = {column.name.lower() for tree in trees for column in tree.find_all(exp.Column)}
        yield from (
            Edge(part, c.name, "filter") for c in _columns(relation, shaped) if c.name.lower() in named
        )


def _products(resolved: Resolved, shaped: Shape) -> Iterator[Product]:
    for relation in resolved.relations:
        if isinstance(relation.object, Product):
            yield shaped(relation.object)
            if relation.body is not None:
                yield from _products(relation.body, shaped)
