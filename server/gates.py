"""The gate as a worker asks it: judged here when the worker is alone."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from fabric.underway import Told
from server.admission import Admission, Verdict


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
