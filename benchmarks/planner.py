"""What it takes to judge and plan the 22 TPC-H queries over Postgres, S3 and SFTP: ``python -m benchmarks planner``.

A statement is of a shape that was never asked, the same as another but for its constants (what BI tools send), or known.
``describe`` is all up to the schema and decisions that a client is told, ``plan`` the rest up to what would run; files are
listed for each plan. Nothing is executed. The data are those of ``benchmarks.federation``; times are medians of
milliseconds, of all threads' processor time and of the clock.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from statistics import median

import sqlglot
from sqlglot import exp

from benchmarks.federation import ours
from benchmarks.federation.data import served
from benchmarks.federation.queries import FEDERATED, queries
from benchmarks.machine import write
from fabric.pipeline import Line, Session
from fabric.questions import Question
from fabric.types import Principal
from server.app import build

SCALE = float(os.environ.get("RIPSTOP_BENCH_SCALE", "0.1"))
ROUNDS = int(os.environ.get("RIPSTOP_BENCH_ROUNDS", "5"))
WHO, SESSION = Principal("aud"), Session()
_STEPS = ("describe", "plan", "both", "wall")


def main() -> None:
    """Measure and write ``out/planner.json``."""
    os.environ["RIPSTOP_PASSWORD"] = "x"
    texts = [text.format(**FEDERATED).rstrip(";\n ") for text in queries("tpch").values()]
    rounds = range(1, ROUNDS + 1)
    asked = {
        "new shape": [
            f"SELECT * FROM ({text}) AS n{n}_{place}" for n in rounds for place, text in enumerate(texts)
        ],
        "other constants": [_with_constants(text, n) for n in rounds for text in texts],
        "known": texts * ROUNDS,
    }
    with served(SCALE) as sources, tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "bench"
        directory.mkdir()
        ours.write(sources, {}, directory, cached=False, seconds=60)
        app = build(directory)
        for text in texts:
            _milliseconds(app.line, text)  # what is asked for the first time also imports, connects and lists
        results = {
            kind: _medians(_milliseconds(app.line, each) for each in found) for kind, found in asked.items()
        }
        app.close()
    write("planner", {"scale": SCALE, "rounds": ROUNDS, **results})


def _milliseconds(line: Line, text: str) -> tuple[float, ...]:
    """Of one statement, by ``_STEPS``."""
    wall, began = time.perf_counter(), time.process_time()
    line.describe(text, WHO, SESSION, ())
    described = time.process_time()
    question = Question(text, WHO, SESSION, ())
    known = line._known(question)
    assert known is not None, "a query that does not depend on the moment is kept"
    line._planned(known, question)
    ended = time.process_time()
    took = (described - began, ended - described, ended - began, time.perf_counter() - wall)
    return tuple(each * 1000 for each in took)


def _medians(measured: Iterable[tuple[float, ...]]) -> dict[str, float]:
    columns = zip(*measured, strict=True)
    return {f"{step}_ms": round(median(each), 2) for step, each in zip(_STEPS, columns, strict=True)}


def _with_constants(text: str, further: int) -> str:
    """The statement with other dates, numbers and texts to compare with."""
    tree = sqlglot.parse_one(text, dialect="duckdb")
    for literal in list(tree.find_all(exp.Literal)):
        said = literal.name
        if isinstance(literal.parent, exp.Interval):
            continue
        if re.fullmatch(r"\d{4}-\d\d-\d\d", said):
            literal.set("this", str(date.fromisoformat(said) + timedelta(days=further)))
        elif literal.is_string:
            literal.set("this", f"{said}{'x' * further}")
        elif said.isdigit() and isinstance(literal.parent, exp.Predicate | exp.Between | exp.Limit):
            literal.set("this", str(int(said) + further))
    return tree.sql(dialect="duckdb")


if __name__ == "__main__":
    main()
