"""Whoever tampers with an audit is found out, at the file and line; a crash is told from tampering."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fabric.audit_chain import Link, Seal, head_file, head_line, read_line, seals
from fabric.audit_trail import Trail, locked
from fabric.audit_verify import verify
from fabric.errors import NotFound
from tests.fabric.audits import KEY, files, finish, found, lines_of, notes, put, write

OTHER = b"some other key, also of 32 bytes."


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An audit of 60 records in several files."""
    folder = tmp_path_factory.mktemp("written") / "audit"
    write(folder, 60)
    assert len(files(folder)) > 3
    return folder


@pytest.fixture
def audit(written: Path, tmp_path: Path) -> Path:
    """A copy of it to tamper with."""
    shutil.copytree(written, tmp_path / "audit")
    shutil.copy(head_file(written), head_file(tmp_path / "audit"))
    return tmp_path / "audit"


def test_what_nobody_touched_stands(audit: Path) -> None:
    report = verify(audit, KEY)
    assert report.failures == 0
    assert not notes(audit)
    assert sum(file.records for file in report.files) == report.last.number
    assert sum(len(lines_of(file)) for file in files(audit)) == report.last.number
    assert all(file.first <= file.last and len(file.writers) == 1 for file in report.files)


def test_there_may_be_no_audit(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        verify(tmp_path / "audit", KEY)


# ── lines ────────────────────────────────────────────────────────────────────────────────────


def test_every_byte_of_a_line_counts(audit: Path) -> None:
    file = files(audit)[1]
    lines = lines_of(file)
    whole = lines[4]
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1
        put(file, [*lines[:4], bytes(changed), *lines[5:]])
        problems = found(audit)
        assert any(problem.startswith(("1:5:", "1:6:")) for problem in problems), position
    put(file, lines)
    assert not found(audit)


def test_any_bit_of_any_file_counts(audit: Path) -> None:
    chance = random.Random(3)
    for _ in range(150):
        file = chance.choice(files(audit))
        content = file.read_bytes()
        position = chance.randrange(len(content))
        changed = bytearray(content)
        changed[position] ^= 1 << chance.randrange(8)
        file.write_bytes(bytes(changed))
        assert found(audit), (file, position)
        file.write_bytes(content)


def test_a_changed_line_is_named_and_the_rest_stands(audit: Path) -> None:
    file = files(audit)[2]
    lines = lines_of(file)
    lines[3] = lines[3].replace(b'"user":"ana"', b'"user":"bob"')
    put(file, lines)
    assert found(audit) == ["2:4: not as this fabric wrote it"]


def test_each_line_that_is_removed_is_missed(audit: Path) -> None:
    for n, file in enumerate(files(audit)):
        lines = lines_of(file)
        for position in range(len(lines)):
            put(file, lines[:position] + lines[position + 1 :])
            (problem,) = found(audit)
            number = json.loads(lines[position])["n"]
            if file == files(audit)[-1] and position == len(lines) - 1:
                assert problem.startswith(f"the end was cut: record {number} is missing")
            elif position == len(lines) - 1:
                assert problem == f"{n + 1}:1: record {number} is missing before it"
            else:
                assert problem == f"{n}:{position + 1}: record {number} is missing before it"
        put(file, lines)
    assert not found(audit)


def test_lines_that_change_places_are_named(audit: Path) -> None:
    file = files(audit)[1]
    lines = lines_of(file)
    first = json.loads(lines[2])["n"]
    put(file, [*lines[:2], lines[3], lines[2], *lines[4:]])
    assert found(audit) == [
        f"1:3: record {first} is missing before it",
        f"1:4: record {first} stands behind record {first + 1}",
    ]


def test_a_line_that_stands_twice_is_named(audit: Path) -> None:
    file = files(audit)[1]
    lines = lines_of(file)
    put(file, [*lines[:3], lines[2], *lines[3:]])
    number = json.loads(lines[2])["n"]
    assert found(audit) == [f"1:4: record {number} stands behind record {number}"]


def test_a_line_moved_to_the_end_is_named(audit: Path) -> None:
    file = files(audit)[-1]
    lines = lines_of(file)
    put(file, [*lines[:1], *lines[2:], lines[1]])
    assert len(found(audit)) == 2


@pytest.mark.parametrize("place", [0, 3, -1])
def test_a_line_put_in_without_the_key_is_named(audit: Path, place: int) -> None:
    """With numbers and hashes that fit: those anybody can make."""
    file = files(audit)[1]
    lines = lines_of(file)
    at = place % len(lines)
    fields = json.loads(lines[at]) | {"user": "bob"}
    fields.pop("mac")
    key = Seal(KEY).id
    body = {name: value for name, value in fields.items() if name not in ("n", "prev", "key")}
    before = read_line(lines[at][:-1], seals(KEY))
    forged, _ = Seal(OTHER).line(body, Link(before.link.number - 1, before.before))
    forged = forged.replace(Seal(OTHER).id.encode(), key.encode())
    put(file, [*lines[:at], forged, *lines[at:]])
    assert found(audit) == [f"1:{at + 1}: not as this fabric wrote it"]
    put(file, [*lines[:at], forged, *lines[at + 1 :]])
    assert found(audit) == [f"1:{at + 1}: not as this fabric wrote it"]


def test_a_chain_that_is_made_anew_without_the_key_is_no_audit(audit: Path) -> None:
    """Every hash fits, and every MAC is of the right form."""
    before = "0" * 64
    for file in files(audit):
        made = []
        for line in lines_of(file):
            fields = json.loads(line) | {"prev": before, "by": "somebody"}
            made.append(json.dumps(fields, separators=(",", ":")).encode() + b"\n")
            before = hashlib.sha256(made[-1][:-1]).hexdigest()
        put(file, made)
    assert len(found(audit)) >= 60


def test_a_chain_under_a_key_of_its_own_is_no_audit(audit: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "audit"
    write(other, 60, key=OTHER)
    problems = found(other)
    assert any("written under another key" in problem for problem in problems)
    shutil.rmtree(audit)
    shutil.copytree(other, audit)  # beside the true head
    assert any("written under another key" in problem for problem in found(audit))


def test_genuine_lines_of_another_audit_do_not_fit(audit: Path, tmp_path: Path) -> None:
    """Two fabrics may share a key; a line of the one with the right number is no line of the other."""
    other = tmp_path / "other" / "audit"
    write(other, 60)
    for mine, theirs in zip(files(audit), files(other), strict=True):
        lines = lines_of(mine)
        put(mine, [*lines[:1], lines_of(theirs)[1], *lines[2:]])
        assert found(audit), mine
        put(mine, lines)


def test_a_head_is_no_line_of_the_chain(audit: Path) -> None:
    with files(audit)[-1].open("ab") as file:
        file.write(head_file(audit).read_bytes())
    assert found(audit)


@pytest.mark.parametrize(
    "junk", [b"\n", b"{}\n", b"\0" * 400 + b"\n", b'{"n":1}\n', b"[" * 100_000 + b"\n", b"\xff\xfe\n"]
)
def test_junk_is_named(audit: Path, junk: bytes) -> None:
    file = files(audit)[0]
    lines = lines_of(file)
    put(file, [*lines[:2], junk, *lines[2:]])
    assert found(audit) == ["0:3: not a line of an audit"]


# ── files and ends ───────────────────────────────────────────────────────────────────────────


def test_each_file_that_is_removed_is_missed(audit: Path) -> None:
    for n, file in enumerate(files(audit)):
        content = file.read_bytes()
        last = file == files(audit)[-1]
        file.unlink()
        problems = found(audit)
        assert len(problems) == 1
        assert problems[0].startswith("the end was cut" if last else f"{n}:1: record")
        file.write_bytes(content)


def test_each_file_that_is_emptied_is_missed(audit: Path) -> None:
    for file in files(audit):
        content = file.read_bytes()
        file.write_bytes(b"")
        assert len(found(audit)) == 1
        file.write_bytes(content)


def test_files_that_change_names_are_named(audit: Path) -> None:
    one, other = files(audit)[1:3]
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    assert found(audit)


def test_the_end_cannot_be_cut(audit: Path) -> None:
    """At any byte of the last three lines."""
    file = files(audit)[-1]
    content = file.read_bytes()
    most = sum(len(line) for line in lines_of(file)[-3:])
    for cut in range(1, most, 7):
        file.write_bytes(content[:-cut])
        assert any("the end was cut" in problem for problem in found(audit)), cut


@pytest.mark.parametrize("bytes_more", [0, 20])
def test_an_end_that_was_cut_stays_missing_when_the_server_goes_on(audit: Path, bytes_more: int) -> None:
    """Also when it was cut amid a line, as a crash would."""
    file = files(audit)[-1]
    lines = lines_of(file)
    number = json.loads(lines[-1])["n"]
    put(file, [*lines[:-1], lines[-1][:bytes_more]])
    assert any("the end was cut" in problem for problem in found(audit))
    write(audit, 5)
    (problem,) = found(audit)
    assert problem.endswith(f"record {number} is missing before it")


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize(
    "tamper",
    [
        lambda head: head.unlink(),
        lambda head: head.write_bytes(b""),
        lambda head: head.write_bytes(head.read_bytes().replace(b"head", b"tail")),
        lambda head: head.write_bytes(
            head_line(Seal(OTHER, "head"), verify(head.with_name("audit"), KEY).last)
        ),
    ],
)
def test_a_head_that_is_taken_away_is_missed(
    audit: Path, tamper: Callable[[Path], object], restarted: bool
) -> None:
    """Or else the end could be cut without anybody knowing; the next start does not heal it."""
    tamper(head_file(audit))
    if restarted:
        write(audit, 3)
    assert any("head" in problem for problem in found(audit))


def test_a_folder_that_is_removed_is_missed(audit: Path) -> None:
    last = verify(audit, KEY).last.number
    shutil.rmtree(audit)
    assert found(audit) == ["the folder of the audit is missing"]
    write(audit, 3)
    assert found(audit) == [f"0:1: records 1 to {last} are missing before it"]


def test_a_head_of_another_life_of_the_audit_does_not_fit(audit: Path, tmp_path: Path) -> None:
    """An older copy went on as well: every line and the head are genuine, and do not belong together."""
    shutil.copytree(audit, tmp_path / "other")
    shutil.copy(head_file(audit), tmp_path / "other.head")
    write(audit, 3)
    write(tmp_path / "other", 3)
    assert not found(tmp_path / "other")
    shutil.copy(tmp_path / "other.head", head_file(audit))
    number = verify(audit, KEY).last.number
    assert found(audit)[-1].endswith(f": record {number} is not the one that the head knows")


def test_a_line_that_is_being_written_is_waited_for(audit: Path) -> None:
    lines = lines_of(files(audit)[-1])
    folder = os.open(audit, os.O_RDONLY)
    with ThreadPoolExecutor(1) as pool:
        with locked(folder):
            put(files(audit)[-1], [*lines[:-1], lines[-1][:50]])
            verifying = pool.submit(verify, audit, KEY)
            with pytest.raises(TimeoutError):
                verifying.result(timeout=0.3)
            put(files(audit)[-1], lines)
        assert verifying.result().failures == 0
    os.close(folder)


def test_an_older_state_of_everything_is_what_an_anchor_finds(audit: Path, tmp_path: Path) -> None:
    """The limit of what a folder can prove: with an old head put back, the end may have been cut."""
    shutil.copytree(audit, tmp_path / "old")
    shutil.copy(head_file(audit), tmp_path / "old.head")
    write(audit, 5)
    kept_elsewhere = verify(audit, KEY).last.hash
    assert not found(audit, anchors=[kept_elsewhere])
    assert not found(tmp_path / "old")
    assert found(tmp_path / "old", anchors=[kept_elsewhere]) == [f"no record has the hash {kept_elsewhere}"]


def test_files_that_were_taken_away_are_asked_for(audit: Path) -> None:
    first, second, *_ = files(audit)
    number = json.loads(lines_of(second)[0])["n"]
    first.unlink()
    assert found(audit) == [f"0:1: records 1 to {number - 1} are missing before it"]
    assert not found(audit, first=number)
    assert found(audit, first=number - 1) == [f"0:1: record {number - 1} is missing before it"]


# ── crashes ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("torn", [b'{"n":7', b"\0" * 4096, b"{" * 70_000], ids=["text", "zeros", "long"])
def test_a_torn_last_line_is_a_crash_and_no_tampering(audit: Path, torn: bytes) -> None:
    """What a power cut leaves: part of a line that nobody was told was written."""
    with files(audit)[-1].open("ab") as file:
        file.write(torn)
    line = len(lines_of(files(audit)[-1]))
    at = len(files(audit)) - 1
    assert not found(audit)
    assert notes(audit) == [f"{at}:{line}: torn: its writer was stopped; the next one goes on behind it"]
    write(audit, 20)
    assert not found(audit)
    assert notes(audit) == [f"{at}:{line}: torn: its writer was stopped; the next line says so"]


def test_a_torn_line_that_was_recovered_counts_like_any_other(audit: Path) -> None:
    with files(audit)[-1].open("ab") as file:
        file.write(b'{"n":61,"prev"')
    at = len(lines_of(files(audit)[-1])) - 1
    write(audit, 2, each_file=100_000)
    file = files(audit)[-1]
    lines = lines_of(file)
    for changed in ([], [b"other\n"], [lines[at][:5] + b"\n"], [lines[at], lines[at]]):
        put(file, [*lines[:at], *changed, *lines[at + 1 :]])
        assert found(audit), changed
    put(file, [*lines[: at + 1], b"junk\n", *lines[at + 1 :]])
    assert f"{len(files(audit)) - 1}:{at + 2}: not a line of an audit" in found(audit)
    put(file, [*lines[: at + 1], *lines[at + 2 :]])
    assert found(audit)


def test_whole_lines_that_are_none_are_no_crash(audit: Path) -> None:
    """Who appends lines to a stopped server's audit is not taken for a power cut when it goes on."""
    with files(audit)[-1].open("ab") as file:
        file.write(b'{"event":"intent"}\ntorn')
    assert len(found(audit)) == 2
    write(audit, 2)
    assert len(found(audit)) == 2


# ── keys ─────────────────────────────────────────────────────────────────────────────────────


def test_a_new_key_goes_on_in_the_same_chain(audit: Path) -> None:
    write(audit, 5, key=OTHER)
    assert not found(audit, OTHER, old_keys=[KEY])
    (unknown,) = found(audit, OTHER)
    assert unknown.startswith("0:1: written under another key")
    assert len(found(audit, KEY)) > 0
    file = files(audit)[1]
    lines = lines_of(file)
    put(file, [*lines[:3], lines[3].replace(b"ana", b"bob"), *lines[4:]])
    assert found(audit, OTHER, old_keys=[KEY]) == ["1:4: not as this fabric wrote it"]


def test_queries_without_an_outcome_are_counted(tmp_path: Path) -> None:
    trail = Trail(tmp_path / "audit", KEY)
    asked = {"event": "intent", "call": "query", "decision": "allowed"}
    trail.append([{**asked, "id": "a"}, {**asked, "id": "b"}])
    trail.append([{**asked, "decision": "denied", "id": "c"}, {"event": "outcome", "id": "a"}])
    finish(trail)
    assert verify(tmp_path / "audit", KEY).unfinished == 1
