"""How long a cancelled or abandoned query goes on: in DuckDB, in a Postgres scan, and behind a client that left."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from pyarrow import flight  # noqa: TID251

from benchmarks.machine import write
from benchmarks.stream import make
from fabric.errors import FabricError
from fabric.pipeline import Session
from fabric.replies import Reply
from fabric.types import Principal
from server import flightsql
from server.app import App, build
from server.demo.postgres import EmbeddedPostgres
from server.flight import FlightServer

TIMES = 7
ENDLESS = "SELECT count(*) FROM range(1000000000) a, range(1000000) b"
SCAN = "SELECT sum(n) FROM db.endless"


def cancelled(start: Callable[[], Reply]) -> float:
    """Seconds from ``cancel`` until everything has been given back."""
    answer = start()
    reader = threading.Thread(target=_drain, args=(answer,))
    reader.start()
    time.sleep(0.5)
    asked = time.perf_counter()
    answer.cancel()
    reader.join()
    return time.perf_counter() - asked


def _drain(answer: Reply) -> None:
    try:
        for _ in answer.batches():
            pass
    except FabricError:
        pass


def left(app: App, port: int) -> float:
    """Seconds from a client's own time-out until its query has ended on the server."""
    with flight.connect(f"grpc://127.0.0.1:{port}") as client:
        token = client.authenticate_basic_token("aud", "x")
        command = flightsql.pack("CommandStatementQuery", query=ENDLESS)
        info = client.get_flight_info(
            flight.FlightDescriptor.for_command(command), flight.FlightCallOptions(headers=[token])
        )
        try:
            impatient = flight.FlightCallOptions(headers=[token], timeout=0.5)
            client.do_get(info.endpoints[0].ticket, impatient).read_all()
        except flight.FlightTimedOutError:
            gone = time.perf_counter()
    while not app.line.idle:
        time.sleep(0.002)
    return time.perf_counter() - gone


def main() -> None:
    """Measure and write ``out/cancel.json``."""
    os.environ["RIPSTOP_PASSWORD"] = "x"
    os.environ.setdefault("RIPSTOP_BENCH_ROWS", "1000")
    principal, session = Principal("aud"), Session()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        directory = Path(folder) / "bench"
        make(directory)
        postgres = EmbeddedPostgres(Path(folder) / "postgres")
        postgres.start()
        postgres.execute("CREATE VIEW endless AS SELECT n FROM generate_series(1, 1000000000000) AS n")
        with (directory / "fabric.yaml").open("a") as file:
            file.write(f'  db: {{type: postgres, domain: bench, uri: "{postgres.uri}"}}\n')
        app = build(directory)
        server = FlightServer(lambda: app, fabric="fabric_bench")
        measured = {
            "duckdb_computes": [
                cancelled(lambda: app.line.run(ENDLESS, principal, session)) for _ in range(TIMES)
            ],
            "postgres_scan": [
                cancelled(lambda: app.line.run(SCAN, principal, session)) for _ in range(TIMES)
            ],
            "client_left": [left(app, server.port) for _ in range(TIMES)],
        }
        server.close()
        app.close()
        postgres.stop()
    write(
        "cancel",
        {
            name: {"median_seconds": round(median(took), 3), "longest_seconds": round(max(took), 3)}
            for name, took in measured.items()
        },
    )


if __name__ == "__main__":
    main()
