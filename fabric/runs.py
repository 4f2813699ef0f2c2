"""Runs: queries that were submitted to be read later, with all that must outlive the process that runs them.

A run is queued, running, and then succeeded, failed or cancelled; one that succeeded expires. Its result counts from the
transaction that says so: readers see the whole of it or nothing, whatever dies when.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fabric.config_model import LakeSettings
from fabric.errors import LimitError, NotFound
from fabric.seal import Seal
from fabric.state import Part, State
from fabric.stored import Ruled

MOST_ACTIVE = 16
"""How many runs of one user may wait or run."""

KEPT_SECONDS = 90 * 86_400.0
"""How long a run that is over is told of; its result may expire before."""

_PART = Part(
    "runs",
    (
        """
        CREATE TABLE runs (
            number {number}, run_id TEXT UNIQUE NOT NULL, owner TEXT NOT NULL, sql TEXT NOT NULL, session TEXT NOT NULL,
            state TEXT NOT NULL, submitted_at {real} NOT NULL, started_at {real}, ended_at {real}, rows BIGINT,
            bytes BIGINT, error TEXT, expires_at {real}, worker TEXT NOT NULL, file TEXT, made_under TEXT, receipt TEXT
        );
        CREATE INDEX runs_owner ON runs (owner);
        CREATE TABLE run_shares (
            run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE, subject TEXT NOT NULL,
            PRIMARY KEY (run_id, subject)
        )
        """,
        "ALTER TABLE runs ADD COLUMN query TEXT",
        "UPDATE runs SET query = NULL",  # it was not sealed
    ),
)

_ACTIVE = "state IN ('queued', 'running')"


@dataclass(frozen=True, slots=True)
class Run:
    """One run whose result can be read.

    ``sql`` is the whole text, to be judged and never shown; None where it was sealed with another key. ``session`` completed its names: ``schema`` and ``dialect``. ``made_under`` is what was decided on it.
    """

    run_id: str
    owner: str
    sql: str | None
    session: Mapping[str, str | None]
    file: str
    made_under: tuple[Ruled, ...]
    expires_at: datetime
    subjects: frozenset[str] = field(default=frozenset())


def no_such_run() -> NotFound:
    """The same of a run that is another's and of one that never was."""
    return NotFound("there is no such run of yours", hint="system.runs shows yours")


class Runs:
    """Every run, in the state store; any thread may ask.

    Args:
        state: where they are kept.
        redact: takes secrets out of a text.
        lake: how long results are kept, and how much of one user.
        seal: for the texts of queries, in which values and secrets may stand.
    """

    def __init__(self, state: State, redact: Callable[[str], str], lake: LakeSettings, seal: Seal) -> None:
        self.state = state
        self._redact = redact
        self._seal = seal
        self._lake = lake
        state.prepare(_PART)

    # ── a run's way ─────────────────────────────────────────────────────────────────────────

    def submit(self, owner: str, sql: str, session: Mapping[str, str | None], worker: str) -> str:
        """Write down a run that waits; its id, once it is durable.

        Raises:
            LimitError: the owner has too many under way, or no room in the lake.
            StateUnavailable: it could not be written down.
        """
        run_id = secrets.token_hex(16)
        query = self._seal.sealed(sql, run_id)
        with self.state.transaction() as run:
            ((active,),) = run(f"SELECT count(*) FROM runs WHERE owner = $1 AND {_ACTIVE}", (owner,))
            if active >= MOST_ACTIVE:
                raise LimitError(
                    f"{active} runs of yours wait or run, and no more may",
                    hint="submit it when one has ended",
                )
            self._require_room(run, owner, 1)
            run(
                "INSERT INTO runs (run_id, owner, sql, query, session, state, submitted_at, worker) "
                "VALUES ($1, $2, $3, $4, $5, 'queued', $6, $7)",
                (run_id, owner, self._redact(sql), query, json.dumps(session), time.time(), worker),
            )
        return run_id

    def start(self, run_id: str, file: str) -> bool:
        """Say that it runs and will write a file; false when it was cancelled while it waited."""
        with self.state.transaction() as run:
            return bool(
                run(
                    "UPDATE runs SET state = 'running', started_at = $2, file = $3 "
                    "WHERE run_id = $1 AND state = 'queued' RETURNING run_id",
                    (run_id, time.time(), file),
                )
            )

    def progress(self, run_id: str, rows: int, size: int) -> bool:
        """Say how far it is; false when it is no longer to run."""
        with self.state.transaction() as run:
            return bool(
                run(
                    f"UPDATE runs SET rows = $2, bytes = $3 WHERE run_id = $1 AND {_ACTIVE} RETURNING run_id",
                    (run_id, rows, size),
                )
            )

    def publish(
        self, run_id: str, rows: int, size: int, made_under: Sequence[Ruled], receipt: Mapping[str, object]
    ) -> bool:
        """Have the result count, in one step; false when the run was cancelled meanwhile.

        Raises:
            LimitError: its owner has no room for it.
        """
        now = time.time()
        with self.state.transaction() as run:
            found = run("SELECT owner FROM runs WHERE run_id = $1 AND state = 'running'", (run_id,))
            if not found:
                return False
            self._require_room(run, found[0][0], size)
            told = (json.dumps(made_under), json.dumps(receipt, default=str))
            return bool(
                run(
                    "UPDATE runs SET state = 'succeeded', ended_at = $2, expires_at = $3, rows = $4, bytes = $5, "
                    "made_under = $6, receipt = $7 WHERE run_id = $1 AND state = 'running' RETURNING run_id",
                    (run_id, now, now + self._lake.keep, rows, size, *told),
                )
            )

    def _require_room(self, run: Callable[..., list[Any]], owner: str, more: int) -> None:
        ((held,),) = run(
            "SELECT coalesce(sum(bytes), 0) FROM runs WHERE owner = $1 AND state = 'succeeded' AND expires_at > $2",
            (owner, time.time()),
        )
        if held + more > self._lake.per_user:
            raise LimitError(
                f"your results may take {self._lake.per_user:,} bytes of the lake, and would take "
                f"{int(held) + more:,}",
                hint="CALL system.cancel('<run id>') removes one",
            )

    def fail(self, run_id: str, error: str, state: str = "failed") -> None:
        """Say that it is over without a result, unless it is over already."""
        with self.state.transaction() as run:
            run(
                f"UPDATE runs SET state = $2, ended_at = $3, error = $4 WHERE run_id = $1 AND {_ACTIVE}",
                (run_id, state, time.time(), self._redact(error)),
            )

    def cancel(self, run_id: str, user: str | None) -> str | None:
        """Cancel a run of a user's (None: anybody's), or drop its result; its state, or None without one."""
        now = time.time()
        with self.state.transaction() as run:
            found = run(
                f"UPDATE runs SET state = CASE WHEN {_ACTIVE} THEN 'cancelled' ELSE 'expired' END, "
                f"ended_at = coalesce(ended_at, $3), expires_at = CASE WHEN {_ACTIVE} THEN expires_at ELSE $3 END "
                f"WHERE run_id = $1 AND (CAST($2 AS TEXT) IS NULL OR owner = $2) "
                f"AND ({_ACTIVE} OR (state = 'succeeded' AND expires_at > $3)) RETURNING state",
                (run_id, user, now),
            )
        return str(found[0][0]) if found else None

    def share(self, run_id: str, owner: str, subject: str) -> None:
        """Let a subject read a result, as far as its own decisions allow.

        Raises:
            NotFound: the owner has no such run.
        """
        with self.state.transaction() as run:
            if not run("SELECT 1 FROM runs WHERE run_id = $1 AND owner = $2", (run_id, owner)):
                raise no_such_run()
            run(
                "INSERT INTO run_shares (run_id, subject) VALUES ($1, $2) ON CONFLICT (run_id, subject) DO NOTHING",
                (run_id, subject.lower()),
            )

    # ── what is known ───────────────────────────────────────────────────────────────────────

    def readable(self, run_id: str) -> Run | None:
        """The run of an id if it has a result, with those it is shared with."""
        found = self.state.read(
            "SELECT r.run_id, owner, query, session, file, made_under, expires_at, subject FROM runs r "
            "LEFT JOIN run_shares s ON s.run_id = r.run_id "
            "WHERE r.run_id = $1 AND state = 'succeeded' AND expires_at > $2",
            (run_id, time.time()),
        )
        if not found:
            return None
        id, owner, query, session, file, made_under, expires_at, _ = found[0]
        sql = self._seal.opened(str(query), id)
        until = datetime.fromtimestamp(float(expires_at), UTC)
        subjects = frozenset(row[-1] for row in found if row[-1])
        return Run(id, owner, sql, json.loads(session), file, tuple(json.loads(made_under)), until, subjects)

    def state_of(self, run_id: str, owner: str) -> tuple[str, str] | None:
        """The state of an owner's run, and its error; None without one."""
        found = self.state.read(
            "SELECT state, coalesce(error, '') FROM runs WHERE run_id = $1 AND owner = $2", (run_id, owner)
        )
        return (str(found[0][0]), str(found[0][1])) if found else None

    def rows(self, owner: str | None) -> list[tuple[Any, ...]]:
        """The rows of ``system.runs``, of one owner or of everyone.

        Raises:
            StateUnavailable: they cannot be read.
        """
        found = self.state.read(
            "SELECT run_id, owner, sql, CASE WHEN state = 'succeeded' AND expires_at <= $2 THEN 'expired' ELSE state END, "
            "submitted_at, started_at, ended_at, rows, bytes, error, expires_at FROM runs "
            "WHERE CAST($1 AS TEXT) IS NULL OR owner = $1 ORDER BY number",
            (owner, time.time()),
        )
        times = (4, 5, 6, 10)
        return [
            tuple(
                datetime.fromtimestamp(value, UTC) if n in times and value is not None else value
                for n, value in enumerate(row)
            )
            for row in found
        ]

    # ── what nobody does any more ───────────────────────────────────────────────────────────

    def workers(self) -> set[str]:
        """Those that have runs under way."""
        return {str(row[0]) for row in self.state.read(f"SELECT DISTINCT worker FROM runs WHERE {_ACTIVE}")}

    def abandon(self, worker: str, why: str) -> int:
        """Fail what a worker left under way when it died; how many that were."""
        with self.state.transaction() as run:
            return len(
                run(
                    f"UPDATE runs SET state = 'failed', ended_at = $2, error = $3 WHERE worker = $1 AND {_ACTIVE} "
                    "RETURNING run_id",
                    (worker, time.time(), why),
                )
            )

    def forget(self) -> None:
        """Forget the runs that were over ``KEPT_SECONDS`` ago, and whose result expired."""
        now = time.time()
        with self.state.transaction() as run:
            run("UPDATE runs SET state = 'expired' WHERE state = 'succeeded' AND expires_at <= $1", (now,))
            run(
                f"DELETE FROM runs WHERE NOT ({_ACTIVE}) AND state <> 'succeeded' AND ended_at < $1",
                (now - KEPT_SECONDS,),
            )

    def files(self) -> dict[str, tuple[str, float]]:
        """Every file that a run has named, with the run's state and the time at which it ended or expired."""
        rows = self.state.read(
            "SELECT file, state, coalesce(expires_at, ended_at, 0) FROM runs WHERE file IS NOT NULL"
        )
        return {str(file): (str(state), float(at)) for file, state, at in rows}
