"""``kill -9`` under load: whether any statement that a client saw answered is missing from the audit or the history.

Clients ask a real server statements that are told apart by a number; its worker is killed again and again, now and then
the supervisor with all that it started. A number counts as *answered* once its rows were read, as *shown* once
``system.queries`` listed it as ended. At the end every answered one must have its intent in the audit, the chain must verify, and every
shown one must still be listed.

python -m benchmarks.kills [times]
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pyarrow as pa
from pyarrow import flight  # noqa: TID251

from benchmarks.load import PEOPLE, make
from benchmarks.machine import write
from fabric.audit_verify import verify
from fabric.config import load_project
from fabric.key import load_key
from server import flightsql

CLIENTS = 8
_NUMBER = re.compile(r"/\* (\d+) \*/")
_LOOK = "SELECT sql FROM system.queries WHERE state = 'succeeded' AND sql LIKE '%/*%'"


@dataclass
class Seen:
    """What the clients saw."""

    answered: set[int] = field(default_factory=set)
    shown: set[int] = field(default_factory=set)
    refused: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


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

    def kill_worker(self) -> None:
        """Kill the process that listens on the port."""
        for child in psutil.Process(self.process.pid).children():
            connections = child.net_connections("tcp")
            if any(c.laddr.port == self.port and c.status == psutil.CONN_LISTEN for c in connections):
                child.send_signal(signal.SIGKILL)

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


def _numbers(texts: list[str]) -> set[int]:
    return {int(found[1]) for text in texts if (found := _NUMBER.search(text))}


def _client(server: Server, number: int, seen: Seen, end: threading.Event) -> None:
    user, asked = PEOPLE[number], 0
    while not end.is_set():
        asked += 1
        mark = number * 10_000_000 + asked
        try:
            if asked % 10 == 0:
                listed = _numbers([str(row["sql"]) for row in ask(server.port, user, _LOOK)])
                with seen.lock:
                    seen.shown |= listed
                continue
            rows = ask(
                server.port,
                user,
                f"SELECT id, email FROM lake.point WHERE id = {asked % 10_000} /* {mark} */",
            )
        except (flight.FlightError, pa.ArrowException, OSError):
            with seen.lock:
                seen.refused += 1
            time.sleep(0.02)
        else:
            assert len(rows) <= 1
            with seen.lock:
                seen.answered.add(mark)


def _recorded(directory: Path) -> tuple[set[int], int]:
    """The numbers of all intents in the audit, and how many findings its verification has."""
    folder = directory / ".ripstop" / "audit"
    texts = []
    for file in sorted(folder.iterdir()):
        for line in file.read_bytes().splitlines():
            try:
                fields = json.loads(line)
            except ValueError:
                continue
            if fields.get("event") == "intent" and fields.get("decision") == "allowed":
                texts.append(fields.get("sql", ""))
    report = verify(folder, load_key(load_project(directory)))
    return _numbers(texts), report.failures


def measure(times: int, seconds: float = 4.0) -> dict[str, object]:
    """Kill so many times under load, and count what is missing.

    Args:
        times: how often; every fifth time the supervisor too.
        seconds: between two kills, on the average.
    """
    os.environ["RIPSTOP_PASSWORD"] = "x"
    seen, end, choose = Seen(), threading.Event(), random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "bench"
        make(directory, rows=1_000)
        server = Server(directory)
        clients = [
            threading.Thread(target=_client, args=(server, number, seen, end)) for number in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        for time_ in range(1, times + 1):
            time.sleep(seconds * choose.uniform(0.5, 1.5))
            if time_ % 5:
                server.kill_worker()
            else:
                server.kill_all()
        time.sleep(seconds)
        end.set()
        for client in clients:
            client.join(60)
        server.kill_all()
        kept: set[int] = set()
        for number in range(CLIENTS):
            kept |= _numbers([str(row["sql"]) for row in ask(server.port, PEOPLE[number], _LOOK)])
        server.stop()
        intents, findings = _recorded(directory)
    return {
        "kills": times,
        "answered": len(seen.answered),
        "calls that failed meanwhile": seen.refused,
        "answered, and no intent in the audit": len(seen.answered - intents),
        "findings of audit verify": findings,
        "shown in system.queries": len(seen.shown),
        "shown, and not there any more": len(seen.shown - kept),
        "answered, and not in the history": len(seen.answered - kept),
    }


def main(times: int = 40) -> None:
    """Measure and write ``out/kills.json``."""
    write("kills", measure(times))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
