"""Nothing runs that was not written down; how it ended is never lost while the server lives."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fabric.audit import GROUP_SECONDS, Audit
from fabric.audit_chain import head_file, read_head, seals
from fabric.audit_verify import verify
from fabric.errors import AuditUnavailable
from fabric.types import Principal
from tests.fabric.audits import KEY, Ended, bodies, files, found, intent, notes, until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / ".ripstop" / "audit"


@pytest.fixture
def audit(folder: Path) -> Iterator[Audit]:
    opened = Audit(folder, KEY)
    yield opened
    opened.close()


def events(folder: Path) -> list[str]:
    return [str(each["event"]) for each in bodies(folder)]


def test_an_intent_is_in_the_kernel_when_it_returns(audit: Audit, folder: Path) -> None:
    audit.intent(intent("q1"))
    assert json.loads(files(folder)[0].read_bytes().splitlines()[-1])["id"] == "q1"


def test_what_was_acknowledged_outlives_a_kill(folder: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path\n"
        "from fabric.audit import Audit; from fabric.audit_records import Intent; from fabric.types import Principal\n"
        'audit = Audit(Path(sys.argv[1]), b"the fabric\'s key, of 32 bytes ...")\n'
        "for n in range(100): audit.intent(Intent(Principal('ana'), 'SELECT 1', str(n)))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(folder)], check=False).returncode == -9
    assert [each["id"] for each in bodies(folder) if "id" in each] == [str(n) for n in range(100)]
    assert not found(folder)
    assert verify(folder, KEY).unfinished == 100


def test_a_life_from_start_to_stop(folder: Path) -> None:
    audit = Audit(folder, KEY)
    audit.policy_changed("", "v1", {"policies/federation.csv": "ab12"})
    audit.intent(intent("q1"))
    audit.outcome(Ended("q1"), "ana")
    audit.close()
    audit.close()
    assert events(folder) == ["start", "policy", "intent", "outcome", "stop"]
    assert not found(folder)
    assert read_head(folder, seals(KEY, purpose="head")) == verify(folder, KEY).last
    with pytest.raises(AuditUnavailable):
        audit.intent(intent("q2"))
    audit.outcome(Ended("q1"), "ana")
    assert events(folder)[-1] == "stop"


def test_closing_is_heard_when_the_last_call_was_just_taken(
    audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that has records durable was about to forget that it was called when the end was asked for."""
    called, clear, call = threading.Event(), audit._dirty.clear, audit._dirty.set

    def late_clear() -> None:
        called.wait(20)
        clear()

    def telling_call() -> None:
        call()
        if audit._stop.is_set():
            called.set()

    monkeypatch.setattr(audit._dirty, "clear", late_clear)
    monkeypatch.setattr(audit._dirty, "set", telling_call)
    audit.intent(intent("q1"))
    time.sleep(GROUP_SECONDS * 2)
    closing = threading.Thread(target=audit.close, daemon=True)
    closing.start()
    closing.join(20)
    assert not closing.is_alive()


# ── durability ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def durable(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int]]:
    """What every fsync from now on has made durable: its thread's name, the file, and how many bytes of it."""
    made = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        real(descriptor)
        made.append((threading.current_thread().name, os.readlink(f"/proc/self/fd/{descriptor}"), size))

    monkeypatch.setattr(os, "fsync", fsync)
    return made


def test_each_is_durable_before_the_query_runs(folder: Path, durable: list[tuple[str, str, int]]) -> None:
    audit = Audit(folder, KEY, fsync="each")
    for number in range(5):
        audit.intent(intent(str(number)))
        (file,) = files(folder)
        assert max(size for _, name, size in durable if name == str(file)) == file.stat().st_size
    audit.close()


def test_a_group_is_durable_soon_and_the_head_says_so(
    folder: Path, durable: list[tuple[str, str, int]]
) -> None:
    audit = Audit(folder, KEY)
    durable.clear()
    audit.intent(intent("q1"))
    (file,) = files(folder)
    done = ("ripstop-audit", str(file), file.stat().st_size)
    assert not [each for each in durable if each[0] != "ripstop-audit"]
    until(lambda: done in durable)
    until(lambda: read_head(folder, seals(KEY, purpose="head")) == verify(folder, KEY).last)
    audit.close()


def test_threads_that_wait_for_durability_share_it(folder: Path) -> None:
    audit = Audit(folder, KEY, fsync="each")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: audit.intent(intent(str(n))), range(200)))
    audit.close()
    assert not found(folder)
    assert {each["id"] for each in bodies(folder) if "id" in each} == {str(n) for n in range(200)}


# ── refusing ─────────────────────────────────────────────────────────────────────────────────


def test_nothing_runs_while_the_audit_cannot_be_written(
    audit: Audit, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    audit.intent(intent("q1"))
    audit.intent(intent("q2"))
    folder.rename(folder.with_name("away"))
    for _ in range(3):
        with pytest.raises(AuditUnavailable) as caught:
            audit.intent(intent("refused"))
    assert caught.value.retryable
    assert str(folder) not in str(caught.value)
    audit.outcome(Ended("q1", state="failed", error="TIMEOUT: too long"), "ana")
    audit.policy_changed("v1", "v2", {})
    audit.outcome(Ended("q2"), "ana")
    assert sum(record.levelno == logging.ERROR for record in caplog.records) == 1
    folder.with_name("away").rename(folder)
    audit.intent(intent("q3"))
    written = [(each["event"], each.get("id")) for each in bodies(folder)]
    assert written == [
        ("start", None),
        ("intent", "q1"),
        ("intent", "q2"),
        ("outcome", "q1"),
        ("policy", None),
        ("outcome", "q2"),
        ("intent", "q3"),
    ]
    audit.outcome(Ended("q3"), "ana")
    audit.close()
    assert not found(folder)


def test_what_could_not_be_written_at_the_start_is_written_later(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder belongs")
    audit = Audit(tmp_path / "state" / "audit", KEY)
    with pytest.raises(AuditUnavailable):
        audit.intent(intent("q1"))
    audit.policy_changed("", "v1", {})
    (tmp_path / "state").unlink()
    audit.intent(intent("q2"))
    audit.close()
    assert events(tmp_path / "state" / "audit") == ["start", "policy", "intent", "stop"]


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A disk of 512 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_refuses_until_there_is_room(full: Path) -> None:
    audit = Audit(full / "audit", KEY)
    audit.intent(intent("q1"))
    ballast = full / "ballast"
    ballast.write_bytes(b"x" * 300_000)
    refused = 0
    for number in range(100):
        try:
            audit.intent(intent(f"n{number}", "SELECT " + "1" * 5_000))
        except AuditUnavailable:
            refused += 1
    assert 0 < refused < 100
    audit.outcome(Ended("q1"), "ana")
    ballast.unlink()
    # The head could not be written either; the thread that tries again is given the time.
    until(lambda: not audit._refusing)
    audit.intent(intent("q2"))
    audit.outcome(Ended("q2"), "ana")
    audit.close()
    assert not found(full / "audit")
    assert not notes(full / "audit")
    ended = [each["id"] for each in bodies(full / "audit") if each["event"] == "outcome"]
    assert ended == ["q1", "q2"]


def test_a_head_that_cannot_be_written_refuses(folder: Path) -> None:
    """Or else the end of the audit could be cut without anybody knowing."""
    audit = Audit(folder, KEY)
    head = head_file(folder)
    head.unlink()
    head.mkdir()
    audit.intent(intent("q1"))
    until(lambda: audit._refusing)
    with pytest.raises(AuditUnavailable):
        audit.intent(intent("q2"))
    head.rmdir()
    until(lambda: not audit._refusing)
    audit.intent(intent("q3"))
    audit.close()
    assert not found(folder)


def test_records_that_may_be_lost_refuse_until_a_restart(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux forgets after a failed fsync that pages were never written, and the next fsync succeeds.

    On a disk that really fails so: ``test_audit_trail``.
    """
    audit = Audit(folder, KEY)
    real = os.fsync

    def fails(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    audit.intent(intent("q1"))
    until(lambda: audit._lost)
    monkeypatch.setattr(os, "fsync", real)
    with pytest.raises(AuditUnavailable):
        audit.intent(intent("q2"))
    audit.outcome(Ended("q1"), "ana")
    audit.close()
    assert events(folder)[-2:] == ["outcome", "stop"]
    again = Audit(folder, KEY)
    again.intent(intent("q3"))
    again.close()
    assert not found(folder)


def test_each_refuses_the_query_whose_record_may_be_lost(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = Audit(folder, KEY, fsync="each")

    def fails(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fails)
        with pytest.raises(AuditUnavailable):
            audit.intent(intent("q1"))
    audit.close()


def test_two_audits_of_one_process_make_one_chain(folder: Path) -> None:
    """Two apps live while a changed configuration takes the place of the last one."""
    one, other = Audit(folder, KEY), Audit(folder, KEY)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: (one, other)[n % 2].intent(intent(str(n))), range(300)))
    one.close()
    other.intent(intent("last"))
    other.close()
    assert not found(folder)
    assert len({each["id"] for each in bodies(folder) if "id" in each}) == 301
    assert len({each["by"] for each in bodies(folder)}) == 2


# ── reading ──────────────────────────────────────────────────────────────────────────────────


def test_the_newest_records_come_first_and_only_the_users_own(audit: Audit) -> None:
    for number in range(30):
        user = "bob" if number % 3 == 0 else 'a"na'
        audit.intent(intent(f"q{number}", principal=Principal(user)))
        audit.outcome(Ended(f"q{number}"), user)
    everyone = audit.records(None, 7)
    assert [row[1] for row in everyone] == ["q29", "q29", "q28", "q28", "q27", "q27", "q26"]
    own = audit.records("bob", 100)
    assert len(own) == 20
    assert {row[2] for row in own} == {"bob"}
    assert len(audit.records('a"na', 100)) == 40
    assert audit.records("nobody", 100) == []
    assert audit.records("bo", 100) == []


def test_nobody_gets_a_record_shown_by_what_another_user_writes_into_it(audit: Audit) -> None:
    eve = Principal("eve", attributes={"user": "bob"})
    audit.intent(
        intent("q1", '"user":"bob"', principal=eve, session={"user": "bob"}, parameters=['"user":"bob"'])
    )
    assert audit.records("bob", 9) == []
    assert len(audit.records("eve", 9)) == 1


def test_lines_that_are_none_are_not_shown(audit: Audit, folder: Path) -> None:
    audit.intent(intent("q1"))
    with files(folder)[0].open("ab") as file:
        file.write(b'[]\n{"user":"ana"}\n{"user":"ana","event":"intent","at":"never"}\n{"user":"ana"')
    assert [row[1] for row in audit.records("ana", 9)] == ["q1"]
    assert [row[1] for row in audit.records(None, 9)] == ["q1", None]


def test_an_audit_that_cannot_be_read_says_so(audit: Audit, folder: Path) -> None:
    shutil.move(files(folder)[0], folder.with_name("moved"))
    (folder / "000000000001.jsonl").mkdir()
    with pytest.raises(AuditUnavailable):
        audit.records(None, 9)
    (folder / "000000000001.jsonl").rmdir()
    shutil.move(folder.with_name("moved"), folder / "000000000001.jsonl")
