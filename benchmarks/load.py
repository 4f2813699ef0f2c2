"""A real server under load: what ``workers`` and ``mixed`` measure with."""

from __future__ import annotations

import multiprocessing
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pyarrow as pa
from pyarrow import flight  # noqa: TID251

from server import flightsql

KEYS = 10_000
PEOPLE = [f"user{n}" for n in range(64)]
STREAM = "SELECT * FROM lake.big"

_FABRIC = """
name: fabric_bench
server: {{port: 0, workers: {workers}}}
cache: {{results: 0}}
domains: {{bench: {{owner: "role:owner"}}}}
sources:
  lake:
    type: local
    domain: bench
    uri: data/
    tables: {{big: {{path: "big.parquet", format: parquet}}, point: {{path: "point.parquet", format: parquet}}}}
limits: {{default: {limits}}}
"""
_RULES = """p, role:*, lake.*, read, allow
p3, role:*, lake.point, region = attr('region')
p2, role:*, lake.point, email, email
"""
_PROGRAM = """
import sys
from pathlib import Path
from server.supervisor import Supervisor
supervisor = Supervisor(Path(sys.argv[1]), factory=sys.argv[2], say=lambda line: print(line, flush=True))
sys.exit(supervisor.run())
"""


def make(directory: Path, *, rows: int, workers: int = 1, limits: str = "{}") -> None:
    """A project with ``rows`` rows to stream, and 10,000 to look up under a row rule and a mask."""
    (directory / "data").mkdir(parents=True)
    (directory / "policies").mkdir()
    configure(directory, workers=workers, limits=limits)
    users = [
        f'  {name}: {{password: "${{env:RIPSTOP_PASSWORD}}", attributes: {{region: EU}}}}' for name in PEOPLE
    ]
    (directory / "users.yaml").write_text("users:\n" + "\n".join(users) + "\n")
    (directory / "policies" / "federation.csv").write_text(_RULES)
    (directory / "policies" / "bench.csv").write_text("")
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT i AS id, i % 1000 AS k, hash(i) AS h, (i * 0.37)::DOUBLE AS v, 'name-' || (i % 50000) AS "
            f"name, DATE '2020-01-01' + (i % 2000)::INT AS day FROM range({rows}) t(i)) "
            f"TO '{directory / 'data' / 'big.parquet'}' (FORMAT parquet)"
        )
        connection.execute(
            f"COPY (SELECT i AS id, CASE WHEN i % 5 = 0 THEN 'US' ELSE 'EU' END AS region, 'p' || i || "
            f"'@mail.example' AS email, i * 3 AS amount FROM range({KEYS}) t(i)) "
            f"TO '{directory / 'data' / 'point.parquet'}' (FORMAT parquet)"
        )


def configure(directory: Path, *, workers: int, limits: str = "{}") -> None:
    """Another fabric.yaml for the same project."""
    text = _FABRIC.format(workers=workers, limits=limits)
    (directory / "fabric.yaml").write_text(text)


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that runs: its port, and its supervisor."""

    port: int
    pid: int

    def processor_seconds(self) -> dict[str, float]:
        """What supervisor, workers and proxy have taken so far."""
        supervisor = psutil.Process(self.pid)
        taken = {"supervisor": sum(supervisor.cpu_times()[:2]), "workers": 0.0, "proxy": 0.0}
        for child in supervisor.children():
            taken["proxy" if "haproxy" in child.name() else "workers"] += sum(child.cpu_times()[:2])
        return taken


@contextmanager
def serving(directory: Path, factory: str = "server.app:build") -> Iterator[Serving]:
    """The server as ``ripstop serve`` runs it."""
    os.environ["RIPSTOP_PASSWORD"] = "x"
    command = [sys.executable, "-c", _PROGRAM, str(directory), factory]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=None if os.environ.get("RIPSTOP_BENCH_LOG") else subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[1],
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("ready "), line
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield Serving(int(line.split()[1].rpartition(":")[2]), process.pid)
        finally:
            process.terminate()
            process.wait(30)


@dataclass
class Asked:
    """What a load generator saw: seconds of each answer, and of the longest first one; wrong answers, errors."""

    seconds: list[float] = field(default_factory=list)
    first: float = 0.0
    wrong: int = 0
    errors: list[str] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """Milliseconds within which that share was answered."""
        ordered = sorted(self.seconds)
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 2) if ordered else 0.0


def asking(port: int, clients: int, duration: float) -> Asked:
    """Point lookups by so many clients, from two processes that do nothing else."""
    context = multiprocessing.get_context("spawn")
    shares = [clients // 2, clients - clients // 2] if clients > 1 else [clients]
    with context.Pool(len(shares)) as pool:
        parts = pool.starmap(_ask, [(port, share, duration, n * 32) for n, share in enumerate(shares)])
    whole = Asked()
    for part in parts:
        whole.seconds += part.seconds
        whole.first = max(whole.first, part.first)
        whole.wrong += part.wrong
        whole.errors += part.errors
    return whole


def _ask(port: int, clients: int, duration: float, first: int) -> Asked:
    asked = Asked()
    ready = threading.Barrier(clients)

    def client(number: int) -> None:
        choose = random.Random(number)
        with flight.connect(f"grpc://127.0.0.1:{port}") as connection:
            token = connection.authenticate_basic_token(PEOPLE[number % len(PEOPLE)], "x")
            options = flight.FlightCallOptions(headers=[token])
            began = time.perf_counter()
            lookup(connection, options, 1)
            asked.first = max(asked.first, time.perf_counter() - began)
            ready.wait(120)
            until = time.perf_counter() + duration
            while (began := time.perf_counter()) < until:
                key = min(int(choose.paretovariate(1.1)) - 1, KEYS - 1)
                try:
                    right = lookup(connection, options, key)
                except (flight.FlightError, pa.ArrowException, OSError) as error:
                    asked.errors.append(str(error)[:200])
                    continue
                asked.wrong += not right
                asked.seconds.append(time.perf_counter() - began)

    threads = [threading.Thread(target=client, args=(first + n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return asked


def lookup(connection: flight.FlightClient, options: flight.FlightCallOptions, key: int) -> bool:
    """One lookup; whether its answer is the right one."""
    sql = f"SELECT id, email, amount FROM lake.point WHERE id = {key}"
    command = flight.FlightDescriptor.for_command(flightsql.pack("CommandStatementQuery", query=sql))
    info = connection.get_flight_info(command, options)
    rows = connection.do_get(info.endpoints[0].ticket, options).read_all().to_pylist()
    visible = {"id": key, "email": "p***@mail.example", "amount": key * 3}
    return bool(rows == ([] if key % 5 == 0 else [visible]))


@contextmanager
def streaming(port: int, streams: int, pause: float = 0.0) -> Iterator[Callable[[], int]]:
    """So many clients, each a process and a user, that read the big table again and again.

    ``pause`` is how long each waits after every batch. Gives a function that tells the rows read so far.
    """
    context = multiprocessing.get_context("spawn")
    rows: Any = context.Value("q", 0)
    end: Any = context.Event()
    args = [(port, n, pause, rows, end) for n in range(streams)]
    processes = [context.Process(target=_stream, args=each, daemon=True) for each in args]
    for process in processes:
        process.start()
    try:
        until = time.monotonic() + 60
        while streams and rows.value < streams * 100_000 and time.monotonic() < until:
            time.sleep(0.05)
        yield lambda: int(rows.value)
    finally:
        end.set()
        for process in processes:
            process.join(30)
            process.kill()


def _stream(port: int, number: int, pause: float, rows: Any, end: Any) -> None:
    with flight.connect(f"grpc://127.0.0.1:{port}") as connection:
        token = connection.authenticate_basic_token(PEOPLE[-1 - number], "x")
        options = flight.FlightCallOptions(headers=[token])
        command = flight.FlightDescriptor.for_command(flightsql.pack("CommandStatementQuery", query=STREAM))
        while not end.is_set():
            with suppress(flight.FlightError, pa.ArrowException, OSError):
                info = connection.get_flight_info(command, options)
                reader = connection.do_get(info.endpoints[0].ticket, options)
                for chunk in reader:
                    with rows.get_lock():
                        rows.value += chunk.data.num_rows
                    if end.wait(pause) if pause else end.is_set():
                        reader.cancel()
                        break
