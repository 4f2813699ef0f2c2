"""DuckDB 2.0, which ours stands on, beside 1.5.5 on the same local Parquet files: TPC-H, no server, no source.

What this ratio shows is the engines' own difference, to be told apart from the federation's:
``python -m benchmarks.federation.local --scale 1``.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.federation import peer
from benchmarks.federation.answers import difference
from benchmarks.federation.data import PYTHON_155, served
from benchmarks.federation.kept import written
from benchmarks.federation.queries import local, queries

ENGINES = ("duckdb 2.0", "duckdb 1.5.5")
SECONDS = 60.0


def main() -> None:
    """Measure and write ``out/federation-local.json``."""
    parser = argparse.ArgumentParser(prog="benchmarks.federation.local", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", action="store_true", help="write the figures into peer-times.json too")
    told = parser.parse_args()
    with served(told.scale) as sources, tempfile.TemporaryDirectory() as folder:
        texts = {name: text.format(**local(sources.files)) for name, text in queries("tpch").items()}
        results = _measured(texts, Path(folder), told.rounds)
    ratios = [each["ratio"] for each in results.values() if "ratio" in each]
    mean = round(math.exp(sum(map(math.log, ratios)) / len(ratios)), 3)
    what = {"scale": told.scale, "rounds": told.rounds, "geometric_mean": mean, "queries": results}
    written("federation-local", what, keep=told.keep)


def _measured(texts: dict[str, str], folder: Path, rounds: int) -> dict[str, Any]:
    """The same program in both environments, in turn; the first round finds the files cold and is not counted."""
    took: dict[str, dict[str, list[float]]] = {name: {engine: [] for engine in ENGINES} for name in texts}
    failed: dict[str, str] = {}
    pythons = dict(zip(ENGINES, (Path(sys.executable), PYTHON_155), strict=True))
    for engine in ENGINES:
        (folder / engine).mkdir()
    with (
        peer.asked(pythons[ENGINES[0]], {}, folder / ENGINES[0], SECONDS) as new,
        peer.asked(pythons[ENGINES[1]], {}, folder / ENGINES[1], SECONDS) as old,
    ):
        for number in range(rounds + 1):
            for name, text in texts.items():
                try:
                    (mine, one), (theirs, other) = new.ask(text), old.ask(text)
                except peer.Failed as error:
                    failed[name] = str(error)
                    continue
                if wrong := difference(one, other):
                    failed[name] = wrong
                if number:
                    took[name][ENGINES[0]].append(mine)
                    took[name][ENGINES[1]].append(theirs)
    return {name: {"failed": failed[name]} if name in failed else _told(each) for name, each in took.items()}


def _told(took: dict[str, list[float]]) -> dict[str, float]:
    new, old = (median(took[engine]) for engine in ENGINES)
    return {ENGINES[0]: round(new, 4), ENGINES[1]: round(old, 4), "ratio": round(new / old, 3)}


if __name__ == "__main__":
    main()
