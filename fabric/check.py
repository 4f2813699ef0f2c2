"""Prove one source: name resolved, connected, logged in, listed, one row read, each with its time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from fabric.errors import FabricError, UserError
from fabric.spi import Connector, FileConnector, ScanConnector, ScanContext, Step
from fabric.types import Scan, Table
from fabric.workbench import Workbench

# Of a database with a thousand tables, some are proof enough.
_MOST_TABLES = 8


@dataclass(frozen=True, slots=True)
class Proof:
    """A step that succeeded, and the milliseconds that it took."""

    step: Step
    milliseconds: float


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What was proved of a source, in order, and the error that ended it, if one did."""

    source: str
    type: str
    proofs: tuple[Proof, ...]
    error: FabricError | None = None


class RowReader:
    """Reads one row of a table as a query would; ``close`` gives back its engine and cache."""

    def __init__(self) -> None:
        self._bench = Workbench()

    def read(self, connector: Connector, table: Table) -> str:
        """What came of it, in words; empty when a row was read.

        Raises:
            FabricError: the table cannot be read.
        """
        if table.layout is not None and isinstance(connector, FileConnector):
            return "" if self._read_file(connector, table) else "empty"
        if isinstance(connector, ScanConnector):
            return _read_scan(connector, table)
        return "not read"

    def _read_file(self, connector: FileConnector, table: Table) -> bool:
        known = self._bench.with_columns(connector, table)
        columns = tuple(column.name for column in known.columns)
        return bool(columns) and self._bench.read(connector, Scan(known, columns, limit=1)).num_rows > 0

    def close(self) -> None:
        """Give back engine and cache."""
        self._bench.close()


def check_source(name: str, kind: str, build: Callable[[], Connector], rows: RowReader) -> SourceReport:
    """Prove a source step by step; a step that fails ends it and is told in the report.

    Args:
        name: the source's name.
        kind: its type.
        build: makes its connector, which is closed again.
        rows: reads the rows.
    """
    proofs: list[Proof] = []
    started = time.monotonic()
    try:
        with closing(build()) as connector:
            for step in _steps(connector, rows):
                now = time.monotonic()
                proofs.append(Proof(step, (now - started) * 1000))
                started = now
    except FabricError as error:
        return SourceReport(name, kind, tuple(proofs), error)
    return SourceReport(name, kind, tuple(proofs))


def _steps(connector: Connector, rows: RowReader) -> Iterator[Step]:
    yield from connector.check()
    tables = connector.tables()
    told = [_told(connector, table, rows) for table in tables[:_MOST_TABLES]]
    more = f" and {len(tables) - len(told)} more not read" if len(tables) > len(told) else ""
    yield Step("one row read", (", ".join(told) or "there are no tables") + more)


def _told(connector: Connector, table: Table, rows: RowReader) -> str:
    outcome = rows.read(connector, table)
    return f"{table.name.name} ({outcome})" if outcome else table.name.name


def _read_scan(connector: ScanConnector, table: Table) -> str:
    scan = Scan(table, tuple(column.name for column in table.columns), limit=1)
    try:
        offer = connector.offer(scan)
    except UserError as error:  # a parameter that only a query can give
        return f"not read: {error.message}"
    with closing(connector.open()) as session:
        for split in offer.splits:
            context = ScanContext()
            try:
                if any(batch.num_rows for batch in session.read(offer, split, context)):
                    return ""
            finally:
                context.cancel()
    return "empty"
