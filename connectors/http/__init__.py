"""HTTP: REST endpoints as tables, and files behind the same address."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote, urlsplit

import pyarrow as pa

from connectors.http.rest import Part, RestTable
from connectors.http.settings import HttpSettings, RestTableSettings
from fabric.errors import SchemaChanged, SourceTimeout, Unreachable
from fabric.settings import FileTableSettings, SourceSettings
from fabric.spi import ScanContext, ScanSession, Step
from fabric.types import (
    DEFAULT_SCHEMA,
    Capabilities,
    FileLayout,
    FileStat,
    Offer,
    Scan,
    Split,
    Table,
    TableName,
)

_ANY_STATUS = frozenset(range(200, 600)) - {401, 403}


class HttpConnector:
    """One HTTP source: its REST tables are scanned, its file tables are read by DuckDB.

    Args:
        name: the source's name in fabric.yaml.
        settings: its keys, an ``HttpSettings``.
        directory: the project directory, to which ``ca_file`` is relative.
    """

    Settings: ClassVar[type[SourceSettings]] = HttpSettings
    extra: ClassVar[str] = "http"
    one_call: ClassVar[bool] = False
    block_bytes: ClassVar[int] = 1 << 20

    def __init__(self, name: str, settings: SourceSettings, directory: Path) -> None:
        from connectors.http.client import HttpClient
        from connectors.http.files import HttpFiles

        assert isinstance(settings, HttpSettings)  # noqa: S101 - the registry validated them
        self.name = name
        self._settings = settings
        self._client = HttpClient(name, settings, directory)
        self._files = HttpFiles(name, settings, directory, self._client)
        self._rest = {
            table: RestTable(TableName(name, DEFAULT_SCHEMA, table), declared, settings)
            for table, declared in settings.tables.items()
            if isinstance(declared, RestTableSettings)
        }

    def check(self) -> Iterator[Step]:
        """Name, port, credentials, and the first page or the size of every table that needs no value.

        Raises:
            SourceError: at the step that fails.
        """
        where = urlsplit(self._settings.uri)
        port = where.port or (443 if where.scheme == "https" else 80)
        try:
            found = socket.getaddrinfo(where.hostname, port, type=socket.SOCK_STREAM)
        except OSError:
            raise Unreachable(self.name, "its name does not resolve", hint="check the host in uri") from None
        yield Step("resolved", f"{len(found)} addresses")
        self._connect(where.hostname or "", port)
        yield Step("connected")
        self._log_in()
        yield Step("logged in", "with credentials" if self._settings.auth else "no auth declared")
        asked = [table for table in self._rest.values() if table.askable]
        for table in asked:
            self._first_page(table)
        files = sum(len(self._files.files(t.layout)) for t in self._files.tables() if t.layout)
        unasked = len(self._rest) - len(asked)
        need = f", {unasked} that need a value were not asked" if unasked else ""
        yield Step("listed", f"{len(asked)} REST tables answered, {files} files found{need}")

    def _connect(self, host: str, port: int) -> None:
        try:
            socket.create_connection((host, port), self._settings.connect_timeout).close()
        except TimeoutError:
            raise SourceTimeout(
                self.name, "it did not answer in time", hint="check host and port in uri, and firewalls"
            ) from None
        except OSError:
            raise Unreachable(self.name, "nothing listens there", hint="check host and port in uri") from None

    def _log_in(self) -> None:
        from connectors.http.client import Request

        rest = (table.settings.path for table in self._rest.values() if table.askable)
        files = (
            quote(table.path.partition("!/")[0])
            for table in self._settings.tables.values()
            if isinstance(table, FileTableSettings)
        )
        path = next((path for paths in (rest, files) for path in paths), "")
        self._client.get(Request(self._client.url(path), accept=_ANY_STATUS, body="none"), ScanContext())

    def _first_page(self, table: RestTable) -> None:
        columns = tuple(column.name for column in table.table.columns)
        offer = table.offer(Scan(table.table, columns))
        for split in offer.splits:
            if isinstance(split.payload, Part):
                with closing(table.read(self._client, columns, split.payload, ScanContext())) as batches:
                    next(batches, None)

    def tables(self) -> Sequence[Table]:
        """The declared tables."""
        files = {table.name.name: table for table in self._files.tables()}
        return [
            self._rest[name].table if name in self._rest else files[name] for name in self._settings.tables
        ]

    def close(self) -> None:
        """Close every connection."""
        self._files.close()
        self._client.close()

    def capabilities(self, table: Table) -> Capabilities:
        """What the declared parameters take; nothing for a file."""
        return Capabilities() if table.layout is not None else self._table(table).capabilities

    def offer(self, scan: Scan) -> Offer:
        """The requests of a scan.

        Raises:
            InvalidValue: a required parameter has no value; names it.
        """
        return self._table(scan.table).offer(scan)

    def open(self, scans: int | None = None) -> ScanSession:
        """A session; REST shows no common state, so it holds nothing."""
        return _Session(self)

    def files(self, layout: FileLayout, max_age: float | None = None) -> Sequence[FileStat]:
        """The one file of a table, or its members.

        Raises:
            SourceError: it is not there, or the source cannot be asked.
        """
        return self._files.files(layout, max_age)

    def read(self, file: FileStat, ranges: Sequence[tuple[int, int]], context: ScanContext) -> list[bytes]:
        """The bytes of each range, in order, whole.

        Raises:
            SourceChanged: the file is no longer the one that was listed.
            SourceError: anything else.
        """
        return self._files.read(file, ranges, context)

    def scan(self, offer: Offer, part: Part, context: ScanContext) -> Iterator[pa.RecordBatch]:
        """The rows of one part of an offer."""
        return self._table(offer.scan.table).read(self._client, offer.scan.columns, part, context)

    def _table(self, table: Table) -> RestTable:
        found = self._rest.get(table.name.name)
        if found is None:
            raise SchemaChanged(self.name, f"table '{table.name.name}' is no longer declared")
        return found


@dataclass(frozen=True, slots=True)
class _Session:
    connector: HttpConnector

    def read(self, offer: Offer, split: Split, context: ScanContext) -> Iterator[pa.RecordBatch]:
        """The rows of one split, a batch a page."""
        assert isinstance(split.payload, Part)  # noqa: S101 - made by offer
        return self.connector.scan(offer, split.payload, context)

    def close(self) -> None:
        """Nothing is held between pages."""
