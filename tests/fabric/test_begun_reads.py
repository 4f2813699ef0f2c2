"""What a scan of files surely reads is on its way before DuckDB asks for it, and is read once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

import fabric.file_shapes as file_shapes
import fabric.prefetch as prefetch
from fabric.blocks import BlockCache
from fabric.demand import Demand
from fabric.engine import Engine
from fabric.errors import Cancelled, SourceChanged
from fabric.file_scan import FileTables
from fabric.filesystem import FileSystem, Mount
from fabric.predicates import Comparison, Membership, Predicate
from fabric.prefetch import begin as begin_scan
from fabric.prefetch import follow
from fabric.reads import FileRead
from fabric.spi import ScanContext
from fabric.types import FileLayout, Relation, Table, TableName
from tests.fabric.watched_folder import DirectFolder, OneCallFolder, RealisticFolder, WatchedFolder
from tests.server.tiny import until

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


def written(folder: Path, sql: str) -> None:
    """A file ``line.parquet`` of these rows, in row groups of 20,000."""
    with duckdb.connect() as local:
        local.execute(f"COPY ({sql}) TO '{folder}/line.parquet' (FORMAT parquet, ROW_GROUP_SIZE 20000)")


def line_read(
    folder: WatchedFolder,
    engine: Engine,
    filesystem: FileSystem,
    columns: set[int],
    predicates: list[Predicate],
) -> FileRead:
    layout, name = FileLayout("line.parquet", "parquet"), TableName("far", "main", "line")
    files = FileTables(engine, filesystem)
    table = Table(name, files.columns(folder, Table(name, (), layout=layout)), layout=layout)
    scan = files.scan(folder, table, predicates)
    return FileRead(
        Relation("r", name, table, "ana", "far.line"), folder, scan, Demand(columns, predicates=predicates)
    )


KEYS = [5, 17, 70_000, 190_001]
WIDE = {0, 3, 5}  # the second and third lie close together, the first does not


def looked_up(lake: Path, keys: list[int], memory: int, *, followed: bool) -> tuple[list[int], int, int]:
    """The offsets and the sum of bytes that a lookup read, and how many reads were begun before DuckDB was asked."""
    cache, folder = BlockCache(memory_bytes=memory), RealisticFolder(lake)
    elsewhere = FileSystem(BlockCache(memory_bytes=0))
    before = Engine(elsewhere)
    read = line_read(folder, before, elsewhere, WIDE, [])
    before.close()
    filesystem = FileSystem(cache)
    engine = Engine(filesystem)
    mount = filesystem.mount(folder, read.scan.files, ScanContext())
    folder.calls.clear()
    if followed:
        follow(read, mount, "id", pa.chunked_array([pa.array([*keys, None])]))
        until(lambda: len(folder.calls) == len(mount._begun) or bool(memory))
    begun = len(folder.calls)
    ((path,),) = (mount.paths,)
    listed = ", ".join(map(str, keys))
    rows = engine.rows(
        f"SELECT count(DISTINCT wide2), count(DISTINCT wide4) FROM read_parquet('{path}') WHERE id IN ({listed})"
    )
    assert rows == [(len(keys), len(keys))]
    engine.close()
    cache.close()
    folder.close()
    asked = [each for call in folder.calls for each in call]
    return sorted(offset for offset, _ in asked), folder.bytes_read, begun


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lake")
    wide = ", ".join(f"hash(range + {n}) AS wide{n}" for n in range(5))
    written(folder, f"SELECT range AS id, {wide} FROM range(200000)")
    return folder


def test_row_groups_that_may_have_the_keys_are_read_before_they_are_asked_for_and_once(lake: Path) -> None:
    plain, size, _ = looked_up(lake, KEYS, 0, followed=False)
    offsets, followed_size, begun = looked_up(lake, KEYS, 0, followed=True)
    assert begun == 5, (
        "of three row groups the id and what lies behind it, which are close together in the last"
    )
    assert (offsets, followed_size) == (plain, size), (
        "what DuckDB itself would have read, and none of it twice"
    )


def test_with_a_cache_its_blocks_are_read_once(lake: Path) -> None:
    _, size, _ = looked_up(lake, KEYS, 64 << 20, followed=False)
    offsets, followed_size, _ = looked_up(lake, KEYS, 64 << 20, followed=True)
    assert len(offsets) == len(set(offsets))
    assert followed_size <= size * 1.5


@pytest.mark.parametrize(
    ("keys", "predicates", "most", "begun"),
    [
        (KEYS, [], 16 << 20, 5),
        ([10**9], [], 16 << 20, 0),
        (KEYS, [Comparison("id", "<", 30_000)], 16 << 20, 2),
        (KEYS, [], 600_000, 2),
    ],
)
def test_how_much_is_begun_of_the_keys_row_groups(
    lake: Path,
    keys: list[int],
    predicates: list[Predicate],
    most: int,
    begun: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prefetch, "_MOST_FOLLOWED", most)
    cache, folder = BlockCache(memory_bytes=0), RealisticFolder(lake)
    filesystem = FileSystem(cache)
    engine = Engine(filesystem)
    read = line_read(folder, engine, filesystem, WIDE, predicates)
    mount = filesystem.mount(folder, read.scan.files, ScanContext())
    follow(read, mount, "id", pa.chunked_array([pa.array(keys)]))
    assert len(mount._begun) == begun
    filesystem.unmount(mount)
    follow(read, mount, "id", pa.chunked_array([pa.array(keys)]))
    assert len(mount._begun) == begun, "the query has ended"
    engine.close()
    cache.close()
    folder.close()


@pytest.mark.parametrize("most_measured", [50, 0])
def test_where_a_call_costs_all_chunks_come_in_one_call_of_many_files_too(
    lake: Path, most_measured: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_shapes, "_MOST_MEASURED", most_measured)
    cache, folder = BlockCache(memory_bytes=64 << 20), OneCallFolder(lake)
    filesystem = FileSystem(cache)
    engine = Engine(filesystem)
    read = line_read(folder, engine, filesystem, WIDE, [])
    assert bool(read.scan.footers["line.parquet"].chunks) == bool(most_measured)
    mount = filesystem.mount(folder, read.scan.files, ScanContext())
    prefetch.prefetch(read, mount, engine)
    folder.calls.clear()
    ((path,),) = (mount.paths,)
    engine.rows(f"SELECT count(DISTINCT wide2), count(DISTINCT wide4) FROM read_parquet('{path}')")
    assert folder.calls == []
    engine.close()
    cache.close()
    folder.close()


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
    written(
        tmp_path,
        f"SELECT range AS id, {parts}, ['AIR', 'MAIL', 'SHIP'][range % 3 + 1] AS mode FROM range(200000)",
    )
    size = (tmp_path / "line.parquet").stat().st_size
    cache, folder = BlockCache(memory_bytes=0), RealisticFolder(tmp_path)
    filesystem = FileSystem(cache)
    engine = Engine(filesystem)
    read = line_read(folder, engine, filesystem, {0, 6}, predicates)
    starts = read.scan.footers["line.parquet"].blooms_at
    assert starts is not None
    mount = filesystem.mount(folder, read.scan.files, ScanContext())
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
