"""A real server that is killed again and again while clients ask it: what ``kills`` and ``lake_kills`` have in common."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pyarrow as pa
from pyarrow import flight  # noqa: TID251

from server import flightsql

REFUSED = (flight.FlightError, pa.ArrowException, OSError)
"""What a client meets whose server is dying, or not there yet."""

Client = Callable[["Server", threading.Event], None]
"""Asks until the event is set."""


class Server:
    """A server of the project, on a port of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.start()

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        command = [sys.executable, "-m", "server.cli", "serve", "-C", str(self._directory)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
        )
        assert self.process.stdout is not None
        self._said = self.process.stdout
        self.port = int(self._said.readline().split(":")[-1])

    def workers(self) -> list[psutil.Process]:
        """The processes that listen on the port."""
        found = []
        for child in psutil.Process(self.process.pid).children():
            connections = child.net_connections("tcp")
            if any(c.laddr.port == self.port and c.status == psutil.CONN_LISTEN for c in connections):
                found.append(child)
        return found

    def kill_worker(self) -> None:
        """Kill the process that listens on the port."""
        for worker in self.workers():
            worker.send_signal(signal.SIGKILL)

    def kill_all(self) -> None:
        """Kill the supervisor, with whom all ends that it started, and start anew."""
        self.process.kill()
        self.process.wait()
        self._said.close()
        self.start()

    def stop(self) -> None:
        """End it as SIGTERM does."""
        self.process.terminate()
        self.process.wait(60)
        self._said.close()


def ask(port: int, user: str, sql: str) -> list[dict[str, object]]:
    """The rows of a statement, asked over a connection of its own."""
    with flight.connect(f"grpc://127.0.0.1:{port}") as connection:
        options = flight.FlightCallOptions(
            headers=[connection.authenticate_basic_token(user, "x")], timeout=30
        )
        command = flight.FlightDescriptor.for_command(flightsql.pack("CommandStatementQuery", query=sql))
        info = connection.get_flight_info(command, options)
        rows: list[dict[str, object]] = (
            connection.do_get(info.endpoints[0].ticket, options).read_all().to_pylist()
        )
        return rows


def answered(server: Server, user: str, sql: str) -> list[dict[str, object]]:
    """The same once the worker that was killed has been replaced; a text that ran when it died is refused for a while."""
    for time_ in range(40):
        try:
            return ask(server.port, user, f"{sql} /* {time_} */")
        except REFUSED:
            time.sleep(0.25)
    return ask(server.port, user, sql)


@contextmanager
def killed(directory: Path, clients: Sequence[Client], times: int, seconds: float) -> Iterator[Server]:
    """A server that was killed so many times at random moments while clients asked; within the block it runs in peace.

    Args:
        directory: the project.
        clients: each in a thread of its own.
        times: how often; every fifth time the supervisor too.
        seconds: between two kills, on the average.
    """
    end, choose = threading.Event(), random.Random(7)
    server = Server(directory)
    threads = [threading.Thread(target=client, args=(server, end)) for client in clients]
    for thread in threads:
        thread.start()
    for time_ in range(1, times + 1):
        time.sleep(seconds * choose.uniform(0.3, 1.7))
        if time_ % 5:
            server.kill_worker()
        else:
            server.kill_all()
    time.sleep(seconds)
    end.set()
    for thread in threads:
        thread.join(60)
    try:
        yield server
    finally:
        server.stop()
