"""The journal: what was asked and wished for, by whom, and what each source did, in the state file (SQLite)."""

from __future__ import annotations

import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fabric.errors import LimitError
from fabric.execute import Outcome
from fabric.types import Principal, TableName

KEPT_QUERIES = 100_000
KEPT_WISH_DAYS = 90
_KEPT_WISH_SECONDS = KEPT_WISH_DAYS * 86_400.0
MOST_WISHES = 100
"""How many wishes of one user are kept."""

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
    """
    CREATE TABLE requests (
        number INTEGER PRIMARY KEY, request_id TEXT UNIQUE NOT NULL, at REAL NOT NULL, user TEXT NOT NULL,
        catalog TEXT NOT NULL, schema TEXT NOT NULL, name TEXT NOT NULL, object TEXT NOT NULL,
        reason TEXT NOT NULL, owner TEXT NOT NULL
    ) STRICT;
    CREATE INDEX requests_user ON requests (user)
    """,
)


@dataclass(frozen=True, slots=True)
class Wish:
    """A user would like something of an object: ``reason`` says what and why, ``owner`` is who was told them.

    ``object`` is the name as users write it.
    """

    request_id: str
    at: datetime
    user: str
    name: TableName
    object: str
    reason: str
    owner: str


class Journal:
    """Queries and their scans, the newest ``KEPT_QUERIES`` of them, and wishes; any thread may write and read.

    Args:
        file: the SQLite file; its folder is made, readable by its owner alone.
        redact: takes secrets out of a text.
    """

    def __init__(self, file: Path, redact: Callable[[str], str] = lambda text: text) -> None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.redact = redact
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute("PRAGMA busy_timeout = 5000")
        self._migrate()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All that is written within is written, or nothing."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _migrate(self) -> None:
        with self._transaction():
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            for number, script in enumerate(_MIGRATIONS[version:], version + 1):
                for statement in script.split(";"):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {number}")

    def record(self, principal: Principal, text: str, outcome: Outcome) -> None:
        """Write down a query that ended."""
        ended = datetime.now(UTC).timestamp()
        row = (
            outcome.query_id,
            principal.user,
            self.redact(text),
            outcome.state,
            outcome.started_at,
            outcome.started_at,
            ended,
            outcome.rows,
            outcome.bytes,
            self.redact(outcome.error),
            outcome.policy_version,
        )
        scans = [
            (
                outcome.query_id,
                scan.source,
                scan.object,
                self.redact(scan.pushed),
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
        with self._transaction():
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

    def queries(self, user: str | None) -> list[tuple[Any, ...]]:
        """The rows of ``system.queries``, of one user or of everyone."""
        return self._read(
            "SELECT query_id, user, sql, state, queued_at, started_at, ended_at, rows, bytes, error, "
            "policy_version FROM queries WHERE ?1 IS NULL OR user = ?1 ORDER BY number",
            (user,),
            times=(4, 5, 6),
        )

    def scans(self, user: str | None) -> list[tuple[Any, ...]]:
        """The rows of ``system.scans``: everyone's, or one user's with what is not theirs to know left out."""
        return self._read(
            """
            SELECT
                s.query_id, CASE WHEN named THEN s.source END, CASE WHEN named THEN s.object END,
                CASE WHEN shown THEN s.pushed END, CASE WHEN shown OR s.guarded THEN s.rows END,
                CASE WHEN shown THEN s.bytes END, CASE WHEN shown THEN s.requests END, s.seconds,
                CASE WHEN shown THEN s.cache END, s.as_of
            FROM (
                SELECT *, rowid AS at, ?1 IS NULL OR NOT veiled AS shown, ?1 IS NULL OR veiled < 2 AS named
                FROM scans
            ) s
            JOIN queries q USING (query_id)
            WHERE ?1 IS NULL OR q.user = ?1
            ORDER BY q.number, s.at
            """,
            (user,),
            times=(9,),
        )

    def wish(self, user: str, name: TableName, written: str, reason: str, owner: str) -> str:
        """Write down a wish, and return its id; the same one asked again is the one that is there.

        Args:
            user: whose.
            name: the object's.
            written: the same as users write it.
            reason: what is wished and why.
            owner: who is told.

        Raises:
            LimitError: the user has ``MOST_WISHES``.
        """
        at = datetime.now(UTC).timestamp()
        row = (user, name.catalog, name.schema, name.name, written, self.redact(reason), owner)
        with self._transaction():
            execute = self._connection.execute
            execute("DELETE FROM requests WHERE at < ?", (at - _KEPT_WISH_SECONDS,))
            known = execute(
                "SELECT request_id FROM requests "
                "WHERE (user, catalog, schema, name, object, reason, owner) = (?, ?, ?, ?, ?, ?, ?)",
                row,
            ).fetchone()
            if known:
                return str(known[0])
            (count,) = execute("SELECT count(*) FROM requests WHERE user = ?", (user,)).fetchone()
            if count >= MOST_WISHES:
                raise LimitError(
                    f"you have asked for {MOST_WISHES} things in {KEPT_WISH_DAYS} days",
                    hint="system.requests shows them; their owners can answer",
                )
            made = uuid.uuid4().hex
            execute(
                "INSERT INTO requests (request_id, at, user, catalog, schema, name, object, reason, owner) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (made, at, *row),
            )
        return made

    def wishes(self) -> list[Wish]:
        """Everyone's wishes, the oldest first."""
        found = self._read(
            "SELECT request_id, at, user, catalog, schema, name, object, reason, owner FROM requests "
            "WHERE at >= ? ORDER BY number",
            (datetime.now(UTC).timestamp() - _KEPT_WISH_SECONDS,),
            times=(1,),
        )
        return [
            Wish(id, at, user, TableName(*name), written, reason, owner)
            for id, at, user, *name, written, reason, owner in found
        ]

    def _read(self, sql: str, values: tuple[object, ...], times: tuple[int, ...]) -> list[tuple[Any, ...]]:
        with self._lock:
            found = self._connection.execute(sql, values).fetchall()
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
