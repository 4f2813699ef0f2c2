"""A governed statement, cut into what each source is asked and the SQL that DuckDB runs over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from fabric.catalog import Catalog
from fabric.compose import broken, compose, probe, select, table_relations
from fabric.demand import Demand, demands
from fabric.engine import Engine, Probe
from fabric.errors import NotSupported, UserError
from fabric.file_scan import FileScan, FileTables
from fabric.ordering import ordering
from fabric.resolve import relations
from fabric.spi import FileConnector, ScanConnector
from fabric.types import Governed, Offer, OrderKey, Product, Relation, Resolved, Scan, Table


@dataclass(frozen=True, slots=True)
class LiveRead:
    """A relation that a source serves as Arrow batches; ``positions`` are the columns fetched."""

    relation: Relation
    connector: ScanConnector
    offer: Offer
    positions: tuple[int, ...]
    kept: tuple[str, ...]
    repeated: bool


@dataclass(frozen=True, slots=True)
class FileRead:
    """A relation that DuckDB reads from files."""

    relation: Relation
    connector: FileConnector
    scan: FileScan
    demand: Demand


@dataclass(frozen=True, slots=True)
class SystemRead:
    """A relation that the fabric itself answers."""

    relation: Relation


@dataclass(frozen=True, slots=True)
class Unread:
    """A relation that the answer does not depend on: nobody is asked."""

    relation: Relation


Read = LiveRead | FileRead | SystemRead | Unread


@dataclass(frozen=True, slots=True)
class Plan:
    """What runs: the governed tree, the promised schema, and one read per relation that holds data."""

    governed: Governed
    schema: pa.Schema
    reads: tuple[Read, ...]

    def sql(self, paths: Mapping[str, Mapping[str, str]]) -> str:
        """The statement for DuckDB.

        Args:
            paths: for each file read's relation id, the ``ripstop://`` path of each file.
        """
        reads = {read.relation.id: read for read in self.reads}

        def body(relation: Relation, table: Table) -> str:
            read = reads[relation.id]
            if isinstance(read, FileRead):
                return read.scan.sql(paths[relation.id])
            fetched = read.positions if isinstance(read, LiveRead) else tuple(range(len(table.columns)))
            return select(relation, table, () if isinstance(read, Unread) else fetched)

        return compose(self.governed.resolved, body)


def describe(governed: Governed, catalog: Catalog, engine: Engine) -> Probe:
    """The shape of a statement's result; no source is asked.

    Raises:
        FabricError: the statement does not bind, or a relation has no columns to bind to.
    """
    return _probe(governed, catalog, engine)


def plan(governed: Governed, catalog: Catalog, engine: Engine, files: FileTables) -> Plan:
    """Ask each relation's source what it takes of what the statement demands.

    Files are listed; no data is read.

    Raises:
        SchemaChanged: a table's files no longer have the columns that the catalog knew.
        FabricError: as ``describe``, or a source refuses the scan.
    """
    probed = _probe(governed, catalog, engine)
    tables = table_relations(governed.resolved)
    wanted = demands(
        probed.plan,
        {relation.id: table.columns for relation, table in tables},
        _orders(governed.resolved),
    )
    reads: list[Read] = []
    for relation, table in tables:
        demand = wanted.get(relation.id)
        if relation.name.catalog == catalog.fabric:
            reads.append(SystemRead(relation))
        elif demand is None:
            reads.append(Unread(relation))
        else:
            reads.append(_read(relation, table, demand, catalog, files))
    return Plan(governed=governed, schema=probed.schema, reads=tuple(reads))


def _probe(governed: Governed, catalog: Catalog, engine: Engine) -> Probe:
    for relation in relations(governed.resolved):
        if isinstance(relation.object, Table) and not relation.object.columns:
            raise catalog.problem(relation.name)
    try:
        return probe(governed.resolved, engine)
    except UserError:
        # An error in a product's body speaks of its body: a reader learns only that it is broken.
        for relation in governed.resolved.relations:
            if isinstance(relation.object, Product) and catalog.shaped(relation.object).broken:
                raise broken(governed.resolved, relation) from None
        raise


def _orders(resolved: Resolved) -> dict[str, tuple[OrderKey, ...]]:
    if len(resolved.relations) != 1 or not isinstance(resolved.relations[0].object, Table):
        return {}
    relation = resolved.relations[0]
    keys = ordering(resolved.tree, relation.id, relation.object.columns)
    return {relation.id: keys} if keys else {}


def _read(relation: Relation, table: Table, demand: Demand, catalog: Catalog, files: FileTables) -> Read:
    connector = catalog.connectors[table.name.catalog.lower()]
    if table.layout is not None and isinstance(connector, FileConnector):
        return FileRead(relation, connector, files.scan(connector, table, demand.predicates), demand)
    if not isinstance(connector, ScanConnector):
        raise NotSupported(f"source '{connector.name}' cannot be scanned")
    positions = tuple(sorted(demand.columns)) or (0,)
    scan = Scan(
        table=table,
        columns=tuple(table.columns[n].name for n in positions),
        predicates=tuple(demand.predicates),
        order=demand.order,
        limit=demand.limit,
    )
    offer = connector.offer(scan)
    sent = tuple(_position(table, column) for column in offer.scan.columns)
    return LiveRead(relation, connector, offer, sent, tuple(demand.kept), demand.repeated)


def _position(table: Table, column: str) -> int:
    return next(n for n, c in enumerate(table.columns) if c.name == column)
