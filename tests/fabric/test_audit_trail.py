"""What stands in the audit when disks are full, files vanish, and several processes write and are killed."""

from __future__ import annotations

import errno
import json
import os
import random
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fabric import audit_trail
from fabric.audit_chain import head_file, lines_backwards, read_head, seals
from fabric.audit_trail import NotDurable, Trail
from fabric.audit_verify import verify
from tests.fabric.audits import KEY, bodies, files, finish, found, lines_of, notes

WRITER = """
import sys
from pathlib import Path
from fabric.audit_trail import Trail
folder, name, count, size = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
trail = Trail(folder, b"the fabric's key, of 32 bytes ...", file_bytes=40_000)
for number in range(count):
    trail.append([{"event": "intent", "id": f"{name}-{number}", "sql": "x" * (size if number % 5 == 0 else 1)}])
    print(f"{name}-{number}", flush=True)
    if number % 20 == 0:
        durable = trail.sync()
        trail.draft_head(durable)
        trail.publish_head(durable)
"""


def writer(folder: Path, name: str, count: int, size: int = 10) -> subprocess.Popen[str]:
    """A process that appends, and says which records it was told are written."""
    command = [sys.executable, "-c", WRITER, str(folder), name, str(count), str(size)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_lines_are_read_from_the_end(tmp_path: Path) -> None:
    chance = random.Random(5)
    for _ in range(40):
        lines = [
            b"x" * chance.choice([0, 1, 10, 65_535, 65_536, 65_537, 150_000])
            for _ in range(chance.randrange(6))
        ]
        torn = b"y" * chance.choice([0, 1, 65_536, 200_000])
        content = b"".join(line + b"\n" for line in lines) + torn
        (tmp_path / "f").write_bytes(content)
        with (tmp_path / "f").open("rb") as file:
            read = list(lines_backwards(file.fileno(), len(content)))
        assert [line for line, _ in reversed(read)] == lines
        assert all(content[end - len(line) - 1 : end] == line + b"\n" for line, end in read)


def test_files_are_for_their_owner_alone_and_stay_out_of_git(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "audit"
    trail = Trail(folder, KEY)
    trail.append([{"event": "start"}])
    finish(trail)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(files(folder)[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(head_file(folder).stat().st_mode) == 0o600
    assert (folder.parent / ".gitignore").read_text() == "*\n"
    assert sorted(each.name for each in folder.parent.iterdir()) == [".gitignore", "audit", "audit.head"]


def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "audit").mkdir()
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / "audit" / "000000000001.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        Trail(tmp_path / "audit", KEY)
    assert (tmp_path / "elsewhere").read_text() == ""


# ── several writers ──────────────────────────────────────────────────────────────────────────


def test_two_writers_take_turns_in_one_chain(tmp_path: Path) -> None:
    """As the app before a reload of the configuration and the one after do in one process."""
    one, other = (Trail(tmp_path / "audit", KEY, file_bytes=2_000) for _ in range(2))
    for number in range(50):
        (one, other)[number % 3 == 0].append([{"event": "intent", "id": str(number)}])
    finish(other)
    finish(one)
    assert not found(tmp_path / "audit")
    assert [each["id"] for each in bodies(tmp_path / "audit") if "id" in each] == [str(n) for n in range(50)]
    assert len(files(tmp_path / "audit")) > 3


def test_the_head_never_goes_back(tmp_path: Path) -> None:
    """Of two writers that had their records made durable, the slower one may come later."""
    one, other = (Trail(tmp_path / "audit", KEY) for _ in range(2))
    one.append([{"event": "intent"}])
    behind = one.sync()
    one.draft_head(behind)
    other.append([{"event": "intent"}])
    finish(other)
    one.publish_head(behind)
    one.close()
    assert read_head(tmp_path / "audit", seals(KEY, purpose="head")) == verify(tmp_path / "audit", KEY).last
    assert sorted(each.name for each in tmp_path.iterdir()) == [".gitignore", "audit", "audit.head"]


def test_processes_that_write_at_once_make_one_chain(tmp_path: Path) -> None:
    running = [writer(tmp_path / "audit", f"w{n}", 300) for n in range(3)]
    said = {line for process in running for line in process.communicate(timeout=60)[0].split()}
    assert len(said) == 900
    assert not found(tmp_path / "audit")
    assert not notes(tmp_path / "audit")
    assert {each["id"] for each in bodies(tmp_path / "audit") if "id" in each} == said
    assert len({each["by"] for each in bodies(tmp_path / "audit")}) == 3
    assert len(files(tmp_path / "audit")) > 3


def test_writers_that_are_killed_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """Lines of 300 kB, so that a kill may come amid one; others go on behind it."""
    folder, chance, said = tmp_path / "audit", random.Random(7), set()
    steady = writer(folder, "steady", 400, 300_000)
    for n in range(12):
        doomed = writer(folder, f"doomed{n}", 100_000, 300_000)
        assert doomed.stdout is not None
        doomed.stdout.readline()
        time.sleep(chance.random() * 0.2)
        doomed.kill()
        said |= {line.strip() for line in doomed.stdout.read().split("\n")[:-1]}
        doomed.stdout.close()
        doomed.wait()
    said |= set(steady.communicate(timeout=60)[0].split())
    Trail(folder, KEY).close()
    assert not found(folder)
    read = set()
    for file in files(folder):
        for line in lines_of(file):
            try:
                read.add(json.loads(line).get("id"))
            except ValueError:
                continue  # a torn one
    assert len(said) > 400
    assert said <= read


def test_a_kill_between_two_files_is_no_loss(tmp_path: Path) -> None:
    """The old file says that it goes on in the next, which was not made yet; or was, and is empty."""
    folder = tmp_path / "audit"
    for empty in (False, True):
        trail = Trail(folder, KEY, file_bytes=1_000)
        while len(files(folder)) < 2:
            trail.append([{"event": "intent"}])
        finish(trail)
        last = files(folder)[-1]
        last.unlink()
        if empty:
            last.touch()
        head_file(folder).unlink()  # it knew of a record in the file that this test took away
        again = Trail(folder, KEY, file_bytes=1_000)
        again.append([{"event": "intent"}])
        finish(again)
        assert [problem for problem in found(folder) if "head" not in problem] == []
        assert files(folder)[-1] == last
        for file in [*files(folder), head_file(folder)]:
            file.unlink()


def test_a_lock_that_is_held_for_long_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_trail, "_LOCK_SECONDS", 0.05)
    one, other = Trail(tmp_path / "audit", KEY), Trail(tmp_path / "audit", KEY)
    with audit_trail.locked(other._folder), pytest.raises(OSError, match="lock"):
        one.append([{"event": "intent"}])
    one.append([{"event": "intent"}])
    finish(other)
    finish(one)
    assert not found(tmp_path / "audit")


# ── what the system refuses ──────────────────────────────────────────────────────────────────


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def filled(write: Callable[[], object]) -> int:
    """Write until the disk is full; how often that went well."""
    for count in range(10_000):
        try:
            write()
        except OSError as error:
            if error.errno == errno.ENOSPC:
                return count
            raise
    raise AssertionError


def test_a_full_disk_refuses_and_leaves_no_part_of_a_line(small_disk: Path) -> None:
    folder = small_disk / "audit"
    trail = Trail(folder, KEY)
    (small_disk / "ballast").write_bytes(b"x" * 100_000)
    written = filled(lambda: trail.append([{"event": "intent", "sql": "x" * 7_000}]))
    assert len(lines_of(files(folder)[0])) == written > 5
    assert files(folder)[0].read_bytes().endswith(b"\n")
    assert verify(folder, KEY).last.number == written
    with pytest.raises(OSError, match="No space"):
        trail.append([{"event": "intent", "sql": "x" * 7_000}])
    (small_disk / "ballast").unlink()
    trail.append([{"event": "intent", "sql": "x" * 7_000}])
    finish(trail)
    assert not found(folder)
    assert not notes(folder)
    assert verify(folder, KEY).last.number == written + 1


def test_a_part_of_a_line_that_cannot_be_taken_back_counts_as_torn(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a file that the administrator made append-only."""

    def refused(*_: object) -> None:
        raise PermissionError

    folder = small_disk / "audit"
    trail = Trail(folder, KEY)
    trail.append([{"event": "start"}])
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        filled(lambda: file.write(b"x" * 4_096))
    monkeypatch.setattr(os, "ftruncate", refused)
    with pytest.raises(OSError, match="No space"):
        trail.append([{"event": "intent", "sql": "x" * 9_000}])
    assert not files(folder)[0].read_bytes().endswith(b"\n")
    ballast.unlink()
    trail.append([{"event": "intent"}])
    finish(trail)
    assert not found(folder)
    assert len(notes(folder)) == 1


def test_a_file_that_may_not_grow_refuses_until_it_may(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; from fabric.audit_trail import Trail\n"
        'trail = Trail(Path(sys.argv[1]), b"the fabric\'s key, of 32 bytes ...")\n'
        "trail.append([{'event': 'start'}])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (700, resource.RLIM_INFINITY))\n"
        "for size in (100, 5_000):\n"
        "    try:\n"
        "        trail.append([{'event': 'intent', 'sql': 'x' * size}])\n"
        "    except OSError as error:\n"
        "        print(error.errno)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "trail.append([{'event': 'intent'}])\n"
        "print(trail.link.number)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "audit")], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["27", "3"]
    assert not found(tmp_path / "audit")
    assert not notes(tmp_path / "audit")


def test_a_file_that_is_no_longer_the_one_refuses_until_it_is_back(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    trail = Trail(folder, KEY)
    trail.append([{"event": "intent"}, {"event": "intent"}])
    file = files(folder)[0]
    content = file.read_bytes()

    def refuses() -> None:
        before = {each: each.read_bytes() for each in tmp_path.rglob("*.jsonl")}
        with pytest.raises(OSError, match=r"replaced|cut|No such file"):
            trail.append([{"event": "intent"}])
        assert before == {each: each.read_bytes() for each in tmp_path.rglob("*.jsonl")}

    folder.rename(tmp_path / "away")
    refuses()
    folder.mkdir()
    (folder / file.name).write_bytes(content)
    refuses()
    (folder / file.name).unlink()
    folder.rmdir()
    (tmp_path / "away").rename(folder)
    trail.append([{"event": "intent"}])
    file.rename(tmp_path / "aside")
    refuses()
    file.write_bytes(content)
    refuses()
    (tmp_path / "aside").rename(file)
    trail.append([{"event": "intent"}])
    whole = file.read_bytes()
    os.truncate(file, len(whole) - 10)
    refuses()
    with file.open("r+b") as same:
        same.write(whole)
    trail.append([{"event": "intent"}])
    finish(trail)
    assert not found(folder)


@pytest.fixture
def hollow_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MB on a disk that has only 8: what is written is lost when it is to become durable."""
    below, place = tmp_path / "below", tmp_path / "hollow"
    below.mkdir()
    place.mkdir()

    def run(*command: str) -> bool:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    image = str(below / "image")
    if not run("mount", "-t", "tmpfs", "-o", "size=8m", "none", str(below)):
        pytest.skip("only root may mount")
    made = run("truncate", "-s", "64m", image) and run("mkfs.ext4", "-q", "-O", "^has_journal", image)
    made = made and run("mount", "-o", "loop", image, str(place))
    if made:
        yield place
        run("umount", "--lazy", str(place))
    run("umount", "--lazy", str(below))
    if not made:
        pytest.skip("no loop devices")


def test_an_fsync_that_fails_is_told_apart(hollow_disk: Path) -> None:
    trail = Trail(hollow_disk / "audit", KEY)
    trail.append([{"event": "start"}])
    trail.sync()
    for _ in range(16):
        trail.append([{"event": "intent", "sql": os.urandom(500_000).hex()}])
    with pytest.raises(NotDurable):
        trail.sync()
    trail.close()


def test_threads_share_no_descriptor_that_was_closed(tmp_path: Path) -> None:
    """One thread has records durable while another goes from file to file."""
    trail = Trail(tmp_path / "audit", KEY, file_bytes=1_000)
    done = threading.Event()

    def sync() -> int:
        count = 0
        while not done.is_set():
            trail.sync()
            count += 1
        return count

    with ThreadPoolExecutor(1) as pool:
        syncing = pool.submit(sync)
        for _ in range(200):
            trail.append([{"event": "intent"}])
        done.set()
        assert syncing.result() > 0
    finish(trail)
    assert not found(tmp_path / "audit")
