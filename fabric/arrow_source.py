"""What DuckDB holds of a relation that it does not read itself: an Arrow stream."""

from __future__ import annotations

import itertools
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from fabric.errors import InternalError

_MOST_THREADS = 8
MOST_COLLECTED = 64 * 10**6
"""Bytes of a relation that are held so that its keys are known before the statement reads it."""


class ArrowSource(ABC):
    """A stream that begins when it is first asked for, of rows that are read once.

    Args:
        schema: the names and types under which its columns are handed over.
        repeated: the plan reads the relation more than once, so that all of it is kept.
        ahead: its rows, or how many there are, decide what else is done, so that they are ``collected`` first.
    """

    def __init__(self, schema: pa.Schema, *, repeated: bool, ahead: bool = False) -> None:
        self.schema = schema
        self._repeated = repeated
        self._collects = repeated or ahead
        self._lock = threading.Lock()
        self._begun = self._taken = False
        self._head: list[pa.RecordBatch] = []
        self._rest: Iterator[pa.RecordBatch] | None = None
        self._failure: BaseException | None = None
        self._listeners: list[tuple[int, Callable[[Sequence[pa.RecordBatch]], None]]] = []

    def follow(self, most: int, listener: Callable[[Sequence[pa.RecordBatch]], None]) -> None:
        """Have a listener told all rows, in the thread that reads the last of them, if there are at most so many."""
        self._listeners.append((most, listener))

    @abstractmethod
    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows as they come; called once."""

    @abstractmethod
    def blame(self, error: InternalError) -> None:
        """Keep an error, of which Arrow's C stream hands on a text only."""

    def __arrow_c_schema__(self) -> object:
        """The schema, without reading."""
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """A stream of all rows."""
        return self._reader().__arrow_c_stream__(requested_schema)

    def collected(self) -> pa.Table | None:
        """All rows, read now and kept; None when they are more than ``MOST_COLLECTED``, and are streamed.

        Raises:
            FabricError: what went wrong at the source, to each who asks.
        """
        with self._lock:
            if self._failure is not None:
                raise self._failure
            if not self._begun:
                self._begun = True
                try:
                    self._collect(self._told())
                except BaseException as error:
                    self._failure = error
                    raise
            return pa.Table.from_batches(self._head, schema=self.schema) if self._rest is None else None

    def _told(self) -> Iterator[pa.RecordBatch]:
        """The rows; who listens is told them behind the last."""
        most = max((most for most, _ in self._listeners), default=-1)
        seen, rows = list[pa.RecordBatch](), 0
        for batch in self.batches():
            rows += batch.num_rows
            if rows <= most:
                seen.append(batch)
            else:
                seen.clear()
            yield batch
        for most, listener in self._listeners:
            if rows <= most:
                listener(seen)

    def _collect(self, batches: Iterator[pa.RecordBatch]) -> None:
        held = 0
        for batch in batches:
            self._head.append(batch)
            held += batch.nbytes
            if held > MOST_COLLECTED and not self._repeated:
                self._rest = batches
                return

    def _reader(self) -> pa.RecordBatchReader:
        if self._collects and (whole := self.collected()) is not None:
            return whole.to_reader()
        with self._lock:
            if self._taken:
                # Never a second, possibly different, read of the source within one query.
                error = InternalError()
                self.blame(error)
                raise error
            self._taken = True
            batches = self._told() if self._rest is None else itertools.chain(self._head, self._rest)
        return pa.RecordBatchReader.from_batches(self.schema, batches)


def collected(sources: Mapping[str, ArrowSource]) -> dict[str, pa.Table]:
    """All rows of several sources, read side by side; without those that have too many to be held.

    Raises:
        FabricError: what went wrong at the first that failed, once all have ended.
    """
    if not sources:
        return {}
    with ThreadPoolExecutor(min(_MOST_THREADS, len(sources)), "ripstop-ahead") as pool:
        tables = zip(sources, pool.map(ArrowSource.collected, sources.values()), strict=True)
        return {name: rows for name, rows in tables if rows is not None}
