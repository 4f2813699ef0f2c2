"""A source proved step by step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from connectors.local import LocalConnector
from fabric.check import RowReader, SourceReport, check_source


@pytest.fixture
def rows() -> Iterator[RowReader]:
    with closing(RowReader()) as reader:
        yield reader


def prove(rows: RowReader, folder: Path, **tables: object) -> SourceReport:
    settings = LocalConnector.Settings.model_validate(
        {"type": "local", "domain": "d", "uri": str(folder), "tables": tables}
    )
    return check_source("files", "local", lambda: LocalConnector("files", settings, folder), rows)


def test_each_step_is_told_with_its_time(rows: RowReader, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.jsonl").write_text('{"x": 1}\n')
    report = prove(
        rows, tmp_path, a={"path": "a.csv", "format": "csv"}, b={"path": "b.jsonl", "format": "json"}
    )
    assert report.error is None
    assert [proof.step.name for proof in report.proofs] == ["resolved", "listed", "one row read"]
    assert report.proofs[-1].step.detail == "a, b"
    assert all(proof.milliseconds >= 0 for proof in report.proofs)


def test_a_table_without_rows_is_told_as_such(rows: RowReader, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n")
    columns = {"x": "BIGINT", "y": "BIGINT"}
    report = prove(rows, tmp_path, a={"path": "a.csv", "format": "csv", "columns": columns})
    assert report.error is None
    assert report.proofs[-1].step.detail == "a (empty)"


def test_what_was_proved_before_the_failure_is_kept(rows: RowReader, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\nsecret,2\n")
    report = prove(rows, tmp_path, a={"path": "a.csv", "format": "csv", "columns": {"x": "BIGINT"}})
    assert report.error is not None
    assert report.error.code == "BAD_DATA"
    assert "a.csv" in report.error.message
    assert "secret" not in report.error.message
    assert report.error.hint
    assert [proof.step.name for proof in report.proofs] == ["resolved", "listed"]


def test_a_source_that_is_not_there_fails_at_its_first_step(rows: RowReader, tmp_path: Path) -> None:
    report = prove(rows, tmp_path / "none", a={"path": "a.csv", "format": "csv"})
    assert report.error is not None
    assert report.error.code == "SOURCE_UNREACHABLE"
    assert report.proofs == ()
