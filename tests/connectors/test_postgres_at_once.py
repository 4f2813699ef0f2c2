"""Few rows come at once, and no statement asks for a turn of its own that another can take along."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from connectors.postgres import PostgresConnector
from connectors.postgres.at_once import MOST_ROWS
from connectors.relational.pool import Link
from fabric.errors import SchemaChanged, SourceChanged
from fabric.predicates import Comparison, Membership
from fabric.spi import ScanContext
from fabric.types import Scan, SemiJoin, Table
from server.demo.postgres import EmbeddedPostgres
from tests.connectors.postgres_source import read, rows_of, scan_of, source, table_of
from tests.embedded import embedded_postgres


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    for server in embedded_postgres():
        server.execute(
            """
            CREATE TABLE few AS SELECT i, 'n' || i AS name FROM generate_series(1, 10) i;
            CREATE TABLE many (i int PRIMARY KEY, few int);
            INSERT INTO many SELECT i, i % 10 FROM generate_series(1, 5000) i;
            CREATE TABLE wide (i int, body text);
            ALTER TABLE wide ALTER COLUMN body SET STORAGE EXTERNAL;
            INSERT INTO wide SELECT i, repeat('x', 100000) FROM generate_series(1, 5) i;
            """
        )
        server.execute("VACUUM ANALYZE")
        yield server


@pytest.fixture
def connector(server: EmbeddedPostgres) -> Iterator[PostgresConnector]:
    with source(server.uri) as made:
        yield made


def is_at_once(connector: PostgresConnector, scan: Scan) -> bool:
    (split,) = connector.offer(scan).splits
    return bool(split.payload.at_once)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the driver is told, statement by statement; one of these that streams rows takes three turns, another one."""
    told: list[str] = []
    execute, stream = Link.execute, Link.stream

    def executed(link: Link, sql: str) -> None:
        told.append("execute")
        execute(link, sql)

    def streamed(link: Link, sql: str, *, at_once: bool = False) -> object:
        told.append("at once" if at_once else "stream")
        return stream(link, sql, at_once=at_once)

    monkeypatch.setattr(Link, "execute", executed)
    monkeypatch.setattr(Link, "stream", streamed)
    return told


def test_a_scan_alone_takes_two_turns(connector: PostgresConnector, asked: list[str]) -> None:
    few = table_of(connector, "few")
    offer = connector.offer(scan_of(few))
    asked.clear()
    with closing(connector.open(scans=1)) as session:
        rows = sum(batch.num_rows for batch in session.read(offer, offer.splits[0], ScanContext()))
        assert rows == 10
        assert asked == ["execute", "at once"]


def test_a_scan_beside_it_takes_two_more(connector: PostgresConnector, asked: list[str]) -> None:
    few, many = (table_of(connector, name) for name in ("few", "many"))
    first, second = connector.offer(scan_of(many)), connector.offer(scan_of(few))
    asked.clear()
    with closing(connector.open(scans=2)) as session:
        reading = session.read(first, first.splits[0], ScanContext())
        next(reading)  # the leader: its transaction and the proof, the snapshot's name, its rows
        assert asked == ["execute", "at once", "stream"]
        asked.clear()
        assert sum(batch.num_rows for batch in session.read(second, second.splits[0], ScanContext())) == 10
        assert [each for each in asked if each != "execute"] == ["at once"]


def test_few_rows_are_told_by_statistics(connector: PostgresConnector) -> None:
    few, many, wide = (table_of(connector, name) for name in ("few", "many", "wide"))
    assert is_at_once(connector, scan_of(few))
    assert not is_at_once(connector, scan_of(replace(few, rows=None)))
    assert not is_at_once(connector, scan_of(many))
    assert is_at_once(connector, scan_of(many, Membership("i", (1, 2, 3))))
    assert is_at_once(connector, scan_of(many, limit=MOST_ROWS))
    assert not is_at_once(connector, scan_of(many, limit=MOST_ROWS + 1))
    assert not is_at_once(connector, scan_of(wide)), "its rows are not small"
    among_two = SemiJoin("i", few, "i", (Membership("i", (1, 2)),))
    assert is_at_once(connector, replace(scan_of(many), semi_joins=(among_two,)))
    once = replace(scan_of(many, columns=["few"]), counts=True)
    assert is_at_once(connector, once)


@pytest.mark.parametrize("limit", [None, MOST_ROWS, 3])
def test_more_rows_than_statistics_tell_all_come(
    server: EmbeddedPostgres, connector: PostgresConnector, asked: list[str], limit: int | None
) -> None:
    many = replace(table_of(connector, "many"), rows=5)
    scan = scan_of(many, limit=limit)
    assert is_at_once(connector, scan)
    asked.clear()
    found = rows_of(connector, scan)
    assert len({row[0] for row in found}) == len(found) == (limit or 5_000)
    assert asked.count("stream") == (1 if limit is None else 0)


def test_as_many_rows_as_are_taken_at_once(
    server: EmbeddedPostgres, connector: PostgresConnector, asked: list[str]
) -> None:
    many = replace(table_of(connector, "many"), rows=5)
    asked.clear()
    assert len(rows_of(connector, scan_of(many, Comparison("i", "<=", MOST_ROWS)))) == MOST_ROWS
    assert "stream" not in asked
    assert len(rows_of(connector, scan_of(many, Comparison("i", "<=", MOST_ROWS + 1)))) == MOST_ROWS + 1
    assert "stream" in asked


@pytest.fixture
def drifting(server: EmbeddedPostgres, connector: PostgresConnector) -> Table:
    server.execute(
        "DROP TABLE IF EXISTS drifting; CREATE TABLE drifting (i int, price numeric(10,2));"
        "INSERT INTO drifting VALUES (1, 1.25)"
    )
    return table_of(connector, "drifting")


@pytest.mark.parametrize("leader_is_busy", [True, False])
@pytest.mark.parametrize(
    ("change", "error"),
    [
        # the session's snapshot still has the old type
        ("ALTER TABLE drifting ALTER COLUMN price TYPE numeric(12,4)", SourceChanged),
        ("ALTER TABLE drifting DROP COLUMN price", SchemaChanged),
        ("DROP TABLE drifting", SchemaChanged),
        ("TRUNCATE drifting", SourceChanged),
        ("BEGIN; TRUNCATE drifting; INSERT INTO drifting VALUES (2, 1); COMMIT", SourceChanged),
    ],
)
def test_the_shape_is_proven_for_each_scan_of_a_session(
    server: EmbeddedPostgres,
    connector: PostgresConnector,
    drifting: Table,
    leader_is_busy: bool,
    change: str,
    error: type[Exception],
) -> None:
    many = connector.offer(scan_of(table_of(connector, "many")))
    with closing(connector.open()) as session:
        reading = session.read(many, many.splits[0], ScanContext())
        next(reading)
        if not leader_is_busy:
            list(reading)
        server.execute(change)
        with pytest.raises(error, match=r"policy_db\.public\.drifting"):
            read(connector, scan_of(drifting), session)
    assert rows_of(connector, scan_of(table_of(connector, "few"), Comparison("i", "=", 7))) == [(7, "n7")]


CONNECTED = """
SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ripstop' AND backend_type = 'client backend'
"""


def test_queries_one_behind_the_other_need_one_connection(
    server: EmbeddedPostgres, connector: PostgresConnector
) -> None:
    scan = scan_of(table_of(connector, "few"))
    for _ in range(20):
        assert len(rows_of(connector, scan)) == 10
    assert int(server.execute(CONNECTED)) == 1


def test_a_connection_whose_transaction_cannot_be_ended_is_closed(
    server: EmbeddedPostgres, connector: PostgresConnector
) -> None:
    scan = scan_of(table_of(connector, "few"))
    assert len(rows_of(connector, scan)) == 10
    kill = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name = 'ripstop'"
    with closing(connector.open(scans=1)) as session:
        assert read(connector, scan, session) is not None
        server.execute(kill)
    assert len(rows_of(connector, scan)) == 10
    assert int(server.execute(CONNECTED)) == 1
