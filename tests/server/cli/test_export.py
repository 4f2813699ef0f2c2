# ruff: noqa: F811 (pytest finds the imported fixtures by the names of arguments)
"""``ripstop export``: what the asker may see, in files that are there only when they are whole."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from fabric.errors import InvalidValue
from server.cli.formats import write
from server.cli.options import Format
from server.cli.output import whole
from tests.server.cli.test_product_commands import asked, project  # noqa: F401
from tests.server.tiny import until

ENDLESS = "SELECT i, md5(CAST(i AS VARCHAR)) AS hash FROM range(100000000000) t(i)"
FAILS_LATE = (
    "SELECT 1 / (CASE WHEN i = 1000000 THEN CAST('x' || i AS INT) ELSE 1 END) AS one FROM range(2000000) t(i)"
)


def exported(project: tuple[Path, str], user: str, *arguments: str) -> tuple[int, str, str]:
    return asked(project, user, *arguments, command=("export",))


@pytest.mark.parametrize(
    ("suffix", "form"), [("parquet", ""), ("arrow", ""), ("csv", ""), ("data", "parquet")]
)
def test_a_product_is_written_as_its_reader_may_see_it(
    project: tuple[Path, str], tmp_path: Path, suffix: str, form: str
) -> None:
    file = tmp_path / f"claims.{suffix}"
    status, out, err = exported(
        project, "ana", "claims.claim", "--to", str(file), *(["--format", form] if form else [])
    )
    assert (status, err) == (0, "")
    assert out.startswith("2 rows, ")
    if suffix == "csv":
        table = pyarrow.csv.read_csv(file)
    elif suffix == "arrow":
        table = pa.ipc.open_stream(file.read_bytes()).read_all()
    else:
        table = pq.read_table(file)
    assert "ssn" not in table.column_names  # hidden for analysts
    assert table["region"].to_pylist() == ["EU", "EU"]  # and their rows are those of the EU
    assert list(tmp_path.iterdir()) == [file]


def test_a_query_goes_to_stdout_and_a_name_is_no_query(project: tuple[Path, str]) -> None:
    query = "SELECT count(*) AS claims FROM claims.claim"
    assert exported(project, "ana", query, "--format", "csv") == (0, "claims\n2\n", "")
    assert exported(project, "ana", 'Claims."claim"', "--format", "csv")[1].count("\n") == 3
    status, _, err = exported(project, "ana", 'claims."x;""y"')
    assert (status, err.partition(":")[0]) == (1, "error")
    assert "NOT_FOUND" in err


def test_what_may_not_be_known_is_as_what_is_not_there(project: tuple[Path, str], tmp_path: Path) -> None:
    file = tmp_path / "claims.parquet"
    there = exported(project, "ana", "claims.secret_claims", "--to", str(file))
    absent = exported(project, "ana", "claims.secret_claimz", "--to", str(file))
    assert there == (absent[0], absent[1], absent[2].replace("claimz", "claims"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["SELECT 1; SELECT 2"], "there are 2 statements"),
        (["/* nothing */"], "there are 0 statements"),
        (["SELECT 1", "--to", "claims.json"], "--format parquet|arrow|csv"),
        (["SELECT 1", "--to", "absent/claims.csv"], "No such file or directory"),
        (["SELECT 1", "--to", ".", "--format", "csv"], "Is a directory"),
        (["SELECT INTERVAL 1 DAY AS day", "--to", "day.parquet"], "Parquet has no type for the column 'day'"),
        ([FAILS_LATE, "--to", "late.parquet"], "INVALID_VALUE"),
        ([FAILS_LATE, "--to", "late.csv"], "INVALID_VALUE"),
    ],
)
def test_a_failure_is_said_and_leaves_no_file(
    project: tuple[Path, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    status, out, err = exported(project, "ana", *arguments)
    assert (status, out) == (1, "")
    assert said in err
    assert not list(tmp_path.iterdir())


def test_an_export_that_is_killed_leaves_what_was_there(project: tuple[Path, str], tmp_path: Path) -> None:
    file = tmp_path / "claims.parquet"
    file.write_text("the last one")
    command = [
        sys.executable,
        "-P",
        "-m",
        "server.cli",
        "export",
        ENDLESS,
        "--to",
        str(file),
        "--user",
        "ana",
    ]
    for signalled in (signal.SIGINT, signal.SIGKILL):
        running = subprocess.Popen(
            [*command, "--uri", project[1]],
            env=os.environ | {"RIPSTOP_PASSWORD": "secret"},
            stderr=subprocess.PIPE,
        )
        part = tmp_path / f".{file.name}.{running.pid}.part"
        until(lambda part=part: part.exists() and part.stat().st_size > 0, 60)
        running.send_signal(signalled)
        running.communicate(timeout=30)
        assert file.read_text() == "the last one"
        assert part.exists() == (signalled is signal.SIGKILL)


def test_of_a_link_the_file_behind_is_replaced_and_a_pipe_is_written_straight(tmp_path: Path) -> None:
    file, link, pipe = tmp_path / "real.csv", tmp_path / "link.csv", tmp_path / "pipe"
    link.symlink_to(file)
    with whole(link) as out:
        out.write("a\n")
        assert not file.exists()
    assert (link.is_symlink(), file.read_text()) == (True, "a\n")
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with whole(pipe) as out:
        out.write("a\n")
    assert os.read(reading, 10) == b"a\n"
    os.close(reading)


def test_what_cannot_take_another_name_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "answer"

    def written() -> None:
        with whole(file) as out:
            out.write("a\n")
            file.mkdir()

    with pytest.raises(InvalidValue, match="cannot write"):
        written()
    assert [each.name for each in tmp_path.iterdir()] == ["answer"]


class Counted:
    """An answer that says how much of it is held at most."""

    schema = pa.schema([("i", pa.int64())])
    most = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        before = pa.total_allocated_bytes()
        for n in range(200):
            yield pa.record_batch([pa.array(range(n, n + 100_000), pa.int64())], schema=self.schema)
            self.most = max(self.most, pa.total_allocated_bytes() - before)


@pytest.mark.parametrize("form", [Format.parquet, Format.arrow])
def test_a_file_is_written_as_its_batches_come(tmp_path: Path, form: Format) -> None:
    answer = Counted()
    with (tmp_path / "answer").open("w") as out:
        assert write(answer, form, out) == 20_000_000
    assert 0 < answer.most < 40_000_000  # of 160 MB


def test_a_row_group_holds_several_batches() -> None:
    out = io.TextIOWrapper(io.BytesIO())
    write(Counted(), Format.parquet, out)
    assert pq.read_metadata(out.detach()).row_group(0).num_rows == 300_000
