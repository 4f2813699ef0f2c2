"""Live scans start together, are bounded, and end when they are told to."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

import pyarrow as pa
import pytest

from fabric.engine import Engine
from fabric.errors import BadData, Cancelled, FabricError, InternalError, Unreachable
from fabric.feed import MOST_WAITING, Feed, FeedSource
from fabric.spi import ScanContext
from fabric.types import Column, Offer, Scan, Split, Table, TableName
from tests.server.tiny import until

TABLE = Table(TableName("s", "main", "t"), (Column("k", "BIGINT"),))
SCHEMA = pa.schema([pa.field("r_k", pa.int64())])


class Source:
    """A session whose splits take their time, or fail."""

    def __init__(
        self, batches: int = 3, delay: float = 0.0, error: BaseException | None = None, rows: int = 1
    ) -> None:
        self.batches, self.delay, self.error, self.rows = batches, delay, error, rows
        self.sent = 0
        self.closed = threading.Event()

    def read(self, offer: Offer, split: Split, context: ScanContext) -> Iterator[pa.RecordBatch]:
        try:
            for number in range(self.batches):
                if self.delay and context.wait(self.delay):
                    return
                self.sent += 1
                yield pa.record_batch({"k": pa.array([number] * self.rows, pa.int64())})
            if self.error is not None:
                raise self.error
        finally:
            self.closed.set()

    def close(self) -> None:
        return


def feed(source: Source, context: ScanContext, splits: int = 1, schema: pa.Schema = SCHEMA) -> Feed:
    offer = Offer(Scan(TABLE, ("k",)), (), tuple(Split(str(n)) for n in range(splits)), "")
    made = Feed(source, offer, context, schema)
    made.start()
    return made


def test_sources_run_at_the_same_time() -> None:
    engine = Engine()
    started = time.monotonic()
    with engine.cursor() as cursor:
        feeds = [feed(Source(batches=2, delay=0.5), ScanContext()) for _ in range(4)]
        for number, one in enumerate(feeds):
            cursor.register(f"t{number}", FeedSource(one, SCHEMA, repeated=False))
        total = "SELECT " + " + ".join(f"(SELECT count(*) FROM t{number})" for number in range(4))
        assert cursor.sql(total).fetchall() == [(8,)]
    engine.close()
    # One after another they take four seconds.
    assert time.monotonic() - started < 3.5


def test_every_split_is_read_once() -> None:
    rows = [
        value
        for batch in feed(Source(), ScanContext(), splits=5).batches()
        for value in batch["r_k"].to_pylist()
    ]
    assert sorted(rows) == sorted([0, 1, 2] * 5)


def test_a_source_is_read_ahead_by_so_many_bytes_and_no_further() -> None:
    rows, context = 250_000, ScanContext()
    source, waiting = Source(batches=1000, rows=rows), MOST_WAITING // (rows * 8)
    one = feed(source, context)
    until(lambda: source.sent == waiting + 1)
    time.sleep(0.3)
    assert source.sent == waiting + 1
    for _ in itertools.islice(one.batches(), 2):
        pass
    until(lambda: source.sent == waiting + 3)
    context.cancel()
    one.join()
    assert source.closed.is_set()


def test_a_read_that_is_stopped_never_looks_like_one_that_ended() -> None:
    """Else a sum over what had come until then would be an answer."""
    context, source = ScanContext(), Source(batches=1000, delay=0.05)
    one = feed(source, context)
    batches = one.batches()
    assert next(batches).num_rows == 1
    context.cancel()
    one.join()
    assert source.closed.is_set()
    with pytest.raises(Cancelled):
        list(batches)
    assert not one.finished


def test_an_error_of_the_source_is_kept_as_it_was() -> None:
    failure = Unreachable("s", "the connection broke")
    one = feed(Source(error=failure), ScanContext())
    with pytest.raises(Unreachable):
        list(one.batches())
    assert one.error is failure


def test_a_fault_in_a_connector_shows_no_detail_and_the_log_holds_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    one = feed(Source(error=ZeroDivisionError("password=x")), ScanContext())
    with pytest.raises(InternalError) as caught:
        list(one.batches())
    assert "password" not in str(caught.value)
    assert caught.value.reference in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_a_feed_that_never_started_can_be_waited_for() -> None:
    offer = Offer(Scan(TABLE, ("k",)), (), (Split("0"),), "")
    Feed(Source(), offer, ScanContext(), SCHEMA).join()


def test_a_failing_split_stops_the_others() -> None:
    context = ScanContext()
    slow = Source(batches=1000, delay=0.05)
    one = feed(slow, context)
    other = feed(Source(error=Unreachable("s", "gone")), context)
    with pytest.raises(FabricError):
        list(other.batches())
    one.join()
    assert slow.closed.is_set()


def test_a_batch_of_another_type_is_the_sources_fault() -> None:
    one = feed(Source(), ScanContext(), schema=pa.schema([pa.field("r_k", pa.date32())]))
    with pytest.raises(BadData, match="column 'k' of table 't'"):
        list(one.batches())


def test_a_repeated_read_is_served_from_memory() -> None:
    engine, source = Engine(), Source()
    with engine.cursor() as cursor:
        cursor.register("t", FeedSource(feed(source, ScanContext()), SCHEMA, repeated=True))
        assert cursor.sql("SELECT count(*) FROM t a, t b").fetchall() == [(9,)]
    assert source.sent == 3
    engine.close()


def test_a_second_read_that_nobody_foresaw_is_an_error_and_never_a_wrong_answer() -> None:
    source = FeedSource(feed(Source(), ScanContext()), SCHEMA, repeated=False)
    assert pa.RecordBatchReader.from_stream(source).read_all().num_rows == 3
    with pytest.raises(InternalError):
        pa.RecordBatchReader.from_stream(source)
