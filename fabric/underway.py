"""The queries that run now, as ``system.queries`` and ``system.scans`` show them until the journal has them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fabric.execute import Answer
    from fabric.records import Asked
    from fabric.types import ScanReceipt

Row = tuple[Any, ...]


class Underway:
    """Running queries and who asked them; any thread may add, discard and read.

    Args:
        redact: takes secrets out of a text.
    """

    def __init__(self, redact: Callable[[str], str] = lambda text: text) -> None:
        self._redact = redact
        self._lock = threading.Lock()
        self._running: dict[Answer, Asked] = {}

    def __len__(self) -> int:
        return len(self._running)

    def add(self, answer: Answer, asked: Asked) -> None:
        """The query runs."""
        with self._lock:
            self._running[answer] = asked

    def discard(self, answer: Answer | None) -> None:
        """The query has ended, and is written down."""
        with self._lock:
            if answer is not None:
                self._running.pop(answer, None)

    def answers(self) -> list[Answer]:
        """What runs."""
        with self._lock:
            return list(self._running)

    def queries(self, user: str | None) -> list[Row]:
        """The rows of ``system.queries``, of one user or of everyone; rows and bytes are those delivered so far."""
        rows = []
        for answer, asked in self._of(user):
            so_far = answer.so_far()
            began = datetime.fromtimestamp(so_far.started_at, UTC)
            rows.append(
                (
                    answer.query_id,
                    asked.principal.user,
                    self._redact(asked.text),
                    so_far.state,
                    began,
                    began,
                    None,
                    so_far.rows,
                    so_far.bytes,
                    None,
                    so_far.policy_version,
                )
            )
        return rows

    def scans(self, user: str | None) -> list[Row]:
        """The rows of ``system.scans``: everyone's, or one user's with what is not theirs to know left out."""
        return [
            (answer.query_id, *_scan(replace(scan, pushed=self._redact(scan.pushed)), whole=user is None))
            for answer, _ in self._of(user)
            for scan in answer.receipts()
        ]

    def _of(self, user: str | None) -> list[tuple[Answer, Asked]]:
        with self._lock:
            return [each for each in self._running.items() if user in (None, each[1].principal.user)]


def _scan(scan: ScanReceipt, *, whole: bool) -> Row:
    """What a scan has done so far.

    Of a restricted one not even the counts of what its reader may see: while they grow, how fast they do tells of the
    hidden rows between.
    """
    named = whole or not scan.unnamed
    if not whole and (scan.veiled or scan.unnamed):
        told = (None,) * 6
    else:
        # Live scans know their time when they are over.
        told = (scan.pushed, scan.rows, scan.bytes, scan.requests, scan.seconds or None, scan.cache)  # type: ignore[assignment]
    return (scan.source if named else None, scan.object if named else None, *told, scan.as_of)
