"""How many rows a table has whose source does not tell: as many as a scan of the whole of it brought (ADR 39).

A number of the table's, seen with the source's own credentials, as the statistics of a database are: never of a part of
it, and so of nothing that a statement or a rule asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fabric.errors import UserError
from fabric.feed import Feed
from fabric.reads import LiveRead
from fabric.spi import ScanConnector, ScanContext
from fabric.types import Offer, Scan, Table

# An estimate need not follow each row: every change makes the plans over the table anew.
_NEWS = 0.2

Tables = Mapping[tuple[str, str], Table]


def rows_of_table(read: LiveRead, feed: Feed, context: ScanContext) -> int | None:
    """Rows of a read's whole table, where its source does not count them and this read has: told, or all of them read."""
    table = read.offer.scan.table
    if table.rows is not None and not table.counted:
        return None
    if context.total is not None:
        return context.total
    return context.rows if feed.finished and _is_whole(read.connector, feed.offer) else None


def _is_whole(connector: ScanConnector, offer: Offer) -> bool:
    """Whether an offer asks for what one without any condition asks for: equal payloads ask the same."""
    try:
        whole = connector.offer(Scan(offer.scan.table, offer.scan.columns))
    except UserError:
        return False  # it answers to values only
    asked = [split.payload for split in offer.splits]
    return bool(asked) and asked == [split.payload for split in whole.splits]


def with_rows(table: Table, rows: int) -> Table:
    """The table with a number that was counted; the same where that says nothing new."""
    if table.rows is not None and (not table.counted or abs(rows - table.rows) <= _NEWS * table.rows):
        return table
    return replace(table, rows=rows, counted=True)


def carried(tables: Tables, before: Tables) -> dict[tuple[str, str], Table]:
    """Tables as they are listed anew, with what was counted before."""
    counts = {key: table.rows for key, table in before.items() if table.counted}
    return {
        key: table if (rows := counts.get(key)) is None else with_rows(table, rows)
        for key, table in tables.items()
    }
