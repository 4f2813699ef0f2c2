"""The journal: what was asked, by whom, how it ended, and what each source did, in the state store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from fabric.execute import Outcome
from fabric.state import Part, State
from fabric.types import Principal
from fabric.wishes import Wishes

KEPT_QUERIES = 100_000

_PART = Part(
    "journal",
    (
        """
        CREATE TABLE queries (
            number {number}, query_id TEXT UNIQUE, "user" TEXT, sql TEXT, state TEXT, queued_at DOUBLE PRECISION,
            started_at DOUBLE PRECISION, ended_at DOUBLE PRECISION, rows BIGINT, bytes BIGINT, error TEXT,
            policy_version TEXT
        );
        CREATE INDEX queries_user ON queries ("user");
        CREATE TABLE scans (
            query_id TEXT REFERENCES queries (query_id) ON DELETE CASCADE, source TEXT, object TEXT, pushed TEXT,
            rows BIGINT, bytes BIGINT, requests BIGINT, seconds DOUBLE PRECISION, cache TEXT, as_of DOUBLE PRECISION,
            guarded BIGINT NOT NULL DEFAULT 0, veiled BIGINT NOT NULL DEFAULT 0
        );
        CREATE INDEX scans_query ON scans (query_id);
        """,
    ),
)

_QUERY = """
INSERT INTO queries
    (query_id, "user", sql, state, queued_at, started_at, ended_at, rows, bytes, error, policy_version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
_SCAN = """
INSERT INTO scans
    (query_id, source, object, pushed, rows, bytes, requests, seconds, cache, as_of, guarded, veiled)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""
_FORGET = "DELETE FROM queries WHERE number <= (SELECT max(number) FROM queries) - $1"
_FORGETS_EVERY = 1_000


class Journal:
    """Queries and their scans, the newest ``KEPT_QUERIES`` of them; any thread may write and read.

    Args:
        state: where they are kept; written in batches, off the way of the query.
        redact: takes secrets out of a text.

    Raises:
        InvalidConfig: the state is of a later version.
    """

    def __init__(self, state: State, redact: Callable[[str], str] = lambda text: text) -> None:
        self._state = state
        self._redact = redact
        self._recorded = 0
        self.wishes = Wishes(state, redact)
        state.prepare(_PART)

    def record(
        self, principal: Principal, text: str, outcome: Outcome, queued_at: float | None = None
    ) -> None:
        """Write down a query that ended; ``queued_at`` is when it came, in seconds since 1970. Never waits."""
        query = (
            outcome.query_id,
            principal.user,
            self._redact(text),
            outcome.state,
            outcome.started_at if queued_at is None else queued_at,
            outcome.started_at,
            datetime.now(UTC).timestamp(),
            outcome.rows,
            outcome.bytes,
            self._redact(outcome.error),
            outcome.policy_version,
        )
        scans = [
            (
                outcome.query_id,
                scan.source,
                scan.object,
                self._redact(scan.pushed),
                scan.rows,
                scan.bytes,
                scan.requests,
                scan.seconds,
                scan.cache,
                scan.as_of.timestamp() if scan.as_of else None,
                int(scan.guarded),
                int(scan.veiled) + int(scan.unnamed),
            )
            for scan in outcome.scans
        ]
        self._recorded += 1
        forget = [(KEPT_QUERIES,)] if self._recorded % _FORGETS_EVERY == 1 else []
        self._state.later((_QUERY, [query]), (_SCAN, scans), (_FORGET, forget))

    def redacted(self, text: str) -> str:
        """The text without secrets, as it is written down."""
        return self._redact(text)

    def queries(self, user: str | None) -> list[tuple[Any, ...]]:
        """The rows of ``system.queries``, of one user or of everyone.

        Raises:
            StateUnavailable: what was asked last is not written yet, or nothing can be read.
        """
        return self._read(
            'SELECT query_id, "user", sql, state, queued_at, started_at, ended_at, rows, bytes, error, '
            'policy_version FROM queries WHERE CAST($1 AS TEXT) IS NULL OR "user" = $1 ORDER BY number',
            user,
            times=(4, 5, 6),
        )

    def scans(self, user: str | None) -> list[tuple[Any, ...]]:
        """The rows of ``system.scans``: everyone's, or one user's with what is not theirs to know left out.

        Raises:
            StateUnavailable: as ``queries``.
        """
        return self._read(
            """
            SELECT
                s.query_id, CASE WHEN named THEN s.source END, CASE WHEN named THEN s.object END,
                CASE WHEN shown THEN s.pushed END, CASE WHEN shown OR s.guarded > 0 THEN s.rows END,
                CASE WHEN shown THEN s.bytes END, CASE WHEN shown THEN s.requests END, s.seconds,
                CASE WHEN shown THEN s.cache END, s.as_of
            FROM (
                SELECT
                    scans.*, q.number, CAST($1 AS TEXT) IS NULL OR veiled = 0 AS shown,
                    CAST($1 AS TEXT) IS NULL OR veiled < 2 AS named
                FROM scans JOIN queries q ON q.query_id = scans.query_id
                WHERE CAST($1 AS TEXT) IS NULL OR q."user" = $1
            ) s
            ORDER BY s.number
            """,
            user,
            times=(9,),
        )

    def _read(self, sql: str, user: str | None, times: tuple[int, ...]) -> list[tuple[Any, ...]]:
        self._state.flush()
        return [
            tuple(
                datetime.fromtimestamp(value, UTC) if n in times and value is not None else value
                for n, value in enumerate(row)
            )
            for row in self._state.read(sql, (user,))
        ]
