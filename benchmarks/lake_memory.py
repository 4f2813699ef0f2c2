"""The memory of a worker while it stores: the result of a run, a product's rows, and those that changed.

python -m benchmarks.lake_memory [millions of rows]
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import psutil

from benchmarks.killing import REFUSED, Server, ask
from benchmarks.load import PEOPLE, make
from benchmarks.machine import write

_SAMPLE_SECONDS = 0.05
_PRODUCT = "/*---\nmaterialize: {{refresh: {refresh}, keep: 1{more}}}\n---*/\nSELECT id, k, h, v, name, day FROM lake.big\n"


@contextmanager
def _watched(worker: psutil.Process) -> Iterator[dict[str, float]]:
    """Its resident memory in megabytes: before, at most, and after."""
    told = {"before": worker.memory_info().rss / 1e6}
    end, most = threading.Event(), [0.0]

    def sample() -> None:
        while not end.wait(_SAMPLE_SECONDS):
            most[0] = max(most[0], worker.memory_info().rss / 1e6)

    thread = threading.Thread(target=sample)
    thread.start()
    began = time.monotonic()
    try:
        yield told
    finally:
        end.set()
        thread.join()
        told |= {
            "most": most[0],
            "after": worker.memory_info().rss / 1e6,
            "seconds": time.monotonic() - began,
        }
        told |= {name: round(value, 1) for name, value in told.items()}


def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.2)


def _run(server: Server) -> None:
    call = "CALL system.submit('SELECT id, k, h, v, name, day FROM lake.big')"
    run_id = ask(server.port, PEOPLE[0], call)[0]["run_id"]
    state = f"SELECT state FROM system.runs WHERE run_id = '{run_id}'"
    _until(lambda: ask(server.port, PEOPLE[0], state)[0]["state"] == "succeeded")


def _product(directory: Path, name: str, refresh: str, more: str) -> None:
    folder = directory / "products" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.sql").write_text(_PRODUCT.format(refresh=refresh, more=more))


def _current(server: Server) -> str:
    """The id of the snapshot that is served; empty where there is none yet."""
    with suppress(REFUSED):
        for row in ask(server.port, PEOPLE[0], "SELECT snapshot_id FROM system.snapshots WHERE current"):
            return str(row["snapshot_id"])
    return ""


def _touch(data: Path) -> None:
    """A thousandth of the rows has another watermark."""
    with duckdb.connect() as connection:
        big = data / "big.parquet"
        connection.execute(
            f"COPY (SELECT id, k, h, v, name, CASE WHEN id % 1000 = 7 THEN DATE '2030-01-01' ELSE day END AS day "
            f"FROM read_parquet('{big}')) TO '{data / 'new'}' (FORMAT parquet)"
        )
    os.replace(data / "new", big)


def measure(rows: int) -> dict[str, object]:
    """A run, a whole refresh and one of changed rows, each over so many rows."""
    os.environ["RIPSTOP_PASSWORD"] = "x"
    told: dict[str, object] = {"rows": rows}
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "bench"
        make(directory, rows=rows)
        with (directory / "policies" / "federation.csv").open("a") as rules:
            rules.write("p, role:*, bench.*, read, allow\n")
        server = Server(directory)
        try:
            (worker,) = server.workers()
            with _watched(worker) as run:
                _run(server)
            with _watched(worker) as whole:
                _product(directory, "stored", "on change, every: 1s", ", watermark: day, key: id")
                _until(lambda: _current(server) != "")
                first = _current(server)
            _touch(directory / "data")
            with _watched(worker) as changed:
                _until(lambda: _current(server) not in ("", first))
        finally:
            server.stop()
    return told | {"run": run, "all rows of a product": whole, "a thousandth of them": changed}


def main(millions: int = 10) -> None:
    """Measure and write ``out/lake_memory.json``: a tenth of the rows, then all."""
    write("lake_memory", {"a tenth": measure(millions * 100_000), "all": measure(millions * 1_000_000)})


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
