"""Subqueries that are answered before the statement, since their rows are the keys of a large live scan.

``order_no IN (SELECT order_no FROM line GROUP BY order_no HAVING sum(quantity) > 300)``: how few keys HAVING leaves nobody can
tell beforehand, and without them all orders are fetched. What the subquery gives then stands in its place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from fabric.compose import probe
from fabric.dynamic_filters import KEY_TYPES
from fabric.engine import Engine
from fabric.errors import FabricError
from fabric.join_graph import Edge
from fabric.remembered import depends_on_the_moment
from fabric.semi_joins import Reducible
from fabric.types import Governed, Resolved

KEY = "k"
"""The name of the one column of what such a subquery gives."""

_MANY_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Aside:
    """A subquery, its rows' type, and the one edge by which they are keys; its source is one of the subquery's relations."""

    statement: Resolved
    kind: str
    edge: Edge

    @property
    def name(self) -> str:
        """The name under which its rows are registered with DuckDB."""
        return f"{self.edge.source.relation}_k"


@dataclass(frozen=True, slots=True)
class Parted:
    """A statement without its asides, which are named by the id of the relation whose keys they give."""

    statement: Resolved
    asides: Mapping[str, Aside] = field(default_factory=dict)


def part(
    governed: Governed,
    engine: Engine,
    edges: Sequence[Edge],
    scans: Mapping[str, Reducible],
    files: Collection[str],
) -> Parted:
    """The statement, parted from its subqueries over files that give keys to a large live scan.

    Args:
        governed: the statement.
        engine: binds a subquery alone, which one that depends on what stands around it does not.
        edges: of the statement, by relation ids and positions in the tables.
        scans: its live scans, by relation id.
        files: the ids of relations that lie in files, and are read once.
    """
    resolved = governed.resolved
    if not any(map(_grouped, resolved.tree.find_all(exp.In))):
        return Parted(resolved)
    tree = resolved.tree.copy()
    asides = dict[str, Aside]()
    for node in list(tree.find_all(exp.In)):
        select = _grouped(node)
        ids = {table.name for table in select.find_all(exp.Table)} if select is not None else set()
        if select is None or not ids or not ids <= set(files):
            continue
        towards = [edge for edge in edges if edge.source.relation in ids and edge.target.relation in scans]
        if len(towards) != 1:
            continue
        target = scans[towards[0].target.relation]
        alone = Resolved(select.copy(), tuple(each for each in resolved.relations if each.id in ids))
        kind = _key_type(alone, governed, engine) if _is_large(target) else None
        if kind == target.scan.table.columns[towards[0].target.column].type:
            aside = asides[towards[0].source.relation] = Aside(alone, kind, towards[0])
            # Arrow may carry a type as another, which DuckDB does not compare with it.
            column = exp.cast(exp.column(KEY, quoted=True), kind, dialect="duckdb")
            node.set(
                "query", exp.Subquery(this=exp.select(column).from_(exp.table_(aside.name, quoted=True)))
            )
    gone = {each.id for aside in asides.values() for each in aside.statement.relations}
    left = tuple(each for each in resolved.relations if each.id not in gone)
    return Parted(Resolved(tree, left), asides) if asides else Parted(resolved)


def _grouped(node: exp.In) -> exp.Select | None:
    """The SELECT of a condition that all rows must meet, if it is one with HAVING."""
    above: exp.Expr | None = node.parent
    while isinstance(above, exp.And | exp.Paren):
        above = above.parent
    query = node.args.get("query")
    select = query.unnest() if isinstance(query, exp.Subquery) else query
    if not isinstance(above, exp.Where) or not isinstance(select, exp.Select):
        return None
    return select if select.args.get("having") and not select.args.get("with_") else None


def _is_large(reducible: Reducible) -> bool:
    return not reducible.unpushed and reducible.scan.limit is None and (reducible.rows or 0) >= _MANY_ROWS


def _key_type(alone: Resolved, governed: Governed, engine: Engine) -> str | None:
    """The type of a subquery's one column; None where it does not stand by itself, or gives no keys."""
    if depends_on_the_moment(alone.text):
        return None
    try:
        types = probe(alone, engine, governed.decisions).types
    except FabricError:
        return None
    return types[0] if len(types) == 1 and types[0] in KEY_TYPES else None
