"""Work in a thread of its own, which whoever waits for it can leave while DuckDB still has the thread."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_AHEAD = 2

# Kept threads answer eight times as fast as new ones; there are as many as work at once, those that hang included.
_THREADS = ThreadPoolExecutor(max_workers=10_000, thread_name_prefix="ripstop-statement")


class Apart(Generic[T]):
    """An iterator that runs in a thread of its own, at most two items ahead of who iterates here.

    Args:
        make: makes the iterator, in that thread.
        unwanted: takes an item for which nobody waits any more.
        ended: called in that thread at the very end, and before the end is seen here.
    """

    def __init__(
        self,
        make: Callable[[], Generator[T]],
        unwanted: Callable[[T], None] = lambda item: None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._make, self._unwanted, self._ended = make, unwanted, ended
        self._box: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._room = threading.Semaphore(_AHEAD)
        self._lock = threading.Lock()
        self._left = False
        self._reason: Exception | None = None
        self._clock: int | None = None
        self._busy_before = 0.0
        _THREADS.submit(self._run)

    def send_away(self, reason: Exception) -> None:
        """Whoever iterates gets the reason now; the thread goes on as long as it must."""
        self._reason = self._reason or reason
        self._box.put(("reason", None))

    def busy_seconds(self) -> float:
        """Processor time that it took so far; 0 where the system does not say, and after its end."""
        clock = self._clock
        return time.clock_gettime(clock) - self._busy_before if clock is not None else 0.0

    def __iter__(self) -> Generator[T]:
        try:
            while True:
                kind, item = self._box.get()
                if self._reason is not None:
                    if kind == "item":
                        self._unwanted(item)
                    raise self._reason
                if kind == "error":
                    raise item
                if kind == "end":
                    return
                self._room.release()
                yield item
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._left = True
        self._room.release()
        while not self._box.empty():
            kind, item = self._box.get()
            if kind == "item":
                self._unwanted(item)

    def _run(self) -> None:
        self._busy_before = time.thread_time()
        with contextlib.suppress(AttributeError, OSError):  # macOS has no such clock
            self._clock = time.pthread_getcpuclockid(threading.get_ident())
        last: tuple[str, Any] = ("end", None)
        try:
            with contextlib.closing(self._make()) as items:
                for item in items:
                    self._put(item)
                    self._room.acquire()
                    if self._left:
                        break
        except BaseException as error:  # noqa: BLE001 - it is raised where the items are waited for
            last = ("error", error)
        self._clock = None
        self._ended()
        self._box.put(last)

    def _put(self, item: T) -> None:
        with self._lock:
            if not self._left:
                self._box.put(("item", item))
                return
        self._unwanted(item)
