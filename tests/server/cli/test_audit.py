"""``ripstop audit verify`` as a shell calls it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fabric.audit import Audit
from fabric.audit_records import Intent
from fabric.config import load_project
from fabric.key import load_key
from fabric.types import Principal


def verify(project: Path, *more: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "server.cli", "audit", "verify", "-C", str(project), *more],
        capture_output=True,
        check=False,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


def opened(project: Path) -> Audit:
    return Audit(project / ".ripstop" / "audit", load_key(load_project(project)))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose audit holds five intents between start and stop."""
    (tmp_path / "fabric.yaml").write_text("name: acme\n")
    (tmp_path / "users.yaml").write_text("users: {}\n")
    audit = opened(tmp_path)
    for number in range(5):
        audit.intent(Intent(Principal("ana"), "SELECT 1", str(number)))
    audit.close()
    return tmp_path


def test_an_audit_that_stands(project: Path) -> None:
    status, out, error = verify(project)
    assert (status, error) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("ok      000000000001.jsonl  7 records  20")
    assert lines[2] == "7 records of 1 writers"
    assert lines[3].startswith("queries without an outcome: 5")
    assert lines[4].startswith("newest: record 7, ")
    assert lines[-1] == "ok"
    assert verify(project, "--anchor", lines[4].split()[-1])[0] == 0


def test_tampering_is_named_with_file_and_line(project: Path) -> None:
    file = project / ".ripstop" / "audit" / "000000000001.jsonl"
    file.write_text(file.read_text().replace('"id":"3"', '"id":"4"'))
    status, out, _ = verify(project)
    assert status == 1
    assert out.startswith("FAILED  000000000001.jsonl")
    assert "    000000000001.jsonl:5: not as this fabric wrote it\n" in out
    assert out.endswith("FAILED: 1\n")


def test_a_cut_end_and_a_crash_are_told_apart(project: Path) -> None:
    file = project / ".ripstop" / "audit" / "000000000001.jsonl"
    content = file.read_bytes()
    file.write_bytes(content + b'{"n":8,"pre')
    status, out, _ = verify(project)
    assert status == 0
    assert "    note: 000000000001.jsonl:8: torn" in out
    file.write_bytes(content[:-20])
    status, out, _ = verify(project)
    assert status == 1
    assert "FAILED  the end was cut: record 7 is missing" in out


def test_it_can_be_verified_while_a_server_writes(project: Path) -> None:
    audit, stop = opened(project), threading.Event()

    def serve() -> None:
        number = 0
        while not stop.is_set():
            audit.intent(Intent(Principal("ana"), "SELECT 1", f"w{number}"))
            number += 1

    server = threading.Thread(target=serve)
    server.start()
    try:
        for _ in range(3):
            status, out, error = verify(project)
            assert (status, error) == (0, ""), out
            assert "note" not in out
    finally:
        stop.set()
        server.join()
        audit.close()
    assert verify(project)[0] == 0


def test_an_old_key_is_given_by_its_file(project: Path) -> None:
    key = project / ".ripstop" / "key"
    key.rename(project / "old.key")
    audit = opened(project)
    audit.close()
    status, out, _ = verify(project)
    assert status == 1
    assert "give it with --old-key" in out
    status, out, _ = verify(project, "--old-key", str(project / "old.key"))
    assert status == 0
    assert "    note: 000000000001.jsonl:8: opened when the head was written under another key" in out
    assert verify(project, "--old-key", str(project / "none"))[0] == 2


def test_without_the_key_or_an_audit_it_says_so_and_makes_none(project: Path) -> None:
    key = project / ".ripstop" / "key"
    secret = key.read_text()
    key.unlink()
    status, _, error = verify(project)
    assert status == 1
    assert error.startswith("error: CONFIG: .ripstop/key: ")
    assert not key.exists()
    key.write_text(secret)
    key.chmod(0o600)
    (project / ".ripstop" / "audit").rename(project / "audit")
    status, out, _ = verify(project)
    assert (status, out.splitlines()[0]) == (1, "FAILED  the folder of the audit is missing")
    os.remove(project / ".ripstop" / "audit.head")
    status, _, error = verify(project)
    assert status == 1
    assert error.splitlines() == [
        "error: NOT_FOUND: there is no audit here",
        "hint: the server begins it when it first starts",
    ]


def test_files_that_were_taken_away_are_asked_for(project: Path) -> None:
    assert verify(project, "--from", "1")[0] == 0
    file = project / ".ripstop" / "audit" / "000000000001.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.unlink()
    file.with_name("000000000004.jsonl").write_text("".join(lines[3:]))
    status, out, _ = verify(project)
    assert status == 1
    assert "records 1 to 3 are missing before it" in out
    assert verify(project, "--from", "4")[0] == 0


def test_its_help_names_what_it_takes() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "server.cli", "audit", "verify", "--help"],
        capture_output=True,
        check=True,
        text=True,
    )
    assert all(option in done.stdout for option in ("-C", "--old-key", "--from", "--anchor"))
