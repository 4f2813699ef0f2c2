"""A large table in ranges of its pages: each row once, whatever happens to the table meanwhile."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pyarrow as pa
import pytest

from connectors.postgres import PostgresConnector
from fabric.errors import SourceChanged
from fabric.feed import Feed
from fabric.predicates import Comparison
from fabric.spi import ScanContext, ScanSession
from fabric.types import Offer, OrderKey
from server.demo.postgres import EmbeddedPostgres
from tests.connectors.postgres_source import scan_of, source, table_of
from tests.embedded import embedded_postgres

ROWS = 400_000  # some 6,900 pages


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    yield from embedded_postgres()


@pytest.fixture
def wide(server: EmbeddedPostgres) -> None:
    server.execute(
        f"""
        DROP TABLE IF EXISTS wide CASCADE;
        CREATE TABLE wide AS SELECT i::bigint AS i, repeat('x', 100) AS body FROM generate_series(1, {ROWS}) i;
        ANALYZE wide;
        """
    )


@pytest.fixture
def connector(server: EmbeddedPostgres, wide: None) -> Iterator[PostgresConnector]:
    with source(server.uri, splits=4, limits={"connections": 4}) as made:
        made.tables()
        yield made


def keys(batches: Iterator[pa.RecordBatch]) -> Counter[int]:
    return Counter(key for batch in batches for key in batch.column(0).to_pylist())


def splits_of(
    session: ScanSession, offer: Offer, context: ScanContext, numbers: slice = slice(None)
) -> Counter[int]:
    found = Counter[int]()
    for split in offer.splits[numbers]:
        found.update(keys(session.read(offer, split, context)))
    return found


def fed(session: ScanSession, offer: Offer, context: ScanContext) -> Counter[int]:
    """As the line reads it: every split in a thread of its own."""
    feed = Feed(session, offer, context, pa.schema([pa.field("i", pa.int64())]))
    feed.start()
    found = keys(feed.batches())
    feed.join()
    return found


EACH_ONCE = Counter(range(1, ROWS + 1))


def test_a_large_table_is_read_in_ranges_that_hold_each_row_once(connector: PostgresConnector) -> None:
    offer = connector.offer(scan_of(table_of(connector, "wide"), columns=["i"]))
    assert [split.label for split in offer.splits] == ["1/4", "2/4", "3/4", "4/4"]
    assert offer.request == 'SELECT "i" FROM "public"."wide" /* in 4 ranges of ctid */'
    context = ScanContext()
    with closing(connector.open()) as session:
        assert fed(session, offer, context) == EACH_ONCE
    assert (context.requests, context.rows) == (4, ROWS)


def test_rows_that_come_go_and_move_meanwhile_are_those_of_the_snapshot(
    server: EmbeddedPostgres, connector: PostgresConnector
) -> None:
    offer = connector.offer(scan_of(table_of(connector, "wide"), columns=["i"]))
    context = ScanContext()
    with closing(connector.open()) as session:
        found = splits_of(session, offer, context, slice(1))
        server.execute(
            """
            UPDATE wide SET body = 'moved' WHERE i % 2 = 0;
            DELETE FROM wide WHERE i % 3 = 0;
            INSERT INTO wide SELECT i, 'new' FROM generate_series(500001, 600000) i;
            """
        )
        server.execute("VACUUM wide")
        assert found + splits_of(session, offer, context, slice(1, None)) == EACH_ONCE


def test_what_was_written_behind_the_pages_that_were_counted_is_read(
    server: EmbeddedPostgres, connector: PostgresConnector
) -> None:
    offer = connector.offer(scan_of(table_of(connector, "wide"), columns=["i"]))
    server.execute(f"INSERT INTO wide SELECT i, repeat('y', 100) FROM generate_series({ROWS + 1}, 500000) i")
    with closing(connector.open()) as session:
        assert fed(session, offer, ScanContext()) == Counter(range(1, 500_001))


def test_a_table_that_shrank_is_read_as_it_is(server: EmbeddedPostgres, connector: PostgresConnector) -> None:
    offer = connector.offer(scan_of(table_of(connector, "wide"), columns=["i"]))
    server.execute("DELETE FROM wide WHERE i > 10")
    server.execute("VACUUM FULL wide")
    with closing(connector.open()) as session:
        assert fed(session, offer, ScanContext()) == Counter(range(1, 11))


def test_a_table_rewritten_between_two_ranges_is_no_answer(
    server: EmbeddedPostgres, connector: PostgresConnector
) -> None:
    offer = connector.offer(scan_of(table_of(connector, "wide"), columns=["i"]))
    server.execute("CREATE TABLE IF NOT EXISTS tiny AS SELECT 1 AS i")
    tiny = connector.offer(scan_of(table_of(connector, "tiny")))
    with closing(connector.open()) as session:
        splits_of(session, tiny, ScanContext())  # the snapshot is taken, no lock on wide
        server.execute("VACUUM FULL wide")
        with pytest.raises(SourceChanged):
            splits_of(session, offer, ScanContext())


def test_writers_at_work_all_the_while_change_nothing(
    server: EmbeddedPostgres, connector: PostgresConnector
) -> None:
    offer = connector.offer(scan_of(table_of(connector, "wide"), columns=["i"]))
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            server.execute(f"UPDATE wide SET body = repeat('z', 90) WHERE i % {ROWS // 2000} = 7")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            with closing(connector.open()) as session:
                assert fed(session, offer, ScanContext()) == EACH_ONCE
    finally:
        over.set()
        writer.join()


def test_what_reads_less_than_the_whole_table_is_one_query(connector: PostgresConnector) -> None:
    table = table_of(connector, "wide")
    for scan in (
        scan_of(table, Comparison("i", "<", 10)),
        scan_of(table, limit=10),
        scan_of(table, order=[OrderKey("i")], limit=10),
    ):
        assert len(connector.offer(scan).splits) == 1


def test_the_cap_of_the_source_holds(server: EmbeddedPostgres, wide: None) -> None:
    with source(server.uri, splits=4, limits={"connections": 2}) as capped:
        offer = capped.offer(scan_of(table_of(capped, "wide"), columns=["i"]))
        assert len(offer.splits) == 2
        with closing(capped.open()) as busy, closing(capped.open()) as session:
            other = busy.read(offer, offer.splits[0], ScanContext())
            next(other)  # one connection is left, for both ranges
            assert fed(session, offer, ScanContext()) == EACH_ONCE
            other.close()  # type: ignore[attr-defined]


def test_only_plain_tables_of_known_size_are_split(server: EmbeddedPostgres, wide: None) -> None:
    server.execute(
        """
        CREATE VIEW over_wide AS SELECT * FROM wide;
        CREATE TABLE parent AS SELECT * FROM wide;
        CREATE TABLE child () INHERITS (parent);
        CREATE TABLE parts (LIKE wide) PARTITION BY RANGE (i);
        CREATE TABLE part PARTITION OF parts DEFAULT;
        INSERT INTO parts SELECT * FROM wide;
        CREATE TABLE never_analyzed AS SELECT * FROM wide;
        CREATE TABLE small AS SELECT * FROM wide LIMIT 1000;
        ANALYZE parent; ANALYZE parts; ANALYZE small;
        """
    )
    with source(server.uri, splits=4) as connector:
        found = {table.name.name: len(connector.offer(scan_of(table)).splits) for table in connector.tables()}
    split = {name for name, number in found.items() if number > 1}
    assert split == {"wide"}
    assert found.keys() >= {"over_wide", "parent", "child", "parts", "never_analyzed", "small"}


def test_a_table_is_read_in_one_piece_unless_the_source_says_otherwise(
    server: EmbeddedPostgres, wide: None
) -> None:
    with source(server.uri) as connector:
        assert len(connector.offer(scan_of(table_of(connector, "wide"))).splits) == 1
