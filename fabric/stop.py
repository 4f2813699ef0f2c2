"""How a statement is ended from outside, whatever it is at: waiting for its turn, being planned, or running."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fabric.errors import FabricError


class Stop:
    """Told a reason once, by any thread; whoever has the statement just now says how it ends.

    ``waiting`` is set while the statement does nothing but wait for its turn; ``on_wait`` hears of each change.

    Args:
        outer: of whoever called for the statement, and can be answered before it ends; ``whole`` stops that.
    """

    def __init__(self, outer: Stop | None = None) -> None:
        self.whole: Stop = outer or self
        self.reason: FabricError | None = None
        self.waiting = False
        self.on_wait: Callable[[bool], None] = lambda waiting: None
        self._how: Callable[[FabricError], None] = lambda reason: None
        self._lock = threading.Lock()

    def __call__(self, reason: FabricError) -> None:
        """End it; only the first reason counts."""
        with self._lock:
            if self.reason is not None:
                return
            self.reason, how = reason, self._how
        how(reason)

    def waits(self, waiting: bool) -> None:
        """Whether it only waits from now on."""
        self.waiting = self.whole.waiting = waiting
        self.on_wait(waiting)

    def by(self, how: Callable[[FabricError], None]) -> None:
        """From now on it ends in this way; at once, if it was told to meanwhile."""
        with self._lock:
            self._how, reason = how, self.reason
        if reason is not None:
            how(reason)
