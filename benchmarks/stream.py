"""Ten million rows through ADBC: how fast, and how much memory the server takes for it.

Beside it in the same run: raw Flight that serves the same table from memory through the same client library, DuckDB
in process over the same file, and ROAPI with it in memory.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import duckdb
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from adbc_driver_flightsql import dbapi
from pyarrow import flight  # noqa: TID251

from benchmarks.machine import seconds, write
from benchmarks.peers import ROAPI, roapi

ROWS = int(os.environ.get("RIPSTOP_BENCH_ROWS", "10000000"))

PROJECT = """
name: fabric_bench
cache: {results: 0}
server: {port: 0}
domains: {bench: {owner: "role:owner"}}
sources:
  disk: {type: local, domain: bench, uri: data/, tables: {big: {path: "big.parquet", format: parquet}}}
"""


def make(directory: Path) -> None:
    """The project, and ten million rows of six columns."""
    (directory / "data").mkdir(parents=True)
    (directory / "policies").mkdir()
    (directory / "fabric.yaml").write_text(PROJECT)
    (directory / "users.yaml").write_text('users: {aud: {password: "${env:RIPSTOP_PASSWORD}"}}\n')
    (directory / "policies" / "federation.csv").write_text("p, aud, *, read, allow\n")
    (directory / "policies" / "bench.csv").write_text("")
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT i AS id, i % 1000 AS k, hash(i) AS h, (i * 0.37)::DOUBLE AS v, "
            f"'name-' || (i % 50000) AS name, DATE '2020-01-01' + (i % 2000)::INT AS day FROM range({ROWS}) t(i)) "
            f"TO '{directory / 'data' / 'big.parquet'}' (FORMAT parquet, COMPRESSION zstd)"
        )


def serve(directory: str, pipe: multiprocessing.connection.Connection) -> None:  # type: ignore[name-defined]
    """The real server, in a process of its own."""
    from server.app import build
    from server.flight import FlightServer

    app = build(Path(directory))
    server = FlightServer(lambda: app, fabric="fabric_bench", port=0)
    pipe.send(server.port)
    pipe.recv()
    server.close()
    app.close()


class Raw(flight.FlightServerBase):
    """Raw Flight over a table in memory: the limit of the wire."""

    def __init__(self, table: pa.Table) -> None:
        super().__init__("grpc://127.0.0.1:0")
        self.table = table

    def do_get(self, context: flight.ServerCallContext, ticket: flight.Ticket) -> flight.FlightDataStream:
        """The whole table."""
        return flight.RecordBatchStream(self.table)


def serve_raw(file: str, pipe: multiprocessing.connection.Connection) -> None:  # type: ignore[name-defined]
    """Raw Flight, in a process of its own."""
    server = Raw(pq.read_table(file).combine_chunks())
    pipe.send(server.port)
    pipe.recv()
    os._exit(0)


LOGIN = {"username": "aud", "password": "x"}


def drain_adbc(port: int, sql: str, login: dict[str, str] = LOGIN) -> int:
    """Read an answer batch by batch and drop it."""
    with (
        dbapi.connect(f"grpc://127.0.0.1:{port}", db_kwargs=login) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)
        return sum(batch.num_rows for batch in cursor.fetch_record_batch())


def drain_raw(port: int) -> int:
    """The same from raw Flight."""
    with flight.connect(f"grpc://127.0.0.1:{port}") as client:
        return sum(chunk.data.num_rows for chunk in client.do_get(flight.Ticket(b"")))


def main() -> None:
    """Measure and write ``out/stream.json``."""
    os.environ["RIPSTOP_PASSWORD"] = "x"
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        directory = Path(folder) / "bench"
        make(directory)
        file = str(directory / "data" / "big.parquet")
        ends, servers = [], []
        for target, argument in ((serve, str(directory)), (serve_raw, file)):
            ours, theirs = spawn.Pipe()
            process = spawn.Process(target=target, args=(argument, theirs), daemon=True)
            process.start()
            theirs.close()
            ends.append((ours, ours.recv()))
            servers.append(process)
        (pipe, port), (raw_pipe, raw_port) = ends
        process = psutil.Process(servers[0].pid)
        drain_adbc(port, "SELECT count(*) FROM disk.big")
        before = process.memory_info().rss
        peak, done = [before], threading.Event()

        def watch() -> None:
            while not done.wait(0.02):
                peak[0] = max(peak[0], process.memory_info().rss)

        watcher = threading.Thread(target=watch)
        watcher.start()
        ripstop, wire, peer = [], [], []
        beside = stack.enter_context(roapi(Path(file), "big")) if ROAPI.exists() else None
        for _ in range(3):
            started = time.perf_counter()
            assert drain_adbc(port, "SELECT * FROM disk.big") == ROWS
            ripstop.append(time.perf_counter() - started)
            started = time.perf_counter()
            assert drain_raw(raw_port) == ROWS
            wire.append(time.perf_counter() - started)
            if beside is not None:
                started = time.perf_counter()
                assert drain_adbc(beside, "SELECT * FROM big", {}) == ROWS
                peer.append(time.perf_counter() - started)
        done.set()
        watcher.join()

        def local() -> None:
            with duckdb.connect(config={"threads": os.cpu_count() or 2}) as connection:
                reader = connection.sql(f"SELECT * FROM read_parquet('{file}')").to_arrow_reader(122_880)
                assert sum(batch.num_rows for batch in reader) == ROWS

        in_process = seconds(local)
        for end in (pipe, raw_pipe):
            end.send("stop")
        for server in servers:
            server.join(10)
    size = ROWS * (8 + 8 + 8 + 8 + 4 + 14)
    write(
        "stream",
        {
            "rows": ROWS,
            "adbc_seconds": sorted(ripstop)[1],
            "adbc_mb_per_second": round(size / sorted(ripstop)[1] / 1e6),
            "raw_flight_from_memory_seconds": sorted(wire)[1],
            "duckdb_in_process_seconds": in_process,
            "ratio_to_duckdb_in_process": round(in_process / sorted(ripstop)[1], 2),
            "ratio_to_raw_flight_from_memory": round(sorted(wire)[1] / sorted(ripstop)[1], 2),
            "ratio_to_roapi": round(sorted(peer)[1] / sorted(ripstop)[1], 2) if peer else None,
            "server_rss_growth_mb": round((peak[0] - before) / 1e6),
            "approximate_bytes": size,
        },
    )


if __name__ == "__main__":
    main()
