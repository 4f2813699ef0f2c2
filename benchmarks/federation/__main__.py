"""Ours beside DuckDB 1.5.5's scanners: ``python -m benchmarks.federation --scale 1 --set bi --caches off``."""

from __future__ import annotations

import argparse
import json
import os
from contextlib import ExitStack
from typing import Any

from benchmarks.federation.data import served
from benchmarks.federation.kept import written
from benchmarks.federation.measure import Asked, between, counted, engines, summary, timed, truths
from benchmarks.federation.queries import SETS, queries


def main() -> None:
    """Measure and write ``out/federation-<what>.json``."""
    told = _told()
    os.environ["RIPSTOP_PASSWORD"] = "x"
    texts = queries(told.set, told.only)
    with ExitStack() as stack:
        sources = stack.enter_context(served(told.scale))
        relay = stack.enter_context(between(sources, told.latency, count=told.count))
        cached = told.caches == "on"
        asked = stack.enter_context(engines(sources, relay, cached=cached, seconds=told.timeout))
        results: dict[str, Any] = {"scale": told.scale, "caches": told.caches, "latency_ms": told.latency}
        name = f"federation-{told.set}-sf{told.scale:g}-caches-{told.caches}-latency-{told.latency:g}"
        if told.count and relay is not None:
            written(f"{name}-moved", results | {"queries": counted(texts, asked, relay)}, keep=told.keep)
            return
        seen = timed(texts, asked, truths(texts, sources.files), told.rounds)
    results |= {"rounds": told.rounds, "timeout": told.timeout, "summary": summary(seen)}
    results["queries"] = {each: one.told() for each, one in seen.items()}
    written(name, results, keep=told.keep)
    print(_table(seen), json.dumps(results["summary"], indent=2), sep="\n")


def _told() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.federation", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="TPC-H's scale factor")
    parser.add_argument("--set", choices=SETS, default="bi")
    parser.add_argument("--caches", choices=("on", "off"), default="off")
    parser.add_argument(
        "--latency", type=float, default=0.0, help="ms added to each round trip to Postgres and S3"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds a query may take")
    parser.add_argument("--count", action="store_true", help="count bytes and requests instead of seconds")
    parser.add_argument("--only", nargs="*", help="queries whose names begin so")
    parser.add_argument("--keep", action="store_true", help="write the figures into peer-times.json too")
    return parser.parse_args()


def _table(seen: dict[str, Asked]) -> str:
    lines = [f"{'query':34} {'ours':>8} {'peer':>8} {'ratio':>7} {'local':>7}"]
    for name, each in seen.items():
        told = each.told()
        cells = [f"{told[key]:.3f}" if key in told else "failed" for key in ("ours", "peer")]
        ratio = f"{told['ratio']:.2f}" if "ratio" in told else "-"
        lines.append(f"{name:34} {cells[0]:>8} {cells[1]:>8} {ratio:>7} {told['local']:>7.3f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
