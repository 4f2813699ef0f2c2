"""Work that its caller can leave: order, errors, backpressure, and nothing lost on the way out."""

from __future__ import annotations

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
    assert list(Apart(lambda: numbers(100), ended=lambda: (time.sleep(0.05), ended.set())[0])) == list(
        range(100)
    )
    assert ended.is_set()


def test_what_it_raises_is_raised_where_it_is_waited_for() -> None:
    def broken() -> Generator[int]:
        yield 1
        raise KeyError("two")

    seen = []
    with pytest.raises(KeyError, match="two"):
        for item in Apart(broken):
            seen.append(item)
    assert seen == [1]


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
    until(ended.is_set)
    assert unwanted == [1]


def test_one_that_is_sent_away_before_it_begins_gets_nothing() -> None:
    unwanted: list[int] = []
    ended = threading.Event()
    apart = Apart(lambda: numbers(2), unwanted.append, ended.set)
    apart.send_away(TimeoutError("enough"))
    with pytest.raises(TimeoutError):
        list(apart)
    until(ended.is_set)
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
    until(ended.is_set)
    assert closed.is_set()


def test_no_item_is_both_taken_and_unwanted_nor_neither() -> None:
    for round_number in range(300):
        unwanted: list[int] = []
        made: list[int] = []
        taken: list[int] = []
        ended = threading.Event()

        def one(made: list[int] = made, pause: float = round_number % 5 / 10_000) -> Generator[int]:
            time.sleep(pause)
            made.append(1)
            yield 1

        apart = Apart(one, unwanted.append, ended.set)
        threading.Thread(target=apart.send_away, args=(TimeoutError(),)).start()
        try:
            taken.extend(apart)
        except TimeoutError:
            pass
        until(ended.is_set)
        until(lambda: len(taken) + len(unwanted) == len(made))


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
