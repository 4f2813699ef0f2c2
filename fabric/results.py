"""Results that are kept: the same question of the same principal over the same files, answered from memory.

Only a query that reads nothing but files is kept, and nothing of it is served once a file's validator is another, or a
rule or the catalog has changed: its plan is then another too (``plan_cache``).
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from fabric.errors import Cancelled, FabricError
from fabric.execute import Outcome
from fabric.plan import Plan
from fabric.reads import FileRead, Unread
from fabric.types import FileStat, Governed, ScanReceipt

_SHARE = 16  # a single result takes at most this part of the budget

Files = tuple[tuple[FileStat, ...], ...]


def files_of(plan: Plan) -> Files | None:
    """The files that a plan reads, by scan; None when it reads anything else."""
    if not all(isinstance(read, FileRead | Unread) for read in plan.reads):
        return None
    return tuple(read.scan.files for read in plan.reads if isinstance(read, FileRead))


def is_at_hand(plan: Plan) -> bool:
    """Whether looking at a plan's files asks nobody over a network: what is read without a block cache is local."""
    return not any(isinstance(read, FileRead) and read.connector.block_bytes for read in plan.reads)


@dataclass(frozen=True, slots=True)
class Result:
    """Every batch of a query that succeeded; ``governed`` is the very one that it was answered for."""

    governed: Governed
    files: Files
    schema: pa.Schema
    batches: tuple[pa.RecordBatch, ...]
    scans: tuple[ScanReceipt, ...]
    began: float

    @property
    def age(self) -> float:
        """Seconds since its query began."""
        return time.time() - self.began

    @property
    def bytes(self) -> int:
        """What it takes, a kilobyte for itself included."""
        return 1000 + sum(int(batch.get_total_buffer_size()) for batch in self.batches)


class ResultCache:
    """The newest results by their questions, as many as fit into ``most`` bytes; any thread may ask."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._results: OrderedDict[str, Result] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def largest(self) -> int:
        """The bytes of the largest result that is kept."""
        return self._most // _SHARE

    def holds(self, key: str) -> bool:
        """Whether there is a result of a question, be it of now or not."""
        with self._lock:
            return key in self._results

    def get(self, key: str, plan: Plan, max_staleness: float | None = None) -> Result | None:
        """The result of a question, if its plan and the files are still those of then, and it is young enough.

        Args:
            key: the question's.
            plan: the plan that it has now.
            max_staleness: in seconds; None, as old as it may be.
        """
        with self._lock:
            found = self._results.get(key)
            if found is None:
                return None
            if found.governed is not plan.governed or found.files != files_of(plan):
                self._drop(key)
                return None
            if max_staleness is not None and found.age >= max_staleness:
                return None
            self._results.move_to_end(key)
            return found

    def put(self, key: str, plan: Plan, batches: Sequence[pa.RecordBatch], outcome: Outcome) -> None:
        """Keep a question's result, if it is of files only and not too large."""
        files = files_of(plan)
        if files is None:
            return
        result = Result(plan.governed, files, plan.schema, tuple(batches), outcome.scans, outcome.started_at)
        if result.bytes > self.largest:
            return
        with self._lock:
            self._drop(key)
            self._results[key] = result
            self._held += result.bytes
            while self._held > self._most:
                self._drop(next(iter(self._results)))

    def _drop(self, key: str) -> None:
        found = self._results.pop(key, None)
        self._held -= found.bytes if found else 0


class KeptAnswer:
    """A result from memory with the face of a running query; it is written down like one.

    Args:
        result: what is answered.
        query_id: under which it is written down.
        ended: called once, when it was read or given up.
    """

    executed = ""

    def __init__(self, result: Result, query_id: str, ended: Callable[[Outcome], None]) -> None:
        self.query_id = query_id
        self.schema = result.schema
        self._result = result
        self._began = time.time()
        self._ended = ended
        self._rows = self._bytes = 0
        self._lock = threading.Lock()
        self._closed = False
        self._stop: FabricError | None = None

    @property
    def governed(self) -> Governed:
        """What was decided on it."""
        return self._result.governed

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows.

        Raises:
            FabricError: it was cancelled.
        """
        try:
            for batch in self._result.batches:
                if self._stop is not None:
                    raise self._stop
                self._rows += batch.num_rows
                self._bytes += batch.nbytes
                yield batch
            self._close("succeeded")
        finally:
            self.close()

    def cancel(self, reason: FabricError | None = None) -> None:
        """No further batch is handed over."""
        self._stop = self._stop or reason or Cancelled("the query was cancelled")

    def close(self) -> None:
        """Write down how it ended; calling again does nothing."""
        failed = self._stop is not None and not isinstance(self._stop, Cancelled)
        self._close("failed" if failed else "cancelled")

    def _close(self, state: str) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
        error = str(self._stop) if self._stop and state != "succeeded" else ""
        scans = tuple(
            replace(scan, bytes=0, requests=0, seconds=0.0, cache="result") for scan in self._result.scans
        )
        version = self._result.governed.policy_version
        self._ended(
            Outcome(
                self.query_id, self._began, version, state, self._rows, self._bytes, error, scans, "result"
            )
        )

    def __enter__(self) -> KeptAnswer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
