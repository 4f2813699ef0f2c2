"""The journal: what was asked, by whom, and what each source did for it, in the state file (SQLite)."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fabric.execute import Outcome
from fabric.types import Principal

KEPT_QUERIES = 100_000

_MIGRATIONS = (
    """
    CREATE TABLE queries (
        number INTEGER PRIMARY KEY, query_id TEXT UNIQUE, user TEXT, sql TEXT, state TEXT, queued_at REAL,
        started_at REAL, ended_at REAL, rows INTEGER, bytes INTEGER, error TEXT, policy_version TEXT
    ) STRICT;
    CREATE INDEX queries_user ON queries (user);
    CREATE TABLE scans (
        query_id TEXT REFERENCES queries (query_id) ON DELETE CASCADE, source TEXT, object TEXT, pushed TEXT,
        rows INTEGER, bytes INTEGER, requests INTEGER, seconds REAL, cache TEXT, as_of REAL
    ) STRICT;
    CREATE INDEX scans_query ON scans (query_id);
    """,
    """
    ALTER TABLE scans ADD COLUMN guarded INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE scans ADD COLUMN veiled INTEGER NOT NULL DEFAULT 0
    """,
)


class Journal:
    """Queries and their scans, the newest ``KEPT_QUERIES`` of them; any thread may write and read.

    Args:
        file: the SQLite file; its folder is made, readable by its owner alone.
        redact: takes secrets out of a text.
    """

    def __init__(self, file: Path, redact: Callable[[str], str] = lambda text: text) -> None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._redact = redact
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute("PRAGMA busy_timeout = 5000")
        self._migrate()

    def _migrate(self) -> None:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            for number, script in enumerate(_MIGRATIONS[version:], version + 1):
                for statement in script.split(";"):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {number}")
            self._connection.execute("COMMIT")

    def record(self, principal: Principal, text: str, outcome: Outcome) -> None:
        """Write down a query that ended."""
        ended = datetime.now(UTC).timestamp()
        row = (
            outcome.query_id,
            principal.user,
            self._redact(text),
            outcome.state,
            outcome.started_at,
            outcome.started_at,
            ended,
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
                int(scan.veiled),
            )
            for scan in outcome.scans
        ]
        with self._lock:
            self._connection.execute("BEGIN")
            cursor = self._connection.execute(
                "INSERT INTO queries (query_id, user, sql, state, queued_at, started_at, ended_at, rows, bytes, "
                "error, policy_version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            self._connection.executemany(
                "INSERT INTO scans VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", scans
            )
            self._connection.execute(
                "DELETE FROM queries WHERE number <= ?", ((cursor.lastrowid or 0) - KEPT_QUERIES,)
            )
            self._connection.execute("COMMIT")

    def queries(self, user: str | None) -> list[tuple[Any, ...]]:
        """The rows of ``system.queries``, of one user or of everyone."""
        return self._read(
            "SELECT query_id, user, sql, state, queued_at, started_at, ended_at, rows, bytes, error, "
            "policy_version FROM queries WHERE ?1 IS NULL OR user = ?1 ORDER BY number",
            user,
            times=(4, 5, 6),
        )

    def scans(self, user: str | None) -> list[tuple[Any, ...]]:
        """The rows of ``system.scans``: everyone's, or one user's with what is not theirs to know left out."""
        return self._read(
            "SELECT s.query_id, s.source, s.object, iif(shown, s.pushed, NULL), iif(shown OR s.guarded, s.rows, NULL), "
            "iif(shown, s.bytes, NULL), iif(shown, s.requests, NULL), s.seconds, iif(shown, s.cache, NULL), s.as_of "
            "FROM (SELECT *, rowid AS at, ?1 IS NULL OR NOT veiled AS shown FROM scans) s "
            "JOIN queries q USING (query_id) WHERE ?1 IS NULL OR q.user = ?1 ORDER BY q.number, s.at",
            user,
            times=(9,),
        )

    def _read(self, sql: str, user: str | None, times: tuple[int, ...]) -> list[tuple[Any, ...]]:
        with self._lock:
            found = self._connection.execute(sql, (user,)).fetchall()
        return [
            tuple(
                datetime.fromtimestamp(value, UTC) if n in times and value is not None else value
                for n, value in enumerate(row)
            )
            for row in found
        ]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
