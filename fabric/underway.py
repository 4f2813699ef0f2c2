"""The statements that wait or run, each with its place; who may go when is decided behind the gate.

A place is taken before a statement is planned, so that what has waited is judged by the rules of now. It counts as
running until the first rows are there, and as a stream from then on: a client that reads slowly keeps nobody waiting.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from sqlglot import exp

from fabric.errors import FabricError, TooManyQueries
from fabric.limits import Allowance
from fabric.stop import Stop
from fabric.types import Parsed, ScanReceipt

_LIMITED = ("query", "explain analyze")
_SYSTEM = ("system", "information_schema")

LOOKING = "looking"
"""The lane of statements over the fabric's own tables: they can be asked when everything else is taken."""

Told = Callable[[str, int], None]
"""Hears a verdict: ``go``, or ``full`` and ``crowded`` with the number of statements that wait."""


class Gate(Protocol):
    """Says which statement goes when, in the whole server."""

    def enter(self, id: str, user: str, wants: Mapping[str, Any], told: Told) -> None:
        """A statement arrives; ``told`` is called once, at once or later, unless it leaves before."""
        ...

    def streams(self, id: str) -> None:
        """The statement's first rows are there."""
        ...

    def leave(self, id: str) -> None:
        """The statement is over, or gives up waiting; any other id is none."""
        ...

    def counts(self, user: str) -> Mapping[str, int]:
        """``running``, ``queued``, and of these the user's: ``my_running``, ``my_queued``."""
        ...

    def elsewhere(self, question: Mapping[str, Any]) -> list[Any]:
        """What the server's other processes answer to a question."""
        ...


class OpenGate:
    """Lets everything through (commands, tests)."""

    def enter(self, id: str, user: str, wants: Mapping[str, Any], told: Told) -> None:
        """Go."""
        told("go", 0)

    def streams(self, id: str) -> None:
        """Nothing changes."""

    def leave(self, id: str) -> None:
        """Nothing changes."""

    def counts(self, user: str) -> Mapping[str, int]:
        """Nobody counts."""
        return {}

    def elsewhere(self, question: Mapping[str, Any]) -> list[Any]:
        """There is nobody else."""
        return []


@dataclass(frozen=True, slots=True)
class Entry:
    """One statement under way, for ``system.queries``; times in seconds since 1970, what it delivered so far.

    ``used`` is by the key of the limit.
    """

    query_id: str
    user: str
    sql: str
    queued_at: float
    started_at: float | None
    rows: int | None = None
    bytes: int | None = None
    used: Mapping[str, float] = field(default_factory=dict)

    def row(self, redacted: Callable[[str], str]) -> tuple[Any, ...]:
        """The row of ``system.queries``; ``redacted`` takes secrets out of the text."""
        started = None if self.started_at is None else datetime.fromtimestamp(self.started_at, UTC)
        state = "queued" if started is None else "running"
        queued = datetime.fromtimestamp(self.queued_at, UTC)
        sql = redacted(self.sql)
        told = (self.rows, self.bytes, None, None)
        waited = (self.started_at or time.time()) - self.queued_at
        return (self.query_id, self.user, sql, state, queued, started, None, *told, waited, *[None] * 4)


class Running(Protocol):
    """A query that runs."""

    @property
    def delivered(self) -> tuple[int, int]:
        """Rows and bytes so far."""
        ...

    def used(self, *, whole: bool) -> Mapping[str, float]:
        """What counts for its limits so far, by their keys."""
        ...

    def receipts(self) -> tuple[ScanReceipt, ...]:
        """What each scan did so far."""
        ...


class Place:
    """One statement's place, from its arrival until ``leave``."""

    def __init__(self, underway: Underway, id: str, user: str, text: str, stop: Stop) -> None:
        self.id, self.user, self.text, self.stop = id, user, text, stop
        self.queued_at = time.time()
        self.started_at: float | None = None
        self.entered = False
        self.running: Running | None = None
        self._underway = underway
        self._told = threading.Event()
        self._verdict: tuple[str, int] | None = None
        self._streams = self._looks = False

    def wait(self, parsed: Parsed, allowed: Allowance) -> None:
        """Wait for the statement's turn; what is only planned or described needs none.

        Raises:
            TooManyQueries: as many wait as may.
            FabricError: it was told to stop meanwhile.
        """
        if parsed.kind not in _LIMITED:
            return
        self.entered = True
        self.stop.by(lambda reason: self._told.set())
        self.stop.waits(True)
        try:
            wants = _wants(parsed, allowed)
            self._looks = wants["lane"] == LOOKING
            self._underway.enter(self, wants, self._hear)
            in_time = self._told.wait(allowed.limits.seconds)
        finally:
            self.stop.waits(False)
        if self.stop.reason is not None:
            raise self.stop.reason
        if not in_time or self._verdict is None:
            raise TooManyQueries("the statement has waited too long for its turn", hint=_AGAIN)
        word, number = self._verdict
        if word != "go":
            raise _refused(word, number)
        self.started_at = time.time()

    def streams(self) -> None:
        """The first rows are there: from now on it waits for its client more than for the processor."""
        if self.entered and not self._streams:
            self._streams = True
            self._underway.gate.streams(self.id)

    def leave(self) -> None:
        """It is over; a second time does nothing."""
        if self.entered:
            self._underway.leave(self)

    def entry(self, *, whole: bool) -> Entry:
        """What is shown of it; ``whole`` to those who may see everyone's."""
        if self.running is None:
            return Entry(self.id, self.user, self.text, self.queued_at, self.started_at)
        used = {} if self._looks else self.running.used(whole=whole)
        delivered = self.running.delivered
        return Entry(self.id, self.user, self.text, self.queued_at, self.started_at, *delivered, used)

    def scans(self, *, whole: bool) -> list[list[Any]]:
        """The rows of ``system.scans``, times in seconds since 1970; ``whole`` for those who may see everyone's."""
        receipts = self.running.receipts() if self.running else ()
        return [[self.id, *_scan(receipt, whole=whole)] for receipt in receipts]

    def _hear(self, word: str, number: int) -> None:
        self._verdict = (word, number)
        self._told.set()


class Underway:
    """Every statement under way in this process; any thread may ask.

    Args:
        gate: says which goes when, and speaks to the server's other processes.
    """

    def __init__(self, gate: Gate | None = None) -> None:
        self.gate: Gate = gate or OpenGate()
        self._places: dict[str, Place] = {}
        self._lock = threading.Lock()

    def place(self, id: str, user: str, text: str, stop: Stop) -> Place:
        """A place for a statement; it counts from its ``wait`` on."""
        return Place(self, id, user, text, stop)

    def enter(self, place: Place, wants: Mapping[str, Any], told: Told) -> None:
        """For ``Place``: it is under way."""
        with self._lock:
            self._places[place.id] = place
        self.gate.enter(place.id, place.user, wants, told)

    def leave(self, place: Place) -> None:
        """For ``Place``: it is not any more."""
        with self._lock:
            known = self._places.pop(place.id, None)
        if known is not None:
            self.gate.leave(place.id)

    def here(self, user: str | None) -> list[Entry]:
        """What is under way in this process, of one user or of everyone."""
        with self._lock:
            places = list(self._places.values())
        return [place.entry(whole=user is None) for place in places if user in (None, place.user)]

    def scans_here(self, user: str | None) -> list[list[Any]]:
        """The scans of what runs in this process, of one user or of everyone."""
        with self._lock:
            places = [place for place in self._places.values() if user in (None, place.user)]
        return [row for place in places for row in place.scans(whole=user is None)]

    def scans(self, user: str | None) -> list[list[Any]]:
        """The scans of what runs in the server, of one user or of everyone."""
        found = self.gate.elsewhere({"ask": "scans", "user": user})
        return self.scans_here(user) + [row for answer in found for row in answer or ()]

    def entries(self, user: str | None) -> list[Entry]:
        """What is under way in the server, of one user or of everyone."""
        found = self.gate.elsewhere({"ask": "entries", "user": user})
        return self.here(user) + [Entry(*each) for answer in found for each in answer or ()]

    def stop_here(self, query_id: str, user: str | None, reason: FabricError) -> bool:
        """Stop a statement of this process, if it is the user's (None: anybody's); whether there was one."""
        with self._lock:
            place = self._places.get(query_id)
        if place is None or user not in (None, place.user):
            return False
        place.stop.whole(reason)
        return True

    def stop(self, query_id: str, user: str | None, reason: FabricError) -> bool:
        """As ``stop_here``, in the whole server."""
        if self.stop_here(query_id, user, reason):
            return True
        question = {"ask": "stop", "id": query_id, "user": user, "why": reason.message}
        return any(self.gate.elsewhere(question))


_AGAIN = "run it again in a moment"


def _scan(scan: ScanReceipt, *, whole: bool) -> list[Any]:
    """What a scan has done so far.

    Of a restricted one not even the counts of what its reader may see: while they grow, how fast they do tells of the
    hidden rows between.
    """
    named = whole or not scan.unnamed
    told: list[Any] = [None] * 6
    asked = None
    if whole or not (scan.veiled or scan.unnamed):
        # Live scans know their time when they are over.
        told = [scan.pushed, scan.rows, scan.bytes, scan.requests, scan.seconds or None, scan.cache]
        asked = scan.asked
    as_of = scan.as_of.timestamp() if scan.as_of else None
    return [scan.source if named else None, scan.object if named else None, *told, as_of, asked]


def _wants(parsed: Parsed, allowed: Allowance) -> dict[str, Any]:
    limits = allowed.limits
    return {
        "running": limits.running,
        "queued": limits.queued,
        "per_user": limits.per_user,
        "priority": limits.priority or 0,
        "lane": LOOKING if _looks(parsed) else "",
    }


def _looks(parsed: Parsed) -> bool:
    """Whether it names tables of the fabric's own schemas, and no others."""
    text = parsed.text.lower()
    if not any(schema in text for schema in _SYSTEM):  # spares most a walk through the tree
        return False
    tables = [table.db.lower() for table in parsed.tree.find_all(exp.Table)]
    return bool(tables) and all(schema in _SYSTEM for schema in tables)


def _refused(word: str, number: int) -> TooManyQueries:
    if word == "full":
        return TooManyQueries(f"{number} statements wait already, and no more may", hint=_AGAIN)
    return TooManyQueries(
        f"{number} statements wait, no more may, and yours are the most: this one gave way to another user's",
        hint=_AGAIN,
    )
