"""A governed statement, cut into what each source is asked and the SQL that DuckDB runs over it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeGuard

import pyarrow as pa
from sqlglot import exp

from fabric.asides import Aside, Parted
from fabric.borrowed import lenders
from fabric.catalog import Catalog
from fabric.compose import (
    BARRIER,
    broken,
    compose,
    compose_one,
    guarded_name,
    meaning,
    probe_governed,
    raw_name,
    restricted,
    select,
    select_guarded,
    table_relations,
)
from fabric.demand import Demand
from fabric.demanding import demanded, demanded_by_rules
from fabric.discretion import Discretion
from fabric.engine import Engine, Probe
from fabric.errors import UserError
from fabric.file_scan import FileTables
from fabric.file_shapes import name
from fabric.join_graph import Edge
from fabric.listings import Listings
from fabric.live_reads import live_read
from fabric.ordering import ordering
from fabric.pushdown import describe as predicate_text
from fabric.pushdown import is_ranged
from fabric.reads import FileRead, LiveRead, Read, SystemRead, Unread
from fabric.reductions import Reductions, able_of, meant, reductions_of, scan_of
from fabric.resolve import relations
from fabric.semi_joins import Reducible
from fabric.spi import FileConnector
from fabric.types import (
    Column,
    Decision,
    FileLayout,
    Governed,
    OrderKey,
    Product,
    Relation,
    Resolved,
    Table,
)

# A column of one is an expression of its source's own: a predicate on it may raise, or tell, there.
_COMPUTED = ("view", "foreign table")
# What stands for the SELECT over a relation's files: ids are made when the texts of users have been read.
_FILES = re.compile(r"\0(r_[0-9a-f]{16})\0")


@dataclass(frozen=True, slots=True)
class Plan:
    """What runs: the governed tree, the promised schema, and one read per relation that holds data.

    ``barriers`` says that the statement may raise, so that no row that a filter takes may meet it; ``parted`` is what runs
    after its asides, where it has some. ``composed`` are its texts but for the files, which every run lists anew.
    """

    governed: Governed
    schema: pa.Schema
    reads: tuple[Read, ...]
    barriers: bool = False
    parted: Parted | None = None
    composed: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def asides(self) -> Mapping[str, Aside]:
        """The subqueries that are answered first, by the id of the relation whose keys they give."""
        return self.parted.asides if self.parted else {}

    def aside_sql(self, aside: Aside, paths: Mapping[str, Mapping[str, str]]) -> str:
        """The statement of such a subquery."""
        return self._over_files(aside.name, lambda: _Composing(self).of(aside.statement), paths)

    def sql(self, paths: Mapping[str, Mapping[str, str]]) -> str:
        """The statement for DuckDB.

        Args:
            paths: for each file read's relation id, the ``ripstop://`` path of each file.
        """
        return self._over_files("", lambda: _Composing(self).statement(), paths)

    def guarded_sql(self, read: LiveRead | FileRead, paths: Mapping[str, Mapping[str, str]]) -> str:
        """The statement of a guarded read, in which its own restrictions are applied before its rows meet any other."""
        return self._over_files(read.relation.id, lambda: _Composing(self, alone=read).statement(), paths)

    def _over_files(
        self, key: str, compose: Callable[[], str], paths: Mapping[str, Mapping[str, str]]
    ) -> str:
        text = self.composed.get(key)
        if text is None:
            text = self.composed[key] = compose()
        scans = {read.relation.id: read.scan for read in self.reads if isinstance(read, FileRead)}
        return _FILES.sub(lambda place: scans[place[1]].sql(paths[place[1]]), text) if scans else text

    def is_guarded(self, read: Read) -> TypeGuard[LiveRead | FileRead]:
        """Whether a read has a statement of its own: a live scan of which rows are hidden, or files read first."""
        if isinstance(read, LiveRead):
            return bool(self.decision(read.relation).rows)
        return isinstance(read, FileRead) and read.ahead

    def guarded_columns(self, read: LiveRead | FileRead) -> tuple[Column, ...]:
        """What the statement of a guarded read hands over: the visible ones of the columns fetched."""
        hidden = self.decision(read.relation).hidden
        found = (read.relation.object.columns[n] for n in read.positions)
        return tuple(column for column in found if column.name.lower() not in hidden)

    @property
    def key_givers(self) -> frozenset[str]:
        """The ids of relations whose keys some scan waits for."""
        waiting = (
            edge for read in self.reads if isinstance(read, LiveRead | FileRead) for edge in read.awaits
        )
        return frozenset(edge.source.relation for edge in waiting)

    def is_repeated(self, read: LiveRead | FileRead) -> bool:
        """Whether statements read its rows more than once: the plan does, or a file that waits for its keys."""
        files = (each for each in self.reads if isinstance(each, FileRead))
        return read.repeated or any(
            edge.source.relation == read.relation.id for file in files for edge in file.awaits
        )

    def key_position(self, read: LiveRead | FileRead, column: int) -> int:
        """The place of a table's column in what DuckDB holds of a read."""
        if not self.is_guarded(read):
            return read.positions.index(column)
        return self.guarded_columns(read).index(read.relation.object.columns[column])

    def decision(self, relation: Relation) -> Decision:
        """What was decided on a relation."""
        return self.governed.decisions[relation.id]


class _Composing:
    """One statement of a plan: the whole one, or that of one relation alone."""

    def __init__(self, plan: Plan, alone: LiveRead | FileRead | None = None) -> None:
        self._plan = plan
        self._alone = alone
        self._reads = {read.relation.id: read for read in plan.reads}

    def statement(self) -> str:
        governed, parted = self._plan.governed, self._plan.parted
        if self._alone is None:
            return self.of(parted.statement if parted else governed.resolved)
        wanted = self._plan.guarded_columns(self._alone)
        relation, awaits = (
            self._alone.relation,
            self._alone.awaits if isinstance(self._alone, FileRead) else (),
        )
        where = " AND ".join(self._among_keys(relation, edge) for edge in awaits)
        return compose_one(
            governed.resolved, relation, wanted, self._body, governed.decisions, self._guard, where
        )

    def of(self, resolved: Resolved) -> str:
        return compose(resolved, self._body, self._plan.governed.decisions, self._guard)

    def _among_keys(self, relation: Relation, edge: Edge) -> str:
        giver = self._reads[edge.source.relation]
        source, place = raw_name(giver.relation), edge.source.column
        if self._plan.is_guarded(giver):
            source, place = guarded_name(giver.relation), self._plan.key_position(giver, place)
        column = relation.object.columns[edge.target.column].name
        key = f"CAST({name(f'{giver.relation.id}_{place}')} AS {giver.relation.object.columns[edge.source.column].type})"
        return f"{name(column)} IN (SELECT {key} FROM {name(source)})"

    def _body(self, relation: Relation, table: Table) -> str:
        read = self._reads[relation.id]
        if self._comes_guarded(read):
            return select_guarded(relation, self._visible(relation, table), self._plan.guarded_columns(read))
        if isinstance(read, FileRead):
            # Not even DuckDB's own reader is to skip what a filter would.
            return f"\0{relation.id}\0" + (BARRIER if read.unpushed else "")
        if isinstance(read, LiveRead):
            return select(relation, table, read.positions, read.witnesses)
        return select(relation, table, () if isinstance(read, Unread) else tuple(range(len(table.columns))))

    def _guard(self, relation: Relation, text: str) -> str:
        read = self._reads.get(relation.id)
        if self._comes_guarded(read):
            return text
        also, alone = "", self._alone is not None and read is self._alone
        if isinstance(read, FileRead):
            # What only follows from the statement DuckDB would not know to skip row groups by.
            skipping = read.demand.implied if read.scan.layout.format == "parquet" else ()
            wanted = read.demand.predicates if self._plan.barriers or alone else filter(is_ranged, skipping)
            also = " AND ".join(map(predicate_text, wanted))
        barrier = self._plan.barriers and not alone
        return restricted(relation, text, self._plan.decision(relation), also, barrier)

    def _comes_guarded(self, read: Read | None) -> TypeGuard[LiveRead | FileRead]:
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
    max_staleness: float | None = None,
) -> Plan:
    """Ask each relation's source what it takes of what the statement demands.

    Files are listed; no data is read. ``probed`` is what ``describe`` said of it, if it was asked already. Unless it
    ``pushes``, every source is asked for columns only. No listing is older than ``max_staleness`` seconds.

    Raises:
        SchemaChanged: a table's files no longer have the columns that the catalog knew.
        FabricError: as ``describe``, or a source refuses the scan.
    """
    probed = probed or describe(governed, catalog, engine, discretion)
    tables = table_relations(governed.resolved, governed.decisions)
    orders = _orders(governed)
    wanted = demanded(
        governed.resolved, governed.decisions, engine, probed, lambda: meaning(governed), orders
    )
    borrowed = lenders(governed, engine, wanted, orders)
    listings = Listings(_listed(tables, wanted, catalog), max_staleness)
    scans: dict[str, Reducible] = {}
    opened: dict[str, FileRead] = {}
    unpushed = set[str]()
    for relation, table in tables:
        demand = wanted.get(relation.id)
        if demand is None or relation.name.catalog == catalog.fabric:
            continue
        demand.columns |= _ruled(governed.decisions[relation.id], table)
        computed = governed.decisions[relation.id].rows and table.kind in _COMPUTED
        off = not pushes or table.name.catalog.lower() in catalog.unpushed
        if computed:
            demand.leave_to_us(demanded_by_rules(relation, governed, engine))
        elif off:
            unpushed.add(relation.id)
        connector = catalog.connectors[table.name.catalog.lower()]
        if table.layout is not None and isinstance(connector, FileConnector):
            asked = demand.of_columns() if off else demand
            with discretion.telling(relation):
                scan = files.scan(connector, table, asked.predicates, listings)
            opened[relation.id] = FileRead(relation, connector, scan, asked, unpushed=off)
        elif not computed and not demand.repeated:
            asked = demand.of_columns() if off and not able_of(table, catalog).required else demand
            scans[relation.id] = Reducible(table.name.catalog.lower(), scan_of(table, asked), unpushed=off)
    reductions = reductions_of(governed, catalog, engine, probed.veiled, scans, opened)
    named = {relation.id: relation for relation, _ in tables}
    reads: list[Read] = []
    for relation, table in tables:
        demand = wanted.get(relation.id)
        if relation.name.catalog == catalog.fabric:
            reads.append(SystemRead(relation))
        elif demand is None:
            reads.append(Unread(relation))
        else:
            read: LiveRead | FileRead
            if relation.id in opened:
                read = reductions.of_file(opened[relation.id])
            else:
                known, off = reductions.scans.get(relation.id), relation.id in unpushed
                part = reductions.read_in_part(relation, governed.decisions[relation.id])
                with discretion.telling(relation):
                    read = live_read(relation, table, demand, catalog, known, part, unpushed=off)
            by = _shown_with(read, reductions, named, discretion, borrowed)
            reads.append(replace(read, reduced_by=by))
    made = Plan(governed=governed, schema=probed.schema, reads=tuple(reads), parted=reductions.parted)
    return replace(made, barriers=_needs_barriers(made, engine, probed.veiled))


def _shown_with(
    read: LiveRead | FileRead,
    reductions: Reductions,
    named: Mapping[str, Relation],
    discretion: Discretion,
    borrowed: Mapping[str, frozenset[str]],
) -> frozenset[str]:
    """The relations of which all must be shown, so that what a read asks is shown."""
    by = set(read.reduced_by)
    if isinstance(read, LiveRead):
        # Whether they are chosen rests on how many rows they have: of hidden ones that would tell too.
        others = reductions.may_reduce(read.relation.id)
        by |= {id for id in others if not discretion.shows_source(named[id])}
    # Whose rule was lent to a scan, also tells in what the keys of that scan reduce.
    return frozenset(by.union(*(borrowed.get(id, ()) for id in (read.relation.id, *by))))


def _listed(
    tables: Sequence[tuple[Relation, Table]], wanted: Mapping[str, Demand], catalog: Catalog
) -> Iterator[tuple[FileConnector, FileLayout]]:
    """Of the tables that are read, those that lie in files."""
    for relation, table in tables:
        connector = catalog.connectors.get(table.name.catalog.lower())
        if relation.id in wanted and table.layout is not None and isinstance(connector, FileConnector):
            yield connector, table.layout


def relisted(
    known: Plan, files: FileTables, discretion: Discretion, max_staleness: float | None = None
) -> Plan:
    """The same plan over the files that its tables have now, or had at most ``max_staleness`` seconds ago.

    Raises:
        SchemaChanged: a table's files no longer have the columns that the plan was made for.
        FabricError: a source cannot list them.
    """
    scans = [(read.connector, read.scan) for read in known.reads if isinstance(read, FileRead)]
    listings = Listings(((connector, scan.layout) for connector, scan in scans), max_staleness)
    reads: list[Read] = []
    for read in known.reads:
        if isinstance(read, FileRead):
            with discretion.telling(read.relation):
                scan = files.scan(read.connector, read.scan.table, read.demand.predicates, listings)
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
    return not engine.is_total(*meant(governed, veiled))


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


def _ruled(decision: Decision, table: Table) -> set[int]:
    """The columns that row filters may name: read whether or not DuckDB could do without them."""
    filters = [row_filter for group in decision.rows for row_filter in group]
    named = {c.name.lower() for each in filters for c in each.condition.tree.find_all(exp.Column)}
    return {n for n, column in enumerate(table.columns) if column.name.lower() in named}
