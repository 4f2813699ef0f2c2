from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pytest

from connectors.conformance import NAME, ScanConformance, Subject
from connectors.postgres import PostgresConnector
from server.demo.postgres import EmbeddedPostgres
from tests.conformance.stores import as_copy, limits, quoted
from tests.embedded import embedded_postgres

TYPES = {
    "DECIMAL(18,2)": "numeric(18,2)",
    "DECIMAL(38,10)": "numeric(38,10)",
    "VARCHAR": "text",
    "FLOAT": "real",
}
TYPES |= {"DOUBLE": "double precision", "BLOB": "bytea", "JSON": "json"}


class PostgresSubject(Subject):
    secret = "postgres-s3cret"

    def __init__(self, server: EmbeddedPostgres) -> None:
        super().__init__()
        self.server, self.port = server, server.port
        server.execute(f"CREATE ROLE reader LOGIN PASSWORD '{self.secret}'")

    def load(self, table: str, rows: pa.Table, kinds: Mapping[str, str]) -> None:
        made = ", ".join(f"{quoted(name)} {TYPES.get(kind, kind)}" for name, kind in kinds.items())
        self.server.execute(
            f"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} ({made}); GRANT SELECT ON {table} TO reader;\n"
            f"COPY {table} FROM STDIN;\n{as_copy(rows, kinds)}\\.\n"
        )

    def drop(self, table: str) -> None:
        self.server.execute(f"DROP TABLE {table}")

    def connect(
        self, *, port: int = 0, secret: str = "", connections: int = 4, timeout: float = 20.0
    ) -> PostgresConnector:
        uri = self.server.uri_of("reader", secret or self.secret).replace(
            f":{self.port}/", f":{port or self.port}/"
        )
        settings = {"type": "postgres", "domain": "d", "uri": uri} | limits(connections, timeout)
        return PostgresConnector(NAME, PostgresConnector.Settings.model_validate(settings), Path())


class TestPostgres(ScanConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def subject(cls) -> Iterator[PostgresSubject]:
        yield from map(PostgresSubject, embedded_postgres())
