"""Listings, footers and blocks are never those of yesterday: files change between two queries, at every kind of store."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fabric.pipeline import Session
from server.app import App, build
from tests.equivalence.comparison import AUDITOR
from tests.equivalence.conftest import Both

SOURCES = {
    "claims_lake": "s3",
    "partner_files": "sftp",
    "tariff_files": "ftp",
    "fraud_api": "http",
    "desk": "local",
}
FOLDERS = {"sftp": "sftp/outbox", "ftp": "ftp", "http": "http", "local": "project/data"}
FRESH = Session(options={"max_staleness": "0"})

Store = Callable[[str, bytes | None], None]
"""Puts a file below ``fresh/``, or takes it away."""


@pytest.fixture(scope="module")
def folder(both: Both, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("changed") / "project"
    shutil.copytree(both.servers.project, made, ignore=shutil.ignore_patterns(".ripstop"))
    return made


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(both: Both, folder: Path, source: str) -> Iterator[Store]:
    kind, clock = SOURCES[source], iter(range(1_700_000_000, 1_800_000_000, 60))
    base = folder / "data" if kind == "local" else both.servers.project.parent / FOLDERS.get(kind, "")

    def put(name: str, data: bytes | None) -> None:
        if kind == "s3":
            with closing(both.servers.s3.client()) as client:
                where = {"Bucket": "claims-lake", "Key": f"fresh/{name}"}
                client.delete_object(**where) if data is None else client.put_object(**where, Body=data)
            return
        file = base / "fresh" / name
        if data is None:
            file.unlink(missing_ok=True)
            return
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
        now = next(clock)
        os.utime(file, (now, now))

    yield put
    for name in ("a.parquet", "b.parquet"):
        put(name, None)


def served(folder: Path, source: str, max_age: str = "") -> App:
    """The project with the table ``fresh`` in one source; an HTTP source knows it by one name only."""
    pattern = "files/fresh/a.parquet" if source == "fraud_api" else "fresh/*.parquet"
    file = folder / "fabric.yaml"
    original = folder / "fabric.original.yaml"
    if not original.exists():
        shutil.copy(file, original)
    head, found, rest = original.read_text("utf-8").partition(f"  {source}:\n")
    assert found
    kept = f"    max_age: {max_age}\n" if max_age else ""
    rest = re.sub(
        "    tables:\n",
        f"{kept}    tables:\n      fresh: {{path: '{pattern}', format: parquet}}\n",
        rest,
        count=1,
    )
    file.write_text(head + found + rest, "utf-8")
    return build(folder)


def parquet(first: int, rows: int = 1000, **columns: pa.Array) -> bytes:
    to = BytesIO()
    table = pa.table({"n": pa.array(range(first, first + rows), pa.int64()), **columns})
    pq.write_table(table, to, row_group_size=100, compression="none", use_dictionary=False)
    return to.getvalue()


def ask(app: App, sql: str, session: Session | None = None) -> list[tuple[object, ...]]:
    with app.line.run(sql, AUDITOR, session or Session()) as answer:
        return [tuple(row.values()) for batch in answer.batches() for row in batch.to_pylist()]


def test_a_file_of_the_same_size_with_other_rows(folder: Path, source: str, store: Store) -> None:
    store("a.parquet", parquet(0))
    sql = f"SELECT count(*) AS n, min(n) AS first, max(n) AS last FROM {source}.fresh WHERE n >= 500"
    with closing(served(folder, source)) as app:
        assert ask(app, sql) == ask(app, sql) == [(500, 500, 999)]
        assert len(parquet(0)) == len(parquet(5000))
        store("a.parquet", parquet(5000))
        # By the old footer no row group but the last five could hold such rows.
        assert ask(app, sql) == [(1000, 5000, 5999)]
        store("a.parquet", parquet(0, rows=10))
        assert ask(app, sql) == [(0, None, None)]


def test_files_that_come_and_go(folder: Path, source: str, store: Store) -> None:
    if source == "fraud_api":
        pytest.skip("HTTP has no listings")
    store("a.parquet", parquet(0))
    sql = f"SELECT count(*) AS n FROM {source}.fresh"
    with closing(served(folder, source)) as app:
        assert ask(app, sql) == [(1000,)]
        store("b.parquet", parquet(5000))
        assert ask(app, sql) == [(2000,)]
        store("a.parquet", None)
        assert ask(app, sql) == [(1000,)]


def test_a_file_with_other_columns(folder: Path, source: str, store: Store) -> None:
    store("a.parquet", parquet(0))
    with closing(served(folder, source)) as app:
        assert ask(app, f"SELECT sum(n) AS n FROM {source}.fresh") == [(499_500,)]
        store("a.parquet", parquet(0, word=pa.array(["x"] * 1000)))
        assert ask(app, f"SELECT sum(n) AS n FROM {source}.fresh") == [(499_500,)]
        assert ask(app, f"SELECT max(word) AS word FROM {source}.fresh") == [("x",)]


def test_a_listing_is_as_old_as_the_source_says_and_no_older_than_the_query(
    folder: Path, source: str, store: Store
) -> None:
    if source == "fraud_api":
        pytest.skip("HTTP has no listings")
    store("a.parquet", parquet(0))
    sql = f"SELECT count(*) AS n FROM {source}.fresh"
    with closing(served(folder, source, max_age="1h")) as app:
        assert ask(app, sql) == [(1000,)]
        store("b.parquet", parquet(5000))
        assert ask(app, sql) == [(1000,)]
        assert ask(app, sql, Session(options={"max_staleness": "30m"})) == [(1000,)]
        assert ask(app, sql, FRESH) == [(2000,)]
        assert ask(app, sql) == [(2000,)]  # that listing is now the newest that is known


def test_a_kept_result_may_be_too_old(folder: Path, source: str, store: Store) -> None:
    store("a.parquet", parquet(0))
    sql = f"SELECT count(n) AS n FROM {source}.fresh"
    with closing(served(folder, source)) as app:
        for session, kept in (
            (FRESH, False),
            (Session(options={"max_staleness": "1h"}), True),
            (Session(), True),
        ):
            ask(app, sql, session)
            with app.line.run(sql, AUDITOR, session) as answer:
                list(answer.batches())
                assert (type(answer).__name__ == "KeptAnswer") is kept
