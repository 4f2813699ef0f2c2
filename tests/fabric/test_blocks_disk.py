"""Blocks on disk: they outlive the process, stay within their budget, and are never served torn."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fabric.blocks import BlockCache
from fabric.blocks_disk import DiskBlocks
from fabric.blocks_flights import CachedFile, Demand
from fabric.spi import ScanContext
from tests.fabric.watched_folder import WatchedFolder


@contextmanager
def disk(directory: Path, budget: int = 1_000_000) -> Iterator[DiskBlocks]:
    opened = DiskBlocks(directory, budget)
    yield opened
    opened.close()


def stored(directory: Path) -> list[Path]:
    return sorted(path for path in directory.glob("*/??/*"))


def test_a_block_outlives_the_process(tmp_path: Path) -> None:
    with disk(tmp_path) as first:
        first.put("a", b"bytes of a")
    with disk(tmp_path) as second:
        assert second.get("a") == b"bytes of a"
        assert second.get("b") is None


@pytest.mark.parametrize("damage", ["torn", "emptied", "altered", "exchanged", "removed"])
def test_a_damaged_block_reads_as_absent_and_can_be_written_again(tmp_path: Path, damage: str) -> None:
    with disk(tmp_path) as first:
        first.put("a", b"x" * 1000)
    with disk(tmp_path) as second:
        (path,) = stored(tmp_path)
        data = path.read_bytes()
        if damage == "torn":
            path.write_bytes(data[:500])
        elif damage == "emptied":
            path.write_bytes(b"")
        elif damage == "altered":
            path.write_bytes(data[:-1] + b"y")
        elif damage == "exchanged":
            with disk(tmp_path / "other") as other:
                other.put("b", b"z" * 1000)
            (foreign,) = stored(tmp_path / "other")
            path.write_bytes(foreign.read_bytes())
        else:
            path.unlink()
        assert second.get("a") is None
        second.put("a", b"x" * 1000)
    with disk(tmp_path) as third:
        assert third.get("a") == b"x" * 1000


def test_the_budget_holds_while_running_and_over_a_restart(tmp_path: Path) -> None:
    with disk(tmp_path, 5000) as first:
        for number in range(20):
            first.put(str(number), bytes(1000))
        first.put("too large", bytes(6000))
    assert len(stored(tmp_path)) == 5
    with disk(tmp_path, 2000) as second:
        assert len(stored(tmp_path)) == 2
        assert second.get("too large") is None


def test_the_block_used_least_recently_goes_first(tmp_path: Path) -> None:
    with disk(tmp_path) as first:
        first.put("a", bytes(1000))
        first.put("b", bytes(1000))
    with disk(tmp_path, 2000) as second:
        assert second.get("a")
        second.put("c", bytes(1000))
    with disk(tmp_path) as third:
        assert [key for key in "abc" if third.get(key)] == ["a", "c"]


def test_a_write_that_a_crash_cut_off_is_cleared_away(tmp_path: Path) -> None:
    with disk(tmp_path) as first:
        first.put("a", b"1")
    (path,) = stored(tmp_path)
    path.with_suffix(".part").write_bytes(b"half")
    with disk(tmp_path):
        assert stored(tmp_path) == [path]


def test_two_processes_do_not_share_a_folder(tmp_path: Path) -> None:
    with disk(tmp_path) as first, disk(tmp_path) as second:
        first.put("a", b"1")
        second.put("a", b"2")
    with disk(tmp_path) as again, disk(tmp_path) as other:
        assert (again.get("a"), other.get("a")) == (b"1", b"2")


def test_blocks_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    with disk(tmp_path / "cache") as first:
        first.put("a", b"1")
    (path,) = stored(tmp_path / "cache")
    assert path.stat().st_mode & 0o077 == 0
    assert (tmp_path / "cache/0").stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_disk_that_takes_nothing_harms_no_read(tmp_path: Path) -> None:
    with disk(tmp_path) as first:
        (tmp_path / "0").chmod(0o500)
        first.put("a", b"1")
    (tmp_path / "0").chmod(0o700)


def test_the_cache_reads_from_disk_what_memory_forgot(tmp_path: Path) -> None:
    body = os.urandom(50_000)
    (tmp_path / "a.bin").write_bytes(body)
    folder = WatchedFolder(tmp_path)
    file = CachedFile("store", folder, folder.file("a.bin"))
    first = BlockCache(directory=tmp_path / "cache")
    first.read(file, 0, 50_000, Demand(ScanContext()))
    first.close()
    folder.calls.clear()
    second = BlockCache(directory=tmp_path / "cache")
    context = ScanContext()
    assert second.read(file, 0, 50_000, Demand(context)) == body
    second.close()
    assert folder.calls == []
    assert (context.bytes, context.cache_hits) == (0, 50)
