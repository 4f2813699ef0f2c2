"""The rows of the fabric's own tables, for the one who asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from fabric.audit import Audit
from fabric.catalog import Catalog, Entry
from fabric.engine import Engine
from fabric.events import Event, Sight, event_edges, event_rows
from fabric.journal import Journal
from fabric.limits import Allowance
from fabric.lineage_feed import LineageFeed
from fabric.lineage_history import LineageHistory
from fabric.lineage_rows import Knowledge, lineage_rows
from fabric.spi import Governor
from fabric.system import Desk, Row, system_rows
from fabric.types import Principal, Product, Relation, Table, TableName
from fabric.underway import Underway


@dataclass(frozen=True, slots=True)
class OwnTables:
    """``system`` and ``information_schema``; without an audit or a journal theirs are empty."""

    catalog: Catalog
    governor: Governor
    engine: Engine
    journal: Journal | None
    audit: Audit | None
    underway: Underway
    allowed: Callable[[Principal], Allowance]
    feeds: Sequence[LineageFeed] = ()
    lineage: LineageHistory | None = None

    def of(self, relation: Relation, principal: Principal) -> pa.Table:
        """The rows that concern the principal, its columns named for this occurrence."""
        desk = Desk(self.governor, self.journal, self.audit, self.underway, self.allowed(principal))
        entries = self.catalog.visible(principal, self.governor)
        if relation.object.name.key[1:] == ("system", "lineage"):
            found = self._lineage(principal, entries)
        elif relation.object.name.key[1:] == ("system", "events"):
            known = Knowledge(principal, self.governor, entries, self._found)
            found = event_rows(self._events(principal, known), self.catalog.fabric)
        else:
            found = system_rows(relation.object.name, principal, desk, entries, self.catalog.fabric)
        if relation.object.name.key[1:] == ("system", "limits"):
            found += self._lineage_feeds(principal)
        columns = relation.object.columns
        schema = self.engine.arrow_schema(columns)
        arrays = [pa.array([row[n] for row in found], type=kind) for n, kind in enumerate(schema.types)]
        return pa.Table.from_arrays(arrays, names=[f"{relation.id}_{n}" for n in range(len(columns))])

    def _lineage(self, principal: Principal, entries: Sequence[Entry]) -> list[Row]:
        everyone = self.governor.may(principal, "read", "system.lineage")
        known = Knowledge(principal, self.governor, entries, self._found, everyone)
        if everyone:
            products = [self.catalog.shaped(each) for each in self.catalog.products.current().values()]
        else:
            products = [entry.object for entry in entries if isinstance(entry.object, Product)]
        # Of an event's ends only those are told that the lineage itself may name.
        told = [
            event
            for event in self._events(principal, known)
            if everyone or all(place and known.knows_place(place) for place in (event.source, event.target))
        ]
        user = None if everyone else principal.user
        return [
            *lineage_rows(products, known, self.catalog.fabric),
            *event_edges(told, self.catalog.fabric),
            *(self.lineage.rows(user) if self.lineage is not None else ()),
        ]

    def _events(self, principal: Principal, known: Knowledge) -> list[Event]:
        events = self.journal.events.all() if self.journal is not None else []
        return list(Sight(principal, self.governor, known.knows_place).seen(events))

    def _found(self, name: TableName) -> Table | Product | None:
        found = self.catalog.find(name.key)
        return self.catalog.shaped(found) if isinstance(found, Product) else found

    def _lineage_feeds(self, principal: Principal) -> list[Row]:
        if not self.governor.may(principal, "read", "system.limits"):
            return []
        return [
            (
                feed.name,
                float(feed.most),
                feed.waiting,
                "default",
                f"{feed.what} that may wait; since the start {feed.sent} were told, {feed.dropped} dropped, "
                f"{feed.failed} not taken",
            )
            for feed in self.feeds
        ]
