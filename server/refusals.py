"""Statements that ended a worker, and are refused for a while so that they do not end the next one."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

REFUSED_SECONDS = 600.0
"""How long a statement is refused, and remembered as one that ran when a worker died."""

MEMORY = "memory"
"""The reason of a statement under which a worker outgrew its memory."""

DEATH = "the server's worker died"

STRIKES = "strikes"
"""The reason of everything that a user asks whose statements, of whatever text, ended what others ran."""

MOST_STRIKES = 3
"""How many statements of a user may do so within ``REFUSED_SECONDS``."""


class Refusals:
    """What the supervisor remembers of its dead workers, by the statements' digests.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._refused: dict[str, tuple[float, str]] = {}
        self._suspected: dict[str, float] = {}
        self._strikes: dict[str, list[float]] = {}

    def add(self, digest: str, why: str, by: str = "") -> dict[str, tuple[float, str]]:
        """Refuse a statement, and with the last strike also whoever asked; what is refused now, as ``left`` has it.

        Args:
            digest: the statement's.
            why: a reason that its user may read.
            by: the digest of who asked; a text once more is no other strike.
        """
        now = self._clock()
        known = self._refused.get(digest, (0.0, ""))[0] > now
        self._refused[digest] = (now + REFUSED_SECONDS, why)
        found = [digest]
        if by and not known:
            strikes = [at for at in self._strikes.get(by, []) if at > now - REFUSED_SECONDS] + [now]
            self._strikes[by] = strikes
            if len(strikes) >= MOST_STRIKES:
                self._refused[by] = (now + REFUSED_SECONDS, STRIKES)
                found.append(by)
        left = self.left()
        return {each: left[each] for each in found}

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
        self._strikes = {
            by: strikes for by, strikes in self._strikes.items() if strikes[-1] > now - REFUSED_SECONDS
        }
        return {digest: (until - now, why) for digest, (until, why) in self._refused.items()}
