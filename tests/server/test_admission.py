"""Who runs when: the judge alone, with made-up statements."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from server.admission import STREAMS, Admission, Verdict


def wants(
    running: int | None = 2,
    queued: int | None = 4,
    per_user: int | None = None,
    priority: int = 0,
    lane: str = "",
) -> dict[str, Any]:
    return {"running": running, "queued": queued, "per_user": per_user, "priority": priority, "lane": lane}


class Judged:
    """An admission, and what it said."""

    def __init__(self) -> None:
        self.admission = Admission()
        self.said: dict[str, tuple[str, int]] = {}
        self.order: list[str] = []

    def hear(self, verdicts: list[Verdict]) -> None:
        for verdict in verdicts:
            assert verdict.id not in self.said, "told twice"
            self.said[verdict.id] = (verdict.word, verdict.number)
            if verdict.word == "go":
                self.order.append(verdict.id)

    def enter(self, id: str, user: str = "", owner: int = 0, **limits: Any) -> str:
        self.hear(self.admission.enter(id, user or id[0], wants(**limits), owner))
        return self.said.get(id, ("waits", 0))[0]

    def leave(self, *ids: str) -> None:
        for id in ids:
            self.hear(self.admission.leave(id))

    def streams(self, id: str) -> None:
        self.hear(self.admission.streams(id))

    def counts(self, user: str = "") -> tuple[int, int, int, int]:
        return tuple(self.admission.counts(user).values())  # type: ignore[return-value]


def test_as_many_run_as_may_and_the_next_goes_when_one_is_over() -> None:
    judged = Judged()
    assert [judged.enter(id) for id in ("a1", "b1", "c1")] == ["go", "go", "waits"]
    judged.leave("a1")
    assert judged.said["c1"] == ("go", 0)
    judged.leave("a1", "b1", "c1", "nobody")
    assert judged.counts() == (0, 0, 0, 0)


def test_beyond_the_queue_is_refused_at_once_with_the_number() -> None:
    judged = Judged()
    for n in range(6):
        judged.enter(f"{'abcdef'[n]}1")
    assert judged.enter("g1") == "full"
    assert judged.said["g1"] == ("full", 4)
    assert judged.counts() == (2, 4, 0, 0)


def test_without_a_queue_what_does_not_fit_is_refused() -> None:
    judged = Judged()
    assert judged.enter("a1", running=1, queued=0) == "go"
    assert judged.enter("b1", running=1, queued=0) == "full"


def test_a_user_with_many_in_the_queue_does_not_delay_the_first_of_another() -> None:
    judged = Judged()
    for n in range(100):
        judged.enter(f"a{n}", queued=200)
    judged.enter("b0", queued=200)
    judged.leave("a0")
    assert judged.order[-1] == "b0"


def test_users_take_turns() -> None:
    judged = Judged()
    judged.enter("x0", running=1)
    for n in range(3):
        for user in "abc":
            judged.enter(f"{user}{n}", running=1, queued=20)
    for _ in range(9):
        judged.leave(judged.order[-1])
    assert judged.order[1:] == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]


def test_a_full_queue_of_one_user_makes_room_for_another_s_first() -> None:
    judged = Judged()
    for n in range(6):
        judged.enter(f"a{n}")
    assert judged.enter("b0") == "waits"
    assert judged.said["a5"] == ("crowded", 4)
    assert judged.enter("b1") == "waits"
    assert judged.said["a4"] == ("crowded", 4)
    assert judged.enter("b2") == "full", "both have two now"
    assert judged.enter("a6") == "full"


def test_of_one_user_only_so_many_run() -> None:
    judged = Judged()
    assert judged.enter("a1", per_user=1) == "go"
    assert judged.enter("a2", per_user=1) == "waits"
    assert judged.enter("b1", per_user=1) == "go"
    judged.leave("a1")
    assert judged.said["a2"][0] == "go"


def test_a_stream_keeps_no_place_but_counts_for_its_user() -> None:
    judged = Judged()
    judged.enter("a1", per_user=1)
    judged.enter("b1", per_user=1)
    assert judged.enter("c1", per_user=1) == "waits"
    judged.streams("a1")
    judged.streams("a1")
    assert judged.said["c1"][0] == "go"
    assert judged.enter("a2", per_user=1) == "waits"
    judged.leave("a1")
    assert judged.enter("d1", per_user=1) == "waits"


def test_streams_are_bounded_too() -> None:
    judged = Judged()
    for n in range(2 * STREAMS):
        assert judged.enter(f"a{n}") == "go"
        judged.streams(f"a{n}")
    assert judged.enter("b0") == "waits"
    judged.leave("a3")
    assert judged.said["b0"][0] == "go"


def test_the_highest_priority_goes_first() -> None:
    judged = Judged()
    judged.enter("x1", running=1)
    judged.enter("a1", running=1)
    judged.enter("b1", running=1, priority=5)
    judged.leave("x1")
    judged.leave("b1")
    assert judged.order == ["x1", "b1", "a1"]


def test_a_role_may_have_places_that_others_have_not() -> None:
    judged = Judged()
    judged.enter("a1", running=1)
    assert judged.enter("b1", running=1) == "waits"
    assert judged.enter("v1", running=2) == "go"


def test_no_limit_is_none() -> None:
    judged = Judged()
    assert {judged.enter(f"a{n}", running=None, queued=None) for n in range(500)} == {"go"}


def test_looking_has_places_of_its_own() -> None:
    judged = Judged()
    judged.enter("a1", running=1, queued=0, per_user=1)
    assert judged.enter("a2", running=1, queued=0, per_user=1, lane="looking") == "go"
    assert judged.enter("a3", running=1, queued=1, per_user=1, lane="looking") == "waits"
    assert judged.counts("a") == (1, 0, 1, 0)
    judged.leave("a2")
    assert judged.said["a3"][0] == "go"


def test_what_a_dead_process_held_is_free_again() -> None:
    judged = Judged()
    for n, owner in enumerate((1, 2, 1, 1, 2)):
        judged.enter(f"{'abcde'[n]}1", owner=owner)
    judged.hear(judged.admission.forget(1))
    assert judged.said["e1"][0] == "go"
    assert judged.counts("b") == (2, 0, 1, 0)


def test_whatever_happens_limits_hold_and_all_is_free_at_the_end() -> None:
    choose = random.Random(4)
    for _ in range(30):
        judged, alive = Judged(), list[str]()
        states = dict[str, str]()
        limits = {"running": choose.randint(1, 5), "queued": choose.randint(0, 20), "per_user": 2}
        for n in range(300):
            move = choose.random()
            if move < 0.5 or not alive:
                id = f"{choose.choice('abcdefg')}{n}"
                alive.append(id)
                judged.enter(id, owner=n % 3, **limits)
            elif move < 0.7:
                id = choose.choice(alive)
                judged.streams(id)
                if judged.said.get(id, ("", 0))[0] == "go":
                    states[id] = "streams"
            else:
                judged.leave(alive.pop(choose.randrange(len(alive))))
            alive = [id for id in alive if judged.said.get(id, ("go", 0))[0] == "go"]
            going = [id for id in alive if id in judged.said]
            waiting = [id for id in alive if id not in judged.said]
            assert sum(states.get(id) != "streams" for id in going) <= limits["running"]
            assert max(Counter(id[0] for id in going).values(), default=0) <= limits["per_user"]
            assert len(waiting) <= limits["queued"]
            assert judged.counts()[:2] == (len(going), len(waiting))
        judged.leave(*alive)
        assert judged.counts() == (0, 0, 0, 0)
        assert not judged.admission._lane_of
        assert not any(lane.all or lane._served for lane in judged.admission._lanes.values())
