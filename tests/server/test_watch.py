"""The watch in this process: what it admits, refuses, blames, and when it gives up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from fabric.errors import FabricError, LimitError, MemoryLimit
from fabric.stop import Stop
from server import watch as watching
from server.control import Board
from server.refusals import DEATH, MEMORY, STRIKES
from server.watch import Watch
from tests.server.tiny import until


class Watched:
    def __init__(self, board: Board) -> None:
        self.board = board
        self.reports: list[dict[str, Any]] = []
        self.ended = threading.Event()
        self.watch = Watch(board, report=lambda **message: self.reports.append(message), end=self.ended.set)


@pytest.fixture
def watched() -> Iterator[Watched]:
    with Board.file() as file:
        board = Board(file.fileno())
        one = Watched(board)
        yield one
        # Its thread ends with it, lest it watch the next test.
        one.watch._ending = one.watch._ending or LimitError("the test is over")
        board.close()


def test_what_is_under_way_stands_on_the_board_until_it_is_over(watched: Watched) -> None:
    one, two, again = (watched.watch.begin(letter * 16) for letter in "aba")
    assert watched.board.read() == {"a" * 16, "b" * 16}
    one.over()
    one.over()
    assert watched.board.read() == {"a" * 16, "b" * 16}
    again.over()
    assert watched.board.read() == {"b" * 16}
    watched.watch.begin("c" * 16)
    one.over()  # its slot is another's by now
    assert watched.board.read() == {"b" * 16, "c" * 16}
    two.over()


def test_a_refused_statement_is_told_the_limit_and_until_when(watched: Watched) -> None:
    watched.watch.start(
        10**12, {"a" * 16: (600.0, MEMORY), "b" * 16: (600.0, DEATH), "c" * 16: (-1.0, MEMORY)}
    )
    with pytest.raises(MemoryLimit, match=r"memory limit of 1000.0 GB .* refused until \d\d:\d\d UTC"):
        watched.watch.begin("a" * 16)
    with pytest.raises(LimitError, match="worker died when this statement ran") as caught:
        watched.watch.begin("b" * 16)
    assert not caught.value.retryable
    watched.watch.begin("c" * 16).over()


def hold(watched: Watched, heeds: bool = True) -> tuple[Any, threading.Event, list[FabricError]]:
    """A statement that holds its thread until it is told to stop or, if it does not heed, until the gate opens."""
    work = watched.watch.begin(("heeds" if heeds else "holds").ljust(16, "."))
    gate, errors = threading.Event(), list[FabricError]()
    work.planning = False
    work.stops_with(lambda reason: gate.set() if heeds else None)

    def wait() -> None:
        gate.wait(30)
        work.over()

    def call() -> None:
        try:
            work.call(wait)
        except FabricError as error:
            errors.append(error)

    threading.Thread(target=call, daemon=True).start()
    return work, gate, errors


def test_statements_that_heed_are_ended_and_the_worker_stays(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [0]
    monkeypatch.setattr(Watch, "_rss", lambda self: held[0])
    monkeypatch.setattr(watching, "HEED_SECONDS", 60)  # the memory is given back when this test gets to it
    watched.watch.start(1000, {})
    work, _, errors = hold(watched)
    held[0] = 1100
    until(lambda: bool(errors), seconds=30)
    held[0] = 0
    assert isinstance(errors[0], MemoryLimit)
    assert errors[0].retryable
    assert "memory limit of 0.0 GB" in errors[0].message
    until(lambda: bool(watched.reports), seconds=30)
    assert watched.reports == [{"state": "refuse", "digest": work.digest, "by": "", "why": MEMORY}]
    assert not watched.ended.is_set()
    with pytest.raises(MemoryLimit, match="refused until"):
        watched.watch.begin(work.digest)
    watched.watch.begin("another".ljust(16, ".")).over()


def test_one_that_does_not_heed_ends_the_worker_and_is_blamed(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [0]
    monkeypatch.setattr(Watch, "_rss", lambda self: held[0])
    monkeypatch.setattr(watching, "HEED_SECONDS", 0.2)
    watched.watch.start(1000, {})
    work, gate, errors = hold(watched, heeds=False)
    _, _, others = hold(watched)
    held[0] = 1100
    until(watched.ended.is_set, seconds=30)
    assert errors[0] is others[0]
    assert [report["state"] for report in watched.reports] == ["refuse", "ends"]
    assert watched.reports[0]["digest"] == work.digest
    with pytest.raises(MemoryLimit, match="ended what ran"):
        watched.watch.begin("another".ljust(16, "."))
    gate.set()


def test_the_blamed_one_is_the_newest_of_those_under_which_the_memory_grew(watched: Watched) -> None:
    works = [watched.watch.begin(letter * 16) for letter in "abc"]
    for work, charge in zip(works, (100.0, 90.0, 10.0), strict=True):
        work.charge = charge
    assert watching._blamed(works) is works[1]
    assert watching._blamed([]) is None


def test_memory_that_grows_is_charged_to_those_who_run(watched: Watched) -> None:
    watched.watch.start(10**12, {})
    work = watched.watch.begin("a" * 16)
    ballast = b"x" * (100 * 10**6)
    until(lambda: work.charge > 20 * 10**6, seconds=30)
    assert psutil.Process().memory_info().rss > len(ballast)


def test_planning_that_computes_without_end_ends_the_worker(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "STUCK_SECONDS", 0.2)
    watched.watch.start(None, {})
    stop, errors = threading.Event(), list[FabricError]()
    work = watched.watch.begin("a" * 16)

    def plan() -> None:
        while not stop.is_set():
            sum(range(1000))

    def call() -> None:
        try:
            work.call(plan)
        except FabricError as error:
            errors.append(error)

    threading.Thread(target=call, daemon=True).start()
    try:
        until(lambda: bool(errors), seconds=30)
    finally:
        stop.set()
    assert "could not be stopped" in errors[0].message
    assert errors[0].retryable
    assert watched.reports[0] == {
        "state": "refuse",
        "by": "",
        "digest": "a" * 16,
        "why": "a statement could not be stopped",
    }


def test_planning_that_waits_for_a_slow_source_is_let_alone(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "STUCK_SECONDS", 0.2)
    watched.watch.start(None, {})
    work = watched.watch.begin("a" * 16)
    work.call(lambda: time.sleep(0.6))
    assert not watched.ended.is_set()


def test_a_long_computation_is_not_stuck_because_it_is_cancelled_late(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "STUCK_SECONDS", 0.2)
    watched.watch.start(None, {})
    work = watched.watch.begin("a" * 16)
    work.planning = False
    stop = threading.Event()
    work.stops_with(lambda reason: stop.set())

    def compute() -> None:
        began = time.thread_time()
        while time.thread_time() - began < 0.5 or not stop.is_set():
            sum(range(1000))

    errors = list[FabricError]()

    def call() -> None:
        try:
            work.call(compute)
        except FabricError as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    time.sleep(1.0)
    work.stop(LimitError("enough"))
    thread.join(30)
    assert errors[0].message == "enough"
    time.sleep(0.2)
    work.over()
    assert not watched.ended.is_set()


def test_an_engine_that_gave_itself_up_ends_the_worker(watched: Watched) -> None:
    watched.watch.start(None, {})
    work = watched.watch.begin("a" * 16)
    work.over()
    watched.watch.lose(work)
    until(watched.ended.is_set, seconds=30)
    assert watched.reports[0] == {"state": "refuse", "digest": "a" * 16, "by": "", "why": "the engine failed"}
    with pytest.raises(LimitError, match="the engine failed, and the worker is being replaced"):
        watched.watch.begin("b" * 16)


@pytest.mark.parametrize(("beside", "by"), [("ana", "ana"), ("bo", "")])
def test_nobody_is_struck_for_what_another_may_have_done(watched: Watched, beside: str, by: str) -> None:
    watched.watch.start(None, {})
    work, later = watched.watch.begin("a" * 16, "ana"), watched.watch.begin("b" * 16, beside)
    watched.watch.lose(work)
    watched.watch.lose(later)  # every statement meets the failed engine
    until(watched.ended.is_set, seconds=30)
    assert watched.reports[0] == {"state": "refuse", "digest": "a" * 16, "by": by, "why": "the engine failed"}


def test_a_user_with_three_strikes_is_refused_whatever_they_ask(watched: Watched) -> None:
    watched.watch.refuse("ana".ljust(16), 600.0, STRIKES)
    with pytest.raises(LimitError, match=r"3 of your statements .* refused until \d\d:\d\d UTC"):
        watched.watch.begin("a" * 16, "ana".ljust(16))
    watched.watch.begin("a" * 16, "bo".ljust(16)).over()


def test_what_waits_for_its_turn_is_not_on_the_board(watched: Watched) -> None:
    work, stop = watched.watch.begin("a" * 16), Stop()
    work.waits_with(stop)
    stop.waits(True)
    assert (watched.board.read(), work.waits) == (set(), True)
    stop.waits(False)
    assert (watched.board.read(), work.waits) == ({"a" * 16}, False)
    work.over()
    stop.waits(False)
    assert watched.board.read() == set()
