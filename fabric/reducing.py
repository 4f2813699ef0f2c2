"""What reduces the scans of a governed statement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fabric.catalog import Catalog
from fabric.compose import meaning, raw_name, table_relations, veiled_meaning
from fabric.demand import Demand
from fabric.demanding import listed_columns
from fabric.dynamic_filters import semi_joins
from fabric.engine import Engine
from fabric.estimates import least_different
from fabric.join_graph import Edge
from fabric.reads import FileRead
from fabric.reductions import Reduced, Reducible
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


def reductions_of(
    governed: Governed,
    catalog: Catalog,
    engine: Engine,
    veiled: bool,
    scans: Mapping[str, Reducible],
    opened: Mapping[str, FileRead],
) -> Mapping[str, Reduced]:
    """What reduces each live scan; ``opened`` are the files that may give keys."""
    edges = _edges(governed, engine, veiled) if scans and len(scans) + len(opened) > 1 else ()
    if not edges:
        return {}
    files = {
        id: Reducible(read.scan.source, scan_of(read.scan.estimated or read.scan.table, read.demand))
        for id, read in opened.items()
    }
    return semi_joins(scans, files, edges, lambda id: able_of(scans[id].scan.table, catalog))


def _edges(governed: Governed, engine: Engine, veiled: bool) -> tuple[Edge, ...]:
    """The edges of a statement between relations, by their ids."""
    found = engine.join_edges(*meant(governed, veiled))
    names = {raw_name(each): each.id for each, _ in table_relations(governed.resolved, governed.decisions)}
    return tuple(
        Edge(
            replace(edge.target, relation=names[edge.target.relation]),
            replace(edge.source, relation=names[edge.source.relation]),
        )
        for edge in found
    )


def meant(governed: Governed, veiled: bool) -> tuple[str, dict[str, list[tuple[str, str]]]]:
    """What a statement means, as text, and the columns of the relations that it names."""
    columns = listed_columns(table_relations(governed.resolved, governed.decisions))
    return (veiled_meaning(governed)[1] if veiled else meaning(governed)), columns


def able_of(table: Table, catalog: Catalog) -> Capabilities:
    """What may be pushed to a table."""
    connector = catalog.connectors[table.name.catalog.lower()]
    return connector.capabilities(table) if isinstance(connector, ScanConnector) else Capabilities()
