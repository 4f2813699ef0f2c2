"""One scan on its way from a database: read in turns, set aside, or stopped from another thread."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from connectors.relational.pool import Link
from fabric.errors import Cancelled, FabricError
from fabric.spi import ScanContext

if TYPE_CHECKING:
    from connectors.relational.session import Session

_WAIT_SECONDS = 0.05
_DRAIN_SECONDS = 0.3
_SPILL_BYTES = 16_000_000


class Conduct(Protocol):
    """How a kind of database is talked to: what the session leaves to the connector.

    ``stateful`` says that scans share a snapshot, so that a lost leader ends the session.
    """

    source: str
    stateful: bool

    def lead(self, link: Link, request: Any, *, alone: bool) -> str:
        """Begin the transaction whose state all scans see, and ``prove`` the first one's table.

        Returns what ``follow`` needs, or nothing where the scan is ``alone``. Without a ``request`` nothing is proven.
        """
        ...

    def follow(self, link: Link, state: str, request: Any) -> None:
        """Begin a transaction on the leader's state, and ``prove`` the scan's table."""
        ...

    def rewind(self, link: Link) -> None:
        """Bring the leader back to its state after a cancelled scan."""
        ...

    def end(self, link: Link) -> None:
        """End the transaction; the link goes back to the pool."""
        ...

    def prove(self, link: Link, request: Any) -> None:
        """Make sure, within the link's transaction, that the table still has its shape."""
        ...

    def stream(self, link: Link, request: Any) -> contextlib.AbstractContextManager[pa.RecordBatchReader]:
        """The rows of a request as they come."""
        ...

    def land(self, request: Any, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The driver's batch as the columns that were asked for."""
        ...

    def spread(self, request: Any, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """The rows that a landed batch stands for, where the source sent equal ones once."""
        ...

    def failed(self, error: Exception, request: Any) -> FabricError:
        """The error of ours for one of the driver's; ``request`` is None outside of a scan."""
        ...

    def silent(self) -> FabricError:
        """The error for a server that sent nothing for too long."""
        ...


class Spill:
    """Batches set aside, in memory up to 16 MB and in a nameless file beyond; written whole, read once."""

    def __init__(self) -> None:
        self._held: list[pa.RecordBatch] = []
        self._bytes = 0
        self._file: IO[bytes] | None = None
        self._writer: Any = None
        self._reading: Iterator[pa.RecordBatch] | None = None
        self.error: FabricError | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Set one batch aside."""
        self._bytes += batch.nbytes
        if self._bytes <= _SPILL_BYTES:
            self._held.append(batch)
            return
        if self._writer is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `close`)
            self._writer = pa.ipc.new_stream(self._file, batch.schema)
        self._writer.write_batch(batch)

    def read(self) -> pa.RecordBatch | None:
        """The next batch, or None at the end.

        Raises:
            FabricError: the source failed at this place.
        """
        if self._reading is None:
            self._reading = self._batches()
        batch = next(self._reading, None)
        if batch is None and self.error is not None:
            raise self.error
        return batch

    def _batches(self) -> Iterator[pa.RecordBatch]:
        while self._held:
            yield self._held.pop(0)
        if self._file is not None:
            self._writer.close()
            self._file.seek(0)
            with pa.ipc.open_stream(self._file) as reader:
                yield from reader

    def close(self) -> None:
        """Drop what was set aside."""
        self._held.clear()
        if self._file is not None:
            with contextlib.suppress(Exception):
                self._writer.close()
            self._file.close()


class Stream:
    """One scan on its way. ``_turn`` belongs to whoever reads, drains or ends it."""

    def __init__(self, session: Session, request: Any, context: ScanContext) -> None:
        self._session = session
        self._conduct = session.conduct
        self.request = request
        self._context = context
        self._turn = threading.Lock()
        self._cancelling = threading.Lock()
        self._link: Link | None = None
        self._open = contextlib.ExitStack()
        self._reader: pa.RecordBatchReader | None = None
        self._spill: Spill | None = None
        self._silent = False

    @property
    def holds(self) -> bool:
        """Whether a connection is in use."""
        return self._link is not None

    def serves(self, context: ScanContext) -> bool:
        """Whether it is a part of that scan."""
        return self._context is context

    def start(self, link: Link, *, proven: bool) -> None:
        """Send the query; unless it is ``proven`` already, prove that its table has its shape.

        Raises:
            FabricError: the server refused it.
        """
        with self._turn:
            self._link = link
            if self._context.cancelled or self._session.closed:
                self._let_go(finished=True, keep=False)
                raise Cancelled("the query was cancelled")
            self._context.requests += 1
            self._reader = self._call(lambda: self._send(proven=proven))

    def _send(self, *, proven: bool) -> pa.RecordBatchReader:
        link = self._link
        if link is None:
            raise Cancelled("the query was cancelled")
        if not proven:
            self._conduct.prove(link, self.request)
        return self._open.enter_context(self._conduct.stream(link, self.request))

    def next(self) -> pa.RecordBatch | None:
        """The next batch, or None at the end.

        Raises:
            FabricError: the server failed, was silent for too long, or the query was cancelled.
        """
        with self._turn:
            if self._context.cancelled:
                raise Cancelled("the query was cancelled")
            if self._spill is not None:
                return self._spill.read()
            return self._fetch()

    def set_aside(self, context: ScanContext) -> None:
        """Read the rest into a spill for the sake of a scan that waits for the connection."""
        while not self._turn.acquire(timeout=_WAIT_SECONDS):
            if context.cancelled:
                return
        try:
            if self._link is None:
                return
            spill = self._spill = Spill()
            try:
                while (batch := self._fetch()) is not None:
                    spill.write(batch)
            except FabricError as error:
                spill.error = error
        finally:
            self._turn.release()

    def close(self) -> None:
        """Stop early, or clean up: the connection is free when this returns."""
        with self._turn:
            self._let_go(finished=False, keep=not self._context.cancelled)
            if self._spill is not None:
                self._spill.close()

    def abort(self) -> None:
        """Stop from another thread: what runs on the server ends, then the connection is freed."""
        taken = False
        while not taken:  # a cancel that falls between two statements is lost, so it is repeated
            with self._cancelling:
                if self._link is not None:
                    self._link.cancel()
            taken = self._turn.acquire(timeout=_WAIT_SECONDS)
        try:
            self._let_go(finished=False, keep=False)
        finally:
            self._turn.release()

    def _fetch(self) -> pa.RecordBatch | None:
        reader = self._reader
        if self._link is None or reader is None:
            return None
        batch = self._call(lambda: next(reader, None))
        if batch is None:
            self._let_go(finished=True, keep=True)
            return None
        try:
            return self._conduct.land(self.request, batch)
        except FabricError:
            self._let_go(finished=False, keep=False)
            raise

    def _call(self, step: Callable[[], Any]) -> Any:
        """Run one step on the link under the watch; a failure frees the link."""
        if self._link is None:
            raise Cancelled("the query was cancelled")
        with self._session.watch.over(self._link) as alarm:
            try:
                return step()
            except Exception as error:  # noqa: BLE001  (drivers raise what they like; all is translated)
                failure = error
            finally:
                # A driver may answer a cancelled call, and raise only at the next one.
                self._silent = self._silent or alarm.rang
        known = failure if isinstance(failure, FabricError) else self._conduct.failed(failure, self.request)
        self._let_go(finished=False, keep=False, failed=True)
        if self._context.cancelled:
            raise Cancelled("the query was cancelled") from None
        if self._silent:
            raise self._conduct.silent() from None
        raise known from None

    def _let_go(self, *, finished: bool, keep: bool, failed: bool = False) -> None:
        with self._cancelling:  # no cancel of ours may reach the link's next statement
            link, self._link = self._link, None
        if link is None:
            return
        quiet = finished or failed or self._drain(link)
        self._reader = None
        with contextlib.suppress(Exception):
            self._open.close()
        self._session.give_back(link, quiet=quiet, clean=finished, keep=keep and quiet)

    def _drain(self, link: Link) -> bool:
        """Cancel the statement and read what is still in the pipe; false when it does not end soon."""
        if not link.cancel():
            return False
        deadline = time.monotonic() + _DRAIN_SECONDS
        reader = self._reader
        try:
            while reader is not None and next(reader, None) is not None:
                if time.monotonic() > deadline:
                    return False
        except Exception:  # noqa: BLE001  (the cancelled statement ends in an error, which is the point)
            return True
        return True
