"""One thread that looks after everything that runs: time limits, stops that must be repeated, clients that left.

A timer for each query would be a thread for each, which costs it six times as much (334 µs and 58, machine loaded).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

LOOK_SECONDS = 0.05
"""How often each look is taken."""

log = logging.getLogger("ripstop.watchdog")


class Watchdog:
    """Calls what it was given every ``LOOK_SECONDS`` until that is forgotten; sleeps while there is nothing."""

    def __init__(self) -> None:
        self._looks: dict[object, Callable[[], None]] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def watch(self, look: Callable[[], None]) -> object:
        """Have ``look`` called, which must not block; returns what ``forget`` takes."""
        key = object()
        with self._changed:
            self._looks[key] = look
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ripstop-watchdog", daemon=True)
                self._thread.start()
            elif len(self._looks) == 1:
                self._changed.notify()
        return key

    def forget(self, key: object) -> None:
        """Look no more; a look that is being taken may still end. A second time does nothing."""
        with self._changed:
            self._looks.pop(key, None)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._looks)
                looks = list(self._looks.values())
            while looks:
                # Each is let go before the sleep: it holds a query, and DuckDB complains of those at exit.
                self._take(looks.pop())
            time.sleep(LOOK_SECONDS)

    @staticmethod
    def _take(look: Callable[[], None]) -> None:
        try:
            look()
        except Exception:
            log.exception("a look failed")


WATCHDOG = Watchdog()
"""The process's own."""
