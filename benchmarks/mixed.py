"""Small queries beside big streams: what 99 of 100 lookups take alone, and with streams under way.

``held`` is the other way to count: a place kept until the last row is read. It shows what a slow reader then does.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.load import Asked, asking, make, serving, streaming
from benchmarks.machine import write
from server.app import App, build

ROWS = int(os.environ.get("RIPSTOP_BENCH_ROWS", "10000000"))
SECONDS = float(os.environ.get("RIPSTOP_BENCH_SECONDS", "4"))
TIMES = 3
CLIENTS = 4


def held(directory: Path) -> App:
    """An app in which a place is held until the last row."""
    from fabric.underway import Place

    Place.streams = lambda self: None  # type: ignore[method-assign]
    return build(directory)


def main() -> None:
    """Measure and write ``out/mixed.json``."""
    results: dict[str, Any] = {"rows": ROWS, "clients": CLIENTS, "seconds": SECONDS}
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "bench"
        make(directory, rows=ROWS)
        with serving(directory) as served:
            port = served.port
            alone, beside, rates = [], [], []
            for _ in range(TIMES):
                alone.append(asking(port, CLIENTS, SECONDS))
                with streaming(port, 4) as rows:
                    before = rows()
                    beside.append(asking(port, CLIENTS, SECONDS))
                    rates.append(round((rows() - before) / SECONDS))
            results["alone"] = _told(alone)
            results["with 4 streams"] = _told(beside) | {"rows_per_second": rates}
            results["p99_ratio"] = round(
                results["with 4 streams"]["p99_ms"] / max(results["alone"]["p99_ms"], 0.01), 2
            )
        for name, factory in (
            ("until the first rows", "server.app:build"),
            ("held", "benchmarks.mixed:held"),
        ):
            with serving(directory, factory) as served, streaming(served.port, 8, pause=0.2):
                port = served.port
                results[f"8 slow readers, {name}"] = _told([asking(port, CLIENTS, SECONDS)])
    write("mixed", results)


def _told(asked: list[Asked]) -> dict[str, Any]:
    return {
        "p50_ms": median(each.percentile(0.5) for each in asked),
        "p99_ms": median(each.percentile(0.99) for each in asked),
        "p99_ms_each": [each.percentile(0.99) for each in asked],
        "longest_first_ms": round(max(each.first for each in asked) * 1000),
        "answers": [len(each.seconds) for each in asked],
        "errors": sum(len(each.errors) for each in asked),
        "wrong": sum(each.wrong for each in asked),
    }


if __name__ == "__main__":
    main()
