"""Every benchmark, or those named: ``python -m benchmarks stream``."""

from __future__ import annotations

import importlib
import sys

NAMES = (
    "stream",
    "overhead",
    "planner",
    "lookups",
    "recovery",
    "cancel",
    "policies",
    "products",
    "governed",
    "crowd",
    "audit",
    "kills",
    "lake_kills",
    "lake_faults",
    "lake_memory",
    "mixed",
    "workers",
    "splits",
)

if __name__ == "__main__":
    for name in sys.argv[1:] or NAMES:
        importlib.import_module(f"benchmarks.{name}").main()
