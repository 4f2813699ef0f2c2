"""How many small queries a second one worker answers, and two behind the proxy; and a big stream through it.

What a query takes of the processor says what proxy and supervisor cost, also on a machine that others use.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from pyarrow import flight  # noqa: TID251

from benchmarks.load import PEOPLE, STREAM, asking, configure, make, serving
from benchmarks.machine import write
from server import flightsql

ROWS = int(os.environ.get("RIPSTOP_BENCH_ROWS", "10000000"))
SECONDS = float(os.environ.get("RIPSTOP_BENCH_SECONDS", "4"))
TIMES = int(os.environ.get("RIPSTOP_BENCH_TIMES", "3"))
# As many as the machine has: what is measured is the workers, not the queue.
LIMITS = "{running: 64, queued: 64, per_user: 8}"


def main() -> None:
    """Measure and write ``out/workers.json``; one and two workers take turns."""
    seen: dict[str, list[float]] = {}
    errors: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "bench"
        make(directory, rows=ROWS)
        for _ in range(TIMES):
            for workers in (1, 2):
                configure(directory, workers=workers, limits=LIMITS)
                with serving(directory) as served:
                    for clients in (1, 8, 32):
                        before = served.processor_seconds()
                        asked = asking(served.port, clients, SECONDS)
                        taken = served.processor_seconds()
                        for kind in taken:
                            cost = (taken[kind] - before[kind]) * 1000 / max(1, len(asked.seconds))
                            name = f"{workers} workers, {clients} clients, {kind}' processor ms a query"
                            seen.setdefault(name, []).append(round(cost, 2))
                        key = f"{workers} workers, {clients} clients"
                        seen.setdefault(f"{key}, qps", []).append(round(len(asked.seconds) / SECONDS, 1))
                        seen.setdefault(f"{key}, p99 ms", []).append(asked.percentile(0.99))
                        errors += [*asked.errors, *["a wrong answer"] * asked.wrong]
                    seen.setdefault(f"{workers} workers, stream rows/s", []).append(_streamed(served.port))
    results: dict[str, Any] = {name: {"median": median(each), "each": each} for name, each in seen.items()}
    for clients in (1, 8, 32):
        one, two = (seen[f"{workers} workers, {clients} clients, qps"] for workers in (1, 2))
        ratios = [round(b / a, 2) for a, b in zip(one, two, strict=True)]
        results[f"ratio, {clients} clients"] = {"median": median(ratios), "each": ratios}
    write("workers", {"rows": ROWS, "seconds": SECONDS, "errors": errors[:5], **results})


def _streamed(port: int) -> float:
    """Rows a second of the big table, the best of three."""
    rates = []
    with flight.connect(f"grpc://127.0.0.1:{port}") as connection:
        options = flight.FlightCallOptions(headers=[connection.authenticate_basic_token(PEOPLE[0], "x")])
        command = flight.FlightDescriptor.for_command(flightsql.pack("CommandStatementQuery", query=STREAM))
        for _ in range(3):
            info = connection.get_flight_info(command, options)
            began = time.perf_counter()
            chunks = connection.do_get(info.endpoints[0].ticket, options)
            rows = sum(chunk.data.num_rows for chunk in chunks)
            rates.append(rows / (time.perf_counter() - began))
    return round(max(rates))


if __name__ == "__main__":
    main()
