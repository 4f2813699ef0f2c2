"""What runs in a worker, and how much memory the worker holds.

DuckDB's ``memory_limit`` holds for most of what it does, and an interrupt ends most of what it does; where
neither does (DESIGN 2.5) the worker itself must end. Beyond its limit every statement is told to stop, with an
error that names the limit; when that has not helped after half a second, the worker ends, and its spare takes
over. The statement under which the memory grew is refused for a while, so that it does not do it again.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any, TypeVar

import psutil
import pyarrow as pa

from fabric.errors import FabricError, LimitError, MemoryLimit
from fabric.stop import Stop
from server.apart import Apart
from server.control import Board
from server.refusals import MEMORY, MOST_STRIKES, REFUSED_SECONDS, STRIKES

log = logging.getLogger("ripstop.watch")

POLL_SECONDS = 0.05
HEED_SECONDS = 0.5
"""How long statements have to stop before the worker ends instead."""

STUCK_SECONDS = 30.0
"""Processor time after which a statement that is being planned, or was told to stop, is taken for stuck."""

_FAR_BYTES = 300 * 10**6  # so far beyond its limit the worker ends without waiting
_FADES = 0.9  # what is left of a statement's charge after a poll
_ALIKE = 0.8

T = TypeVar("T")


class Work:
    """One statement under way."""

    def __init__(self, digest: str, slot: int, watch: Watch, by: str = "") -> None:
        self.digest, self.slot, self.by = digest, slot, by
        self.began = time.monotonic()
        self.charge = 0.0
        self.planning = True
        self.told: FabricError | None = None
        self._watch = watch
        self._lock = threading.Lock()
        self._apart: Apart[Any] | None = None
        self._busy_before = 0.0
        self._stops: Callable[[FabricError], None] = lambda reason: None
        self._turn: Stop | None = None

    def call(self, function: Callable[[], T], unwanted: Callable[[T], None] = lambda result: None) -> T:
        """What the function returns or raises, in a thread of its own.

        Args:
            function: what is done.
            unwanted: takes a result for which nobody waits any more.

        Raises:
            FabricError: the work was told to stop.
        """

        def once() -> Generator[T]:
            yield function()

        with contextlib.closing(iter(self.each(once, unwanted))) as items:
            return next(items)

    def each(
        self,
        make: Callable[[], Generator[T]],
        unwanted: Callable[[T], None] = lambda item: None,
        ended: Callable[[], None] = lambda: None,
    ) -> Apart[T]:
        """What an iterator yields or raises, in a thread of its own; see ``Apart``.

        Raises:
            FabricError: the work was told to stop.
        """
        with self._lock:
            apart = self._apart = Apart(make, unwanted, ended)
            if self.told is not None:
                apart.send_away(self.told)
        return apart

    def stops_with(self, stops: Callable[[FabricError], None]) -> None:
        """From now on the work is stopped in this way; at once, if it was told to stop meanwhile."""
        with self._lock:
            self._stops, told = stops, self.told
        if told is not None:
            stops(told)

    def waits_with(self, stop: Stop) -> None:
        """Until there is a reply it is stopped in this way, which also knows whether it only waits for its turn."""
        self._turn = stop
        stop.on_wait = lambda waiting: self._watch.waits(self, waiting)
        self.stops_with(stop)

    @property
    def waits(self) -> bool:
        """Whether it waits for its turn, and so neither takes memory nor can be blamed."""
        return self._turn is not None and self._turn.waiting

    def stop(self, reason: FabricError) -> None:
        """Whoever waits gets the reason now; the work itself stops as soon as it heeds."""
        with self._lock:
            if self.told is not None:
                return
            self.told = reason
            if self._apart is not None:
                self._busy_before = self._apart.busy_seconds()
                self._apart.send_away(reason)
        self._stops(reason)

    def over(self) -> None:
        """Everything is given back."""
        self._watch.forget(self)

    @property
    def is_stuck(self) -> bool:
        """Whether its thread computes, where an interrupt should have ended it or cannot reach it."""
        if self._apart is None or not (self.planning or self.told):
            return False
        return self._apart.busy_seconds() - self._busy_before > STUCK_SECONDS


class Watch:
    """Knows every statement under way, and ends them, or the worker, when there is no other way.

    Args:
        board: where the supervisor finds what ran.
        report: tells the supervisor.
        end: has the server answer what it still can, and end.
    """

    def __init__(self, board: Board, report: Callable[..., object], end: Callable[[], None]) -> None:
        self._board, self._report, self._end = board, report, end
        self._lock = threading.Lock()
        self._works: dict[int, Work] = {}
        self._refused: dict[str, tuple[float, FabricError]] = {}
        self._ending: FabricError | None = None
        self._calm = threading.Event()
        self._calm.set()
        self._lost: Work | None = None
        self._lost_by = ""
        self._limit: int | None = None
        self._process = psutil.Process()
        self._held = 0

    def start(self, memory: int | None, refused: Mapping[str, tuple[float, str]]) -> None:
        """Watch from now on.

        Args:
            memory: bytes that the process may hold; None, as many as it takes.
            refused: as in ``refuse``, by digest.
        """
        self._limit = memory
        for digest, (seconds, why) in refused.items():
            self.refuse(digest, seconds, why)
        self._held = self._rss()
        threading.Thread(target=self._watch, name="ripstop-watch", daemon=True).start()

    def begin(self, digest: str, by: str = "") -> Work:
        """A statement is under way from now on, until its ``over``; ``by`` is the digest of who asks.

        Raises:
            LimitError: it is one of those that are refused, or the worker ends.
        """
        self._calm.wait(2 * HEED_SECONDS)
        with self._lock:
            if self._ending is not None:
                raise self._ending
            for refused in (digest, by):
                until, refusal = self._refused.get(refused, (0.0, None))
                if refusal is not None and time.monotonic() < until:
                    raise refusal
            slot = next(n for n in itertools.count() if n not in self._works)
            work = self._works[slot] = Work(digest, slot, self, by)
            self._board.write(slot, digest)
        return work

    def waits(self, work: Work, waiting: bool) -> None:
        """The work only waits for its turn, or has it: what waits did not run when a worker died."""
        with self._lock:
            if self._works.get(work.slot) is work:
                self._board.write(work.slot, "" if waiting else work.digest)

    def forget(self, work: Work) -> None:
        """The work is over; a second time does nothing."""
        with self._lock:
            if self._works.get(work.slot) is work:
                del self._works[work.slot]
                self._board.write(work.slot)

    def refuse(self, digest: str, seconds: float, why: str) -> None:
        """Refuse a statement, or all of a user's, for so long; ``why`` is ``MEMORY``, ``STRIKES``, or what they may read."""
        until = time.strftime("%H:%M UTC", time.gmtime(time.time() + seconds))
        refusal: FabricError = LimitError(
            f"{why} when this statement ran, so it is refused until {until}",
            hint="whoever runs this fabric finds the reason in its log",
        )
        if why == MEMORY:
            refusal = MemoryLimit(
                f"the server reached its memory limit{self._of_limit()} when this statement ran, so it is "
                f"refused until {until}",
                hint="change it so that it needs less memory",
            )
        elif why == STRIKES:
            refusal = LimitError(
                f"{MOST_STRIKES} of your statements have ended what others ran, so yours are refused until {until}",
                hint="ask whoever runs this fabric, whose log has the reasons",
            )
        with self._lock:
            self._refused[digest] = (time.monotonic() + seconds, refusal)

    def lose(self, work: Work) -> None:
        """The engine has given itself up under this statement: nothing will run in this worker any more."""
        if self._lost is None:  # those who notice later did not do it
            self._lost_by = _sole_asker(work, self._under_way())
            self._lost = work

    # ── the thread ──────────────────────────────────────────────────────────────────────────────

    def _watch(self) -> None:
        while self._ending is None:
            time.sleep(POLL_SECONDS)
            held = self._rss()
            works = [work for work in self._under_way() if not work.waits]
            for work in works:
                work.charge = work.charge * _FADES + max(0, held - self._held) / len(works)
            self._held = held
            stuck = next((work for work in works if work.is_stuck), None)
            if self._lost is not None:
                self._replace("the engine failed", self._lost, self._lost_by)
            elif self._limit is not None and held > self._limit:
                self._calm.clear()
                self._outgrown(held, self._limit, works)
                self._calm.set()
            elif stuck is not None:
                self._replace("a statement could not be stopped", stuck, stuck.by)

    def _outgrown(self, held: int, limit: int, works: list[Work]) -> None:
        """Stop what runs and, if the memory does not come back, end."""
        reason = MemoryLimit(
            f"the server reached its memory limit{self._of_limit()} and ended what ran",
            hint="run it again; if it is the one that needs the memory it is refused, and must ask for less",
            retryable=True,
        )
        for work in works:
            work.stop(reason)
        until = time.monotonic() + HEED_SECONDS
        while time.monotonic() < until and held < limit + _FAR_BYTES and any(map(self._is_under_way, works)):
            time.sleep(POLL_SECONDS / 5)
            held = max(held, self._rss())
        left = [work for work in works if self._is_under_way(work)]
        blamed = _blamed(left or works)
        by = _sole_asker(blamed, works) if blamed else ""
        pa.default_memory_pool().release_unused()
        log.warning("memory: held %.2f GB of %.2f GB", held / 1e9, limit / 1e9)
        if left or self._rss() > limit:
            why = f"held {held / 1e9:.1f} GB of the {limit / 1e9:.1f} GB that it may"
            self._end_with(reason, why, blamed, by)
        elif blamed is not None:
            self.refuse(blamed.digest, REFUSED_SECONDS, MEMORY)
            self._report(state="refuse", digest=blamed.digest, by=by, why=MEMORY)

    def _replace(self, why: str, blamed: Work, by: str) -> None:
        hint = "run it again in a moment"
        reason = LimitError(f"{why}, and the worker is being replaced", hint=hint, retryable=True)
        self._end_with(reason, why, blamed, by)

    def _end_with(self, reason: FabricError, why: str, blamed: Work | None, by: str) -> None:
        """Answer every call with the reason, and end; ``by`` is who is surely to blame, or empty."""
        with self._lock:
            self._ending = reason
        if blamed is not None:
            why_refused = MEMORY if isinstance(reason, MemoryLimit) else why
            self._report(state="refuse", digest=blamed.digest, by=by, why=why_refused)
        self._report(state="ends", error=why)
        for work in self._under_way():
            work.stop(reason)
        self._end()

    def _under_way(self) -> list[Work]:
        with self._lock:
            return list(self._works.values())

    def _is_under_way(self, work: Work) -> bool:
        with self._lock:
            return self._works.get(work.slot) is work

    def _rss(self) -> int:
        return int(self._process.memory_info().rss)

    def _of_limit(self) -> str:
        return f" of {self._limit / 1e9:.1f} GB" if self._limit else ""


def _sole_asker(blamed: Work, works: list[Work]) -> str:
    """Whoever asked all that ran, and so is to blame whichever of it did it; empty when others' ran beside it."""
    return blamed.by if {work.by for work in works} <= {blamed.by} else ""


def _blamed(works: list[Work]) -> Work | None:
    """The one under which the memory grew; the newest of those that cannot be told apart."""
    most = max((work.charge for work in works), default=0.0)
    return max((w for w in works if w.charge >= most * _ALIKE), key=lambda w: w.began, default=None)
