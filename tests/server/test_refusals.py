from __future__ import annotations

from server.refusals import DEATH, MEMORY, MOST_STRIKES, REFUSED_SECONDS, STRIKES, Refusals


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_statement_is_refused_for_its_time_and_no_longer() -> None:
    clock = Clock()
    refusals = Refusals(clock)
    refusals.add("a", MEMORY)
    clock.now += 100
    assert refusals.left() == {"a": (REFUSED_SECONDS - 100, MEMORY)}
    clock.now += REFUSED_SECONDS
    assert refusals.left() == {}


def test_the_only_statement_of_a_dead_worker_is_refused_at_once() -> None:
    refusals = Refusals(Clock())
    refusals.died({"a"}, DEATH)
    assert refusals.left() == {"a": (REFUSED_SECONDS, DEATH)}


def test_of_several_the_one_that_dies_again_is_refused() -> None:
    clock = Clock()
    refusals = Refusals(clock)
    refusals.died({"a", "b"}, DEATH)
    assert refusals.left() == {}
    clock.now += 10
    refusals.died({"b", "c"}, DEATH)
    assert set(refusals.left()) == {"b"}


def test_a_death_long_ago_is_forgotten() -> None:
    clock = Clock()
    refusals = Refusals(clock)
    refusals.died({"a", "b"}, DEATH)
    clock.now += REFUSED_SECONDS + 1
    refusals.died({"a", "c"}, DEATH)
    assert refusals.left() == {}


def test_a_worker_in_which_nothing_ran_blames_nobody() -> None:
    refusals = Refusals(Clock())
    refusals.died(set(), DEATH)
    assert refusals.left() == {}


def test_whoever_ends_what_others_run_three_times_is_refused_altogether() -> None:
    clock = Clock()
    refusals = Refusals(clock)
    for number in range(MOST_STRIKES - 1):
        assert set(refusals.add(f"statement {number}", MEMORY, "ana")) == {f"statement {number}"}
    assert set(refusals.add("statement 0", MEMORY, "ana")) == {"statement 0"}  # the same once more
    assert set(refusals.add("of bo", MEMORY, "bo")) == {"of bo"}
    assert refusals.add("one more", "the engine failed", "ana")["ana"] == (REFUSED_SECONDS, STRIKES)
    clock.now += REFUSED_SECONDS + 1
    assert refusals.left() == {}
    assert set(refusals.add("later", MEMORY, "ana")) == {"later"}
