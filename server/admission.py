"""Who may run when: the one judge of the whole server. It does nothing itself, and imports nothing.

Each statement brings its own limits, which are its user's. A place that is free goes to the highest priority that
fits, of equal ones to the user with the fewest statements under way, of equal ones to who was served longest ago; of
one user's the oldest goes first. So a user with a hundred statements in the queue delays nobody's first.

    waiting → running → streaming → gone
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

STREAMS = 4
"""So many times ``running`` may be under way, streams included."""

_LIMITS = ("running", "per_user", "queued")
_INFINITY = float("inf")

LOOKS = {"looking": {"running": 4, "per_user": 1}}
"""Lanes with limits of their own instead of a user's."""


class Verdict(NamedTuple):
    """What a statement is told: ``go``, or ``full`` or ``crowded`` with the number that wait."""

    id: str
    owner: int
    word: str
    number: int = 0


@dataclass(slots=True)
class _Statement:
    id: str
    owner: int
    user: str
    priority: int
    running: float
    per_user: float
    queued: float
    state: str = "waiting"


class _Lane:
    """Statements that share places."""

    def __init__(self) -> None:
        self.all: dict[str, _Statement] = {}
        self.under_way: Counter[str] = Counter()
        self.computing = 0
        self.queues: dict[str, dict[str, _Statement]] = {}
        self.waiting = 0
        self._served: dict[str, int] = {}
        self._clock = 0

    def fits(self, one: _Statement) -> bool:
        return (
            self.computing < one.running
            and self.under_way.total() < one.running * STREAMS
            and self.under_way[one.user] < one.per_user
        )

    def start(self, one: _Statement) -> Verdict:
        one.state = "running"
        self.computing += 1
        self.under_way[one.user] += 1
        self._clock += 1
        self._served[one.user] = self._clock
        return Verdict(one.id, one.owner, "go")

    def queue(self, one: _Statement) -> list[Verdict]:
        """Have it wait; the verdict on who must not, if as many wait as may."""
        refused = list[Verdict]()
        if self.waiting >= one.queued:
            number = self.waiting
            most = max(self.queues.values(), key=len, default={})
            if number == 0 or len(most) <= len(self.queues.get(one.user, {})) + 1:
                self.all.pop(one.id)
                return [Verdict(one.id, one.owner, "full", number)]
            newest = self.all.pop(next(reversed(most)))
            self._unqueue(newest)
            refused.append(Verdict(newest.id, newest.owner, "crowded", number))
        self.queues.setdefault(one.user, {})[one.id] = one
        self.waiting += 1
        return refused

    def remove(self, one: _Statement) -> None:
        self.all.pop(one.id)
        if one.state == "waiting":
            self._unqueue(one)
            return
        self.computing -= one.state == "running"
        self.under_way[one.user] -= 1
        if not self.under_way[one.user]:
            del self.under_way[one.user]
            if one.user not in self.queues:
                self._served.pop(one.user, None)

    def next(self) -> list[Verdict]:
        """Start whoever can be started."""
        verdicts = list[Verdict]()
        while True:
            heads = [next(iter(queue.values())) for queue in self.queues.values()]
            best = min((one for one in heads if self.fits(one)), key=self._turn, default=None)
            if best is None:
                return verdicts
            self._unqueue(best)
            verdicts.append(self.start(best))

    def _turn(self, one: _Statement) -> tuple[int, int, int]:
        return (-one.priority, self.under_way[one.user], self._served.get(one.user, 0))

    def _unqueue(self, one: _Statement) -> None:
        queue = self.queues[one.user]
        del queue[one.id]
        self.waiting -= 1
        if not queue:
            del self.queues[one.user]
            if one.user not in self.under_way:
                self._served.pop(one.user, None)


class Admission:
    """The judge; one thread at a time may ask. Every method returns the verdicts that it leads to."""

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}
        self._lane_of: dict[str, _Lane] = {}

    def enter(self, id: str, user: str, wants: Mapping[str, Any], owner: int = 0) -> list[Verdict]:
        """A statement arrives.

        Args:
            id: its own.
            user: whose it is.
            wants: ``lane``, ``priority``, and the limits ``running``, ``per_user``, ``queued``; None is none.
            owner: the process that it runs in.
        """
        name = wants["lane"]
        lane = self._lanes.setdefault(name, _Lane())
        limits = {**wants, **LOOKS.get(name, {})}
        running, per_user, queued = (_INFINITY if limits[key] is None else limits[key] for key in _LIMITS)
        one = _Statement(id, owner, user, wants["priority"], running, per_user, queued)
        lane.all[id], self._lane_of[id] = one, lane
        if lane.fits(one):
            return [lane.start(one)]
        verdicts = lane.queue(one)
        for verdict in verdicts:
            self._lane_of.pop(verdict.id)
        return verdicts

    def streams(self, id: str) -> list[Verdict]:
        """A statement's first rows are there."""
        lane = self._lane_of.get(id)
        if lane is None or lane.all[id].state != "running":
            return []
        lane.all[id].state = "streaming"
        lane.computing -= 1
        return lane.next()

    def leave(self, id: str) -> list[Verdict]:
        """A statement is over or gives up waiting; any other id is none."""
        lane = self._lane_of.pop(id, None)
        if lane is None:
            return []
        lane.remove(lane.all[id])
        return lane.next()

    def forget(self, owner: int) -> list[Verdict]:
        """A process has died."""
        lost = [one.id for lane in self._lanes.values() for one in lane.all.values() if one.owner == owner]
        return [verdict for id in lost for verdict in self.leave(id) if verdict.owner != owner]

    def counts(self, user: str) -> dict[str, int]:
        """How many are under way and wait, and of these the user's."""
        lane = self._lanes.get("") or _Lane()
        return {
            "running": lane.under_way.total(),
            "queued": lane.waiting,
            "my_running": lane.under_way.get(user, 0),
            "my_queued": len(lane.queues.get(user, ())),
        }
