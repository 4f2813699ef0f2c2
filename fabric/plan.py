"""A governed statement, cut into what each source is asked and the SQL that DuckDB runs over it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeGuard

import pyarrow as pa
from sqlglot import exp

from fabric.borrowed import lenders
from fabric.catalog import Catalog
from fabric.compose import (
    BARRIER,
    broken,
    compose,
    compose_one,
    meaning,
    probe,
    probe_governed,
    raw_name,
    restricted,
    select,
    select_guarded,
    table_relations,
    veiled_meaning,
)
from fabric.demand import Demand, demands
from fabric.discretion import Discretion
from fabric.engine import Engine, Probe
from fabric.errors import FabricError, NotSupported, UserError
from fabric.estimates import rows_left
from fabric.file_scan import FileScan, FileTables
from fabric.join_graph import Edge
from fabric.ordering import ordering
from fabric.predicates import Predicate
from fabric.pushdown import describe as predicate_text
from fabric.reductions import Reduced, Reducible, reduced
from fabric.resolve import relations
from fabric.spi import FileConnector, ScanConnector
from fabric.types import Column, Decision, Governed, Offer, OrderKey, Product, Relation, Resolved, Scan, Table

_FILTERED = 0.2  # DuckDB's own guess, whatever the filter

# A column of one is an expression of its source's own: a predicate on it may raise, or tell, there.
_COMPUTED = ("view", "foreign table")


@dataclass(frozen=True, slots=True)
class LiveRead:
    """A relation that a source serves as Arrow batches; ``positions`` are the columns fetched.

    ``rows`` is how many it will send, as far as anybody can tell. ``reduced_by`` are the ids of relations whose keys,
    or row filters, stand in what is asked. ``unpushed``: it was to be asked for columns only.
    """

    relation: Relation
    connector: ScanConnector
    offer: Offer
    positions: tuple[int, ...]
    kept: tuple[str, ...]
    repeated: bool
    rows: float | None = None
    reduced_by: frozenset[str] = frozenset()
    unpushed: bool = False

    @property
    def shown_rows(self) -> float | None:
        """What DuckDB is told, which takes a fifth of it for what its own filters leave."""
        most = self.offer.scan.table.rows
        if self.rows is None or most is None:
            return self.rows
        return min(self.rows / _FILTERED, max(most, self.rows)) if self.offer.scan.predicates else self.rows


@dataclass(frozen=True, slots=True)
class FileRead:
    """A relation that DuckDB reads from files; ``reduced_by`` and ``unpushed`` as of a live read."""

    relation: Relation
    connector: FileConnector
    scan: FileScan
    demand: Demand
    reduced_by: frozenset[str] = frozenset()
    unpushed: bool = False


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
    """What runs: the governed tree, the promised schema, and one read per relation that holds data.

    ``barriers`` says that the statement may raise, so that no row that a filter takes may meet it.
    """

    governed: Governed
    schema: pa.Schema
    reads: tuple[Read, ...]
    barriers: bool = False

    def sql(self, paths: Mapping[str, Mapping[str, str]]) -> str:
        """The statement for DuckDB.

        Args:
            paths: for each file read's relation id, the ``ripstop://`` path of each file.
        """
        return _Composing(self, paths).statement()

    def guarded_sql(self, read: LiveRead, paths: Mapping[str, Mapping[str, str]]) -> str:
        """The statement in which a live scan's own restrictions are applied, before its rows meet any other."""
        return _Composing(self, paths, alone=read).statement()

    def is_guarded(self, read: Read) -> bool:
        """Whether a read is restricted in a statement of its own: a live scan of which rows are hidden."""
        return isinstance(read, LiveRead) and bool(self.decision(read.relation).rows)

    def guarded_columns(self, read: LiveRead) -> tuple[Column, ...]:
        """What the statement of a guarded read hands over: the visible ones of the columns fetched."""
        hidden = self.decision(read.relation).hidden
        found = (read.relation.object.columns[n] for n in read.positions)
        return tuple(column for column in found if column.name.lower() not in hidden)

    def decision(self, relation: Relation) -> Decision:
        """What was decided on a relation."""
        return self.governed.decisions[relation.id]


class _Composing:
    """One statement of a plan: the whole one, or that of one relation alone."""

    def __init__(
        self, plan: Plan, paths: Mapping[str, Mapping[str, str]], alone: LiveRead | None = None
    ) -> None:
        self._plan = plan
        self._paths = paths
        self._alone = alone
        self._reads = {read.relation.id: read for read in plan.reads}

    def statement(self) -> str:
        governed = self._plan.governed
        if self._alone is None:
            return compose(governed.resolved, self._body, governed.decisions, self._guard)
        wanted = self._plan.guarded_columns(self._alone)
        return compose_one(
            governed.resolved, self._alone.relation, wanted, self._body, governed.decisions, self._guard
        )

    def _body(self, relation: Relation, table: Table) -> str:
        read = self._reads[relation.id]
        if isinstance(read, FileRead):
            # Not even DuckDB's own reader is to skip what a filter would.
            return read.scan.sql(self._paths[relation.id]) + (BARRIER if read.unpushed else "")
        if self._comes_guarded(read):
            return select_guarded(relation, self._visible(relation, table), self._plan.guarded_columns(read))
        if isinstance(read, LiveRead):
            return select(relation, table, read.positions)
        return select(relation, table, () if isinstance(read, Unread) else tuple(range(len(table.columns))))

    def _guard(self, relation: Relation, text: str) -> str:
        read = self._reads.get(relation.id)
        if self._comes_guarded(read):
            return text
        also = ""
        if self._plan.barriers and isinstance(read, FileRead):
            also = " AND ".join(map(predicate_text, read.demand.predicates))
        alone = self._alone is not None and read is self._alone
        barrier = self._plan.barriers and not alone
        return restricted(relation, text, self._plan.decision(relation), also, barrier)

    def _comes_guarded(self, read: Read | None) -> TypeGuard[LiveRead]:
        return read is not None and self._plan.is_guarded(read) and read is not self._alone

    def _visible(self, relation: Relation, table: Table) -> tuple[Column, ...]:
        hidden = self._plan.decision(relation).hidden
        return tuple(column for column in table.columns if column.name.lower() not in hidden)


def describe(governed: Governed, catalog: Catalog, engine: Engine, discretion: Discretion) -> Probe:
    """The shape of a statement's result; no source is asked.

    Raises:
        FabricError: the statement does not bind, or a relation has no columns to bind to.
    """
    decisions = governed.decisions
    for relation in relations(governed.resolved, decisions):
        if isinstance(relation.object, Table) and not relation.object.columns:
            raise discretion.told(relation, catalog.problem(relation.name))
    try:
        return probe_governed(governed, engine)
    except UserError:
        # An error in a product's body speaks of its body: a reader learns only that it is broken.
        for relation in governed.resolved.relations:
            if isinstance(relation.object, Product) and catalog.shaped(relation.object).broken:
                raise broken(governed.resolved, relation) from None
        raise


def plan(
    governed: Governed,
    catalog: Catalog,
    engine: Engine,
    files: FileTables,
    discretion: Discretion,
    probed: Probe | None = None,
    pushes: bool = True,
) -> Plan:
    """Ask each relation's source what it takes of what the statement demands.

    Files are listed; no data is read. ``probed`` is what ``describe`` said of it, if it was asked already. Unless it
    ``pushes``, every source is asked for columns only.

    Raises:
        SchemaChanged: a table's files no longer have the columns that the catalog knew.
        FabricError: as ``describe``, or a source refuses the scan.
    """
    probed = probed or describe(governed, catalog, engine, discretion)
    tables = table_relations(governed.resolved, governed.decisions)
    orders = _orders(governed)
    wanted = demands(probed.plan, _columns_of(tables), orders)
    borrowed = lenders(governed, engine, wanted, orders)
    scans: dict[str, Reducible] = {}
    unpushed = set[str]()
    for relation, table in tables:
        demand = wanted.get(relation.id)
        if demand is None or relation.name.catalog == catalog.fabric:
            continue
        demand.columns |= _ruled(governed.decisions[relation.id], table)
        computed = governed.decisions[relation.id].rows and table.kind in _COMPUTED
        off = not pushes or table.name.catalog.lower() in catalog.unpushed
        if computed:
            demand.leave_to_us(_of_rule(relation, governed, engine))
        elif off:
            unpushed.add(relation.id)
        if table.layout is None and not computed and not demand.repeated and not off:
            scans[relation.id] = Reducible(table.name.catalog.lower(), _scan(table, demand))
    edges = _edges(governed, engine, probed.veiled) if len(scans) > 1 else ()
    reads: list[Read] = []
    for relation, table in tables:
        demand = wanted.get(relation.id)
        if relation.name.catalog == catalog.fabric:
            reads.append(SystemRead(relation))
        elif demand is None:
            reads.append(Unread(relation))
        else:
            known = reduced(relation.id, scans, edges) if relation.id in scans else None
            try:
                off = relation.id in unpushed
                read = _read(relation, table, demand, catalog, files, known, off)
            except FabricError as error:
                raise discretion.told(relation, error) from None
            reads.append(replace(read, reduced_by=read.reduced_by | borrowed.get(relation.id, frozenset())))
    made = Plan(governed=governed, schema=probed.schema, reads=tuple(reads))
    return replace(made, barriers=_needs_barriers(made, engine, probed.veiled))


def relisted(known: Plan, files: FileTables, discretion: Discretion) -> Plan:
    """The same plan over the files that its tables have now.

    Raises:
        SchemaChanged: a table's files no longer have the columns that the plan was made for.
        FabricError: a source cannot list them.
    """
    reads: list[Read] = []
    for read in known.reads:
        if isinstance(read, FileRead):
            try:
                scan = files.scan(read.connector, read.scan.table, read.demand.predicates)
            except FabricError as error:
                raise discretion.told(read.relation, error) from None
            read = replace(read, scan=scan)
        reads.append(read)
    return replace(known, reads=tuple(reads))


def _needs_barriers(made: Plan, engine: Engine, veiled: bool) -> bool:
    """Whether some expression may raise, and some filter stands in the same statement with it."""
    governed = made.governed
    guarded = {read.relation.id for read in made.reads if made.is_guarded(read)}
    filtered = any(decision.rows and id not in guarded for id, decision in governed.decisions.items())
    if not filtered:
        return False
    return not engine.is_total(*_meant(governed, veiled))


def _edges(governed: Governed, engine: Engine, veiled: bool) -> tuple[Edge, ...]:
    """The edges of a statement between relations, by their ids."""
    found = engine.join_edges(*_meant(governed, veiled))
    names = {raw_name(each): each.id for each, _ in table_relations(governed.resolved, governed.decisions)}
    return tuple(
        Edge(
            replace(edge.target, relation=names[edge.target.relation]),
            replace(edge.source, relation=names[edge.source.relation]),
        )
        for edge in found
    )


def _meant(governed: Governed, veiled: bool) -> tuple[str, dict[str, list[tuple[str, str]]]]:
    """What a statement means, as text, and the columns of the relations that it names."""
    columns = {
        raw_name(relation): [(f"{relation.id}_{n}", column.type) for n, column in enumerate(table.columns)]
        for relation, table in table_relations(governed.resolved, governed.decisions)
    }
    return (veiled_meaning(governed)[1] if veiled else meaning(governed)), columns


def _orders(governed: Governed) -> dict[str, tuple[OrderKey, ...]]:
    found = {}
    for relation in governed.resolved.relations:
        decision = governed.decisions[relation.id]
        # Of a masked relation, a column of the statement is not the source's column of that name.
        if isinstance(relation.object, Table) and not decision.masks and not decision.hidden:
            keys = ordering(governed.resolved.tree, relation.id, relation.object.columns)
            if keys:
                found[relation.id] = keys
    return found


def _scan(table: Table, demand: Demand) -> Scan:
    return Scan(
        table=table,
        columns=tuple(table.columns[n].name for n in sorted(demand.columns) or (0,)),
        predicates=tuple(demand.predicates),
        order=demand.order,
        limit=demand.limit,
    )


def _read(
    relation: Relation,
    table: Table,
    demand: Demand,
    catalog: Catalog,
    files: FileTables,
    known: Reduced | None,
    unpushed: bool = False,
) -> LiveRead | FileRead:
    if unpushed:
        # An API that requires a parameter answers nothing without it.
        with contextlib.suppress(UserError):
            bare = _read(relation, table, demand.of_columns(), catalog, files, known)
            return replace(bare, unpushed=True)
    connector = catalog.connectors[table.name.catalog.lower()]
    if table.layout is not None and isinstance(connector, FileConnector):
        return FileRead(relation, connector, files.scan(connector, table, demand.predicates), demand)
    if not isinstance(connector, ScanConnector):
        raise NotSupported(f"source '{connector.name}' cannot be scanned")
    offer = connector.offer(known.scan if known else _scan(table, demand))
    sent = tuple(_position(table, column) for column in offer.scan.columns)
    rows, by = offer.rows, known.by if known and offer.semi_joins else frozenset[str]()
    if rows is None:
        rows = known.rows if known and by else rows_left(table, offer.taken)
    return LiveRead(relation, connector, offer, sent, tuple(demand.kept), demand.repeated, rows, by)


def _of_rule(relation: Relation, governed: Governed, engine: Engine) -> list[Predicate]:
    """What of a relation's row filters a source could take, whatever the statement asks."""
    alone = Resolved(exp.select("*").from_(exp.to_identifier(relation.id, quoted=True)), (relation,))
    probed = probe(alone, engine, governed.decisions)
    found = demands(probed.plan, _columns_of(table_relations(alone, governed.decisions)), {})
    return found[relation.id].predicates if relation.id in found else []


def _columns_of(tables: list[tuple[Relation, Table]]) -> dict[str, tuple[Column, ...]]:
    return {relation.id: table.columns for relation, table in tables}


def _ruled(decision: Decision, table: Table) -> set[int]:
    """The columns that row filters may name: read whether or not DuckDB could do without them."""
    filters = [row_filter for group in decision.rows for row_filter in group]
    named = {c.name.lower() for each in filters for c in each.condition.tree.find_all(exp.Column)}
    return {n for n, column in enumerate(table.columns) if column.name.lower() in named}


def _position(table: Table, column: str) -> int:
    return next(n for n, c in enumerate(table.columns) if c.name == column)
