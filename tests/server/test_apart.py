"""Work that its caller can leave: order, errors, backpressure, and nothing lost on the way out."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator

import pytest

from server.apart import Apart
from tests.server.tiny import until


def numbers(count: int) -> Generator[int]:
    yield from range(count)


def test_items_come_in_order_and_the_end_is_seen_after_everything_is_given_back() -> None:
    ended = threading.Event()

    def give_back() -> None:
        time.sleep(0.05)
        ended.set()

    assert list(Apart(lambda: numbers(100), ended=give_back)) == list(range(100))
    assert ended.is_set()


def test_what_it_raises_is_raised_where_it_is_waited_for() -> None:
    def broken() -> Generator[int]:
        yield 1
        raise KeyError("two")

    items = iter(Apart(broken))
    assert next(items) == 1
    with pytest.raises(KeyError, match="two"):
        next(items)


def test_it_is_at_most_three_items_ahead() -> None:
    made: list[int] = []

    def watched() -> Generator[int]:
        for n in range(50):
            made.append(n)
            yield n

    for item in Apart(watched):
        time.sleep(0.002)
        # Two that wait, and the one that is offered.
        assert len(made) <= item + 4


def held(gate: threading.Event) -> Callable[[], Generator[int]]:
    def items() -> Generator[int]:
        yield 0
        gate.wait(30)
        yield 1

    return items


def test_whoever_waits_is_sent_away_while_the_thread_is_still_held() -> None:
    gate, ended, unwanted = threading.Event(), threading.Event(), list[int]()
    apart = Apart(held(gate), unwanted.append, ended.set)
    items = iter(apart)
    assert next(items) == 0
    threading.Timer(0.05, lambda: apart.send_away(TimeoutError("enough"))).start()
    with pytest.raises(TimeoutError, match="enough"):
        next(items)
    assert not ended.is_set()
    gate.set()
    until(ended.is_set, seconds=30)
    assert unwanted == [1]


def test_one_that_is_sent_away_before_it_begins_gets_nothing() -> None:
    unwanted: list[int] = []
    ended = threading.Event()
    apart = Apart(lambda: numbers(2), unwanted.append, ended.set)
    apart.send_away(TimeoutError("enough"))
    with pytest.raises(TimeoutError):
        list(apart)
    until(ended.is_set, seconds=30)
    assert unwanted in ([0], [0, 1])


def test_who_leaves_early_ends_the_iterator() -> None:
    closed, ended = threading.Event(), threading.Event()

    def endless() -> Generator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    for _ in Apart(endless, ended=ended.set):
        break
    until(ended.is_set, seconds=30)
    assert closed.is_set()


@pytest.mark.parametrize("pause", [0.0, 0.0001, 0.0003])
def test_no_item_is_both_taken_and_unwanted_nor_neither(pause: float) -> None:
    made: list[int] = []
    taken: list[int] = []
    unwanted: list[int] = []
    ends: list[int] = []

    def one() -> Generator[int]:
        time.sleep(pause)
        made.append(1)
        yield 1

    for _ in range(200):
        apart = Apart(one, unwanted.append, lambda: ends.append(1))
        threading.Thread(target=apart.send_away, args=(TimeoutError(),)).start()
        with contextlib.suppress(TimeoutError):
            taken.extend(apart)
    until(lambda: len(ends) == 200, seconds=30)
    assert len(made) == 200
    assert len(taken) + len(unwanted) == 200


def test_the_thread_s_processor_time_is_known_while_it_computes() -> None:
    stop = threading.Event()

    def busy() -> Generator[int]:
        while not stop.is_set():
            pass
        yield 1

    apart = Apart(busy)
    try:
        until(lambda: apart.busy_seconds() > 0.05, seconds=30)
    finally:
        stop.set()
    assert list(apart) == [1]
    assert apart.busy_seconds() == 0.0
