"""An HTTP source from a few keys, and what it answers to a scan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from connectors.http import HttpConnector
from connectors.http_settings import HttpSettings
from fabric.spi import ScanContext
from fabric.types import Offer, Predicate, Scan, Table


@contextmanager
def source(
    uri: str, tables: Mapping[str, Any], directory: Path = Path(), **keys: Any
) -> Iterator[HttpConnector]:
    settings = HttpSettings.model_validate(
        {"type": "http", "domain": "fraud", "uri": uri, "tables": tables, **keys}
    )
    connector = HttpConnector("fraud_api", settings, directory)
    try:
        yield connector
    finally:
        connector.close()


def table_of(connector: HttpConnector, name: str) -> Table:
    return next(table for table in connector.tables() if table.name.name == name)


def offer_of(
    connector: HttpConnector,
    name: str,
    *predicates: Predicate,
    columns: Sequence[str] = (),
    limit: int | None = None,
) -> Offer:
    table = table_of(connector, name)
    wanted = tuple(columns) or tuple(column.name for column in table.columns)
    return connector.offer(Scan(table, wanted, predicates, (), limit))


def batches_of(
    connector: HttpConnector, offer: Offer, context: ScanContext | None = None
) -> list[pa.RecordBatch]:
    session = connector.open()
    used = context or ScanContext()
    found = [batch for split in offer.splits for batch in session.read(offer, split, used)]
    session.close()
    return found


def rows_of(
    connector: HttpConnector,
    name: str,
    *predicates: Predicate,
    columns: Sequence[str] = (),
    limit: int | None = None,
    context: ScanContext | None = None,
) -> list[dict[str, Any]]:
    offer = offer_of(connector, name, *predicates, columns=columns, limit=limit)
    return [row for batch in batches_of(connector, offer, context) for row in batch.to_pylist()]
