"""How a plan gets at a relation that a source serves as Arrow batches."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from fabric.catalog import Catalog
from fabric.demand import Demand
from fabric.errors import NotSupported, UserError
from fabric.estimates import groups, rows_left
from fabric.predicates import Value, columns_of
from fabric.pushdown import leaves
from fabric.reads import LiveRead
from fabric.reductions import ReadInPart, scan_of, without
from fabric.semi_joins import Reduced, sent_once
from fabric.spi import ScanConnector
from fabric.types import Capabilities, Offer, Relation, Scan, Table
from fabric.witnesses import witnesses


def live_read(
    relation: Relation,
    table: Table,
    demand: Demand,
    catalog: Catalog,
    known: Reduced | None,
    part: ReadInPart | None,
    *,
    unpushed: bool,
) -> LiveRead:
    """The read of a live scan, as far as its source takes what is demanded.

    Args:
        relation: whose.
        table: the relation's.
        demand: what the statement demands of it.
        catalog: has its connector.
        known: what reduces it.
        part: what of it is not read; None where each row is to come as it is.
        unpushed: it is asked for columns only.

    Raises:
        FabricError: the source refuses the scan.
    """
    if unpushed:
        # An API that requires a parameter answers nothing without it.
        with contextlib.suppress(UserError):
            bare = demand.of_columns()
            read = live_read(relation, table, bare, catalog, known, None, unpushed=False)
            return replace(read, unpushed=True)
    connector = catalog.connectors[table.name.catalog.lower()]
    if not isinstance(connector, ScanConnector):
        raise NotSupported(f"source '{connector.name}' cannot be scanned")
    scan = known.scan if known else scan_of(table, demand)
    awaits = known.awaits if known else ()
    able = connector.capabilities(table)
    required = able.required if awaits else frozenset()
    stand_ins = dict[int, Value]()
    if part is not None and able.proven and (part.filtered or part.counted):
        taken = connector.offer(scan).taken
        stand_ins = witnesses(table, demand, taken, part.filtered, part.counted)
        scan = without(scan, [table.columns[n] for n in stand_ins])
    if any(table.columns[edge.target.column].name.lower() in required for edge in awaits):
        offer = Offer(scan, taken=(), splits=(), request="once the keys are known")
    else:
        expected = known.rows if known else rows_left(table, scan.predicates)
        if part is not None and not awaits:
            summed, truncated = _in_part(scan, demand, part, able)
            scan = sent_once(scan, expected, a_set=part.a_set, summed=summed, truncated=truncated)
        offer = connector.offer(scan)
    sent = tuple(_position(table, column) for column in offer.scan.columns)
    by = known.by if known and (offer.semi_joins or awaits) else frozenset[str]()
    rows = offer.rows if offer.rows is not None and not awaits else None
    if rows is None:
        rows = known.rows if known and by else rows_left(table, offer.taken)
    if rows is not None and offer.distinct:
        rows = groups(table, offer.scan.columns, rows, dict(offer.scan.truncated))
    return LiveRead(
        relation,
        connector,
        offer,
        sent,
        tuple(demand.kept),
        demand.repeated,
        rows,
        by,
        awaits,
        witnesses={n: value for n, value in stand_ins.items() if n not in sent},
        follows=any(each in offer.taken for each in demand.implied),
    )


def _in_part(
    scan: Scan, demand: Demand, part: ReadInPart, able: Capabilities
) -> tuple[list[str], dict[str, str]]:
    """The columns that a source can send as sums, where none of its conditions are on them, and to a unit of the date."""
    if demand.repeated:
        return [], {}
    tested = {column for each in demand.predicates for leaf in leaves(each) for column in columns_of(leaf)}
    tested |= {each.column for each in scan.semi_joins}
    sent = {n: column.name for n, column in enumerate(scan.table.columns) if column.name in scan.columns}
    summed = [sent[n] for n in part.summed & sent.keys() if sent[n] not in tested]
    truncated = {sent[n]: unit for n, unit in part.truncated.items() if n in sent}
    return (
        [name for name in summed if name.lower() in able.summed],
        {name: unit for name, unit in truncated.items() if name.lower() in able.truncated},
    )


def _position(table: Table, column: str) -> int:
    return next(n for n, c in enumerate(table.columns) if c.name == column)
