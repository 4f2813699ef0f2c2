"""What reduces the scans of a governed statement, and what of it is read first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

from fabric.ahead import begun_by, read_ahead
from fabric.asides import Parted, part
from fabric.catalog import Catalog
from fabric.compose import empty_relations, meaning, raw_name, table_relations, veiled_meaning
from fabric.demand import Demand
from fabric.dynamic_filters import semi_joins
from fabric.engine import Engine
from fabric.estimates import least_different
from fabric.join_graph import Edge, JoinGraph
from fabric.reads import FileRead
from fabric.remembered import EmptyRelations, depends_on_the_moment
from fabric.semi_joins import Reduced, Reducible
from fabric.spi import ScanConnector
from fabric.types import Capabilities, Column, Decision, Governed, Relation, Scan, Table

_MANY_ROWS = 50_000


def scan_of(table: Table, demand: Demand) -> Scan:
    """What a statement would like of one occurrence of a table."""
    return Scan(
        table=table,
        columns=tuple(table.columns[n].name for n in sorted(demand.columns)) or (least_different(table),),
        predicates=tuple(demand.predicates),
        order=demand.order,
        limit=demand.limit,
    )


def without(scan: Scan, columns: Sequence[Column]) -> Scan:
    """The scan with some of its columns not fetched."""
    dropped = {column.name for column in columns}
    left = tuple(column for column in scan.columns if column not in dropped)
    never_null = tuple(column.name for column in columns if column.never_null)
    return replace(scan, columns=left or (least_different(scan.table),), never_null=never_null)


class ReadInPart(NamedTuple):
    """What a statement does not read of a relation.

    Of ``a_set``, it is the same how often each row is there. By position, columns of which it does not read what each value
    is: ``filtered`` only; ``counted`` only, and never NULL; ``summed``, or counted; ``truncated`` to a unit of the date.
    """

    a_set: bool = False
    filtered: frozenset[int] = frozenset()
    counted: frozenset[int] = frozenset()
    summed: frozenset[int] = frozenset()
    truncated: Mapping[int, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Reductions:
    """By relation ids: what reduces each live scan, each file that is read ahead, and the row groups of each that DuckDB reads.

    ``graph`` is what the statement says of its relations, ``parted`` what is left of it beside its asides.
    """

    scans: Mapping[str, Reduced] = field(default_factory=dict)
    ahead: Mapping[str, tuple[Edge, ...]] = field(default_factory=dict)
    begun_by: Mapping[str, Edge] = field(default_factory=dict)
    graph: JoinGraph = field(default_factory=JoinGraph)
    parted: Parted | None = None

    def of_file(self, read: FileRead) -> FileRead:
        """The read of a file with what is known of it here."""
        id = read.relation.id
        awaits, by_keys = self.ahead.get(id), self.begun_by.get(id)
        return replace(read, ahead=awaits is not None, awaits=awaits or (), begun_by=by_keys)

    def may_reduce(self, relation: str) -> frozenset[str]:
        """The relations whose keys might stand in what a relation's source is asked, whether they were chosen or not."""
        found, left = set[str](), [relation]
        while left:
            target = left.pop()
            givers = {edge.source.relation for edge in self.graph.edges if edge.target.relation == target}
            left += givers - found
            found |= givers
        return frozenset(found - {relation})

    def read_in_part(self, relation: Relation, decision: Decision) -> ReadInPart:
        """What is not read of a relation; of one that is restricted each column is, since its rules read what they like."""
        a_set = relation.id in self.graph.sets
        if decision.rows or decision.masks or decision.hidden:
            return ReadInPart(a_set)
        full = {n for n, column in enumerate(relation.object.columns) if column.never_null}
        filtered, counted, summed = (
            frozenset(key.column for key in keys if key.relation == relation.id)
            for keys in (self.graph.filtered, self.graph.counted, self.graph.summed)
        )
        units = self.graph.truncated.items()
        truncated = {key.column: unit for key, unit in units if key.relation == relation.id}
        return ReadInPart(a_set, filtered, counted & full, summed, truncated)


def reductions_of(
    governed: Governed,
    catalog: Catalog,
    engine: Engine,
    veiled: bool,
    scans: Mapping[str, Reducible],
    opened: Mapping[str, FileRead],
) -> Reductions:
    """What reduces the scans of a statement; ``opened`` are its files."""
    wanted = bool(scans) or any(read.demand.predicates for read in opened.values())
    several = len(scans) + len(opened) > 1
    if not (several and wanted) and not any(_is_large(each, catalog) for each in scans.values()):
        return Reductions()
    text, over = meant(governed, veiled)
    names = {raw_name(each): each.id for each, _ in table_relations(governed.resolved, governed.decisions)}
    # A restricted relation has no keys before its rule has been judged, for which the rule's own relations are read whole.
    graph = engine.join_graph(text, over).named(names).without(_of_rules(governed))
    files = {
        id: Reducible(read.scan.source, scan_of(read.scan.estimated or read.scan.table, read.demand))
        for id, read in opened.items()
    }
    alone = [id for id, read in opened.items() if not (read.unpushed or read.demand.repeated)]
    parted = part(governed, engine, graph.edges, scans, alone)
    given = {aside.edge.target.relation: aside.edge for aside in parted.asides.values()}
    found = semi_joins(scans, files, graph.edges, lambda id: able_of(scans[id].scan.table, catalog), given)
    givers = {edge.source.relation for each in found.values() for edge in each.awaits} - parted.asides.keys()
    asked = [id for id in scans if id not in found or not found[id].awaits]
    ahead = dict.fromkeys(givers & opened.keys(), ()) | read_ahead(
        {**scans, **files}, graph.edges, alone, asked, graph.unfollowed
    )
    carried = [edge for edge in graph.edges if edge not in graph.unfollowed]
    by_keys = begun_by({**scans, **files}, carried, alone, scans)
    by_keys |= {id: edges[0] for id, edges in ahead.items() if edges}
    if depends_on_the_moment(text):
        graph = replace(graph, sets=frozenset(), summed=frozenset(), truncated={})
    return Reductions(found, ahead, by_keys, graph, parted)


def _of_rules(governed: Governed) -> frozenset[str]:
    """The ids of tables that row rules name in subqueries."""
    groups = (group for decision in governed.decisions.values() for group in decision.rows)
    return frozenset(
        relation.id
        for group in groups
        for row_filter in group
        for relation, _ in table_relations(row_filter.condition, governed.decisions)
    )


def _is_large(reducible: Reducible, catalog: Catalog) -> bool:
    """Whether it is worth a look at the plan which columns of a scan are read in part."""
    scan = reducible.scan
    if (reducible.rows or 0) < _MANY_ROWS:
        return False
    able = able_of(scan.table, catalog)
    return len(scan.columns) > 1 or scan.columns[0].lower() in able.summed | able.truncated


def meant(governed: Governed, veiled: bool) -> tuple[str, EmptyRelations]:
    """What a statement means, as text, and the relations that it names."""
    over = empty_relations(table_relations(governed.resolved, governed.decisions))
    return (veiled_meaning(governed)[1] if veiled else meaning(governed)), over


def able_of(table: Table, catalog: Catalog) -> Capabilities:
    """What may be pushed to a table."""
    connector = catalog.connectors[table.name.catalog.lower()]
    return connector.capabilities(table) if isinstance(connector, ScanConnector) else Capabilities()
