"""DuckDB reading mounted files: what it may open, what it gets, and how it fails."""

import gzip
import os
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from connectors.local import LocalConnector, LocalSettings
from fabric.blocks import BlockCache
from fabric.errors import BadData, Cancelled, InternalError, SourceChanged
from fabric.filesystem import FileSystem, Mount
from fabric.spi import FileConnector, ScanContext
from fabric.types import FileLayout, FileStat
from tests.fabric.watched_folder import RealisticFolder, WatchedFolder
from tests.patience import PATIENCE


@pytest.fixture
def filesystem() -> Iterator[FileSystem]:
    blocks = BlockCache(memory_bytes=4 << 20)
    yield FileSystem(blocks)
    blocks.close()


@pytest.fixture
def connection(filesystem: FileSystem) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 2}) as opened:
        opened.register_filesystem(filesystem)
        opened.execute("SET allowed_directories = ['ripstop://']")
        opened.execute("SET enable_external_access = false")
        opened.execute("SET lock_configuration = true")
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RealisticFolder]:
    made = RealisticFolder(tmp_path)
    yield made
    made.close()


def write(path: Path, sql: str, options: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as local:
        local.execute(f"COPY ({sql}) TO '{path}' {options}")


def mount(
    filesystem: FileSystem, source: FileConnector, pattern: str, context: ScanContext | None = None
) -> Mount:
    files = source.files(FileLayout(pattern, "csv"))
    return filesystem.mount(source, files, context or ScanContext())


def test_a_mounted_file_is_read_and_nothing_else(
    filesystem: FileSystem, connection: duckdb.DuckDBPyConnection, folder: RealisticFolder, tmp_path: Path
) -> None:
    write(tmp_path / "a.csv", "SELECT range AS a FROM range(10)")
    mounted = mount(filesystem, folder, "a.csv")
    (path,) = mounted.paths
    assert connection.sql(f"SELECT sum(a) FROM read_csv('{path}')").fetchall() == [(45,)]
    others = [
        f"{tmp_path}/a.csv",
        "a.csv",
        path.replace(mounted.token, "0" * 32),
        path.replace("/0/", "/1/"),
        path.replace("a.csv", "b.csv"),
        path.replace("/0/a.csv", "/0/../0/a.csv"),
        path.replace("a.csv", "*"),
        f"{path}/../a.csv",
        "ripstop://",
    ]
    for other in others:
        with pytest.raises(duckdb.Error):
            connection.sql(f"SELECT * FROM read_csv('{other}')").fetchall()
    with pytest.raises(duckdb.Error):
        connection.execute(f"COPY (SELECT 1) TO '{path}'")
    filesystem.unmount(mounted)
    with pytest.raises(duckdb.Error):
        connection.sql(f"SELECT * FROM read_csv('{path}')").fetchall()


def test_hive_folders_stay_in_the_path(
    filesystem: FileSystem, connection: duckdb.DuckDBPyConnection, folder: RealisticFolder, tmp_path: Path
) -> None:
    for year in (2023, 2024):
        write(tmp_path / f"claim/y={year}/r=a%20b/x.parquet", f"SELECT {year} * 10 AS n", "(FORMAT parquet)")
    mounted = mount(filesystem, folder, "claim/**/*.parquet")
    rows = connection.sql(
        f"SELECT y, r, n FROM read_parquet({mounted.paths}, hive_partitioning = true) WHERE y = 2024"
    ).fetchall()
    assert rows == [(2024, "a b", 20240)]


@pytest.mark.parametrize(
    "name", ["with space.csv", "ünï.csv", "q?x#y.csv", "[b]*.csv", "it's.csv", "a:b@c.csv"]
)
def test_a_strange_name_is_read(
    filesystem: FileSystem,
    connection: duckdb.DuckDBPyConnection,
    folder: RealisticFolder,
    tmp_path: Path,
    name: str,
) -> None:
    (tmp_path / name).write_text("a\n1\n")
    file = next(file for file in folder.files(FileLayout("*", "csv")) if file.path == name)
    (path,) = filesystem.mount(folder, [file], ScanContext()).paths
    assert connection.execute("SELECT a FROM read_csv([?])", [path]).fetchall() == [(1,)]


def test_compressed_and_packed_csv_is_read(
    filesystem: FileSystem, connection: duckdb.DuckDBPyConnection, folder: RealisticFolder, tmp_path: Path
) -> None:
    text = b"a,b\n" + b"".join(b"%d,%d\n" % (n, n % 7) for n in range(200_000))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text, 1))
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in/b.csv", text)
        archive.writestr("c.csv.gz", gzip.compress(text, 1))
    for pattern, copies in (("*.gz", 1), ("*.zip", 2)):
        mounted = mount(filesystem, folder, pattern)
        rows = connection.sql(f"SELECT count(*), sum(a), sum(b) FROM read_csv({mounted.paths})").fetchall()
        assert rows == [
            (200_000 * copies, 19_999_900_000 * copies, sum(n % 7 for n in range(200_000)) * copies)
        ]


@pytest.mark.parametrize("name", ["a.parquet", "a.csv"])
def test_a_file_that_changes_during_the_query_is_an_error_of_the_mount(
    filesystem: FileSystem,
    connection: duckdb.DuckDBPyConnection,
    folder: RealisticFolder,
    tmp_path: Path,
    name: str,
) -> None:
    sql = "SELECT range AS a, md5(range::VARCHAR) AS b FROM range(200_000)"
    write(tmp_path / name, sql)
    other = tmp_path / f"other.{name}"
    write(other, sql.replace("range AS a", "range + 1 AS a"))
    mounted = mount(filesystem, folder, name)

    def replace(call: int) -> None:
        if call == 2:
            other.replace(tmp_path / name)

    folder.before_call = replace
    reader = name.replace("a.", "read_")
    options = ", buffer_size = 300000" if name == "a.csv" else ""
    with pytest.raises(duckdb.Error):
        connection.sql(f"SELECT sum(a), max(b) FROM {reader}({mounted.paths}{options})").fetchall()
    assert isinstance(mounted.error, SourceChanged)
    assert mounted.error.source == "far"


def test_a_cancelled_query_stops_reading_at_once(
    filesystem: FileSystem, connection: duckdb.DuckDBPyConnection, folder: RealisticFolder, tmp_path: Path
) -> None:
    write(tmp_path / "a.csv", "SELECT range AS a FROM range(100_000)")
    context = ScanContext()
    mounted = mount(filesystem, folder, "a.csv", context)
    folder.gate.clear()
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            connection.sql(f"SELECT sum(a) FROM read_csv({mounted.paths})").fetchall()
        except duckdb.Error as error:
            raised.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while not folder.calls:
        time.sleep(0.005)
    started = time.monotonic()
    context.cancel()
    thread.join(5)
    assert time.monotonic() - started < PATIENCE * 0.5
    assert raised
    assert isinstance(mounted.error, Cancelled)


def test_a_fault_of_ours_shows_a_reference_and_nothing_else(
    filesystem: FileSystem,
    connection: duckdb.DuckDBPyConnection,
    folder: RealisticFolder,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write(tmp_path / "a.csv", "SELECT 1 AS a")
    mounted = mount(filesystem, folder, "a.csv")
    folder.error = ValueError("inner detail")
    with pytest.raises(duckdb.Error) as caught:
        connection.sql(f"SELECT * FROM read_csv({mounted.paths})").fetchall()
    assert isinstance(mounted.error, InternalError)
    assert "inner detail" not in str(caught.value)
    assert mounted.error.reference in caplog.text


def test_the_first_error_is_kept(
    filesystem: FileSystem, connection: duckdb.DuckDBPyConnection, folder: RealisticFolder, tmp_path: Path
) -> None:
    write(tmp_path / "a.csv", "SELECT 1 AS a")
    mounted = mount(filesystem, folder, "a.csv")
    for text in ("first", "second"):
        folder.error = BadData("far", text)
        with pytest.raises(duckdb.Error):
            connection.sql(f"SELECT * FROM read_csv({mounted.paths})").fetchall()
    assert mounted.error is not None
    assert mounted.error.message == "source 'far': first"


def test_counters_tell_what_left_the_source_and_what_the_cache_gave(
    filesystem: FileSystem, connection: duckdb.DuckDBPyConnection, folder: RealisticFolder, tmp_path: Path
) -> None:
    sql = "SELECT range AS a, md5(range::VARCHAR) AS b FROM range(200_000)"
    write(tmp_path / "a.parquet", sql, "(FORMAT parquet, ROW_GROUP_SIZE 20000)")
    contexts = [ScanContext(), ScanContext()]
    for context in contexts:
        mounted = mount(filesystem, folder, "a.parquet", context)
        connection.sql(f"SELECT sum(a) FROM read_parquet({mounted.paths})").fetchall()
        filesystem.unmount(mounted)
    cold, warm = contexts
    assert cold.bytes == folder.bytes_read
    assert 0 < cold.bytes < (tmp_path / "a.parquet").stat().st_size / 2
    assert cold.requests == sum(map(len, folder.calls))
    assert (warm.bytes, warm.requests) == (0, 0)
    assert warm.cache_hits > 0


def test_ranges_can_be_fetched_before_they_are_read(
    filesystem: FileSystem, folder: RealisticFolder, tmp_path: Path
) -> None:
    body = os.urandom(1_000_000)
    (tmp_path / "a.bin").write_bytes(body)
    mounted = mount(filesystem, folder, "a.bin")
    mounted.fetch(0, [(0, 10), (500_000, 10)])
    assert len(folder.calls) == 1
    handle = filesystem.open(mounted.paths[0])
    handle.seek(500_000)
    assert handle.read(10) == body[500_000:500_010]
    assert len(folder.calls) == 1
    folder.error = BadData("far", "no")
    with pytest.raises(BadData):
        mounted.fetch(0, [(900_000, 10)])
    assert mounted.error is folder.error


def test_a_folder_of_this_machine_is_read_without_a_copy_in_the_cache(
    filesystem: FileSystem, connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    write(tmp_path / "a.csv", "SELECT range AS a FROM range(10)")
    local = LocalConnector("desk", LocalSettings(type="local", domain="d", uri="."), tmp_path)
    context = ScanContext()
    mounted = mount(filesystem, local, "a.csv", context)
    assert connection.sql(f"SELECT sum(a) FROM read_csv({mounted.paths})").fetchall() == [(45,)]
    assert context.bytes > 0
    assert filesystem._blocks._bytes == 0


def test_a_reloaded_source_finds_its_blocks_and_another_one_does_not(
    filesystem: FileSystem, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.bin").write_bytes(name.encode())
    file = FileStat("a.bin", 3, "same validator")

    def read(source: WatchedFolder) -> bytes:
        def read_whole(file: FileStat, ranges: object, context: ScanContext) -> list[bytes]:
            return [(source.directory / file.path).read_bytes()]

        source.read = read_whole  # type: ignore[method-assign]
        return filesystem.open(filesystem.mount(source, [file], ScanContext()).paths[0]).read()

    assert read(WatchedFolder(tmp_path / "one")) == b"one"
    assert read(WatchedFolder(tmp_path / "two")) == b"two"
    (tmp_path / "one/a.bin").write_bytes(b"new")
    assert read(WatchedFolder(tmp_path / "one")) == b"one"
