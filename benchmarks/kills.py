"""``kill -9`` under load: whether any statement that a client saw answered is missing from the audit or the history.

Clients ask a real server statements that are told apart by a number; its worker is killed again and again, now and then
the supervisor with all that it started. A number counts as *answered* once its rows were read, as *shown* once
``system.queries`` listed it as ended. At the end every answered one must have its intent in the audit, the chain must verify, and every
shown one must still be listed.

python -m benchmarks.kills [times]
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.killing import REFUSED, Server, ask, killed
from benchmarks.load import PEOPLE, make
from benchmarks.machine import write
from fabric.audit_verify import verify
from fabric.config import load_project
from fabric.key import load_key

CLIENTS = 8
_NUMBER = re.compile(r"/\* (\d+) \*/")
_LOOK = "SELECT sql FROM system.queries WHERE state = 'succeeded' AND sql LIKE '%/*%'"


@dataclass
class Seen:
    """What the clients saw."""

    answered: set[int] = field(default_factory=set)
    shown: set[int] = field(default_factory=set)
    refused: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def _numbers(texts: list[str]) -> set[int]:
    return {int(found[1]) for text in texts if (found := _NUMBER.search(text))}


def _client(number: int, seen: Seen, server: Server, end: threading.Event) -> None:
    user, asked = PEOPLE[number], 0
    while not end.is_set():
        asked += 1
        mark = number * 10_000_000 + asked
        try:
            if asked % 10 == 0:
                listed = _numbers([str(row["sql"]) for row in ask(server.port, user, _LOOK)])
                with seen.lock:
                    seen.shown |= listed
                continue
            rows = ask(
                server.port,
                user,
                f"SELECT id, email FROM lake.point WHERE id = {asked % 10_000} /* {mark} */",
            )
        except REFUSED:
            with seen.lock:
                seen.refused += 1
            time.sleep(0.02)
        else:
            assert len(rows) <= 1
            with seen.lock:
                seen.answered.add(mark)


def _recorded(directory: Path) -> tuple[set[int], int]:
    """The numbers of all intents in the audit, and how many findings its verification has."""
    folder = directory / ".ripstop" / "audit"
    texts = []
    for file in sorted(folder.iterdir()):
        for line in file.read_bytes().splitlines():
            try:
                fields = json.loads(line)
            except ValueError:
                continue
            if fields.get("event") == "intent" and fields.get("decision") == "allowed":
                texts.append(fields.get("sql", ""))
    report = verify(folder, load_key(load_project(directory)))
    return _numbers(texts), report.failures


def measure(times: int, seconds: float = 4.0) -> dict[str, object]:
    """Kill so many times under load, and count what is missing.

    Args:
        times: how often; every fifth time the supervisor too.
        seconds: between two kills, on the average.
    """
    os.environ["RIPSTOP_PASSWORD"] = "x"
    seen = Seen()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "bench"
        make(directory, rows=1_000)
        clients = [partial(_client, number, seen) for number in range(CLIENTS)]
        with killed(directory, clients, times, seconds) as server:
            server.kill_all()
            kept: set[int] = set()
            for number in range(CLIENTS):
                kept |= _numbers([str(row["sql"]) for row in ask(server.port, PEOPLE[number], _LOOK)])
        intents, findings = _recorded(directory)
    return {
        "kills": times,
        "answered": len(seen.answered),
        "calls that failed meanwhile": seen.refused,
        "answered, and no intent in the audit": len(seen.answered - intents),
        "findings of audit verify": findings,
        "shown in system.queries": len(seen.shown),
        "shown, and not there any more": len(seen.shown - kept),
        "answered, and not in the history": len(seen.answered - kept),
    }


def main(times: int = 40) -> None:
    """Measure and write ``out/kills.json``."""
    write("kills", measure(times))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
