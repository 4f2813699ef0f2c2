"""Statements under the watch, over a tiny line: the same answers, and a caller who never waits in vain."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import pyarrow as pa
import pytest

from fabric.engine_errors import EngineLost
from fabric.errors import FabricError, InvalidValue, LimitError, NotFound
from fabric.pipeline import Line, Session
from fabric.types import Principal
from server.app import App
from server.control import Board
from server.refusals import MEMORY
from server.watch import Watch
from server.watched import WatchedApp, WatchedLine, digest
from tests.server.tiny import TinyAnswer, TinyApp, TinyLine, until

ANA = Principal("ana", frozenset())
# About 2,500,000,000 steps in one call, which heeds no interrupt.
DEAF = "SELECT levenshtein(repeat('a', 50000 + i::INT), repeat('b', 50000)) AS n FROM range(1) t(i)"


class Under:
    """A tiny line under a watch."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.ended = threading.Event()
        self.watch = Watch(board, report=lambda **message: None, end=self.ended.set)
        self.tiny = TinyLine()
        self.line = WatchedLine(cast("Line", self.tiny), self.watch)

    def read(self, sql: str, *parameters: object) -> pa.Table:
        reply = self.line.run(sql, ANA, Session(), parameters)
        return pa.Table.from_batches(list(reply.batches()), schema=reply.schema)


@pytest.fixture
def under() -> Iterator[Under]:
    with Board.file() as file:
        board = Board(file.fileno())
        one = Under(board)
        yield one
        one.watch._ending = LimitError("the test is over")
        until(lambda: not board.read(), seconds=60)
        one.tiny.connection.close()
        board.close()


def test_answers_are_the_line_s_own(under: Under) -> None:
    assert under.line.describe("SELECT 1 AS x", ANA, Session()).schema == pa.schema([("x", pa.int32())])
    assert under.read("SELECT i + ? AS x FROM range(300000) t(i)", 1)["x"].to_pylist() == list(
        range(1, 300001)
    )
    assert under.read("DO something").num_rows == 0
    assert under.board.read() == set()
    assert all(answer.closed.is_set() for answer in under.tiny.answers)


def test_errors_are_the_line_s_own(under: Under) -> None:
    with pytest.raises(NotFound):
        under.line.describe("SELECT * FROM nowhere", ANA, Session())
    with pytest.raises(NotFound):
        under.line.run("SELECT * FROM nowhere", ANA, Session())
    with pytest.raises(InvalidValue):
        under.read("SELECT CAST('x' || id AS INT) AS n FROM claim")
    assert under.board.read() == set()


def sent_away(work: Callable[[], object]) -> tuple[threading.Thread, list[FabricError]]:
    errors = list[FabricError]()

    def run() -> None:
        try:
            work()
        except FabricError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, errors


def test_a_cancelled_query_that_does_not_heed_lets_its_reader_go(
    under: Under, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, batches = threading.Event(), TinyAnswer.batches

    def noted(answer: TinyAnswer) -> Iterator[pa.RecordBatch]:
        begun.set()
        yield from batches(answer)

    monkeypatch.setattr(TinyAnswer, "batches", noted)
    reply = under.line.run(DEAF, ANA, Session())
    thread, errors = sent_away(lambda: list(reply.batches()))
    begun.wait(30)
    time.sleep(0.2)
    reply.cancel(LimitError("enough"))
    thread.join(60)
    assert errors[0].message == "enough"
    assert under.board.read() == {digest(DEAF, ())}, "it ended by itself: no test of anything"
    until(lambda: not under.board.read(), seconds=60)
    assert under.tiny.answers[0].closed.is_set()


def test_a_reader_that_leaves_gives_back_what_it_read(under: Under) -> None:
    reply = under.line.run("SELECT i FROM range(100000000) t(i)", ANA, Session())
    batches = reply.batches()
    next(batches)
    batches.close()
    reply.close()
    until(lambda: not under.board.read(), seconds=30)
    assert under.tiny.answers[0].closed.is_set()


def test_a_reply_that_nobody_reads_is_given_back(under: Under) -> None:
    with under.line.run("SELECT 1 AS x", ANA, Session()):
        assert under.board.read()
    assert not under.board.read()
    assert under.tiny.answers[0].closed.is_set()


def test_a_reply_for_which_nobody_waits_any_more_is_given_back(
    under: Under, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, entered, run = threading.Event(), threading.Event(), under.tiny.run

    def slow(*arguments: Any) -> Any:
        entered.set()
        gate.wait(60)
        return run(*arguments)

    monkeypatch.setattr(under.tiny, "run", slow)
    thread, errors = sent_away(lambda: under.line.run("SELECT 1 AS x", ANA, Session()))
    entered.wait(30)
    for work in under.watch._under_way():
        work.stop(LimitError("enough"))
    thread.join(30)
    assert errors[0].message == "enough"
    gate.set()
    until(lambda: not under.board.read(), seconds=30)
    assert under.tiny.answers[0].closed.is_set()


def test_a_refused_statement_is_neither_described_nor_run(under: Under) -> None:
    under.watch.refuse(digest("SELECT 1 AS x", ()), 600, MEMORY)
    for ask in (under.line.describe, under.line.run):
        with pytest.raises(LimitError, match="refused until"):
            ask(" SELECT 1 AS x\n", ANA, Session())
    assert under.read("SELECT 2 AS x").num_rows == 1
    assert not under.tiny.answers[1:]


def test_the_same_text_with_other_parameters_is_another_statement(under: Under) -> None:
    under.watch.refuse(digest("SELECT ? AS x", (1,)), 600, MEMORY)
    assert under.read("SELECT ? AS x", 2)["x"].to_pylist() == [2]
    with pytest.raises(LimitError):
        under.read("SELECT ? AS x", 1)


@pytest.mark.parametrize("stage", ["describe", "run"])
def test_a_lost_engine_is_noticed_while_planning(
    under: Under, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*arguments: Any) -> Any:
        raise EngineLost

    under.watch.start(None, {})
    monkeypatch.setattr(under.tiny, stage, lost)
    with pytest.raises(FabricError):
        getattr(under.line, stage)("SELECT 1 AS x", ANA, Session())
    until(under.ended.is_set, seconds=30)


def test_a_lost_engine_is_noticed_in_the_middle_of_an_answer(
    under: Under, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(answer: object) -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"x": pa.array([1], pa.int32())})
        raise EngineLost

    under.watch.start(None, {})
    monkeypatch.setattr("tests.server.tiny.TinyAnswer.batches", lost)
    with pytest.raises(FabricError):
        under.read("SELECT 1 AS x")
    until(under.ended.is_set, seconds=30)


def test_all_else_of_an_app_is_its_own(under: Under) -> None:
    app = TinyApp()
    watched = WatchedApp(cast("App", app), under.watch)
    assert watched.signer is app.signer
    assert isinstance(watched.line, WatchedLine)
    assert watched.line.policy_version == "v1"
    with pytest.raises(AttributeError):
        _ = watched.nothing
    app.close()
