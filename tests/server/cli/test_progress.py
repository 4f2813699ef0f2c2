"""What is said of a query while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from server.cli.progress import Progress, size
from tests.server.tiny import until

NOW, EARLIER = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
_ROWS = [
    {
        "object": "crm_db.cust\x1b[2Jomer",
        "rows": 12000,
        "bytes": 3_400_000,
        "seconds": None,
        "started_at": NOW,
    },
    {"object": None, "rows": None, "bytes": None, "seconds": None, "started_at": NOW},
    {"object": "of.another", "rows": 1, "bytes": 1, "seconds": 1.0, "started_at": EARLIER},
]


class Server:
    """Answers whoever asks for progress."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    @contextmanager
    def connect(self) -> Iterator[Any]:
        yield self

    @contextmanager
    def query(self, sql: str) -> Iterator[Any]:
        self.asked.append(sql)
        yield self

    def read_all(self) -> pa.Table:
        return pa.Table.from_pylist(_ROWS)


class Batches:
    schema = pa.schema([("n", pa.int64())])

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        yield pa.record_batch([pa.array([1, 2, 3])], schema=self.schema)


def test_each_source_of_the_newest_such_query_has_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.cli.progress._ASKED_AFTER", 0.01)
    server = Server()
    with Progress(server.connect, "SELECT 'x'", shown=True) as progress:
        assert sum(batch.num_rows for batch in progress.watched(Batches())) == 3
        until(lambda: bool(progress.sources))
        head, *sources = progress.text().plain.split("\n")
    assert " 3 rows · 24 B · " in head
    assert sources == ["  crm_db.cust\\x1b[2Jomer · 12,000 rows · 3.4 MB", "  a restricted part"]
    assert "q.sql = 'SELECT ''x'''" in server.asked[0]


def test_a_server_that_tells_nothing_disturbs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.cli.progress._ASKED_AFTER", 0.01)
    tried: list[int] = []

    def refused() -> Any:
        tried.append(1)
        raise RuntimeError

    with Progress(refused, "SELECT 1", shown=True) as progress:
        until(lambda: bool(tried))
    assert progress.sources == []


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (5 * 10**9, "5.0 GB"), (10**13, "10.0 TB")],
)
def test_sizes_are_for_people(count: int, text: str) -> None:
    assert size(count) == text
