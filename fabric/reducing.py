"""What reduces the scans of a governed statement, and what of it is read first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fabric.ahead import read_ahead
from fabric.catalog import Catalog
from fabric.compose import meaning, raw_name, table_relations, veiled_meaning
from fabric.demand import Demand
from fabric.dynamic_filters import semi_joins
from fabric.engine import Engine
from fabric.estimates import least_different
from fabric.reads import FileRead
from fabric.reductions import Reduced, Reducible
from fabric.remembered import depends_on_the_moment
from fabric.spi import ScanConnector
from fabric.types import Capabilities, Governed, Scan, Table


def scan_of(table: Table, demand: Demand) -> Scan:
    """What a statement would like of one occurrence of a table."""
    return Scan(
        table=table,
        columns=tuple(table.columns[n].name for n in sorted(demand.columns)) or (least_different(table),),
        predicates=tuple(demand.predicates),
        order=demand.order,
        limit=demand.limit,
    )


@dataclass(frozen=True, slots=True)
class Reductions:
    """By relation ids: what reduces each live scan, the files that are read ahead, and the relations that are ``sets``."""

    scans: Mapping[str, Reduced] = field(default_factory=dict)
    ahead: frozenset[str] = frozenset()
    sets: frozenset[str] = frozenset()


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
    if not wanted or len(scans) + len(opened) < 2:
        return Reductions()
    text, columns = meant(governed, veiled)
    names = {raw_name(each): each.id for each, _ in table_relations(governed.resolved, governed.decisions)}
    graph = engine.join_graph(text, columns).named(names)
    files = {
        id: Reducible(read.scan.source, scan_of(read.scan.estimated or read.scan.table, read.demand))
        for id, read in opened.items()
    }
    found = semi_joins(scans, files, graph.edges, lambda id: able_of(scans[id].scan.table, catalog))
    givers = {edge.source.relation for each in found.values() for edge in each.awaits}
    alone = [id for id, read in opened.items() if not (read.unpushed or read.demand.repeated)]
    ahead = read_ahead({**scans, **files}, graph.edges, alone) | (givers & opened.keys())
    return Reductions(found, ahead, frozenset() if depends_on_the_moment(text) else graph.sets)


def meant(governed: Governed, veiled: bool) -> tuple[str, dict[str, list[tuple[str, str]]]]:
    """What a statement means, as text, and the columns of the relations that it names."""
    columns = {
        raw_name(relation): [(f"{relation.id}_{n}", column.type) for n, column in enumerate(table.columns)]
        for relation, table in table_relations(governed.resolved, governed.decisions)
    }
    return (veiled_meaning(governed)[1] if veiled else meaning(governed)), columns


def able_of(table: Table, catalog: Catalog) -> Capabilities:
    """What may be pushed to a table."""
    connector = catalog.connectors[table.name.catalog.lower()]
    return connector.capabilities(table) if isinstance(connector, ScanConnector) else Capabilities()
