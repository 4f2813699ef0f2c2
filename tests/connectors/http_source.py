"""An HTTP source from a few keys, and what it answers to a scan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from connectors.http import HttpConnector
from connectors.http.settings import HttpSettings
from fabric.errors import SourceError
from fabric.predicates import Predicate
from fabric.spi import ScanContext
from fabric.types import Offer, Scan, Table
from tests.connectors.scripted_http import Reply

TABLES = {"t": {"path": "/t", "columns": {"id": "BIGINT"}}}
GOOD = Reply([{"id": 1}])
ONE = [{"id": 1}]


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


def failure(uri: str, kind: type[SourceError], **keys: Any) -> SourceError:
    with source(uri, TABLES, **keys) as connector, pytest.raises(kind) as caught:
        rows_of(connector, "t")
    error = caught.value
    assert type(error) is kind
    assert error.source == "fraud_api"
    assert error.hint
    assert "127.0.0.1" not in str(error)
    assert "hush" not in str(error)
    assert error.__cause__ is None
    return error
