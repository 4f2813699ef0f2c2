"""What the workers of one server share through their supervisor: who runs when, and what one asks all others.

worker → supervisor              supervisor → worker
enter, streams, leave            verdict
counts, ask                      answers
answer                           question
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from server.admission import Admission, Verdict

Send = Callable[..., None]


@dataclass(eq=False)
class _Question:
    asker: int
    number: int
    missing: set[int]
    answers: list[Any] = field(default_factory=list)


class Switchboard:
    """Judges and relays for the workers that have joined; one thread may call."""

    def __init__(self) -> None:
        self._admission = Admission()
        self._sends: dict[int, Send] = {}
        self._questions: dict[int, _Question] = {}
        self._asked = 0

    def join(self, owner: int, send: Send) -> None:
        """A worker is about to serve."""
        self._sends[owner] = send

    def lost(self, owner: int) -> None:
        """A worker has died: what it held is free, and nobody waits for its answers."""
        self._sends.pop(owner, None)
        self._tell(self._admission.forget(owner))
        for question in list(self._questions.values()):
            question.missing.discard(owner)
        self._finish()

    def hear(self, owner: int, message: dict[str, Any]) -> bool:
        """Do what a message asks for; false when it is none of ours."""
        kind = message["state"]
        if kind == "enter":
            id, user, wants = message["id"], message["user"], message["wants"]
            self._tell(self._admission.enter(id, user, wants, owner))
        elif kind == "streams":
            self._tell(self._admission.streams(message["id"]))
        elif kind == "leave":
            self._tell(self._admission.leave(message["id"]))
        elif kind == "counts":
            counts = self._admission.counts(message["user"])
            self._send(owner, do="answers", number=message["number"], answers=[counts])
        elif kind == "ask":
            self._ask(owner, message)
        elif kind == "answer":
            question = self._questions.get(message["number"])
            if question is not None and owner in question.missing:
                question.missing.discard(owner)
                question.answers.append(message["answer"])
                self._finish()
        else:
            return False
        return True

    def everyone_but(self, owner: int | None, **message: Any) -> None:
        """Send a message to all others; with None, to everyone."""
        for other in list(self._sends):
            if other != owner:
                self._send(other, **message)

    def _ask(self, owner: int, message: dict[str, Any]) -> None:
        self._asked += 1
        others = {other for other in self._sends if other != owner}
        self._questions[self._asked] = _Question(owner, message["number"], others)
        self.everyone_but(owner, do="question", number=self._asked, question=message["question"])
        self._finish()

    def _finish(self) -> None:
        for number, question in list(self._questions.items()):
            if not question.missing:
                del self._questions[number]
                self._send(question.asker, do="answers", number=question.number, answers=question.answers)

    def _tell(self, verdicts: list[Verdict]) -> None:
        for verdict in verdicts:
            self._send(verdict.owner, do="verdict", id=verdict.id, word=verdict.word, number=verdict.number)

    def _send(self, owner: int, **message: Any) -> None:
        send = self._sends.get(owner)
        if send is not None:
            send(**message)
