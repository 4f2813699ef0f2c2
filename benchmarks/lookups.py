"""Small governed queries over the wire, beside ROAPI's ungoverned ones on the same data.

Point lookups by keys that follow Zipf's law over 10,000: governed by a row rule and a mask, audited, through
``ripstop serve``; once with plans kept only, once with results too. ROAPI holds the same file in memory and judges
nobody. Every server is asked by the same client in turn, and the figures are medians of the rounds.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from statistics import median, quantiles

import duckdb
from pyarrow import flight  # noqa: TID251

from benchmarks.machine import write
from benchmarks.peers import ROAPI, ended, roapi
from server import flightsql

KEYS = 10_000
ROUNDS = 3
SECONDS = float(os.environ.get("RIPSTOP_BENCH_SECONDS", "3"))
CLIENTS = (1, 8, 32)
WORKERS = int(os.environ.get("RIPSTOP_BENCH_WORKERS", "1"))

_FABRIC = """
name: fabric_bench
server: {{port: 0, workers: {workers}}}
cache: {{results: {results}}}
domains: {{bench: {{owner: "role:owner"}}}}
limits: {{default: {{running: 32, per_user: 32}}}}
sources:
  disk: {{type: local, domain: bench, uri: data/, tables: {{item: {{path: "item.parquet", format: parquet}}}}}}
"""
_POLICIES = """p, aud, disk.*, read, allow
p3, role:*, disk.item, region <> 'XX'
p2, role:*, disk.item, email, email
"""


@dataclass(frozen=True)
class Served:
    """A server to be asked: where, with whose token, and what its table is called."""

    port: int
    table: str
    token: str = ""


def make(directory: Path, results: str) -> None:
    """The project, and one table of 10,000 rows."""
    (directory / "data").mkdir(parents=True)
    (directory / "policies").mkdir()
    (directory / "fabric.yaml").write_text(_FABRIC.format(results=results, workers=WORKERS))
    (directory / "users.yaml").write_text('users: {aud: {password: "${env:RIPSTOP_PASSWORD}"}}\n')
    (directory / "policies" / "federation.csv").write_text(_POLICIES)
    (directory / "policies" / "bench.csv").write_text("")
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT i AS id, ['EU', 'US', 'UK'][i % 3 + 1] AS region, 'user' || i || '@mail.example' AS email, "
            f"(i * 0.37)::DOUBLE AS amount FROM range({KEYS}) t(i)) TO '{directory / 'data' / 'item.parquet'}'"
        )


@contextmanager
def ripstop(directory: Path) -> Iterator[Served]:
    """``ripstop serve`` over the project."""
    command = [sys.executable, "-m", "server.cli", "serve", "-C", str(directory)]
    with ended(
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().split(":")[-1])
        with flight.connect(f"grpc://127.0.0.1:{port}") as client:
            token = client.authenticate_basic_token("aud", "x")[1].decode()
        yield Served(port, "disk.item", token)


class Asker:
    """One client: GetFlightInfo and DoGet, as every Flight SQL driver does."""

    def __init__(self, served: Served) -> None:
        self._client = flight.connect(f"grpc://127.0.0.1:{served.port}")
        headers = [(b"authorization", served.token.encode())] if served.token else []
        self._options = flight.FlightCallOptions(headers=headers)
        self._table = served.table

    def ask(self, key: int) -> None:
        """One lookup."""
        text = f"SELECT email, amount FROM {self._table} WHERE id = {key}"
        command = flight.FlightDescriptor.for_command(flightsql.pack("CommandStatementQuery", query=text))
        info = self._client.get_flight_info(command, self._options)
        found = self._client.do_get(info.endpoints[0].ticket, self._options).read_all()
        assert found.num_rows == 1


def load(served: Served, clients: int, seed: int, pipe: multiprocessing.connection.Connection) -> None:  # type: ignore[name-defined]
    """Ask with so many clients at once, and send the seconds of every lookup."""
    weights = list(accumulate(1 / rank for rank in range(1, KEYS + 1)))
    took: list[float] = []

    def one(number: int) -> None:
        asker, chance = Asker(served), random.Random(seed * 1000 + number)
        pipe_ready.wait()
        until = time.perf_counter() + SECONDS
        while (started := time.perf_counter()) < until:
            asker.ask(chance.choices(range(KEYS), cum_weights=weights)[0])
            took.append(time.perf_counter() - started)

    pipe_ready = threading.Barrier(clients)
    threads = [threading.Thread(target=one, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pipe.send(took)


def measured(served: Served, clients: int, seed: int) -> list[float]:
    """The seconds of every lookup of one round; two processes ask when there is more than one client."""
    spawn, processes = multiprocessing.get_context("spawn"), min(2, clients)
    ends = []
    for number in range(processes):
        ours, theirs = spawn.Pipe()
        arguments = (served, clients // processes, seed * 10 + number, theirs)
        spawn.Process(target=load, args=arguments, daemon=True).start()
        ends.append(ours)
    return [each for end in ends for each in end.recv()]


def main() -> None:
    """Measure and write ``out/lookups.json``."""
    os.environ["RIPSTOP_PASSWORD"] = "x"
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        servers: dict[str, Served] = {}
        for name, results in (("plans", "0"), ("results", "256MB")):
            make(Path(folder) / name, results)
            servers[name] = stack.enter_context(ripstop(Path(folder) / name))
        if ROAPI.exists():
            port = stack.enter_context(roapi(Path(folder) / "plans" / "data" / "item.parquet", "item"))
            servers["roapi"] = Served(port, "item")
        else:
            print("no .venv-peers: run `make peers` to have ROAPI beside us")
        found: dict[tuple[str, int], list[list[float]]] = {}
        for seed in range(ROUNDS + 1):
            for clients in CLIENTS:
                for name, served in servers.items():
                    found.setdefault((name, clients), []).append(measured(served, clients, seed))
    results = {}
    for (name, clients), rounds in found.items():
        kept = rounds[1:]  # the first fills the caches
        cuts = [quantiles(times, n=100) for times in kept]
        results[f"{name}, {clients} clients"] = {
            "qps": round(median(len(times) / SECONDS for times in kept)),
            "p50_ms": round(median(cut[49] for cut in cuts) * 1000, 2),
            "p99_ms": round(median(cut[98] for cut in cuts) * 1000, 2),
        }
    for clients in CLIENTS if "roapi" in servers else ():
        peer = results[f"roapi, {clients} clients"]["qps"]
        for name in ("plans", "results"):
            mine = results[f"{name}, {clients} clients"]
            mine["ratio_to_roapi"] = round(mine["qps"] / peer, 2)
    write("lookups", {"workers": WORKERS, **results})


if __name__ == "__main__":
    main()
