"""Work in a thread of its own, which whoever waits for it can leave while DuckDB still has the thread."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_AHEAD = 2


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
        threading.Thread(target=self._run, name="ripstop-statement", daemon=True).start()

    def send_away(self, reason: Exception) -> None:
        """Whoever iterates gets the reason now; the thread goes on as long as it must."""
        self._reason = self._reason or reason
        self._box.put(("reason", None))

    def busy_seconds(self) -> float:
        """Processor time of the thread; 0 where the system does not say, and after its end."""
        try:
            return time.clock_gettime(self._clock) if self._clock is not None else 0.0
        except OSError:
            return 0.0

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
