"""S3 that answers every tenth request with 500 or not at all, before or after it was carried out: what comes of runs and refreshes.

python -m benchmarks.lake_faults [runs] [refreshes]
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from benchmarks.faulty import faulty
from benchmarks.killing import REFUSED, Server, ask
from benchmarks.lake_kills import in_bucket, keys, put, store_products
from benchmarks.load import PEOPLE, make
from benchmarks.machine import write
from server.demo.s3 import EmbeddedS3

ROWS = 500_000
PART = 0.1
_TIMEOUT_SECONDS = 1.0
_AT_ONCE = 4
_ATTEMPTS = 20


def _read(server: Server, user: str, written: str) -> int | None:
    """How many names are read of it once that succeeds; None when it never does."""
    for _ in range(_ATTEMPTS):
        try:
            return int(str(ask(server.port, user, f"SELECT count(name) AS n FROM {written}")[0]["n"]))
        except REFUSED:
            continue
    return None


def _runs(server: Server, count: int) -> dict[str, object]:
    choose, user = random.Random(1), PEOPLE[0]
    wanted: dict[str, int] = {}
    states: dict[str, dict[str, object]] = {}
    began = time.monotonic()
    while len(states) < count:
        listed = ask(server.port, user, "SELECT run_id, state, error FROM system.runs")
        states = {str(each["run_id"]): each for each in listed if each["state"] in ("succeeded", "failed")}
        while len(wanted) < count and len(wanted) - len(states) < _AT_ONCE:
            rows = choose.randrange(1, ROWS)
            call = f"CALL system.submit('SELECT id, h, name FROM lake.big WHERE id < {rows}')"
            wanted[str(ask(server.port, user, call)[0]["run_id"])] = rows
        time.sleep(0.2)
    took = time.monotonic() - began
    good = [run_id for run_id, each in states.items() if each["state"] == "succeeded"]
    found = {run_id: _read(server, user, f'results."{run_id}"') for run_id in good}
    return {
        "runs": count,
        "succeeded": len(good),
        "errors of the others": dict(
            Counter(str(states[each]["error"]) for each in states if each not in good)
        ),
        "not read": sum(each is None for each in found.values()),
        "half": sum(each not in (None, wanted[run_id]) for run_id, each in found.items()),
        "seconds": round(took, 1),
    }


def _refreshes(server: Server, data: Path, count: int) -> dict[str, object]:
    choose = random.Random(2)
    errors: Counter[str] = Counter()
    half = unread = stored = 0
    for turn in range(1, count + 1):
        wanted = choose.randrange(1, ROWS)
        put(data, turn, wanted)
        try:
            ask(server.port, PEOPLE[1], f"REFRESH bench.whole /* {turn} */")
        except REFUSED as error:
            errors[str(error).partition("\n")[0][:100]] += 1
        else:
            stored = wanted
        found = _read(server, PEOPLE[1], "bench.whole")
        unread += found is None
        half += stored != 0 and found not in (None, stored)
    return {
        "refreshes": count,
        "succeeded": count - errors.total(),
        "errors of the others": dict(errors),
        "not read": unread,
        "half, or not the last good one": half,
    }


def measure(runs: int, refreshes: int, part: float) -> dict[str, object]:
    """Submit and refresh over a lake of which so many requests of one go wrong."""
    os.environ["RIPSTOP_PASSWORD"] = "x"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        directory = folder / "bench"
        make(directory, rows=ROWS)
        store_products(directory)
        s3 = stack.enter_context(EmbeddedS3(folder / "s3", *keys()))
        proxy = stack.enter_context(faulty(s3.endpoint, 0.0, _TIMEOUT_SECONDS * 1.5, 7))
        in_bucket(directory, s3, f"http://127.0.0.1:{proxy.port}", f", timeout: {_TIMEOUT_SECONDS}s")
        server = Server(directory)
        stack.callback(server.stop)
        proxy.part = part
        found = {"runs": _runs(server, runs), "refreshes": _refreshes(server, directory / "data", refreshes)}
        return {"part": part, "requests": proxy.requests, "faults": dict(proxy.faults)} | found


def main(runs: int = 100, refreshes: int = 30) -> None:
    """Measure and write ``out/lake_faults.json``."""
    write("lake_faults", {"well": measure(runs, refreshes, 0.0), "faulty": measure(runs, refreshes, PART)})


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
