"""The state file: what is written is there again, whole or not at all, and old files are brought up to date."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fabric.errors import LimitError
from fabric.execute import Outcome
from fabric.journal import _MIGRATIONS, KEPT_WISH_DAYS, MOST_WISHES, Journal
from fabric.types import Principal, ScanReceipt, TableName

CUSTOMER = TableName("acme", "crm", "customer")
SCAN = ScanReceipt("crm_db", "crm_db.customer", "x = 1", 3)


def outcome(query_id: str, *scans: ScanReceipt) -> Outcome:
    return Outcome(query_id, 0.0, "v1", "succeeded", 1, 8, "", scans)


def wish(journal: Journal, reason: str = "why", user: str = "ana") -> str:
    return journal.wish(user, CUSTOMER, "crm.customer", reason, "crm-team")


def test_a_wish_is_there_after_a_restart(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "state.db")) as journal:
        made = wish(journal)
    with closing(Journal(tmp_path / "state.db")) as journal:
        (found,) = journal.wishes()
    assert (found.request_id, found.user, found.name, found.object) == (made, "ana", CUSTOMER, "crm.customer")
    assert (found.reason, found.owner) == ("why", "crm-team")
    assert abs((datetime.now(UTC) - found.at).total_seconds()) < 600


def test_two_processes_share_wishes_and_their_limit(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "state.db")) as one, closing(Journal(tmp_path / "state.db")) as other:
        for number in range(MOST_WISHES):
            wish((one, other)[number % 2], str(number))
        for journal in (one, other):
            with pytest.raises(LimitError):
                wish(journal, "one more")
        assert wish(one, "3") == wish(other, "3")
        assert len(one.wishes()) == MOST_WISHES


def test_an_old_wish_is_forgotten_and_counts_no_more(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "state.db")) as journal:
        for number in range(MOST_WISHES):
            wish(journal, str(number))
        with closing(sqlite3.connect(tmp_path / "state.db")) as state, state:
            state.execute("UPDATE requests SET at = at - ? WHERE number > 1", (KEPT_WISH_DAYS * 86_400,))
        assert [found.reason for found in journal.wishes()] == ["0"]
        wish(journal, "new")
        assert [found.reason for found in journal.wishes()] == ["0", "new"]


def test_secrets_are_taken_out_of_a_wish(tmp_path: Path) -> None:
    redact = lambda text: text.replace("hunter2", "***")  # noqa: E731
    with closing(Journal(tmp_path / "state.db", redact)) as journal:
        wish(journal, "the password is hunter2")
        assert [found.reason for found in journal.wishes()] == ["the password is ***"]


def test_a_write_that_fails_leaves_nothing_behind_and_the_next_one_works(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "state.db")) as journal:
        ana = Principal("ana")
        journal.record(ana, "SELECT 1", outcome("q1"))
        with pytest.raises(sqlite3.IntegrityError):  # the id is taken
            journal.record(ana, "SELECT 2", outcome("q1", SCAN))
        journal.record(ana, "SELECT 3", outcome("q3", SCAN))
        assert [row[2] for row in journal.queries(None)] == ["SELECT 1", "SELECT 3"]
        assert [row[0] for row in journal.scans(None)] == ["q3"]


@pytest.mark.parametrize("version", range(len(_MIGRATIONS)))
def test_a_state_file_of_every_older_version_is_brought_up_to_date(tmp_path: Path, version: int) -> None:
    with closing(sqlite3.connect(tmp_path / "state.db")) as state, state:
        for script in _MIGRATIONS[:version]:
            state.executescript(script)
        if version:
            state.execute("INSERT INTO queries (query_id, user, sql) VALUES ('q0', 'ana', 'SELECT 0')")
        state.execute(f"PRAGMA user_version = {version}")
    with closing(Journal(tmp_path / "state.db")) as journal:
        journal.record(Principal("ana"), "SELECT 1", outcome("q1", SCAN))
        wish(journal)
        assert [row[0] for row in journal.queries("ana")] == (["q0", "q1"] if version else ["q1"])
        assert (len(journal.scans("ana")), len(journal.wishes())) == (1, 1)
