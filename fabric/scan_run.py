"""One read of a plan, under way."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pyarrow as pa

from fabric.ahead import MOST_KEYS
from fabric.arrow_source import ArrowSource
from fabric.discretion import Discretion
from fabric.dynamic_filter_run import DynamicFiltering
from fabric.engine import Engine
from fabric.feed import Feed
from fabric.filesystem import Mount
from fabric.guarded import GuardedSource
from fabric.plan import Plan
from fabric.prefetch import begin, follow, prefetch, wanted
from fabric.pushdown import describe
from fabric.reads import FileRead, LiveRead, Read
from fabric.row_counts import rows_of_table
from fabric.spi import ScanContext
from fabric.stored import StoredTable
from fabric.types import ScanReceipt

_LONGEST = 4_000  # characters of what a source was asked: it may hold 50,000 keys


@dataclass(slots=True)
class ScanRun:
    """What reads, and what it did so far. ``rows_of`` is what DuckDB holds of a live scan."""

    read: Read
    context: ScanContext = field(default_factory=ScanContext)
    feed: Feed | None = None
    guarded: GuardedSource | None = None
    rows_of: ArrowSource | None = None
    filtering: DynamicFiltering | None = None
    mount: Mount | None = None
    prefetch: threading.Thread | None = None
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def start(self, engine: Engine) -> None:
        """Begin, or begin to wait for keys; of files, bring what is wanted beforehand."""
        if self.filtering is not None:
            self.filtering.start()
        elif self.feed is not None:
            self.feed.start()
        if self.mount is None or not isinstance(self.read, FileRead):
            return
        begin(self.read, self.mount)
        if wanted(self.read):
            arguments = (self.read, self.mount, engine)
            self.prefetch = threading.Thread(
                target=prefetch, args=arguments, name="ripstop-prefetch", daemon=True
            )
            self.prefetch.start()

    def follow(self, runs: Mapping[str, ScanRun], plan: Plan) -> None:
        """Of files, have the row groups on their way that may hold a live scan's keys, once these are known."""
        read, mount = self.read, self.mount
        if (
            not isinstance(read, FileRead)
            or mount is None
            or read.begun_by is None
            or read.connector.one_call
        ):
            return
        key, giver = read.begun_by.source, runs[read.begun_by.source.relation]
        if not isinstance(giver.read, LiveRead) or giver.rows_of is None:
            return
        column = read.relation.object.columns[read.begun_by.target.column].name
        place = plan.key_position(giver.read, key.column)

        def told(batches: Sequence[pa.RecordBatch]) -> None:
            if batches:
                follow(read, mount, column, pa.chunked_array([batch.column(place) for batch in batches]))

        giver.rows_of.follow(MOST_KEYS, told)

    def join(self) -> None:
        """Wait until every thread of a live scan that finished or was cancelled has gone."""
        if self.filtering is not None:
            self.filtering.join()
        if self.feed is not None:
            self.feed.join()

    @property
    def rows_of_table(self) -> int | None:
        """How many rows its whole table has, where it found out and the source does not count them."""
        read = self.read
        return (
            rows_of_table(read, self.feed, self.context) if isinstance(read, LiveRead) and self.feed else None
        )

    def receipt(self, discretion: Discretion) -> ScanReceipt:
        """What it did so far, as far as it may be told."""
        read, context = self.read, self.context
        # Of files nobody is told whether they were read first: that rests on statistics of the others (ADR 23).
        guarded = self.guarded if isinstance(read, LiveRead) else None
        pushed, asked, touched = "", "", set[int]()
        if isinstance(read, LiveRead):
            taken = [describe(predicate) for predicate in read.offer.taken]
            pushed = " AND ".join(taken + list(self.filtering.told if self.filtering else ()))
            touched = set(read.positions)
            asked = (self.feed.offer if self.feed else read.offer).request[:_LONGEST]
        elif isinstance(read, FileRead):
            pushed = f"{len(read.scan.files)} of {read.scan.listed} files"
            asked, touched = read.scan.told, read.demand.columns
        found = read.relation.object
        stored = found.as_of if isinstance(found, StoredTable) else None
        columns = found.columns
        receipt = ScanReceipt(
            source=read.relation.name.catalog,
            object=str(read.relation.name),
            pushed=pushed,
            asked=asked,
            rows=guarded.rows if guarded else context.rows,
            bytes=context.bytes,
            requests=context.requests,
            seconds=self.feed.seconds if self.feed else (time.time() - self.began.timestamp()),
            cache=context.cached,
            as_of=stored or context.as_of or self.began,
            guarded=guarded is not None,
            columns=tuple(columns[n].name for n in sorted(touched)),
        )
        return told(receipt, read, discretion)


def told(receipt: ScanReceipt, read: Read, discretion: Discretion) -> ScanReceipt:
    """A scan's receipt, marked by what of it may be told to the one who asks."""
    by = read.reduced_by if isinstance(read, LiveRead | FileRead) else frozenset[str]()
    return replace(
        receipt,
        guarded=receipt.guarded and discretion.counts(read.relation) and not by,
        veiled=not discretion.shows_read(read.relation, by),
        unnamed=not discretion.shows(read.relation),
    )
