"""Many threads, a tiny switch interval, checksums: would catch bytes from a wrong position.

It failed at once, by hand, with a position that threads share (Parquet) and with a position per thread
(gzip, latin-1); each file kind below is there for one of DuckDB's ways to read a handle.
"""

import gzip
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from fabric.blocks import BlockCache
from fabric.errors import Cancelled
from fabric.filesystem import FileSystem
from fabric.spi import ScanContext
from fabric.types import FileLayout
from tests.fabric.watched_folder import RealisticFolder

ROWS = 60_000
THREADS = 6
ROUNDS = 4
CHECK = "SELECT count(*), bit_xor(hash(a)), sum(a)::VARCHAR, bit_xor(hash(b)), bit_xor(hash(c)), sum(length(c)) FROM {}"
READERS = {
    "a.parquet": "read_parquet(['{}'])",
    "a.csv": "read_csv(['{}'], buffer_size = 300000)",
    "a.csv.gz": "read_csv(['{}'], buffer_size = 300000)",
    "latin.csv": "read_csv(['{}'], buffer_size = 300000, encoding = 'latin-1')",
    "a.zip": "read_csv(['{}'], buffer_size = 300000)",
    "a.jsonl": "read_json(['{}'], maximum_object_size = 100000)",
}


@pytest.fixture
def switching() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def lay_out(folder: Path) -> None:
    sql = f"SELECT range AS a, range % 977 AS b, md5(range::VARCHAR) AS c FROM range({ROWS})"
    with duckdb.connect() as local:
        local.execute(f"COPY ({sql}) TO '{folder}/a.parquet' (FORMAT parquet, ROW_GROUP_SIZE 4096)")
        local.execute(f"COPY ({sql}) TO '{folder}/a.csv'")
        local.execute(f"COPY ({sql}) TO '{folder}/a.jsonl' (FORMAT json)")
    text = (folder / "a.csv").read_bytes()
    (folder / "a.csv.gz").write_bytes(gzip.compress(text, 1))
    (folder / "latin.csv").write_bytes(text)
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("a.csv", text)


@pytest.mark.usefixtures("switching")
def test_duckdb_gets_the_right_bytes_from_many_threads(tmp_path: Path) -> None:
    lay_out(tmp_path)
    folder = RealisticFolder(tmp_path)
    folder.delay = 0.0005
    # Smaller than the files: blocks are fetched, dropped and fetched again all the time.
    blocks = BlockCache(memory_bytes=2 << 20, directory=tmp_path / "cache", disk_bytes=3 << 20)
    filesystem = FileSystem(blocks)
    wrong: list[object] = []
    with duckdb.connect(config={"threads": 4}) as connection, duckdb.connect() as local:
        connection.register_filesystem(filesystem)
        expected = local.sql(CHECK.format(f"read_parquet('{tmp_path}/a.parquet')")).fetchall()

        def ask(number: int) -> None:
            cursor = connection.cursor()
            names = sorted(READERS)
            for step in range(ROUNDS * len(names)):
                name = names[(number + step) % len(names)]
                kind = "json" if name == "a.jsonl" else "csv"
                context = ScanContext()
                mount = filesystem.mount(folder, folder.files(FileLayout(name, kind)), context)  # type: ignore[arg-type]
                cancel = (number + step) % 10 == 9
                if cancel:
                    threading.Timer(0.01, context.cancel).start()
                try:
                    found = cursor.sql(CHECK.format(READERS[name].format(mount.paths[0]))).fetchall()
                    if found != expected:
                        wrong.append((name, found))
                except duckdb.Error as error:
                    if not (cancel and isinstance(mount.error, Cancelled)):
                        wrong.append((name, str(error), mount.error))
                finally:
                    filesystem.unmount(mount)
            cursor.close()

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    blocks.close()
    folder.close()
    assert wrong == []
