"""The journal, on both databases: what is written is there again, and a file from before is taken over."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fabric.journal import Ended, Journal
from fabric.outcome import Outcome
from fabric.state import State, open_state
from fabric.types import Principal, ScanReceipt, TableName

ANA, BOB = Principal("ana"), Principal("bob")
SCAN = ScanReceipt("crm_db", "crm_db.customer", "x = 1", 3)


@pytest.fixture
def state(state_place: str) -> Iterator[State]:
    with closing(open_state(state_place)) as made:
        yield made


def outcome(query_id: str, *scans: ScanReceipt) -> Outcome:
    return Outcome(query_id, 0.0, "v1", "succeeded", 1, 8, "", scans)


def test_what_was_asked_is_there_after_a_restart(state_place: str) -> None:
    with closing(open_state(state_place)) as state:
        Journal(state).record(Ended(ANA, "SELECT 1", outcome("q1", SCAN), 5.0))
    with closing(open_state(state_place)) as state:
        journal = Journal(state)
        (query,) = journal.queries(None)
        assert query[:4] == ("q1", "ana", "SELECT 1", "succeeded")
        assert (query[4].timestamp(), query[7], query[8], query[10]) == (5.0, 1, 8, "v1")
        ((id, source, object, pushed, rows, *_),) = journal.scans(None)
        assert (id, source, object, pushed, rows) == ("q1", "crm_db", "crm_db.customer", "x = 1", 3)


def test_each_sees_their_own(state: State) -> None:
    journal = Journal(state)
    journal.record(Ended(ANA, "SELECT 1", outcome("q1", SCAN), 0.0))
    journal.record(Ended(BOB, "SELECT 2", outcome("q2", SCAN), 0.0))
    assert [row[0] for row in journal.queries("bob")] == ["q2"]
    assert [row[0] for row in journal.scans("bob")] == ["q2"]
    assert [row[0] for row in journal.queries(None)] == ["q1", "q2"]


def test_a_write_that_fails_leaves_nothing_behind_and_the_next_one_works(state: State) -> None:
    journal = Journal(state)
    journal.record(Ended(ANA, "SELECT 1", outcome("q1"), 0.0))
    journal.record(Ended(ANA, "SELECT 2", outcome("q1", SCAN), 0.0))  # the id is taken
    journal.record(Ended(ANA, "SELECT 3", outcome("q3", SCAN), 0.0))
    assert [row[2] for row in journal.queries(None)] == ["SELECT 1", "SELECT 3"]
    assert [row[0] for row in journal.scans(None)] == ["q3"]


_BEFORE = """
CREATE TABLE queries (
    number INTEGER PRIMARY KEY, query_id TEXT UNIQUE, user TEXT, sql TEXT, state TEXT, queued_at REAL,
    started_at REAL, ended_at REAL, rows INTEGER, bytes INTEGER, error TEXT, policy_version TEXT
) STRICT;
CREATE INDEX queries_user ON queries (user);
CREATE TABLE scans (
    query_id TEXT REFERENCES queries (query_id) ON DELETE CASCADE, source TEXT, object TEXT, pushed TEXT,
    rows INTEGER, bytes INTEGER, requests INTEGER, seconds REAL, cache TEXT, as_of REAL,
    guarded INTEGER NOT NULL DEFAULT 0, veiled INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX scans_query ON scans (query_id);
CREATE TABLE requests (
    number INTEGER PRIMARY KEY, request_id TEXT UNIQUE NOT NULL, at REAL NOT NULL, user TEXT NOT NULL,
    catalog TEXT NOT NULL, schema TEXT NOT NULL, name TEXT NOT NULL, object TEXT NOT NULL,
    reason TEXT NOT NULL, owner TEXT NOT NULL
) STRICT;
CREATE INDEX requests_user ON requests (user);
INSERT INTO queries (query_id, user, sql, ended_at) VALUES ('q0', 'ana', 'SELECT 0', unixepoch());
PRAGMA user_version = 3;
"""


def test_a_file_from_before_the_state_store_is_taken_over(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "state.db")) as file, file:
        file.executescript(_BEFORE)
    for query_id in ("q1", "q2"):
        with closing(open_state(str(tmp_path / "state.db"))) as state:
            journal = Journal(state)
            journal.record(Ended(ANA, "SELECT 1", outcome(query_id, SCAN), 0.0))
            journal.wishes.wish("ana", TableName("acme", "crm", "customer"), "crm.customer", query_id, "x")
    with closing(open_state(str(tmp_path / "state.db"))) as state:
        journal = Journal(state)
        assert [row[0] for row in journal.queries("ana")] == ["q0", "q1", "q2"]
        assert (len(journal.scans("ana")), len(journal.wishes.all())) == (2, 2)
