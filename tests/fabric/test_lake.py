"""The lake as a folder and as a bucket on a real S3 server: written whole, read by ranges, listed, removed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from fabric.config_model import LakeSettings
from fabric.errors import SourceChanged, Unreachable
from fabric.lake import Lake, lake_tables, open_lake
from fabric.row_groups import write_parquet
from fabric.spi import ScanContext
from fabric.types import FileLayout
from server.demo.s3 import EmbeddedS3

SECRET = "top-secret-of-the-lake"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedS3]:
    with EmbeddedS3(tmp_path_factory.mktemp("s3"), "lakekey", SECRET) as running:
        client = running.client()
        client.create_bucket(Bucket="lake")
        client.close()
        yield running


def in_bucket(server: EmbeddedS3, prefix: str) -> LakeSettings:
    return LakeSettings(
        uri=f"s3://lake/{prefix}",
        endpoint=server.endpoint,
        region="us-east-1",
        access_key_id=SecretStr("lakekey"),
        secret_access_key=SecretStr(SECRET),
    )


@pytest.fixture(params=["folder", "bucket"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    if request.param == "folder":
        return open_lake(LakeSettings(uri=str(tmp_path / "lake")))
    return open_lake(in_bucket(request.getfixturevalue("s3"), tmp_path.name))


def put(lake: Lake, path: str, body: bytes) -> None:
    with lake.writing(path) as stream:
        stream.write(body)


def test_what_was_written_is_read_by_ranges(lake: Lake) -> None:
    put(lake, "runs/a/x.parquet", b"0123456789")
    assert lake.size("runs/a/x.parquet") == 10
    assert lake.read("runs/a/x.parquet", [(0, 3), (7, 3)]) == [b"012", b"789"]
    with pytest.raises(SourceChanged):
        lake.read("runs/a/x.parquet", [(8, 3)])


def test_files_are_listed_by_folder_and_removed(lake: Lake) -> None:
    assert lake.listed("runs") == []
    put(lake, "runs/a/x.parquet", b"1")
    put(lake, "runs/b/y.parquet", b"22")
    put(lake, "other/z.parquet", b"3")
    found = lake.listed("runs")
    assert sorted((file.path, file.size) for file in found) == [
        ("runs/a/x.parquet", 1),
        ("runs/b/y.parquet", 2),
    ]
    assert all(file.modified > 1_600_000_000 for file in found)
    for _ in range(2):  # a second time does nothing
        lake.remove("runs/a/x.parquet")
    assert [file.path for file in lake.listed("runs")] == ["runs/b/y.parquet"]


def test_what_fails_while_it_is_written_leaves_nothing(lake: Lake) -> None:
    def failing() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"n": list(range(200_000))})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), lake.writing("runs/a/x.parquet") as stream:
        write_parquet(stream, pa.schema([("n", pa.int64())]), failing())
    assert lake.size("runs/a/x.parquet") is None
    assert lake.listed("runs") == []


def test_a_result_is_whole_row_groups_in_both(lake: Lake) -> None:
    batches = [pa.record_batch({"n": range(start, start + 50_000)}) for start in range(0, 500_000, 50_000)]
    with lake.writing("runs/a/x.parquet") as stream:
        write_parquet(stream, batches[0].schema, batches)
    tables = lake_tables(lake)
    (file,) = tables.files(FileLayout("runs/a/x.parquet", "parquet"))
    (whole,) = tables.read(file, [(0, file.size)], ScanContext())
    assert pq.read_table(pa.BufferReader(whole))["n"].to_pylist() == list(range(500_000))


def test_a_file_that_is_gone_is_an_error_and_no_empty_answer(lake: Lake) -> None:
    with pytest.raises(SourceChanged):
        lake_tables(lake).files(FileLayout("runs/a/none.parquet", "parquet"))
    with pytest.raises(SourceChanged):
        lake.read("runs/a/none.parquet", [(0, 1)])


def test_a_lake_that_cannot_be_written_says_so_without_secret_or_path(tmp_path: Path, s3: EmbeddedS3) -> None:
    (tmp_path / "lake").write_text("a file is in the way")
    wrong = in_bucket(s3, "x").model_copy(update={"secret_access_key": SecretStr("another-secret")})
    for lake in (open_lake(LakeSettings(uri=str(tmp_path / "lake"))), open_lake(wrong)):
        with pytest.raises(Unreachable) as caught:
            put(lake, "runs/a/x.parquet", b"1")
        told: Any = str(caught.value)
        assert "another-secret" not in told
        assert str(tmp_path) not in told
