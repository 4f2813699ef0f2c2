"""What a scan of files surely reads is on its way before DuckDB asks for it, and is read once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fabric.blocks import BlockCache
from fabric.errors import Cancelled, SourceChanged
from fabric.filesystem import FileSystem, Mount
from fabric.spi import ScanContext
from fabric.types import FileLayout
from tests.fabric.watched_folder import DirectFolder, RealisticFolder, WatchedFolder

SIZE = 100_000


@pytest.fixture(params=[0, 4 << 20], ids=["no cache", "cache"])
def filesystem(request: pytest.FixtureRequest) -> Iterator[FileSystem]:
    blocks = BlockCache(memory_bytes=request.param)
    yield FileSystem(blocks)
    blocks.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RealisticFolder]:
    (tmp_path / "a.csv").write_bytes(bytes(n % 251 for n in range(SIZE)))
    made = RealisticFolder(tmp_path)
    yield made
    made.close()


def mounted(filesystem: FileSystem, folder: WatchedFolder) -> Mount:
    return filesystem.mount(folder, folder.files(FileLayout("a.csv", "csv")), ScanContext())


def begin(mount: Mount, folder: WatchedFolder, offset: int, length: int) -> None:
    called = threading.Event()
    folder.before_call = lambda number: called.set()
    mount.begin(0, offset, length)
    assert called.wait(20)


def part(filesystem: FileSystem, mount: Mount, offset: int, length: int) -> bytes:
    with filesystem.open(mount.path(0)) as handle:
        handle.seek(offset)
        return handle.read(length)


def test_a_begun_part_is_read_once_and_before_it_is_asked_for(
    filesystem: FileSystem, folder: RealisticFolder
) -> None:
    mount = mounted(filesystem, folder)
    begin(mount, folder, 50_000, 50_000)
    expected = bytes(n % 251 for n in range(SIZE))
    assert part(filesystem, mount, 50_000, 50_000) == expected[50_000:]
    assert part(filesystem, mount, 60_001, 7) == expected[60_001:60_008]
    assert part(filesystem, mount, 99_990, 500) == expected[99_990:]
    assert len(folder.calls) == 1


def test_what_reaches_beyond_a_begun_part_is_read_whole(
    filesystem: FileSystem, folder: RealisticFolder
) -> None:
    mount = mounted(filesystem, folder)
    begin(mount, folder, 70_000, 30_000)
    expected = bytes(n % 251 for n in range(SIZE))
    assert part(filesystem, mount, 69_999, 10) == expected[69_999:70_009]
    assert part(filesystem, mount, 0, SIZE) == expected


def test_an_error_is_raised_by_the_read_that_meets_it(
    filesystem: FileSystem, folder: RealisticFolder
) -> None:
    folder.error = SourceChanged("far", "file 'a.csv' is another one now")
    mount = mounted(filesystem, folder)
    begin(mount, folder, 0, SIZE)
    with pytest.raises(SourceChanged):
        part(filesystem, mount, 10, 10)
    assert isinstance(mount.error, SourceChanged)


def test_a_read_that_waits_ends_with_its_query(filesystem: FileSystem, folder: RealisticFolder) -> None:
    folder.gate.clear()
    mount = mounted(filesystem, folder)
    begin(mount, folder, 0, SIZE)
    handle = filesystem.open(mount.path(0))
    raised: list[BaseException] = []

    def read() -> None:
        try:
            handle.read(10)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    filesystem.unmount(mount)
    thread.join(20)
    folder.gate.set()
    assert [type(each) for each in raised] == [Cancelled]


def test_nothing_is_begun_where_a_read_takes_no_time(filesystem: FileSystem, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"x" * SIZE)
    near = DirectFolder(tmp_path)
    mount = mounted(filesystem, near)
    mount.begin(0, 0, SIZE)
    assert part(filesystem, mount, 0, 10) == b"x" * 10
    assert [sum(length for _, length in call) for call in near.calls] == [10]
    near.close()
