"""The journal: what was asked, by whom, how it ended, and what each source did, in the state store."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fabric.config_model import HistorySettings, LakeSettings
from fabric.events import Events
from fabric.outcome import Outcome
from fabric.runs import Runs
from fabric.seal import Seal
from fabric.snapshots import Snapshots
from fabric.state import Part, State
from fabric.types import Governed, Principal
from fabric.usage import Usage
from fabric.wishes import Wishes

_PART = Part(
    "journal",
    (
        """
        CREATE TABLE queries (
            number {number}, query_id TEXT UNIQUE, "user" TEXT, sql TEXT, state TEXT, queued_at {real},
            started_at {real}, ended_at {real}, rows BIGINT, bytes BIGINT, error TEXT, policy_version TEXT
        );
        CREATE INDEX queries_user ON queries ("user");
        CREATE TABLE scans (
            query_id TEXT REFERENCES queries (query_id) ON DELETE CASCADE, source TEXT, object TEXT, pushed TEXT,
            rows BIGINT, bytes BIGINT, requests BIGINT, seconds {real}, cache TEXT, as_of {real},
            guarded BIGINT NOT NULL DEFAULT 0, veiled BIGINT NOT NULL DEFAULT 0
        );
        CREATE INDEX scans_query ON scans (query_id);
        """,
        """
        ALTER TABLE queries ADD COLUMN queue_seconds {real};
        ALTER TABLE queries ADD COLUMN plan_seconds {real};
        ALTER TABLE queries ADD COLUMN run_seconds {real};
        ALTER TABLE queries ADD COLUMN cache TEXT;
        ALTER TABLE queries ADD COLUMN receipt TEXT;
        ALTER TABLE scans ADD COLUMN asked TEXT;
        CREATE INDEX queries_ended ON queries (ended_at)
        """,
    ),
)

_QUERY = """
INSERT INTO queries
    (query_id, "user", sql, state, queued_at, started_at, ended_at, rows, bytes, error, policy_version,
     queue_seconds, plan_seconds, run_seconds, cache, receipt)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
"""
_SCAN = """
INSERT INTO scans
    (query_id, source, object, pushed, rows, bytes, requests, seconds, cache, as_of, guarded, veiled, asked)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""
_FORGET_OLD = "DELETE FROM queries WHERE ended_at < $1"
_FORGET_MANY = "DELETE FROM queries WHERE number <= (SELECT max(number) FROM queries) - $1"
_FORGETS_EVERY_SECONDS = 60.0

_KEPT = HistorySettings()
_LAKE = LakeSettings()


@dataclass(frozen=True, slots=True)
class Ended:
    """A statement that ended, as it is written down.

    ``queued_at`` is when it came and ``turn_at`` when it had waited long enough, in seconds since 1970. ``governed`` is
    what was decided, ``receipt`` what its user was told of that; of one that never came so far there is neither.
    """

    principal: Principal
    text: str
    outcome: Outcome
    queued_at: float
    turn_at: float | None = None
    governed: Governed | None = None
    receipt: Mapping[str, object] = field(default_factory=dict)


class Journal:
    """Queries and their scans, as many and as long as is said; any thread may write and read.

    Args:
        state: where they are kept; written in batches, off the way of the query.
        redact: takes secrets out of a text.
        kept: how long.
        domains: the domain of each source, by its name.
        lake: how long results of runs are kept, and how much of them.
        seal: for the texts of runs; absent, they are this process's alone to read.

    Raises:
        InvalidConfig: the state is of a later version.
    """

    def __init__(
        self,
        state: State,
        redact: Callable[[str], str] = lambda text: text,
        kept: HistorySettings = _KEPT,
        domains: Mapping[str, str] = {},
        lake: LakeSettings = _LAKE,
        seal: Seal | None = None,
    ) -> None:
        self._state = state
        self._redact = redact
        self._kept = kept
        self._forgot = 0.0
        self.wishes = Wishes(state, redact)
        self.events = Events(state, redact, kept.keep)
        self.usage = Usage(state, domains)
        self.runs = Runs(state, redact, lake, seal or Seal())
        self.snapshots = Snapshots(state, redact)
        state.prepare(_PART)

    def record(self, ended: Ended) -> None:
        """Write down a query that ended; never waits."""
        outcome = ended.outcome
        now = time.time()
        turn = ended.turn_at or ended.queued_at
        query = (
            outcome.query_id,
            ended.principal.user,
            self._redact(ended.text),
            outcome.state,
            ended.queued_at,
            outcome.started_at,
            now,
            outcome.rows,
            outcome.bytes,
            self._redact(outcome.error),
            outcome.policy_version,
            turn - ended.queued_at,
            max(0.0, outcome.started_at - turn),
            max(0.0, now - outcome.started_at),
            outcome.cache,
            json.dumps(ended.receipt, default=str) if ended.receipt else None,
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
                self._redact(scan.asked),
            )
            for scan in outcome.scans
        ]
        self._state.later((_QUERY, [query]), (_SCAN, scans), *self._forget(now))
        if ended.governed is not None:
            self.usage.add(ended.principal.user, ended.governed, outcome, now)

    def _forget(self, now: float) -> list[tuple[str, list[tuple[float]]]]:
        if now - self._forgot < _FORGETS_EVERY_SECONDS:
            return []
        self._forgot = now
        return [(_FORGET_OLD, [(now - self._kept.keep,)]), (_FORGET_MANY, [(self._kept.queries,)])]

    def redacted(self, text: str) -> str:
        """The text without secrets, as it is written down."""
        return self._redact(text)

    def has(self, query_id: str, user: str) -> bool:
        """Whether a query of a user's is in the history.

        Raises:
            StateUnavailable: as ``queries``.
        """
        self._state.flush()
        asked = 'SELECT 1 FROM queries WHERE query_id = $1 AND "user" = $2'
        return bool(self._state.read(asked, (query_id, user)))

    def queries(self, user: str | None) -> list[tuple[Any, ...]]:
        """The rows of ``system.queries``, of one user or of everyone.

        Raises:
            StateUnavailable: what was asked last is not written yet, or nothing can be read.
        """
        return self._read(
            'SELECT query_id, "user", sql, state, queued_at, started_at, ended_at, rows, bytes, error, '
            "policy_version, queue_seconds, plan_seconds, run_seconds, cache, receipt FROM queries "
            'WHERE ended_at >= $2 AND (CAST($1 AS TEXT) IS NULL OR "user" = $1) ORDER BY number',
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
                CASE WHEN shown THEN s.cache END, s.as_of, CASE WHEN shown THEN s.asked END
            FROM (
                SELECT
                    scans.*, q.number, CAST($1 AS TEXT) IS NULL OR veiled = 0 AS shown,
                    CAST($1 AS TEXT) IS NULL OR veiled < 2 AS named
                FROM scans JOIN queries q ON q.query_id = scans.query_id
                WHERE q.ended_at >= $2 AND (CAST($1 AS TEXT) IS NULL OR q."user" = $1)
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
            for row in self._state.read(sql, (user, time.time() - self._kept.keep))
        ]
