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

from fabric.errors import BadData, Cancelled, FabricError, InternalError
from fabric.fitting import fitted
from fabric.spi import ScanContext, ScanSession
from fabric.types import Offer, Split

log = logging.getLogger("ripstop.feed")

QUEUE_BATCHES = 8
_POLL_SECONDS = 0.1


class Feed:
    """One running read of an offer: its splits' batches, through one bounded queue.

    Args:
        session: the query's session with the source.
        offer: what is read.
        context: stops the read, and counts it.
        schema: the names and types under which DuckDB takes the columns.
        parallel: splits read at once.
    """

    def __init__(
        self, session: ScanSession, offer: Offer, context: ScanContext, schema: pa.Schema, parallel: int
    ) -> None:
        self._session = session
        self._offer = offer
        self._context = context
        self._schema = schema
        self._batches: queue.Queue[pa.RecordBatch | BaseException | None] = queue.Queue(QUEUE_BATCHES)
        self._splits: queue.SimpleQueue[Split] = queue.SimpleQueue()
        for split in offer.splits:
            self._splits.put(split)
        self.error: FabricError | None = None
        self.seconds = 0.0
        self._threads = [
            threading.Thread(target=self._run, name=f"ripstop-scan-{number}", daemon=True)
            for number in range(min(max(1, parallel), len(offer.splits)))
        ]

    def start(self) -> None:
        """Begin reading."""
        self._started = time.monotonic()
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until every thread of a finished or cancelled read has gone; one that never started has."""
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The batches as they come, from all splits.

        Raises:
            FabricError: what went wrong at the source; also kept in ``error``, since Arrow's C stream
                passes only a text on.
        """
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
                return self._batches.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                if self._context.cancelled:
                    return Cancelled("the query was cancelled")

    def _put(self, item: pa.RecordBatch | BaseException | None) -> None:
        while not self._context.cancelled:
            try:
                return self._batches.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue

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


class FeedSource:
    """What DuckDB holds of a live scan: an Arrow stream that can be asked for again.

    The first stream is the read that is already under way. A plan that reads the relation again (a
    recursion) is served from memory: the whole scan is kept when ``repeated`` says so beforehand.
    """

    def __init__(self, feed: Feed, schema: pa.Schema, repeated: bool) -> None:
        self.feed = feed
        self.schema = schema
        self._repeated = repeated
        self._lock = threading.Lock()
        self._taken = False
        self._kept: pa.Table | None = None

    def __arrow_c_schema__(self) -> object:
        """The schema, without reading."""
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """A stream of the whole scan."""
        return self._reader().__arrow_c_stream__(requested_schema)

    def _reader(self) -> pa.RecordBatchReader:
        with self._lock:
            if self._repeated:
                if self._kept is None:
                    self._kept = pa.Table.from_batches(self.feed.batches(), schema=self.schema)
                return self._kept.to_reader()
            if self._taken:
                # Never a second, possibly different, read of the source within one query.
                self.feed.error = InternalError()
                raise self.feed.error
            self._taken = True
        return pa.RecordBatchReader.from_batches(self.schema, self.feed.batches())
