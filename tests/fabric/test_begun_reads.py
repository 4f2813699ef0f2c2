"""What a scan of files surely reads is on its way before DuckDB asks for it, and is read once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from fabric.blocks import BlockCache
from fabric.demand import Demand
from fabric.engine import Engine
from fabric.errors import Cancelled, SourceChanged
from fabric.file_scan import FileTables
from fabric.filesystem import FileSystem, Mount
from fabric.predicates import Comparison, Membership, Predicate
from fabric.prefetch import begin as begin_scan
from fabric.reads import FileRead
from fabric.spi import ScanContext
from fabric.types import FileLayout, Relation, Table, TableName
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


@pytest.mark.parametrize(
    ("predicates", "blooms"),
    [
        ([Comparison("mode", "=", "AIR")], True),
        ([Membership("mode", ("AIR", "RAIL"))], True),
        ([Comparison("mode", ">", "AIR")], False),
        ([Membership("mode", ("AIR",), negated=True)], False),
        ([], False),
    ],
)
def test_bloom_filters_come_with_the_footer_where_they_are_asked(
    tmp_path: Path, predicates: list[Predicate], blooms: bool
) -> None:
    """Else DuckDB asks for that of each row group before it reads it."""
    parts = ", ".join(f"(range + {n}) % 3000 AS part{n}" for n in range(5))
    with duckdb.connect() as local:
        local.execute(
            f"COPY (SELECT range AS id, {parts}, ['AIR', 'MAIL', 'SHIP'][range % 3 + 1] AS mode "
            f"FROM range(200000)) TO '{tmp_path}/line.parquet' (FORMAT parquet, ROW_GROUP_SIZE 20000)"
        )
        size = (tmp_path / "line.parquet").stat().st_size
        metadata = f"parquet_metadata('{tmp_path}/line.parquet')"
        ((starts,),) = local.sql(f"SELECT min(bloom_filter_offset) FROM {metadata}").fetchall()
    cache, folder = BlockCache(memory_bytes=0), RealisticFolder(tmp_path)
    filesystem = FileSystem(cache)
    engine = Engine(filesystem)
    layout, name = FileLayout("line.parquet", "parquet"), TableName("far", "main", "line")
    files = FileTables(engine, filesystem)
    table = Table(name, files.columns(folder, Table(name, (), layout=layout)), layout=layout)
    scan = files.scan(folder, table, predicates)
    assert scan.blooms_at == {"line.parquet": starts}
    read = FileRead(
        Relation("r", name, table, "ana", "far.line"), folder, scan, Demand({0, 6}, predicates=predicates)
    )
    mount = filesystem.mount(folder, scan.files, ScanContext())
    folder.calls.clear()
    begin_scan(read, mount)
    ((path,),) = (mount.paths,)
    found = engine.rows(f"SELECT count(id) FROM read_parquet('{path}') WHERE mode IN ('AIR', 'RAIL')")
    assert found == [(66_667,)]
    ends_at_footer = [start for call in folder.calls for start, length in call if start + length == size]
    assert len(ends_at_footer) == 1
    asked_apart = [
        call for call in folder.calls for start, length in call if length < 100 and start >= starts
    ]
    assert (ends_at_footer[0] <= starts) == blooms
    assert bool(asked_apart) != blooms
    engine.close()
    cache.close()
    folder.close()
