"""What a figure was measured on, and where it is written."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

OUT = Path(__file__).parent / "out"


def facts() -> dict[str, Any]:
    """The machine and the versions that matter."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
        **{name: version(name) for name in ("duckdb", "pyarrow", "sqlglot", "adbc-driver-flightsql")},
    }


def write(name: str, results: dict[str, Any]) -> None:
    """Write ``out/<name>.json`` and print it."""
    OUT.mkdir(exist_ok=True)
    text = json.dumps({"machine": facts(), "results": results}, indent=2)
    (OUT / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    print(f"── {name}\n{text}")


def seconds(work: Callable[[], object], times: int = 3) -> float:
    """The median wall time of several runs."""
    took = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        took.append(time.perf_counter() - started)
    return statistics.median(took)
