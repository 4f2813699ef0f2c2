"""``kill -9`` at random moments of runs and refreshes: whether what was reported is readable, and nothing is ever half.

Clients submit queries whose number of rows is known, and read every result again and again. Files change turn by turn; of one product all
rows are stored by ``REFRESH`` at each turn, of another those that changed, when the server sees it. Readers check that
what they get is one turn and the whole of it. The worker is killed, now and then the supervisor too. At the end every acknowledged run must
be over, everything that is kept must be whole, and the lake must hold no other files.

python -m benchmarks.lake_kills [times] [folder|s3]
"""

from __future__ import annotations

import os
import random
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import duckdb

from benchmarks.killing import REFUSED, Server, answered, ask, killed
from benchmarks.load import PEOPLE, make
from benchmarks.machine import write
from fabric.config import load_project
from fabric.lake import Lake, open_lake
from server.demo.s3 import EmbeddedS3

ROWS = 500_000
SUBMITTERS = 2
_TURNS = 7
_LAST_SECONDS = 150.0
_KEYS = ("key-of-the-killing", "secret-of-the-killing")
_PRODUCTS = {
    "whole": "/*---\nmaterialize: {refresh: '0 0 1 1 *', keep: 3}\n---*/\n"
    "SELECT t.turn, t.wanted, b.id, b.name FROM lake.big b JOIN lake.turn t ON b.id < t.wanted\n",
    "changed": "/*---\nmaterialize: {refresh: on change, every: 1s, watermark: turn, key: id, keep: 3}\n---*/\n"
    "SELECT id, turn, 'at ' || turn AS note FROM lake.event\n",
}
_WHOLE = "SELECT count(name) AS n, min(turn) AS first, max(turn) AS turn, max(wanted) AS wanted FROM {}"
_CHANGED = "SELECT count(note) AS n, max(turn) AS turn, sum(turn)::BIGINT AS sum FROM {}"


@dataclass
class Seen:
    """What the clients saw: how many rows each acknowledged run must have, the last turn that was stored, and what was not so."""

    wanted: dict[str, tuple[str, int]] = field(default_factory=dict)
    refreshed: int = 0
    refreshes: int = 0
    reads: int = 0
    half: list[str] = field(default_factory=list)
    refused: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


# ── what the clients do ──────────────────────────────────────────────────────────────────────


def _submit(number: int, seen: Seen, server: Server, end: threading.Event) -> None:
    user, choose = PEOPLE[number], random.Random(number)
    while not end.is_set():
        rows = choose.randrange(1, ROWS)
        try:
            call = f"CALL system.submit('SELECT id, h, name FROM lake.big WHERE id < {rows}')"
            (row,) = ask(server.port, user, call)
        except REFUSED:
            seen.refused += 1
        else:
            with seen.lock:
                seen.wanted[str(row["run_id"])] = (user, rows)
        end.wait(0.5)


def _refresh(data: Path, seen: Seen, server: Server, end: threading.Event) -> None:
    choose, turn = random.Random(3), 0
    while not end.is_set():
        turn += 1
        put(data, turn, choose.randrange(1, ROWS))
        try:
            ask(server.port, PEOPLE[5], f"REFRESH bench.whole /* {turn} */")
        except REFUSED:
            seen.refused += 1
        else:
            seen.refreshed, seen.refreshes = turn, seen.refreshes + 1
        end.wait(0.3)


def put(data: Path, turn: int, wanted: int) -> None:
    """The files of a turn: the number of rows that ``whole`` has in it, and events of which a seventh changed."""
    new = data / "new"
    new.write_text(f"turn,wanted\n{turn},{wanted}\n")
    os.replace(new, data / "turn.csv")
    with duckdb.connect() as connection:
        changed = f"({turn} - ({turn} - i + {_TURNS} * {ROWS}) % {_TURNS})::BIGINT"
        events = f"SELECT i AS id, {changed} AS turn FROM range({ROWS}) t(i)"
        connection.execute(f"COPY ({events}) TO '{new}' (FORMAT parquet)")
    os.replace(new, data / "event.parquet")


def _is_one_turn(product: str, row: dict[str, object]) -> bool:
    """Whether what was read of a product is a turn, and the whole of it."""
    if product == "whole":
        return row["n"] == row["wanted"] and row["first"] == row["turn"]
    turn = int(str(row["turn"]))
    wanted = sum((turn - (turn - left) % _TURNS) * len(range(left, ROWS, _TURNS)) for left in range(_TURNS))
    return row["n"] == ROWS and row["sum"] == wanted


def _read(seen: Seen, server: Server, end: threading.Event) -> None:
    choose = random.Random(1)
    while not end.is_set():
        with seen.lock:
            known = list(seen.wanted.items())
        what, stored = choose.choice(("run", *_PRODUCTS)), seen.refreshed
        try:
            if what == "run" and known:
                run_id, (user, rows) = choose.choice(known[-20:])
                (row,) = ask(server.port, user, f'SELECT count(name) AS n FROM results."{run_id}"')
                whole = row["n"] == rows
            elif what in _PRODUCTS and stored:
                (row,) = ask(server.port, PEOPLE[6], _question(what, f"bench.{what}"))
                whole = _is_one_turn(what, row) and (what != "whole" or int(str(row["turn"])) >= stored)
            else:
                continue
        except REFUSED:
            end.wait(0.05)
            continue
        seen.reads += 1
        if not whole:
            seen.half.append(f"{what} {row}")


def _question(product: str, written: str) -> str:
    return (_WHOLE if product == "whole" else _CHANGED).format(written)


# ── what is left ─────────────────────────────────────────────────────────────────────────────


def _states(server: Server, seen: Seen) -> dict[str, str]:
    states: dict[str, str] = {}
    for user in {user for user, _ in seen.wanted.values()}:
        found = answered(server, user, "SELECT run_id, state FROM system.runs")
        states |= {str(row["run_id"]): str(row["state"]) for row in found}
    return states


def _snapshots(directory: Path) -> list[tuple[str, str]]:
    """The file and the state of every snapshot that was begun."""
    with closing(sqlite3.connect(directory / ".ripstop" / "state.db")) as connection:
        return list(connection.execute("SELECT file, state FROM snapshots"))


def _settled(
    server: Server, seen: Seen, lake: Lake, directory: Path
) -> tuple[dict[str, str], list[tuple[str, str]], set[str]]:
    """The state of every run and snapshot once all are over, and the files that count for nothing once they are removed."""
    until = time.monotonic() + _LAST_SECONDS
    while True:
        states, snapshots = _states(server, seen), _snapshots(directory)
        over = not {"queued", "running"} & {*states.values(), *(state for _, state in snapshots)}
        good = {run_id for run_id, state in states.items() if state == "succeeded"}
        kept = {file for file, state in snapshots if state in ("good", "dropped")}
        left = {file.path for file in lake.listed("runs") if file.path.split("/")[1] not in good}
        left |= {file.path for file in lake.listed("snapshots")} - kept
        if (over and not left) or time.monotonic() > until:
            return states, snapshots, left
        time.sleep(1.0)


def _not_whole(server: Server, seen: Seen, good: set[str]) -> int:
    """How many results and snapshots that count cannot be read, or not whole."""
    faults = 0
    for run_id in good & set(seen.wanted):
        user, rows = seen.wanted[run_id]
        (row,) = answered(server, user, f'SELECT count(name) AS n FROM results."{run_id}"')
        faults += row["n"] != rows
    for kept in answered(server, PEOPLE[6], "SELECT product, snapshot_id FROM system.snapshots"):
        written = f"bench.{kept['product']} AT (VERSION => '{kept['snapshot_id']}')"
        (row,) = answered(server, PEOPLE[6], _question(str(kept["product"]), written))
        faults += not _is_one_turn(str(kept["product"]), row)
    return faults


def measure(times: int, where: str = "folder", seconds: float = 6.0) -> dict[str, object]:
    """Kill so many times while runs and refreshes are under way, and count what is not as it must be.

    Args:
        times: how often; every fifth time the supervisor too.
        where: ``folder`` or ``s3``.
        seconds: between two kills, on the average.
    """
    os.environ["RIPSTOP_PASSWORD"] = "x"
    seen = Seen()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        directory = folder / "bench"
        make(directory, rows=ROWS)
        store_products(directory)
        if where == "s3":
            server_ = stack.enter_context(EmbeddedS3(folder / "s3", *_KEYS))
            in_bucket(directory, server_, server_.endpoint)
        lake = open_lake(load_project(directory).lake)
        clients = [partial(_submit, number, seen) for number in range(SUBMITTERS)]
        clients += [partial(_refresh, directory / "data", seen), partial(_read, seen)]
        with killed(directory, clients, times, seconds) as server:
            states, snapshots, left = _settled(server, seen, lake, directory)
            good = {run_id for run_id, state in states.items() if state == "succeeded"}
            not_whole = _not_whole(server, seen, good)
    ended = Counter(states.values())
    return {
        "lake": where,
        "kills": times,
        "runs acknowledged": len(seen.wanted),
        "succeeded": ended["succeeded"],
        "failed": ended["failed"],
        "refreshes asked for, and reported": seen.refreshes,
        "snapshots": dict(Counter(f"{file.split('/')[2]} {state}" for file, state in snapshots)),
        "not over": ended["queued"] + ended["running"] + sum(state == "running" for _, state in snapshots),
        "acknowledged, and not in system.runs": len(set(seen.wanted) - set(states)),
        "reads meanwhile": seen.reads,
        "half, or older than was reported": seen.half[:5],
        "counts, and not readable whole": not_whole,
        "files of nothing": len(left),
        "calls that failed meanwhile": seen.refused,
    }


def store_products(directory: Path) -> None:
    """Two stored products over files that change turn by turn, for everyone to read and refresh."""
    put(directory / "data", 0, 1)
    file = directory / "fabric.yaml"
    more = "turn: {path: turn.csv, format: csv}, event: {path: event.parquet, format: parquet}"
    file.write_text(file.read_text().replace("tables: {", f"tables: {{{more}, "))
    with (directory / "policies" / "federation.csv").open("a") as rules:
        rules.write("p, role:*, bench.*, read, allow\np, role:*, bench.*, refresh, allow\n")
    folder = directory / "products" / "bench"
    folder.mkdir(parents=True)
    for name, text in _PRODUCTS.items():
        (folder / f"{name}.sql").write_text(text)


def in_bucket(directory: Path, server: EmbeddedS3, endpoint: str, more: str = "") -> None:
    """Have the project's lake in a bucket, reached by an endpoint."""
    client = server.client()
    client.create_bucket(Bucket="lake")
    client.close()
    with (directory / "fabric.yaml").open("a") as file:
        file.write(
            f"lake: {{uri: 's3://lake/bench', endpoint: '{endpoint}', region: us-east-1, "
            f"access_key_id: {_KEYS[0]}, secret_access_key: {_KEYS[1]}{more}}}\n"
        )


def keys() -> tuple[str, str]:
    """The access key and the secret of the bucket."""
    return _KEYS


def main(times: int = 50, where: str = "") -> None:
    """Measure and write ``out/lake_kills.json``: in a folder and in a bucket, if not said which."""
    write("lake_kills", {each: measure(times, each) for each in ([where] if where else ["folder", "s3"])})


if __name__ == "__main__":
    main(int((sys.argv[1:] or ["50"])[0]), *sys.argv[2:])
