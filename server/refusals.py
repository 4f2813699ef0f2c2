"""Statements that ended a worker, and are refused for a while so that they do not end the next one."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

REFUSED_SECONDS = 600.0
"""How long a statement is refused, and remembered as one that ran when a worker died."""

MEMORY = "memory"
"""The reason of a statement under which a worker outgrew its memory."""

DEATH = "the server's worker died"


class Refusals:
    """What the supervisor remembers of its dead workers, by the statements' digests.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._refused: dict[str, tuple[float, str]] = {}
        self._suspected: dict[str, float] = {}

    def add(self, digest: str, why: str) -> None:
        """Refuse a statement, for a reason that its user may read."""
        self._refused[digest] = (self._clock() + REFUSED_SECONDS, why)

    def died(self, ran: Collection[str], why: str) -> None:
        """A worker died of which nobody knows why: the only statement that ran in it is refused.

        Of several, those are refused that ran in another worker when it died.
        """
        for digest in ran:
            if len(ran) == 1 or self._suspected.get(digest, 0.0) > self._clock():
                self.add(digest, why)
            self._suspected[digest] = self._clock() + REFUSED_SECONDS

    def left(self) -> dict[str, tuple[float, str]]:
        """For how many seconds each is refused yet, and why."""
        now = self._clock()
        self._suspected = {digest: until for digest, until in self._suspected.items() if until > now}
        self._refused = {
            digest: (until, why) for digest, (until, why) in self._refused.items() if until > now
        }
        return {digest: (until - now, why) for digest, (until, why) in self._refused.items()}
