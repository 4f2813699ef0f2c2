"""Live scans: every source that is not files starts at once, each split in its own thread.

DuckDB reads the Arrow sources of one plan one after another (notes/federation.md: four sources of one
second took four); the bounded queue between the source and DuckDB lets them all run together.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterator

import pyarrow as pa

from fabric.arrow_source import ArrowSource
from fabric.errors import BadData, Cancelled, FabricError, InternalError
from fabric.fitting import fitted
from fabric.spi import ScanContext, ScanSession
from fabric.types import Offer, Split

log = logging.getLogger("ripstop.feed")

MOST_WAITING = 16 * 10**6
"""Bytes that a source is read ahead of DuckDB, which may build a join of other relations first; the last batch may go beyond."""

_MOST_THREADS = 16
_POLL_SECONDS = 0.1


class Feed:
    """One running read of an offer: its splits' batches, through one bounded queue.

    Args:
        session: the query's session with the source.
        offer: what is read.
        context: stops the read, and counts it.
        schema: the names and types under which DuckDB takes the columns.
    """

    def __init__(self, session: ScanSession, offer: Offer, context: ScanContext, schema: pa.Schema) -> None:
        self._session = session
        self._offer = offer
        self._context = context
        self._schema = schema
        self._batches: queue.SimpleQueue[pa.RecordBatch | BaseException | None] = queue.SimpleQueue()
        self._waiting = 0
        self._room = threading.Condition()
        self._splits: queue.SimpleQueue[Split] = queue.SimpleQueue()
        self.error: FabricError | None = None
        self.seconds = 0.0
        self.finished = False
        self._threads: list[threading.Thread] = []
        self._begun = threading.Event()

    @property
    def offer(self) -> Offer:
        """What is read, once it has started."""
        return self._offer

    def start(self, offer: Offer | None = None) -> None:
        """Begin reading: the offer that it was made with, or a narrower one of the same columns."""
        self._offer = offer or self._offer
        self._started = time.monotonic()
        for split in self._offer.splits:
            self._splits.put(split)
        self._threads = [
            threading.Thread(target=self._run, name=f"ripstop-scan-{number}", daemon=True)
            for number in range(min(_MOST_THREADS, len(self._offer.splits)))
        ]
        for thread in self._threads:
            thread.start()
        self._begun.set()

    def fail(self, error: FabricError) -> None:
        """Never begin, for this reason."""
        self.error = error
        self._context.cancel()

    def join(self) -> None:
        """Wait until every thread of a finished or cancelled read has gone; of one that never began there is none."""
        for thread in self._threads:
            thread.join()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The batches as they come, from all splits.

        Raises:
            FabricError: what went wrong at the source; also kept in ``error``, since Arrow's C stream
                passes only a text on.
        """
        while not self._begun.wait(_POLL_SECONDS):
            if self._context.cancelled:
                raise self.error or Cancelled("the query was cancelled")
        running = len(self._threads)
        while running:
            item = self._get()
            if item is None:
                running -= 1
            elif isinstance(item, BaseException):
                self.error = item if isinstance(item, FabricError) else self._fault(item)
                self._context.cancel()
                raise self.error
            else:
                yield item
        self.finished = True
        self.seconds = time.monotonic() - self._started

    def _fault(self, error: BaseException) -> InternalError:
        fault = InternalError()
        source = self._offer.scan.table.name.catalog
        log.error(
            "reference %s: the connector of source '%s' failed", fault.reference, source, exc_info=error
        )
        return fault

    def _get(self) -> pa.RecordBatch | BaseException | None:
        while True:
            try:
                item = self._batches.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                if self._context.cancelled:
                    return Cancelled("the query was cancelled")
                continue
            with self._room:
                self._waiting -= _size(item)
                self._room.notify_all()
            return item

    def _put(self, item: pa.RecordBatch | BaseException | None) -> None:
        with self._room:
            while self._waiting >= MOST_WAITING and not self._context.cancelled:
                self._room.wait(_POLL_SECONDS)
            if self._context.cancelled:
                return  # and no end either: a read that was stopped has not all rows
            self._waiting += _size(item)
        self._batches.put(item)

    def _run(self) -> None:
        try:
            while not self._context.cancelled:
                try:
                    split = self._splits.get_nowait()
                except queue.Empty:
                    break
                self._read(split)
        except BaseException as error:  # noqa: BLE001 - whatever ends a scan must reach the query
            self._put(error)
        else:
            self._put(None)

    def _read(self, split: Split) -> None:
        batches = self._session.read(self._offer, split, self._context)
        try:
            for batch in batches:
                self._put(self._named(batch))
                if self._context.cancelled:
                    break
        finally:
            close = getattr(batches, "close", None)
            if close is not None:
                close()

    def _named(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch under the names that stand in the statement; another type is the source's fault."""
        columns = []
        for array, target, wanted in zip(batch.columns, self._schema, self._offer.scan.columns, strict=True):
            try:
                columns.append(fitted(array, target.type))
            except pa.ArrowException:
                raise BadData(
                    self._offer.scan.table.name.catalog,
                    f"column '{wanted}' of table '{self._offer.scan.table.name.name}' came as another type",
                    hint="the table may have changed; ask again",
                ) from None
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)


def _size(item: pa.RecordBatch | BaseException | None) -> int:
    return int(item.nbytes) if isinstance(item, pa.RecordBatch) else 0


class FeedSource(ArrowSource):
    """The rows of a live scan, whose read is under way before DuckDB asks for them."""

    def __init__(self, feed: Feed, schema: pa.Schema, *, repeated: bool, ahead: bool = False) -> None:
        super().__init__(schema, repeated=repeated, ahead=ahead)
        self._feed = feed

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The feed's."""
        return self._feed.batches()

    def blame(self, error: InternalError) -> None:
        """Keep it as the feed's own."""
        self._feed.error = error
