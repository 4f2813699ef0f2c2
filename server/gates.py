"""The gate as a worker asks it: judged here when the worker is alone, else by the supervisor."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fabric.errors import LimitError
from fabric.underway import Told
from server.admission import Admission, Verdict

ANSWER_SECONDS = 5.0
"""How long the server's other processes may take to answer."""


class OwnGate:
    """Judges in this process, which is the whole server; any thread may ask."""

    def __init__(self) -> None:
        self._admission = Admission()
        self._told: dict[str, Told] = {}
        self._lock = threading.Lock()

    def enter(self, id: str, user: str, wants: Mapping[str, Any], told: Told) -> None:
        """As ``Gate.enter``."""
        with self._lock:
            self._told[id] = told
            verdicts = self._admission.enter(id, user, wants)
        self._tell(verdicts)

    def streams(self, id: str) -> None:
        """As ``Gate.streams``."""
        with self._lock:
            verdicts = self._admission.streams(id)
        self._tell(verdicts)

    def leave(self, id: str) -> None:
        """As ``Gate.leave``."""
        with self._lock:
            self._told.pop(id, None)
            verdicts = self._admission.leave(id)
        self._tell(verdicts)

    def counts(self, user: str) -> Mapping[str, int]:
        """As ``Gate.counts``."""
        with self._lock:
            return self._admission.counts(user)

    def elsewhere(self, question: Mapping[str, Any]) -> list[Any]:
        """There is nobody else."""
        return []

    def _tell(self, verdicts: Sequence[Verdict]) -> None:
        for verdict in verdicts:
            told = self._told.pop(verdict.id, None)
            if told is not None:
                told(verdict.word, verdict.number)


@dataclass(eq=False)
class _Waiting:
    there: threading.Event = field(default_factory=threading.Event)
    answers: list[Any] = field(default_factory=list)


class SharedGate:
    """Asks the supervisor, which judges for all workers; any thread may ask.

    Args:
        send: sends a message to the supervisor.
    """

    def __init__(self, send: Callable[..., object]) -> None:
        self._send = send
        self.answer: Callable[[Mapping[str, Any]], Any] = lambda question: None
        self._told: dict[str, Told] = {}
        self._waiting: dict[int, _Waiting] = {}
        self._numbers = itertools.count()

    def enter(self, id: str, user: str, wants: Mapping[str, Any], told: Told) -> None:
        """As ``Gate.enter``."""
        self._told[id] = told
        self._send(state="enter", id=id, user=user, wants=wants)

    def streams(self, id: str) -> None:
        """As ``Gate.streams``."""
        self._send(state="streams", id=id)

    def leave(self, id: str) -> None:
        """As ``Gate.leave``."""
        self._told.pop(id, None)
        self._send(state="leave", id=id)

    def counts(self, user: str) -> Mapping[str, int]:
        """As ``Gate.counts``."""
        (counts,) = self._asked(state="counts", user=user)
        return counts  # type: ignore[no-any-return]

    def elsewhere(self, question: Mapping[str, Any]) -> list[Any]:
        """What the other workers answer; one that dies meanwhile answers nothing.

        Raises:
            LimitError: one of them does not answer.
        """
        return self._asked(state="ask", question=question)

    def hear(self, message: Mapping[str, Any]) -> None:
        """Take a ``verdict``, ``answers`` or a ``question`` from the supervisor; never waits."""
        if message["do"] == "verdict":
            told = self._told.pop(message["id"], None)
            if told is not None:
                told(message["word"], message["number"])
        elif message["do"] == "answers":
            waiting = self._waiting.pop(message["number"], None)
            if waiting is not None:
                waiting.answers = message["answers"]
                waiting.there.set()
        else:
            self._send(state="answer", number=message["number"], answer=self.answer(message["question"]))

    def _asked(self, **message: Any) -> list[Any]:
        number, waiting = next(self._numbers), _Waiting()
        self._waiting[number] = waiting
        self._send(number=number, **message)
        if not waiting.there.wait(ANSWER_SECONDS):
            self._waiting.pop(number, None)
            raise LimitError(
                "another process of the server does not answer",
                hint="run it again in a moment",
                retryable=True,
            )
        return waiting.answers
