"""Both engines over the same sources, asked in turn, and every answer judged by local DuckDB's."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import duckdb
import pyarrow as pa

from benchmarks.federation import ours, peer
from benchmarks.federation.answers import difference
from benchmarks.federation.data import ACCESS_KEY, IN_LAKE, PYTHON_155, SUPPLIER, Sources
from benchmarks.federation.queries import FEDERATED, local
from benchmarks.federation.relay import Relay, relayed

ENGINES = ("ours", "peer")


class Engine(Protocol):
    """What is asked."""

    def ask(self, sql: str) -> tuple[float, pa.Table]:
        """Seconds and rows, or ``Failed``."""


@dataclass
class Asked:
    """One query: the seconds of each round by engine, and what an engine failed with."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in ENGINES})
    failures: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    local: float = 0.0

    def told(self) -> dict[str, Any]:
        """For JSON: medians in seconds, and ours to the peer's."""
        middle = {
            name: median(each) for name, each in self.seconds.items() if name not in self.failures and each
        }
        known = {name: round(value, 4) for name, value in middle.items()}
        rounds = {f"{name}_rounds": [round(one, 4) for one in each] for name, each in self.seconds.items()}
        ratio = {"ratio": round(middle["ours"] / middle["peer"], 3)} if len(middle) == len(ENGINES) else {}
        failed = {"failed": self.failures} if self.failures else {}
        return known | ratio | failed | {"rows": self.rows, "local": round(self.local, 4)} | rounds


@contextmanager
def engines(
    sources: Sources, relay: Relay | None, *, cached: bool, seconds: float
) -> Iterator[dict[str, Engine]]:
    """Ours and the peer, through the relay where there is one."""
    ports = relay.ports if relay else {}
    told = {
        "cached": cached,
        "key": ACCESS_KEY,
        "secret": sources.s3_secret,
        "lake": ports.get("lake", sources.s3_port),
        "outbox": sources.s3_port,
        "postgres": sources.postgres_uri(ports.get("postgres")),
        "tables": IN_LAKE,
        "supplier": SUPPLIER,
    }
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        mine = ours.asked(sources, ports, folder / "project", cached=cached, seconds=seconds)
        asked: dict[str, Engine] = {
            "ours": stack.enter_context(mine),
            "peer": stack.enter_context(peer.asked(PYTHON_155, told, folder, seconds)),
        }
        for engine in asked.values():
            # The connection is made, so that no query is charged for it.
            engine.ask("SELECT 1")
        yield asked


@contextmanager
def between(sources: Sources, milliseconds: float, *, count: bool) -> Iterator[Relay | None]:
    """A relay to Postgres and to the lake, where there is something to delay or to count."""
    if not milliseconds and not count:
        yield None
        return
    with relayed({"postgres": sources.postgres_port, "lake": sources.s3_port}, milliseconds) as relay:
        yield relay


def truths(texts: dict[str, str], files: Path) -> dict[str, tuple[float, pa.Table]]:
    """What local DuckDB answers over Parquet files, and how fast."""
    answers = {}
    with duckdb.connect(config={"threads": 2, "memory_limit": peer.MEMORY}) as connection:
        for name, text in texts.items():
            began = time.perf_counter()
            table = connection.sql(text.format(**local(files))).to_arrow_table()
            answers[name] = (time.perf_counter() - began, table)
    return answers


def timed(
    texts: dict[str, str], asked: dict[str, Engine], right: dict[str, tuple[float, pa.Table]], rounds: int
) -> dict[str, Asked]:
    """Query by query, one engine after the other, the first in turn; a failed one is not asked that again."""
    seen = {name: Asked(rows=right[name][1].num_rows, local=right[name][0]) for name in texts}
    for number in range(rounds):
        order = ENGINES if number % 2 == 0 else ENGINES[::-1]
        for name, text in texts.items():
            for engine in order:
                if engine not in seen[name].failures:
                    _ask(asked[engine], engine, text.format(**FEDERATED), right[name][1], seen[name])
            print(f"round {number + 1} {name:34} {_latest(seen[name])}", flush=True)
    return seen


def counted(texts: dict[str, str], asked: dict[str, Engine], relay: Relay) -> dict[str, dict[str, Any]]:
    """What each query moves: bytes towards the engine by source, and HTTP requests to the lake."""
    moved: dict[str, dict[str, Any]] = {}
    for name, text in texts.items():
        moved[name] = {}
        for engine in ENGINES:
            relay.ask("reset")
            try:
                asked[engine].ask(text.format(**FEDERATED))
            except peer.Failed as error:
                moved[name][engine] = {"failed": str(error)}
                continue
            time.sleep(0.1)
            counts = relay.ask("counts")
            moved[name][engine] = {
                "lake_bytes": counts["lake"]["bytes"],
                "lake_requests": counts["lake"]["requests"],
                "postgres_bytes": counts["postgres"]["bytes"],
            }
        print(f"{name:34} {moved[name]}", flush=True)
    return moved


def summary(seen: dict[str, Asked]) -> dict[str, Any]:
    """Geometric mean and worst of ours to the peer's where both answered; how many each failed."""
    ratios = {name: told["ratio"] for name, each in seen.items() if "ratio" in (told := each.told())}
    failed = {engine: [name for name, each in seen.items() if engine in each.failures] for engine in ENGINES}
    if not ratios:
        return {"answered_by_both": 0, "failed": failed}
    worst = max(ratios, key=lambda name: ratios[name])
    return {
        "answered_by_both": len(ratios),
        "geometric_mean": round(math.exp(sum(map(math.log, ratios.values())) / len(ratios)), 3),
        "worst": {"query": worst, "ratio": ratios[worst]},
        "not_slower": sum(ratio <= 1 for ratio in ratios.values()),
        "failed": failed,
    }


def _ask(engine: Engine, name: str, sql: str, right: pa.Table, seen: Asked) -> None:
    try:
        took, table = engine.ask(sql)
    except peer.Failed as error:
        seen.failures[name] = str(error)
        return
    seen.seconds[name].append(took)
    if wrong := difference(table, right):
        seen.failures[name] = f"a wrong answer: {wrong}"[:500]


def _latest(seen: Asked) -> str:
    said = []
    for engine in ENGINES:
        times = seen.seconds[engine]
        said.append(f"{engine} {seen.failures.get(engine) or f'{times[-1]:.3f} s'}"[:150])
    return ", ".join(said)
