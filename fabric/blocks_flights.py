"""What is on its way to the block cache: for which file, for which query, in which call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fabric.errors import Cancelled
from fabric.spi import FileConnector, ScanContext
from fabric.types import FileStat

Landed = TypeVar("Landed")


@dataclass(frozen=True, slots=True)
class CachedFile:
    """A file as the cache knows it; ``identity`` is equal for the same store under the same login."""

    identity: str
    connector: FileConnector
    file: FileStat

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells this state of this file from every other."""
        return (self.identity, self.file.path, self.file.validator)


class Demand:
    """One query's side of the cache: how it is stopped and where it is counted."""

    def __init__(self, context: ScanContext) -> None:
        self.context = context
        self.stopped: Future[None] = Future()
        self._lock = threading.Lock()
        self._ahead: list[tuple[Flight, Callable[[Flight], None]]] = []
        context.on_cancel(self.stop)

    def stop(self) -> None:
        """End the query's reads: whoever waits raises Cancelled, what was started ahead is called back."""
        with self._lock:
            if not self.stopped.done():
                self.stopped.set_result(None)
            ahead, self._ahead = self._ahead, []
        for flight, leave in ahead:
            leave(flight)

    def keep(self, flight: Flight, leave: Callable[[Flight], None]) -> None:
        """Hold a flight that was started ahead until it lands or the query ends."""
        with self._lock:
            ended = self.stopped.done()
            if not ended:
                self._ahead = [held for held in self._ahead if not held[0].landed.done()] + [(flight, leave)]
        if ended:
            leave(flight)

    def check(self) -> None:
        """Raise Cancelled when the query has ended."""
        if self.stopped.done():
            raise Cancelled("the query was cancelled")

    def awaited(self, future: Future[Landed]) -> Landed:
        """What a read brings, unless the query ends before.

        Raises:
            Cancelled: it has ended.
        """
        either: tuple[Future[Any], ...] = (future, self.stopped)
        wait(either, return_when=FIRST_COMPLETED)
        self.check()
        return future.result()

    def count(
        self, *, read: int = 0, requests: int = 0, hits: int = 0, wanted: int = 0, fetched: int = 0
    ) -> None:
        """Add to the query's counters, from any thread: bytes from the source, ranges asked, blocks had.

        ``wanted`` are blocks that DuckDB asked for, ``fetched`` those that came from the source.
        """
        with self._lock:
            self.context.bytes += read
            self.context.requests += requests
            self.context.cache_hits += hits
            self.context.blocks_wanted += wanted
            self.context.blocks_fetched += fetched


@dataclass(eq=False, slots=True)
class Flight:
    """Blocks of one file on their way for one reader; others may wait for them too."""

    file: CachedFile
    blocks: tuple[int, ...]
    demand: Demand
    waiting: int = 0
    landed: Future[dict[int, bytes]] = field(default_factory=Future)
    call: Call | None = None


@dataclass(eq=False, slots=True)
class Call:
    """One call to a source, for one flight or several; it is cancelled when nobody waits any more."""

    flights: list[Flight]
    context: ScanContext = field(default_factory=ScanContext)
