"""A result from memory, answered to one principal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pyarrow as pa

from fabric.discretion import Discretion
from fabric.errors import Cancelled, FabricError
from fabric.outcome import Outcome
from fabric.plan import Plan
from fabric.quotas import Quotas, Used
from fabric.reads import FileRead, LiveRead
from fabric.results import Result
from fabric.scan_run import told
from fabric.types import Governed, ScanReceipt


class KeptAnswer:
    """A result from memory with the face of a running query; it is written down like one.

    Args:
        result: what is answered.
        plan: of who asks now.
        discretion: what may be said of each part to them.
        query_id: under which it is written down.
        quotas: how large it may be.
        ended: called once, when it was read or given up.
    """

    executed = ""

    def __init__(
        self,
        result: Result,
        plan: Plan,
        discretion: Discretion,
        query_id: str,
        quotas: Quotas,
        ended: Callable[[Outcome], None],
    ) -> None:
        self.query_id = query_id
        self.schema = result.schema
        self._result = result
        self._plan = plan
        self._discretion = discretion
        self._quotas = quotas
        self._began = time.time()
        self._ended = ended
        self._rows = self._bytes = 0
        self._lock = threading.Lock()
        self._closed = False
        self._stop: FabricError | None = None

    @property
    def governed(self) -> Governed:
        """What was decided on it."""
        return self._plan.governed

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows.

        Raises:
            LimitError: it is larger than who asks may have.
            FabricError: it was cancelled.
        """
        try:
            for batch in self._result.batches:
                if self._stop is not None:
                    raise self._stop
                self._require(self._rows + batch.num_rows, self._bytes + batch.nbytes)
                self._rows += batch.num_rows
                self._bytes += batch.nbytes
                yield batch
            self._close("succeeded")
        finally:
            self.close()

    def _require(self, rows: int, size: int) -> None:
        try:
            self._quotas.require(Used(time.time() - self._began, rows, size))
        except FabricError as error:
            self._stop = error
            raise

    def cancel(self, reason: FabricError | None = None) -> None:
        """No further batch is handed over."""
        self._stop = self._stop or reason or Cancelled("the query was cancelled")

    def close(self) -> None:
        """Write down how it ended; calling again does nothing."""
        failed = self._stop is not None and not isinstance(self._stop, Cancelled)
        self._close("failed" if failed else "cancelled")

    def receipts(self) -> tuple[ScanReceipt, ...]:
        """What each scan did when the result was made, as far as who asks now may know."""
        reads = (read for read in self._plan.reads if isinstance(read, FileRead | LiveRead))
        cache = f"result of {self._result.age:.0f} s ago"
        return tuple(
            told(
                replace(scan, bytes=0, requests=0, seconds=0.0, cache=cache),
                read,
                self._discretion,
            )
            for read, scan in zip(reads, self._result.scans, strict=True)
        )

    def _close(self, state: str) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
        error = str(self._stop) if self._stop and state != "succeeded" else ""
        version = self.governed.policy_version
        said = (self._rows, self._bytes, error, self.receipts(), "result")
        self._ended(Outcome(self.query_id, self._began, version, state, *said))

    def __enter__(self) -> KeptAnswer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
