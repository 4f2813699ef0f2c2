"""What workers share through their supervisor, without processes: both ends of the line in one."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest

from fabric.errors import LimitError
from server import gates
from server.gates import SharedGate
from server.switchboard import Switchboard

WANTS = {"running": 1, "queued": 8, "per_user": None, "priority": 0, "lane": ""}


class Workers:
    """Gates of some workers at one switchboard."""

    def __init__(self, *owners: int) -> None:
        self.board = Switchboard()
        self.lock = threading.RLock()
        self.gates = {owner: SharedGate(self._to_board(owner)) for owner in owners}
        self.dead: set[int] = set()
        for owner in owners:
            self.board.join(owner, self._to_worker(owner))

    def _to_board(self, owner: int) -> Any:
        def send(**message: Any) -> None:
            with self.lock:
                assert self.board.hear(owner, message)

        return send

    def _to_worker(self, owner: int) -> Any:
        def send(**message: Any) -> None:
            if owner not in self.dead:
                self.gates[owner].hear(message)

        return send


def test_a_place_is_one_of_the_whole_server() -> None:
    workers, told = Workers(1, 2), list[tuple[str, str]]()
    workers.gates[1].enter("a", "ana", WANTS, lambda word, number: told.append(("a", word)))
    workers.gates[2].enter("b", "bob", WANTS, lambda word, number: told.append(("b", word)))
    assert told == [("a", "go")]
    assert workers.gates[2].counts("bob") == {"running": 1, "queued": 1, "my_running": 0, "my_queued": 1}
    workers.gates[1].streams("a")
    assert told == [("a", "go"), ("b", "go")]
    workers.gates[1].leave("a")
    workers.gates[2].leave("b")
    assert workers.gates[1].counts("") == {"running": 0, "queued": 0, "my_running": 0, "my_queued": 0}


def test_a_dead_worker_s_places_go_to_those_who_wait() -> None:
    workers, told = Workers(1, 2), list[str]()
    workers.gates[1].enter("a", "ana", WANTS, lambda word, number: None)
    workers.gates[2].enter("b", "bob", WANTS, lambda word, number: told.append(word))
    workers.board.lost(1)
    assert told == ["go"]


def test_all_others_are_asked_and_nobody_else() -> None:
    workers = Workers(1, 2, 3)
    for owner, gate in workers.gates.items():
        gate.answer = lambda question, owner=owner: [owner, question["ask"]]  # type: ignore[misc]
    assert workers.gates[2].elsewhere({"ask": "x"}) == [[1, "x"], [3, "x"]]
    assert Workers(1).gates[1].elsewhere({"ask": "x"}) == []


def test_one_that_dies_before_it_answers_is_not_waited_for() -> None:
    workers = Workers(1, 2, 3)
    workers.gates[3].answer = lambda question: "here"
    workers.dead.add(2)
    threading.Timer(0.2, workers.board.lost, (2,)).start()
    assert workers.gates[1].elsewhere({"ask": "x"}) == ["here"]


def test_one_that_does_not_answer_is_an_error_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "ANSWER_SECONDS", 0.1)
    workers = Workers(1, 2)
    workers.dead.add(2)
    with pytest.raises(LimitError) as caught:
        workers.gates[1].elsewhere({"ask": "x"})
    assert caught.value.retryable


def test_a_late_or_repeated_answer_is_nobody_s() -> None:
    workers, asked = Workers(1, 2), list[Mapping[str, Any]]()
    workers.gates[2].answer = lambda question: asked.append(question)
    assert workers.gates[1].elsewhere({"ask": "x"}) == [None]
    assert workers.board.hear(2, {"state": "answer", "number": 1, "answer": "again"})
    assert workers.board.hear(2, {"state": "answer", "number": 99, "answer": "what"})
    workers.gates[1].hear({"do": "verdict", "id": "gone", "word": "go", "number": 0})
    workers.gates[1].hear({"do": "answers", "number": 99, "answers": []})


def test_other_messages_are_not_its_own() -> None:
    assert not Switchboard().hear(1, {"state": "warm"})
