"""A real Postgres for a test module, connectors onto it, and what they answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from connectors.postgres import PostgresConnector, PostgresSettings
from fabric.predicates import Predicate
from fabric.spi import ScanContext, ScanSession
from fabric.types import OrderKey, Scan, Table

SOURCE = "policy_db"


@contextmanager
def source(uri: str, **keys: Any) -> Iterator[PostgresConnector]:
    settings = PostgresSettings.model_validate(
        {"type": "postgres", "domain": "underwriting", "uri": uri, **keys}
    )
    with closing(PostgresConnector(SOURCE, settings, Path())) as connector:
        yield connector


def table_of(connector: PostgresConnector, name: str) -> Table:
    return next(table for table in connector.tables() if table.name.name == name)


def scan_of(
    table: Table,
    *predicates: Predicate,
    columns: Sequence[str] = (),
    order: Sequence[OrderKey] = (),
    limit: int | None = None,
) -> Scan:
    wanted = tuple(columns) or tuple(column.name for column in table.columns)
    return Scan(table, wanted, predicates, tuple(order), limit)


def read(connector: PostgresConnector, scan: Scan, session: ScanSession | None = None) -> pa.Table | None:
    """Every row of a scan, in ``session`` or one of its own; None when there was none."""
    offer = connector.offer(scan)
    with closing(connector.open()) if session is None else nullcontext(session) as reading:
        batches = [
            batch
            for split in offer.splits
            for batch in reading.read(offer, split, ScanContext())
            if batch.num_rows
        ]
    return pa.Table.from_batches(batches) if batches else None


def rows_of(
    connector: PostgresConnector, scan: Scan, session: ScanSession | None = None
) -> list[tuple[Any, ...]]:
    """The rows of a scan as DuckDB reads them from the batches, in the order in which they came."""
    table = read(connector, scan, session)
    if table is None:
        return []
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        return engine.from_arrow(table).fetchall()
