"""Where the answer of one query comes from: its own lineage, with the masks and row rules of who asked."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from fabric.catalog import Catalog
from fabric.compose import inline, meaning, probe, probe_governed, veiled_meaning
from fabric.engine import Engine
from fabric.lineage import lineage
from fabric.product_types import Edge, Lineage
from fabric.remembered import Numbered
from fabric.resolve import relations
from fabric.stored import asked, parts_of
from fabric.types import Column, Governed, Product, Relation, TableName

Shape = Callable[[Product], Product]
MOST_KNOWN = 2_000
"""Of how many kinds of queries the lineage is remembered."""


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


class QueryLineages:
    """The lineage of queries, found once for all that differ in values only; any thread may ask.

    Args:
        catalog: gives products their columns, and tells when anything has changed.
        engine: binds queries over empty relations.
    """

    def __init__(self, catalog: Catalog, engine: Engine) -> None:
        self._catalog = catalog
        self._engine = engine
        self._known: OrderedDict[str, QueryLineage] = OrderedDict()
        self._stamp = catalog.stamp()
        self._lock = threading.Lock()

    def of(self, governed: Governed) -> QueryLineage:
        """The lineage of a query.

        Raises:
            FabricError: it does not bind any more.
        """
        key, stamp = _shape(governed), self._catalog.stamp()
        with self._lock:
            if not self._stamp.holds(stamp):
                self._known.clear()
                self._stamp = stamp
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known
        made = query_lineage(governed, self._engine, self._catalog.shaped)
        with self._lock:
            if self._stamp.holds(stamp):
                self._known[key] = made
                if len(self._known) > MOST_KNOWN:
                    self._known.popitem(last=False)
        return made


def _shape(governed: Governed) -> str:
    """What the lineage depends on: the text without ids and values, and what it is over."""
    over = [(str(each.name), each.reader) for each in relations(asked(governed), governed.decisions)]
    if governed.asked is not None:
        return repr((Numbered(inline(governed.asked, governed.decisions)).text, over))
    known, text = veiled_meaning(governed)
    return repr((Numbered(text if known else meaning(governed)).text, over))


def query_lineage(governed: Governed, engine: Engine, shaped: Shape) -> QueryLineage:
    """The lineage of a governed query; nothing is read.

    Args:
        governed: the query.
        engine: binds it over empty relations.
        shaped: gives a product its columns.

    Raises:
        FabricError: it does not bind any more.
    """
    resolved = asked(governed)
    visible = {each.id: _visible(each, governed, shaped) for each in resolved.relations}
    same = governed.asked is None
    result = probe_governed(governed, engine) if same else probe(resolved, engine, governed.decisions)
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
        tuple({product.name.key: product for product in _products(resolved.relations, shaped)}.values()),
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
    shape, parts = shaped(relation.object), parts_of(relation)
    for made, origins in zip(shape.columns, shape.origins, strict=False):
        if made.name.lower() == lower:
            return any(_is_masked(parts[each.part], each.column, governed, shaped) for each in origins)
    return False


def _chosen_by_rules(governed: Governed, shaped: Shape) -> Iterator[Edge]:
    for part, relation in enumerate(asked(governed).relations):
        rules = [rule for group in governed.decisions[relation.id].rows for rule in group]
        trees = [rule.condition.tree for rule in rules]
        named = {column.name.lower() for tree in trees for column in tree.find_all(exp.Column)}
        yield from (
            Edge(part, c.name, "filter") for c in _columns(relation, shaped) if c.name.lower() in named
        )


def _products(named: Sequence[Relation], shaped: Shape) -> Iterator[Product]:
    for relation in named:
        if isinstance(relation.object, Product):
            yield shaped(relation.object)
            if relation.body is not None:
                yield from _products(parts_of(relation), shaped)
