"""What runs is told to whoever wants its lineage, from a queue that no query ever waits for."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fabric.query_lineage import QueryLineage

if TYPE_CHECKING:
    from fabric.outcome import Outcome
    from fabric.records import Asked
    from fabric.types import Governed

log = logging.getLogger("ripstop.lineage")

MOST_OPEN = 10_000
"""Queries whose end is waited for; those of older ones are not told."""
CLOSE_SECONDS = 2.0
GATHER_SECONDS = 0.05
"""How long what comes may wait for more of its kind."""


@dataclass(frozen=True, slots=True)
class Run:
    """One query that has started, and where its answer comes from."""

    asked: Asked
    governed: Governed
    lineage: QueryLineage


class Sink(Protocol):
    """Takes what is told; may take its time, and may fail."""

    def started(self, run: Run) -> None:
        """A query has started."""
        ...

    def ended(self, run: Run, outcome: Outcome) -> None:
        """It has ended."""
        ...

    def close(self) -> None:
        """Nothing more comes."""
        ...


class LineageFeed:
    """Tells a sink of every query, in one thread of its own.

    What comes while ``most`` already wait is dropped, and counted; a query whose start is dropped is not told at all.

    Args:
        lineage: finds the lineage of a query.
        sink: is told.
        most: how many starts and ends may wait.
        name: what its row in ``system.limits`` is called.
        what: of what it tells, in words.
    """

    def __init__(
        self, lineage: Callable[[Governed], QueryLineage], sink: Sink, most: int, name: str, what: str
    ) -> None:
        self.name = name
        self.what = what
        self._lineage = lineage
        self._sink = sink
        self.most = most
        self._waiting: deque[tuple[Asked, Governed | None, Outcome | None]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._open: OrderedDict[str, Run] = OrderedDict()
        self.sent = self.dropped = self.failed = 0
        self._thread = threading.Thread(target=self._tell, name="ripstop-lineage", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many starts and ends wait to be told."""
        return len(self._waiting)

    def started(self, asked: Asked, governed: Governed) -> None:
        """A query starts; never waits, never raises."""
        self._put((asked, governed, None))

    def ended(self, asked: Asked, outcome: Outcome) -> None:
        """A query has ended; never waits, never raises."""
        self._put((asked, None, outcome))

    def _put(self, item: tuple[Asked, Governed | None, Outcome | None]) -> None:
        with self._changed:
            if self._closed or len(self._waiting) >= self.most:
                self.dropped += 1
                if self.dropped == 1 or self.dropped % 1_000 == 0:
                    log.warning(
                        "%d lineage events were dropped: their receiver is slow or away", self.dropped
                    )
                return
            self._waiting.append(item)
            if len(self._waiting) == 1:
                self._changed.notify()

    def _tell(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if not self._waiting:
                    return
                # So that this thread takes no turn from a query's for each of many.
                self._changed.wait_for(lambda: self._closed, GATHER_SECONDS)
            while self._waiting:
                self._tell_next()

    def _tell_next(self) -> None:
        with self._changed:
            asked, governed, outcome = self._waiting.popleft()
        try:
            self._told(asked, governed, outcome)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one, the others are told
            self.failed += 1
            if self.failed == 1 or self.failed % 1_000 == 0:
                log.warning("%d %s were not taken: %s", self.failed, self.what, type(error).__name__)

    def _told(self, asked: Asked, governed: Governed | None, outcome: Outcome | None) -> None:
        if governed is not None:
            if asked.query_id in self._open:
                return  # it was planned anew, since a table had changed
            run = self._open[asked.query_id] = Run(asked, governed, self._known(governed))
            if len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)
            self._sink.started(run)
            self.sent += 1
        elif outcome is not None:
            ended = self._open.pop(asked.query_id, None)
            if ended is not None:
                self._sink.ended(ended, outcome)
                self.sent += 1

    def _known(self, governed: Governed) -> QueryLineage:
        """The same question, asked again, has the lineage that it had."""
        if "lineage" not in governed.composed:
            governed.composed["lineage"] = self._lineage(governed)
        known: QueryLineage = governed.composed["lineage"]
        return known

    def close(self) -> None:
        """Tell what waits, for a short time."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            log.warning("%d %s were not told before the end", len(self._waiting) + 1, self.what)
            return
        self._sink.close()
