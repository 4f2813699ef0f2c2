"""What is measured beside us, from an environment of its own (``make peers``)."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyarrow import flight  # noqa: TID251

from server import flightsql

ROAPI = Path(__file__).parents[1] / ".venv-peers" / "bin" / "roapi"


@contextmanager
def roapi(file: Path, table: str) -> Iterator[int]:
    """ROAPI with a Parquet file in memory; the port of its Flight SQL endpoint, which asks for no login."""
    ports = [_free_port() for _ in range(3)]
    addresses = [f"127.0.0.1:{port}" for port in ports]
    command = [str(ROAPI), "--addr-http", addresses[0], "--addr-postgres", addresses[1]]
    command += ["--addr-flight-sql", addresses[2], "--table", f"{table}={file}"]
    with ended(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)):
        _wait(ports[2], table)
        yield ports[2]


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """The process, which is told to end at the end."""
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def _wait(port: int, table: str) -> None:
    text = flightsql.pack("CommandStatementQuery", query=f"SELECT count(*) FROM {table}")
    until = time.monotonic() + 60
    while True:
        try:
            with flight.connect(f"grpc://127.0.0.1:{port}") as client:
                info = client.get_flight_info(flight.FlightDescriptor.for_command(text))
                client.do_get(info.endpoints[0].ticket).read_all()
                return
        except flight.FlightError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
