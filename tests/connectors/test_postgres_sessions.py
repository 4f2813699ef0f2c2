"""Connections: one snapshot, the cap, cancelling, and what survives a restart."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace

import pyarrow as pa
import pytest

from connectors.postgres import PostgresConnector
from fabric.errors import Cancelled, SchemaChanged, SourceChanged, SourceTimeout, Unreachable
from fabric.predicates import Comparison
from fabric.spi import ScanContext, ScanSession
from fabric.types import OrderKey, Table
from server.demo.postgres import EmbeddedPostgres
from tests.connectors.postgres_source import read, scan_of, source, table_of
from tests.embedded import embedded_postgres
from tests.patience import PATIENCE


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    yield from embedded_postgres()


ROWS = 400_000
CONNECTED = """
SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ripstop' AND backend_type = 'client backend'
"""
ACTIVE = CONNECTED + " AND state = 'active'"
IN_TRANSACTION = CONNECTED + " AND xact_start IS NOT NULL"


@pytest.fixture(scope="module", autouse=True)
def tables(server: EmbeddedPostgres) -> dict[str, Table]:
    server.execute(
        f"""
        CREATE TABLE wide AS SELECT i, repeat('x', 100) AS body FROM generate_series(1, {ROWS}) i;
        CREATE TABLE other AS SELECT * FROM wide;
        CREATE TABLE tiny AS SELECT 1 AS i;
        CREATE VIEW slow AS SELECT pg_sleep(30)::text AS i;
        CREATE VIEW sorted AS SELECT a.i FROM wide a CROSS JOIN generate_series(1, 1000) b ORDER BY b + a.i;
        """
    )
    with source(server.uri) as connector:
        return {table.name.name: table for table in connector.tables()}


@pytest.fixture
def connector(server: EmbeddedPostgres) -> Iterator[PostgresConnector]:
    with source(server.uri) as made:
        yield made


def begin(
    connector: PostgresConnector, session: ScanSession, table: Table, context: ScanContext | None = None
) -> Generator[pa.RecordBatch]:
    offer = connector.offer(scan_of(table))
    yield from session.read(offer, offer.splits[0], context or ScanContext())


def until(condition: Callable[[], bool], seconds: float = 1.5) -> bool:
    """The promise is 0.5 s; the rest is for a busy machine and for psql to answer."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return condition()


def count(server: EmbeddedPostgres, query: str) -> int:
    return int(server.execute(query))


def test_the_scans_of_a_session_see_one_state(
    server: EmbeddedPostgres, connector: PostgresConnector, tables: dict[str, Table]
) -> None:
    scan = scan_of(tables["tiny"])
    with closing(connector.open()) as session:
        assert read(connector, scan, session).num_rows == 1  # type: ignore[union-attr]
        server.execute("INSERT INTO tiny VALUES (2)")
        assert read(connector, scan, session).num_rows == 1  # type: ignore[union-attr]
        running = begin(connector, session, tables["wide"])
        next(running)  # the leader is busy, so the next scan joins it on a connection of its own
        assert read(connector, scan, session).num_rows == 1  # type: ignore[union-attr]
        assert count(server, IN_TRANSACTION) == 1
    assert read(connector, scan).num_rows == 2  # type: ignore[union-attr]
    server.execute("DELETE FROM tiny WHERE i = 2")


@pytest.mark.parametrize("cap", [1, 2])
def test_scans_that_are_read_in_the_wrong_order_never_wait_for_each_other(
    server: EmbeddedPostgres, cap: int, tables: dict[str, Table]
) -> None:
    with source(server.uri, limits={"connections": cap}) as connector:
        with closing(connector.open()) as session:
            started = [begin(connector, session, tables[name]) for name in ("wide", "other", "wide")]
            firsts = [next(running) for running in started]
            assert count(server, CONNECTED) <= cap
            rests = [list(running) for running in reversed(started)]
        for first, rest in zip(reversed(firsts), rests, strict=True):
            whole = [first, *rest]
            assert sum(batch.num_rows for batch in whole) == ROWS
            numbers = {n for batch in whole for n in batch.column(0).to_pylist()}
            assert numbers == set(range(1, ROWS + 1))
        assert count(server, IN_TRANSACTION) == 0


def test_scans_in_threads_share_one_connection(server: EmbeddedPostgres, tables: dict[str, Table]) -> None:
    with source(server.uri, limits={"connections": 1}) as connector:
        found: list[int] = []

        def run(session: ScanSession, name: str) -> None:
            found.append(sum(batch.num_rows for batch in begin(connector, session, tables[name])))

        with closing(connector.open()) as session:
            threads = [
                threading.Thread(target=run, args=(session, name))
                for name in ("wide", "tiny", "other", "tiny")
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
        assert sorted(found) == [1, 1, ROWS, ROWS]


def test_eight_queries_at_once_stay_under_the_cap(server: EmbeddedPostgres, tables: dict[str, Table]) -> None:
    with source(server.uri, limits={"connections": 3}) as connector:
        scan = scan_of(tables["wide"], Comparison("i", "<=", 20_000))
        found: list[int] = []
        most = 0

        def run() -> None:
            table = read(connector, scan)
            found.append(table.num_rows if table else 0)

        threads = [threading.Thread(target=run) for _ in range(8)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            most = max(most, count(server, CONNECTED))
        assert found == [20_000] * 8
        assert 1 <= most <= 3


@pytest.mark.parametrize("view", ["slow", "sorted", "wide"])
def test_a_cancel_reaches_the_server_and_frees_the_connection(
    server: EmbeddedPostgres, view: str, tables: dict[str, Table]
) -> None:
    with source(server.uri, limits={"connections": 1}) as connector:
        context = ScanContext()
        session = connector.open()
        outcome: list[BaseException] = []

        def run() -> None:
            try:
                for _ in begin(connector, session, tables[view], context):
                    if context.wait(10):
                        continue
            except Cancelled as error:
                outcome.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        assert until(lambda: count(server, ACTIVE) == 1, 5)
        began = time.monotonic()
        context.cancel()
        assert time.monotonic() - began < PATIENCE * 0.1
        assert until(lambda: count(server, IN_TRANSACTION) == 0)
        thread.join(1)
        assert len(outcome) == 1
        assert read(connector, scan_of(tables["tiny"])) is not None
        session.close()


def test_a_cancelled_scan_that_nobody_reads_frees_its_connection(
    server: EmbeddedPostgres, tables: dict[str, Table]
) -> None:
    with source(server.uri, limits={"connections": 1}) as connector:
        context = ScanContext()
        session = connector.open()
        running = begin(connector, session, tables["wide"], context)
        next(running)
        context.cancel()
        assert until(lambda: count(server, IN_TRANSACTION) == 0)
        with pytest.raises(Cancelled):
            next(running)
        session.close()


def test_a_scan_that_waits_for_a_connection_can_be_cancelled(
    server: EmbeddedPostgres, tables: dict[str, Table]
) -> None:
    with source(server.uri, limits={"connections": 1}) as connector:
        busy, waiting, context = connector.open(), connector.open(), ScanContext()
        offer = connector.offer(scan_of(tables["tiny"]))
        running = begin(connector, busy, tables["wide"])
        next(running)
        timer = threading.Timer(0.1, context.cancel)
        timer.start()
        began = time.monotonic()
        with pytest.raises(Cancelled):
            next(iter(waiting.read(offer, offer.splits[0], context)))
        assert time.monotonic() - began < PATIENCE * 0.6
        waiting.close()
        busy.close()


def test_closing_early_keeps_the_snapshot_for_the_next_scan(
    server: EmbeddedPostgres, connector: PostgresConnector, tables: dict[str, Table]
) -> None:
    tiny = scan_of(tables["tiny"])
    with closing(connector.open()) as session:
        running = begin(connector, session, tables["wide"])
        next(running)
        began = time.monotonic()
        running.close()
        assert time.monotonic() - began < PATIENCE * 0.5
        assert count(server, ACTIVE) == 0
        server.execute("INSERT INTO tiny VALUES (2)")
        assert read(connector, tiny, session).num_rows == 1  # type: ignore[union-attr]
    server.execute("DELETE FROM tiny WHERE i = 2")


def test_a_silent_server_is_a_timeout_and_its_statement_ends(
    server: EmbeddedPostgres, tables: dict[str, Table]
) -> None:
    with source(server.uri, timeout=0.5) as connector:
        scan = scan_of(tables["slow"])
        with pytest.raises(SourceTimeout, match=r"sent nothing for 0.5 s"):
            read(connector, scan)
        assert count(server, ACTIVE) == 0
        assert read(connector, scan_of(tables["tiny"])) is not None


def test_a_slow_reader_is_no_silent_server(server: EmbeddedPostgres, tables: dict[str, Table]) -> None:
    with source(server.uri, timeout=0.3) as connector, closing(connector.open()) as session:
        running = begin(connector, session, tables["wide"])
        got = next(running).num_rows
        time.sleep(0.8)
        assert got + sum(batch.num_rows for batch in running) == ROWS


def test_postgres_ends_a_statement_that_runs_too_long(
    server: EmbeddedPostgres, tables: dict[str, Table]
) -> None:
    with source(server.uri, statement_timeout=0.3) as connector:
        scan = scan_of(tables["slow"])
        with pytest.raises(SourceTimeout, match=r"policy_db.public.slow: the server cancelled"):
            read(connector, scan)


def test_the_next_query_works_after_a_restart(
    server: EmbeddedPostgres, connector: PostgresConnector, tables: dict[str, Table]
) -> None:
    scan = scan_of(tables["tiny"])
    read(connector, scan)
    running = begin(connector, session := connector.open(), tables["wide"])
    next(running)
    server.stop()
    with pytest.raises(Unreachable):
        list(running)
    session.close()
    with pytest.raises(Unreachable):
        read(connector, scan)
    server.start()
    assert read(connector, scan) is not None


def test_a_pooled_connection_that_broke_is_replaced(
    server: EmbeddedPostgres, connector: PostgresConnector, tables: dict[str, Table]
) -> None:
    scan = scan_of(tables["tiny"])
    read(connector, scan)
    kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'ripstop'"
    assert count(server, kill) >= 1
    assert read(connector, scan) is not None
    assert count(server, kill) >= 1
    assert connector.tables()


def test_only_reading_is_possible(server: EmbeddedPostgres, connector: PostgresConnector) -> None:
    server.execute(
        "CREATE FUNCTION scribble() RETURNS int LANGUAGE sql AS 'INSERT INTO tiny VALUES (9) RETURNING i';"
        "CREATE VIEW writes AS SELECT scribble() AS i"
    )
    scan = scan_of(table_of(connector, "writes"))
    with pytest.raises(Exception, match="25006"):
        read(connector, scan)
    server.execute("DROP VIEW writes; DROP FUNCTION scribble")
    assert server.execute("SELECT count(*) FROM tiny WHERE i = 9").strip() == "0"


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE drifting",
        "ALTER TABLE drifting DROP COLUMN price",
        "ALTER TABLE drifting ALTER COLUMN price TYPE numeric",
        "ALTER TABLE drifting ALTER COLUMN price TYPE numeric(12,4)",
        "ALTER TABLE drifting ALTER COLUMN i TYPE bigint",
        "ALTER TABLE drifting RENAME TO drifted",
    ],
)
def test_a_changed_table_is_an_error_and_never_a_rounded_value(
    server: EmbeddedPostgres, connector: PostgresConnector, change: str
) -> None:
    server.execute(
        "DROP TABLE IF EXISTS drifting, drifted; CREATE TABLE drifting (i int, price numeric(10,2), more text);"
        "INSERT INTO drifting VALUES (1, 1.25)"
    )
    table = table_of(connector, "drifting")
    server.execute(change)
    with pytest.raises(SchemaChanged, match=r"policy_db.public.drifting") as caught:
        read(connector, scan_of(table, Comparison("i", "=", 1), columns=["price"]))
    assert caught.value.retryable


def test_a_column_added_or_dropped_beside_the_scan_does_not_matter(
    server: EmbeddedPostgres, connector: PostgresConnector
) -> None:
    server.execute("CREATE TABLE aside (i int, gone text); INSERT INTO aside VALUES (1)")
    table = table_of(connector, "aside")
    server.execute("ALTER TABLE aside DROP COLUMN gone; ALTER TABLE aside ADD COLUMN fresh int")
    assert read(connector, scan_of(table, columns=["i"])) is not None


@pytest.mark.parametrize(
    ("made", "known"),
    [
        ("CREATE TABLE full_ (i int NOT NULL, x int)", True),
        ("CREATE TABLE full_ (i int PRIMARY KEY, x int)", True),
        ("CREATE TABLE full_ (i int, x int)", False),
        # a child may hold a NULL that its parent, before Postgres 18, does not hear of
        ("CREATE TABLE full_ (i int NOT NULL, x int); CREATE TABLE child () INHERITS (full_)", False),
        ("CREATE TABLE full_ (i int NOT NULL, x int) PARTITION BY LIST (i)", False),
        ("CREATE VIEW full_ AS SELECT 1 AS i, 2 AS x", False),
    ],
)
def test_which_columns_are_never_null(
    server: EmbeddedPostgres, connector: PostgresConnector, made: str, known: bool
) -> None:
    server.execute(made)
    try:
        table = table_of(connector, "full_")
        assert [column.never_null for column in table.columns] == [known, False]
        if known:
            relying = replace(scan_of(table, columns=["x"]), never_null=("i",))
            assert not read(connector, relying)
            server.execute(
                "ALTER TABLE full_ DROP CONSTRAINT IF EXISTS full__pkey; ALTER TABLE full_ ALTER i DROP NOT NULL"
            )
            with pytest.raises(SchemaChanged):
                read(connector, relying)
            assert not read(connector, scan_of(table, columns=["x"]))
    finally:
        server.execute(f"DROP {'VIEW' if 'VIEW' in made else 'TABLE'} full_ CASCADE")


@pytest.mark.parametrize(
    "change",
    [
        "TRUNCATE {}; INSERT INTO {} VALUES (2, 1)",
        "ALTER TABLE {} ADD COLUMN fresh timestamptz DEFAULT clock_timestamp()",
    ],
)
@pytest.mark.parametrize("table", ["loaded", "parted"])
def test_a_table_rewritten_after_the_snapshot_is_no_empty_table(
    server: EmbeddedPostgres, connector: PostgresConnector, table: str, change: str, tables: dict[str, Table]
) -> None:
    server.execute(
        "DROP TABLE IF EXISTS loaded, parted;"
        "CREATE TABLE loaded (i int, x int); INSERT INTO loaded VALUES (1, 1);"
        "CREATE TABLE parted (i int, x int) PARTITION BY LIST (x); CREATE TABLE part PARTITION OF parted DEFAULT;"
        "INSERT INTO parted VALUES (1, 1)"
    )
    scan = scan_of(table_of(connector, table))
    with closing(connector.open()) as session:
        read(connector, scan_of(tables["tiny"]), session)
        server.execute(f"BEGIN; {change.replace('{}', table)}; COMMIT")
        with pytest.raises(SourceChanged, match="was rewritten while the query ran"):
            read(connector, scan, session)
    found = read(connector, scan)
    assert found is not None
    assert found.num_rows == 1
    server.execute("DROP TABLE loaded, parted")


def test_top_rows_come_without_the_others(
    server: EmbeddedPostgres, connector: PostgresConnector, tables: dict[str, Table]
) -> None:
    context = ScanContext()
    scan = scan_of(tables["wide"], order=[OrderKey("i", descending=True)], limit=3)
    offer = connector.offer(scan)
    with closing(connector.open()) as session:
        batches = list(session.read(offer, offer.splits[0], context))
    assert [n for batch in batches for n in batch.column(0).to_pylist()] == [ROWS, ROWS - 1, ROWS - 2]
    assert (context.rows, context.requests) == (3, 1)
    assert context.bytes > 0
