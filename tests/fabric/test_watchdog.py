"""The one thread that looks after what runs."""

from __future__ import annotations

import threading
import time

import pytest

from fabric.errors import Cancelled, FabricError, LimitError
from fabric.stop import Stop
from fabric.watchdog import LOOK_SECONDS, Watchdog
from tests.server.tiny import until


def test_it_looks_again_and_again_until_it_is_told_to_forget() -> None:
    looked, dog = threading.Semaphore(0), Watchdog()
    key = dog.watch(looked.release)
    for _ in range(3):
        assert looked.acquire(timeout=10)
    dog.forget(key)
    dog.forget(key)
    time.sleep(3 * LOOK_SECONDS)
    while looked.acquire(blocking=False):
        pass
    assert not looked.acquire(timeout=3 * LOOK_SECONDS)
    dog.forget(dog.watch(looked.release))


def test_it_wakes_for_the_first_after_it_had_nothing() -> None:
    dog = Watchdog()
    dog.forget(dog.watch(lambda: None))
    time.sleep(2 * LOOK_SECONDS)
    looked = threading.Event()
    dog.watch(looked.set)
    assert looked.wait(10)


def test_a_look_that_fails_does_not_keep_it_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    dog, looked = Watchdog(), threading.Event()
    failing = dog.watch(lambda: 1 // 0)  # type: ignore[arg-type, return-value]
    dog.watch(looked.set)
    assert looked.wait(10)
    until(lambda: "a look failed" in caplog.text)
    dog.forget(failing)


def test_a_stop_is_told_once_and_to_whoever_has_the_statement() -> None:
    told = list[tuple[str, FabricError]]()
    stop, enough = Stop(), Cancelled("enough")
    stop.by(lambda reason: told.append(("first", reason)))
    stop.by(lambda reason: told.append(("second", reason)))
    stop(enough)
    stop(LimitError("too late"))
    assert told == [("second", enough)]
    stop.by(lambda reason: told.append(("third", reason)))
    assert told[1:] == [("third", enough)]


def test_an_inner_stop_knows_the_whole_and_who_waits() -> None:
    outer = Stop()
    inner = Stop(outer)
    outer.by(inner)
    inner.waits(True)
    assert outer.waiting
    inner.whole(Cancelled("enough"))
    assert inner.reason is outer.reason
