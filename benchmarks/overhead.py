"""What the whole governed line adds to DuckDB in process, for small queries over one local Parquet file.

Ripstop's side is ``describe`` and ``run`` in process, as the server calls them, without the wire.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from statistics import median

import duckdb
import pyarrow as pa

from benchmarks.machine import write
from benchmarks.stream import make
from fabric.pipeline import Session
from fabric.types import Principal
from server.app import build

QUERIES = {
    "constant": "SELECT 1 AS one",
    "point": "SELECT name, v FROM {big} WHERE id = 4711",
    "aggregate": "SELECT k, count(*) AS n FROM {big} WHERE id < 20000 GROUP BY k ORDER BY n DESC LIMIT 5",
}
TIMES = 40


def main() -> None:
    """Measure and write ``out/overhead.json``."""
    os.environ["RIPSTOP_PASSWORD"] = "x"
    os.environ.setdefault("RIPSTOP_BENCH_ROWS", "1000000")
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "bench"
        make(directory)
        app = build(directory)
        file = directory / "data" / "big.parquet"
        principal, session = Principal("aud"), Session()
        with duckdb.connect(config={"threads": os.cpu_count() or 2}) as connection:
            for name, text in QUERIES.items():
                governed = text.format(big="disk.big")
                plain = text.format(big=f"read_parquet('{file}')")
                took: dict[str, list[float]] = {"described": [], "ran": [], "duckdb": []}
                for _ in range(TIMES):
                    started = time.perf_counter()
                    described = app.line.describe(governed, principal, session)
                    took["described"].append(time.perf_counter() - started)
                    started = time.perf_counter()
                    with app.line.run(governed, principal, session) as answer:
                        pa.Table.from_batches(list(answer.batches()), schema=described.schema)
                    took["ran"].append(time.perf_counter() - started)
                    started = time.perf_counter()
                    connection.sql(plain).to_arrow_table()
                    took["duckdb"].append(time.perf_counter() - started)
                results[name] = {f"{key}_ms": round(median(values) * 1000, 2) for key, values in took.items()}
        app.close()
    write("overhead", results)


if __name__ == "__main__":
    main()
