"""Postgres: introspected tables, scans as SQL of ours, one snapshot for all scans of a query."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, SecretStr, field_validator

from connectors.postgres import scan as postgres_scan
from connectors.postgres.address import Address
from connectors.postgres.at_once import at_once
from connectors.postgres.catalog import (
    approximate,
    columns_query,
    inline_tables,
    keys_query,
    pages_of,
    read_tables,
    shadowed,
    statistics_query,
    with_statistics,
)
from connectors.postgres.conduct import PostgresConduct
from connectors.postgres.errors import refused_connection, unreachable
from connectors.postgres.splits import in_splits
from connectors.relational.pool import Link
from connectors.relational.source import DeclaredTable, RelationalSource
from fabric.errors import MissingExtra, Unreachable
from fabric.settings import Seconds, SourceSettings
from fabric.spi import Step
from fabric.types import Capabilities, Offer, Scan, Table, TableName

# As fast as larger batches, at half the memory (notes/federation.md, section 2).
_BATCH_BYTES = 1_000_000
# Without COPY the driver needs one round trip instead of three, and holds all rows.
_AT_ONCE = {"adbc.postgresql.use_copy": "false"}


class PostgresSettings(SourceSettings):
    """The keys of a source of type ``postgres``."""

    uri: SecretStr = Field(description="postgresql://user:password@host:port/database")
    schemas: tuple[str, ...] = Field(default=("public",), min_length=1)
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] | None = None
    sslrootcert: Path | None = Field(default=None, description="certificates that may sign the server's")
    sslcert: Path | None = Field(default=None, description="our certificate")
    sslkey: Path | None = Field(default=None, description="our certificate's key")
    statement_timeout: Seconds = Field(
        default=3600.0,
        description="longest that one scan may run, waiting for a slow reader included; enforced by Postgres",
    )
    splits: int = Field(
        default=1,
        ge=1,
        le=16,
        description="connections that read one large table at once, within `limits.connections`",
    )
    tables: dict[str, DeclaredTable] = Field(
        default_factory=dict, description="by table, or schema.table: declared types and tags of columns"
    )

    @field_validator("uri")
    @classmethod
    def _is_postgres(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must start with postgresql://")
        return value


class PostgresConnector(RelationalSource):
    """A ``ScanConnector`` for PostgreSQL 12 and later, by ADBC."""

    Settings: ClassVar[type[SourceSettings]] = PostgresSettings
    extra: ClassVar[str] = "postgres"

    def __init__(self, name: str, settings: SourceSettings, directory: Path) -> None:
        if not isinstance(settings, PostgresSettings):
            raise TypeError("PostgresConnector takes PostgresSettings")
        self._settings = settings
        files = {key: getattr(settings, key) for key in ("sslrootcert", "sslcert", "sslkey")}
        self._address = Address.of(
            settings.uri.get_secret_value(),
            {"sslmode": settings.sslmode} | {key: directory / path for key, path in files.items() if path},
            settings.connect_timeout,
            settings.timeout,
        )
        conduct = PostgresConduct(name, settings.timeout, settings.statement_timeout)
        super().__init__(name, settings, settings.tables, conduct)
        self._most_splits = min(settings.splits, settings.limits.connections)
        self._pages: dict[TableName, int] = {}
        self._inline = frozenset[TableName]()

    def check(self) -> Iterator[Step]:
        """Resolve, connect, log in and list.

        Raises:
            SourceError: at the step that fails.
        """
        yield from self._reach()
        version = self._ask(lambda link: link.rows("SELECT current_setting('server_version') AS version"))
        yield Step(
            "logged in", f"as {self._address.user or 'the default user'}, PostgreSQL {version[0]['version']}"
        )
        columns, keys = self._catalog()
        tables = read_tables(self.name, columns, keys, self._declared)
        yield Step("listed", f"{len(tables)} tables in {', '.join(self._settings.schemas)}")
        if rounded := approximate(tables):
            yield Step("warning", f"numeric without a precision is read as DOUBLE: {', '.join(rounded)}")
        if hidden := shadowed(columns):
            yield Step("warning", f"left out, since names differ only by case: {', '.join(hidden)}")

    def tables(self) -> Sequence[Table]:
        """Every table, view and foreign table of the schemas that our role may read.

        Raises:
            SourceError: the catalog cannot be read.
            InvalidConfig: a declared column does not exist or does not fit.
        """
        columns, keys = self._catalog()
        tables = read_tables(self.name, columns, keys, self._declared)
        self._pages, self._inline = pages_of(columns), inline_tables(columns)
        query = statistics_query(self._settings.schemas)
        return with_statistics(tables, self._ask(lambda link: link.rows(query)))

    def capabilities(self, table: Table) -> Capabilities:
        """What Postgres filters and sorts exactly as DuckDB does."""
        return postgres_scan.capabilities(table)

    def offer(self, scan: Scan) -> Offer:
        """The scan as SQL; of a whole large table in as many splits as the source's settings allow, of a few rows at once."""
        name = replace(scan.table.name, catalog="")
        offered = in_splits(postgres_scan.offer(scan), self._pages.get(name), self._most_splits)
        return at_once(offered, inline=name in self._inline)

    def _reach(self) -> Iterator[Step]:
        endpoints = [(host, port) for host, port in self._address.endpoints if not host.startswith("/")]
        if not endpoints:
            yield Step("resolved", "a local socket")
            return
        try:
            found = [socket.getaddrinfo(host, port, type=socket.SOCK_STREAM) for host, port in endpoints]
        except OSError:
            raise Unreachable(
                self.name, "its host name is not known", hint="check the host in the source's uri"
            ) from None
        yield Step("resolved", ", ".join(sorted({str(one[4][0]) for each in found for one in each})))
        for host, port in endpoints:
            try:
                socket.create_connection((host, port), self._settings.connect_timeout).close()
            except OSError:
                continue
            yield Step("connected", f"{host}:{port}")
            return
        raise unreachable(self.name)

    def _catalog(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        schemas = self._settings.schemas
        return self._ask(lambda link: (link.rows(columns_query(schemas)), link.rows(keys_query(schemas))))

    def _connect(self) -> Link:
        try:
            import adbc_driver_manager as driver
            import adbc_driver_postgresql
        except ImportError:
            raise MissingExtra(
                f"source '{self.name}' needs the Postgres driver", hint="pip install 'ripstop[postgres]'"
            ) from None
        try:
            with self._first:  # opening the database reads the server's types, once
                if self._database is None:
                    self._database = adbc_driver_postgresql.connect(self._address.uri.get_secret_value())
            connection = driver.AdbcConnection(self._database)
        except driver.Error as error:
            raise refused_connection(self.name, str(error)) from None
        return Link(connection, {"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)}, _AT_ONCE)
