"""``ripstop serve`` over the same sources, asked by ADBC Flight SQL as one user who may read everything."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from adbc_driver_flightsql import dbapi

from benchmarks.federation.data import ACCESS_KEY, IN_LAKE, LOGIN, SUPPLIER, Sources
from benchmarks.federation.peer import GRACE, MEMORY, WARM, Failed
from benchmarks.load import serving

LOGIN_KEYS = {"username": "aud", "password": "x"}

_FABRIC = """
name: fabric_bench
server: {{port: 0}}
cache: {cache}
domains: {{bench: {{owner: "role:owner"}}}}
limits: {{default: {{seconds: {seconds:g}, memory: {memory}}}}}
sources:
  sales: {{type: postgres, domain: bench, uri: "{postgres}"}}
  lake:
    type: s3
    domain: bench
    uri: s3://lake/
    endpoint: http://127.0.0.1:{lake}
    region: us-east-1
    access_key_id: {key}
    secret_access_key: "{secret}"
    tables:
{tables}
  partners:
    type: sftp
    domain: bench
    uri: sftp://{login}@127.0.0.1:{sftp}/
    password: "{password}"
    host_key: accept-any
    tables: {{supplier: {{path: supplier.csv, format: csv, columns: {{{columns}}}}}}}
"""
# What is kept between queries is blocks of files; kept answers would measure no planner.
CACHES = {True: "{results: 0}", False: "off"}


@dataclass
class Ours:
    """The client's one connection, made again after a failure."""

    port: int
    seconds: float
    connection: Any = None

    def ask(self, sql: str) -> tuple[float, pa.Table]:
        """The seconds until all rows were there as Arrow, and the rows.

        Raises:
            Failed: it did not answer, or not in time.
        """
        if self.connection is None:
            uri = f"grpc://127.0.0.1:{self.port}"
            self.connection = dbapi.connect(uri, db_kwargs=LOGIN_KEYS, autocommit=True)
            with self.connection.cursor() as cursor:
                cursor.execute(WARM)
                cursor.fetchall()
        cursor = self.connection.cursor()
        late = threading.Timer(self.seconds + GRACE / 2, cursor.adbc_cancel)
        late.start()
        try:
            began = time.perf_counter()
            cursor.execute(sql)
            table = cursor.fetch_arrow_table()
            return time.perf_counter() - began, table
        except Exception as error:
            self.close()
            raise Failed(f"{type(error).__name__}: {error}"[:500]) from error
        finally:
            late.cancel()
            with suppress(Exception):
                cursor.close()

    def close(self) -> None:
        """Close the connection."""
        connection, self.connection = self.connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()


@contextmanager
def asked(
    sources: Sources, ports: dict[str, int], folder: Path, *, cached: bool, seconds: float
) -> Iterator[Ours]:
    """A server over the sources, through the ports of a relay where it has some."""
    write(sources, ports, folder, cached=cached, seconds=seconds)
    with serving(folder) as served:
        ours = Ours(served.port, seconds)
        try:
            yield ours
        finally:
            ours.close()


def write(sources: Sources, ports: dict[str, int], folder: Path, *, cached: bool, seconds: float) -> None:
    """The project: its sources, and a user without rules."""
    (folder / "policies").mkdir(parents=True)
    tables = "\n".join(f'      {name}: {{path: "{name}/*.parquet", format: parquet}}' for name in IN_LAKE)
    text = _FABRIC.format(
        cache=CACHES[cached],
        seconds=seconds,
        memory=MEMORY,
        postgres=sources.postgres_uri(ports.get("postgres")),
        lake=ports.get("lake", sources.s3_port),
        key=ACCESS_KEY,
        secret=sources.s3_secret,
        tables=tables,
        login=LOGIN,
        sftp=sources.sftp_port,
        password=sources.sftp_password,
        columns=", ".join(f'{name}: "{kind}"' for name, kind in SUPPLIER.items()),
    )
    (folder / "fabric.yaml").touch(mode=0o600)
    (folder / "fabric.yaml").write_text(text, encoding="utf-8")
    (folder / "users.yaml").write_text('users: {aud: {password: "${env:RIPSTOP_PASSWORD}"}}\n')
    (folder / "policies" / "federation.csv").write_text("p, aud, *, read, allow\n")
    (folder / "policies" / "bench.csv").write_text("")
