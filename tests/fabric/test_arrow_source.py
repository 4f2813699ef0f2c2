"""An Arrow stream is told to those who follow it: whole or not at all, and once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pytest

from fabric.arrow_source import ArrowSource
from fabric.errors import InternalError, Unreachable

SCHEMA = pa.schema([("k", pa.int64())])


class Numbers(ArrowSource):
    """As many batches of three rows; an error behind them, if there is one."""

    def __init__(self, batches: int, error: Exception | None = None, **how: bool) -> None:
        super().__init__(SCHEMA, repeated=how.get("repeated", False), ahead=how.get("ahead", False))
        self._batches, self._error = batches, error

    def batches(self) -> Iterator[pa.RecordBatch]:
        for number in range(self._batches):
            yield pa.record_batch({"k": [3 * number, 3 * number + 1, 3 * number + 2]}, SCHEMA)
        if self._error is not None:
            raise self._error

    def blame(self, error: InternalError) -> None:
        raise AssertionError(error)


def followed(source: Numbers, most: int) -> list[list[int]]:
    told: list[list[int]] = []

    def listen(batches: Sequence[pa.RecordBatch]) -> None:
        told.append([key for batch in batches for key in batch.column(0).to_pylist()])

    source.follow(most, listen)
    return told


def read(source: Numbers) -> pa.Table:
    return pa.table(source)


@pytest.mark.parametrize("how", [{}, {"ahead": True}, {"repeated": True}])
def test_all_rows_are_told_once(how: dict[str, bool]) -> None:
    source = Numbers(3, **how)
    told = followed(source, 9)
    assert read(source).num_rows == 9
    if how:
        assert read(source).num_rows == 9
    assert told == [list(range(9))]


def test_of_too_many_rows_nothing_is_told_and_all_are_read() -> None:
    source = Numbers(3)
    few, enough = followed(source, 8), followed(source, 9)
    assert read(source).num_rows == 9
    assert (few, enough) == ([], [list(range(9))])


def test_no_rows_are_told_too() -> None:
    source = Numbers(0)
    told = followed(source, 5)
    assert read(source).num_rows == 0
    assert told == [[]]


@pytest.mark.parametrize("ahead", [False, True])
def test_of_a_source_that_fails_nothing_is_told(ahead: bool) -> None:
    source = Numbers(2, Unreachable("s", "the connection broke"), ahead=ahead)
    told = followed(source, 100)
    with pytest.raises((pa.ArrowException, Unreachable, OSError)):
        read(source)
    assert told == []


def test_who_stops_reading_hears_of_no_end() -> None:
    source = Numbers(3)
    told = followed(source, 100)
    reader = pa.RecordBatchReader.from_stream(source)
    reader.read_next_batch()
    reader.close()
    assert told == []
