"""``kill -9`` at random moments of runs: whether a result that was reported is readable, and none is ever half.

Clients submit queries whose number of rows is known, and read every result again and again; the worker is killed, now and then the
supervisor too. At the end every acknowledged run must be over, every succeeded one must have all its rows, and the lake must hold the
files of succeeded runs and no other.

python -m benchmarks.lake_kills [times] [folder|s3]
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
from pyarrow import flight  # noqa: TID251

from benchmarks.kills import Server, ask
from benchmarks.load import PEOPLE, make
from benchmarks.machine import write
from fabric.config import load_project
from fabric.lake import Lake, open_lake
from server.demo.s3 import EmbeddedS3

ROWS = 500_000
SUBMITTERS = 2
_LAST_SECONDS = 150.0
_KEYS = ("lake", "a-secret-of-the-lake")


@dataclass
class Seen:
    """What the clients saw: how many rows each acknowledged run must have, and what was not so."""

    wanted: dict[str, tuple[str, int]] = field(default_factory=dict)
    reads: int = 0
    half: list[str] = field(default_factory=list)
    refused: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def _submit(server: Server, number: int, seen: Seen, end: threading.Event) -> None:
    user, choose = PEOPLE[number], random.Random(number)
    while not end.is_set():
        rows = choose.randrange(1, ROWS)
        try:
            call = f"CALL system.submit('SELECT id, h, name FROM lake.big WHERE id < {rows}')"
            (row,) = ask(server.port, user, call)
        except (flight.FlightError, pa.ArrowException, OSError):
            seen.refused += 1
        else:
            with seen.lock:
                seen.wanted[str(row["run_id"])] = (user, rows)
        end.wait(0.5)


def _read(server: Server, seen: Seen, end: threading.Event) -> None:
    choose = random.Random(1)
    while not end.is_set():
        with seen.lock:
            known = list(seen.wanted.items())
        if known:
            run_id, (user, rows) = choose.choice(known[-20:])
            try:
                (row,) = ask(server.port, user, f'SELECT count(name) AS n FROM results."{run_id}"')
            except (flight.FlightError, pa.ArrowException, OSError):
                end.wait(0.05)
                continue
            seen.reads += 1
            if row["n"] != rows:
                seen.half.append(run_id)


def _answered(server: Server, user: str, sql: str) -> list[dict[str, object]]:
    """The same once the worker that was killed has been replaced; a text that ran when it died is refused for a while."""
    for time_ in range(40):
        try:
            return ask(server.port, user, f"{sql} /* {time_} */")
        except (flight.FlightError, pa.ArrowException, OSError):
            time.sleep(0.25)
    return ask(server.port, user, sql)


def _settle(server: Server, seen: Seen, lake: Lake) -> tuple[dict[str, str], set[str]]:
    """The state of every run once all are over, and the files of the lake once nothing is left to remove."""
    until = time.monotonic() + _LAST_SECONDS
    while True:
        states: dict[str, str] = {}
        for user in {user for user, _ in seen.wanted.values()}:
            found = _answered(server, user, "SELECT run_id, state FROM system.runs")
            states |= {str(row["run_id"]): str(row["state"]) for row in found}
        files = {file.path.split("/")[1] for file in lake.listed("runs")}
        good = {run_id for run_id, state in states.items() if state == "succeeded"}
        over = not {"queued", "running"} & set(states.values())
        if (over and files == good) or time.monotonic() > until:
            return states, files
        time.sleep(1.0)


def measure(times: int, where: str = "folder", seconds: float = 6.0) -> dict[str, object]:
    """Kill so many times while runs are under way, and count what is not as it must be.

    Args:
        times: how often; every fifth time the supervisor too.
        where: ``folder`` or ``s3``.
        seconds: between two kills, on the average.
    """
    os.environ["RIPSTOP_PASSWORD"] = "x"
    seen, end, choose = Seen(), threading.Event(), random.Random(7)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        directory = folder / "bench"
        make(directory, rows=ROWS)
        if where == "s3":
            _in_bucket(directory, stack.enter_context(EmbeddedS3(folder / "s3", *_KEYS)))
        lake = open_lake(load_project(directory).lake)
        server = Server(directory)
        threads = [
            threading.Thread(target=_submit, args=(server, number, seen, end)) for number in range(SUBMITTERS)
        ]
        threads.append(threading.Thread(target=_read, args=(server, seen, end)))
        for thread in threads:
            thread.start()
        for time_ in range(1, times + 1):
            time.sleep(seconds * choose.uniform(0.3, 1.7))
            if time_ % 5:
                server.kill_worker()
            else:
                server.kill_all()
        end.set()
        for thread in threads:
            thread.join(60)
        states, files = _settle(server, seen, lake)
        good = {run_id for run_id, state in states.items() if state == "succeeded"}
        unreadable = 0
        for run_id in good & set(seen.wanted):
            user, rows = seen.wanted[run_id]
            (row,) = _answered(server, user, f'SELECT count(name) AS n FROM results."{run_id}"')
            unreadable += row["n"] != rows
        server.stop()
    return {
        "lake": where,
        "kills": times,
        "runs acknowledged": len(seen.wanted),
        "succeeded": len(good),
        "failed": sum(state == "failed" for state in states.values()),
        "not over": sum(state in ("queued", "running") for state in states.values()),
        "acknowledged, and not in system.runs": len(set(seen.wanted) - set(states)),
        "reads meanwhile": seen.reads,
        "half results": len(seen.half),
        "succeeded, and not readable whole": unreadable,
        "files of no result": len(files - good),
        "calls that failed meanwhile": seen.refused,
    }


def _in_bucket(directory: Path, server: EmbeddedS3) -> None:
    client = server.client()
    client.create_bucket(Bucket="lake")
    client.close()
    with (directory / "fabric.yaml").open("a") as file:
        file.write(
            f"lake: {{uri: 's3://lake/bench', endpoint: '{server.endpoint}', region: us-east-1, "
            f"access_key_id: {_KEYS[0]}, secret_access_key: {_KEYS[1]}}}\n"
        )


def main(times: int = 20, where: str = "folder") -> None:
    """Measure and write ``out/lake_kills.json``."""
    write("lake_kills", measure(times, where))


if __name__ == "__main__":
    main(int((sys.argv[1:] or ["20"])[0]), *sys.argv[2:])
