"""The state store, on a SQLite file and on a real Postgres: written whole or not at all, and what was reported stays."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import adbc_driver_manager as driver
import pytest

from fabric import state as module
from fabric.errors import InvalidConfig, StateUnavailable
from fabric.state import Part, State, open_state
from server.demo.postgres import EmbeddedPostgres
from tests.server.tiny import until

NOTES = Part(
    "notes",
    (
        'CREATE TABLE notes (number {number}, "user" TEXT NOT NULL, text TEXT, at DOUBLE PRECISION, size BIGINT);',
        "ALTER TABLE notes ADD COLUMN more TEXT; CREATE UNIQUE INDEX notes_more ON notes (more)",
    ),
)
PUT = 'INSERT INTO notes ("user", text, more) VALUES ($1, $2, $3)'


@pytest.fixture
def state(state_place: str) -> Iterator[State]:
    with closing(open_state(state_place)) as made:
        made.prepare(NOTES)
        yield made


def texts(state: State) -> list[str]:
    return [text for (text,) in state.read("SELECT text FROM notes ORDER BY number")]


# ── what is written ──────────────────────────────────────────────────────────────────────────


def test_a_transaction_is_there_for_everybody_when_it_ends(state: State, state_place: str) -> None:
    with state.transaction() as run:
        run(PUT, ("ana", "one", None))
        assert run("SELECT count(*) FROM notes") == [(1,)]
    with closing(open_state(state_place)) as other:
        other.prepare(NOTES)
        assert texts(other) == ["one"]


def test_a_transaction_that_fails_leaves_nothing_and_the_next_one_works(state: State) -> None:
    def fail() -> None:
        with state.transaction() as run:
            run(PUT, ("ana", "one", None))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with state.transaction() as run:
        run(PUT, ("ana", "two", None))
    assert texts(state) == ["two"]


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "'; DROP TABLE notes; --", "x" * 1_000_000, "ä🙂", ""])
def test_any_text_can_be_kept(state: State, value: str) -> None:
    with state.transaction() as run:
        run(PUT, ("ana", value, None))
    (kept,) = texts(state)
    assert kept == value.replace("\0", "\\x00").replace("\ud800", "\\ud800")


def test_numbers_and_nulls_come_back_as_they_were(state: State) -> None:
    rows = [("a", None, 1.5, 2**62), ("b", "x", None, None), ("c", None, 3, 0)]
    state.later(('INSERT INTO notes ("user", text, at, size) VALUES ($1, $2, $3, $4)', rows))
    state.flush()
    assert state.read('SELECT "user", text, at, size FROM notes ORDER BY number') == rows


def test_what_is_written_later_is_there_after_a_flush_and_in_order(state: State) -> None:
    for number in range(500):
        state.later((PUT, [("ana", f"{number}", None)]))
    state.flush()
    assert texts(state) == [f"{number}" for number in range(500)]


def test_what_is_written_later_comes_without_a_flush_too(state: State) -> None:
    state.later((PUT, [("ana", "one", None)]))
    until(lambda: texts(state) == ["one"])


def test_what_waits_is_written_at_the_end(state_place: str) -> None:
    state = open_state(state_place)
    state.prepare(NOTES)
    for number in range(100):
        state.later((PUT, [("ana", f"{number}", None)]))
    state.close()
    with closing(open_state(state_place)) as again:
        assert len(texts(again)) == 100


def test_a_write_that_the_database_refuses_costs_no_other(state: State) -> None:
    for number, more in enumerate(("a", "b", "a", "c")):
        state.later((PUT, [("ana", f"{number}", more), ("ana", f"{number}+", None)]))
    state.flush()
    assert texts(state) == ["0", "0+", "1", "1+", "3", "3+"]
    assert state.lost == 1
    assert not state.fault


def test_what_waits_is_bounded(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING_CHARACTERS", 1_000)
    monkeypatch.setattr(module, "GATHER_SECONDS", 60.0)
    for _ in range(20):
        state.later((PUT, [("ana", "x" * 97, None)]))
    state.flush()
    assert (len(texts(state)), state.lost) == (10, 10)
    state.later((PUT, [("ana", "there is room again", None)]))
    state.flush()
    assert len(texts(state)) == 11


# ── several processes ────────────────────────────────────────────────────────────────────────


def test_many_open_a_new_state_at_once(state_place: str) -> None:
    failed: list[BaseException] = []

    def use(number: int) -> None:
        try:
            with closing(open_state(state_place)) as state:
                state.prepare(NOTES)
                for each in range(20):
                    state.later((PUT, [("ana", f"{number}/{each}", None)]))
                state.flush()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    with closing(open_state(state_place)) as state:
        assert len(set(texts(state))) == 120


def test_a_lease_is_one_process_at_a_time(state: State, state_place: str) -> None:
    with closing(open_state(state_place)) as other:
        assert state.lease("refresh", 60)
        assert state.lease("refresh", 60)  # longer
        assert not other.lease("refresh", 60)
        assert other.lease("something else", 60)
        other.release("refresh")  # is not theirs
        assert not other.lease("refresh", 60)
        state.release("refresh")
        assert other.lease("refresh", 60)


def test_a_lease_ends_by_itself(state: State, state_place: str) -> None:
    with closing(open_state(state_place)) as other:
        assert state.lease("refresh", 0.2)
        until(lambda: other.lease("refresh", 60))
        assert not state.lease("refresh", 60)


_WRITER = """
import sys
from fabric.state import open_state
from tests.fabric.test_state import NOTES, PUT
state = open_state(sys.argv[1])
state.prepare(NOTES)
for number in range(1_000_000):
    if number % 7:
        state.later((PUT, [("ana", f"{number}", None)]))
    if number % 50 == 0:
        state.flush()
        with state.transaction() as run:
            run(PUT, ("ana", f"{number}", None))
        print(number, flush=True)
"""


def test_what_was_reported_survives_kill_9(state_place: str) -> None:
    """The writer says how far it is when a flush or a transaction has returned, and is killed in the middle."""
    done = 0
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, state_place], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(20):
                done = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
        with closing(open_state(state_place)) as state:
            state.prepare(NOTES)
            kept = {int(text) for text in texts(state)}
            assert {n for n in range(done) if n % 7 or n % 50 == 0} | {done} <= kept
            with state.transaction() as run:
                run("DELETE FROM notes")


# ── when it is down ──────────────────────────────────────────────────────────────────────────


class Broken:
    """Takes a database away and gives it back."""

    def __init__(self, place: str, server: Callable[[], EmbeddedPostgres]) -> None:
        self._file = None if "://" in place else Path(place)
        self._server = server
        self._lock: sqlite3.Connection | None = None

    def away(self) -> None:
        if self._file is None:
            self._server().stop()
            return
        # Another process holds the file and does nothing.
        self._lock = sqlite3.connect(self._file, isolation_level=None)
        self._lock.execute("BEGIN EXCLUSIVE")

    def back(self) -> None:
        if self._lock is None:
            self._server().start()
        else:
            self._lock.execute("ROLLBACK")
            self._lock.close()


@pytest.fixture
def broken(state_place: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Broken:
    monkeypatch.setattr("fabric.state_databases._BUSY_SECONDS", 0.1)
    return Broken(state_place, lambda: request.getfixturevalue("state_postgres"))


def test_while_it_is_down_nobody_waits_and_nothing_that_fits_is_lost(broken: Broken, state: State) -> None:
    broken.away()
    try:
        state.later((PUT, [("ana", "kept", None)]))
        until(lambda: state.fault)
        with pytest.raises(StateUnavailable), state.transaction() as run:
            run(PUT, ("ana", "refused", None))
        with pytest.raises(StateUnavailable):
            state.flush()
        state.later((PUT, [("ana", "kept too", None)]))
    finally:
        broken.back()
    until(lambda: not state.fault)
    state.flush()
    assert texts(state) == ["kept", "kept too"]
    assert state.lost == 0


def test_one_that_is_down_at_the_start_is_prepared_later(broken: Broken, state_place: str) -> None:
    open_state(state_place).close()
    broken.away()
    try:
        state = open_state(state_place)
        state.prepare(NOTES)
        state.later((PUT, [("ana", "kept", None)]))
        assert state.fault
    finally:
        broken.back()
    until(lambda: not state.fault)
    state.flush()
    assert texts(state) == ["kept"]
    state.close()


def test_a_folder_that_cannot_be_is_told_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with closing(open_state(str(tmp_path / "file" / "state.db"))) as state, pytest.raises(StateUnavailable):
        state.read("SELECT 1")


# ── versions ─────────────────────────────────────────────────────────────────────────────────


def test_an_older_state_is_brought_up_to_date_and_keeps_its_rows(state_place: str) -> None:
    with closing(open_state(state_place)) as state:
        state.prepare(Part("notes", NOTES.scripts[:1]))
        with state.transaction() as run:
            run('INSERT INTO notes ("user", text) VALUES ($1, $2)', ("ana", "old"))
    with closing(open_state(state_place)) as state:
        state.prepare(NOTES)
        with state.transaction() as run:
            run(PUT, ("ana", "new", "x"))
        assert texts(state) == ["old", "new"]


def test_a_later_state_is_refused(state_place: str) -> None:
    with closing(open_state(state_place)) as state:
        state.prepare(NOTES)
        with pytest.raises(InvalidConfig, match="later version"):
            state.prepare(Part("notes", NOTES.scripts[:1]))


def test_a_script_that_fails_leaves_the_version_before(state_place: str) -> None:
    with closing(open_state(state_place)) as state:
        state.prepare(NOTES)
        half = Part("notes", (*NOTES.scripts, "CREATE TABLE more (x TEXT); INSERT INTO nowhere VALUES (1)"))
        with contextlib.suppress(driver.Error):
            state.prepare(half)
        with pytest.raises((StateUnavailable, driver.Error)):
            state.read("SELECT 1")
    with closing(open_state(state_place)) as state:
        state.prepare(Part("notes", (*NOTES.scripts, "CREATE TABLE more (x TEXT)")))
        assert state.read("SELECT * FROM more") == []


def test_no_address_is_in_an_error_or_a_log(caplog: pytest.LogCaptureFixture) -> None:
    with closing(open_state("postgresql://ana:hunter2@127.0.0.1:1/secret_place?connect_timeout=2")) as state:
        with pytest.raises(StateUnavailable) as caught:
            state.read("SELECT 1")
        assert state.fault
    told = str(caught.value) + caplog.text + state.fault
    assert not any(word in told for word in ("hunter2", "secret_place", "127.0.0.1"))


def test_the_folder_of_the_file_is_its_owners(tmp_path: Path) -> None:
    open_state(str(tmp_path / ".ripstop" / "state.db")).close()
    assert os.stat(tmp_path / ".ripstop").st_mode & 0o077 == 0
