"""A large Postgres table in one piece and in ranges: the whole line, the embedded server, with and without latency.

The figures are seconds, the best of the rounds, which take turns. ``fetch`` hands every row over, ``count`` one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

from benchmarks.federation.relay import relayed
from benchmarks.machine import write
from fabric.pipeline import Session
from fabric.types import Principal
from server.app import App, build
from server.demo.postgres import EmbeddedPostgres

ROWS = int(os.environ.get("RIPSTOP_BENCH_ROWS", "1500000"))
ROUNDS = int(os.environ.get("RIPSTOP_BENCH_ROUNDS", "5"))
SPLITS = (1, 2, 4)
LATENCIES = (0.0, 5.0)
WHO = Principal("aud")

PROJECT = """
name: fabric_bench
domains: {{bench: {{owner: "role:owner"}}}}
sources:
  db: {{type: postgres, domain: bench, uri: "{uri}", splits: {splits}}}
"""
STATEMENTS = {
    "fetch": "SELECT * FROM db.wide",
    "count": "SELECT max(price) AS p, max(comment) AS c, count(DISTINCT clerk) AS n FROM db.wide",
}


def project(directory: Path, uri: str, splits: int) -> App:
    """An app that reads the table so."""
    (directory / "policies").mkdir(parents=True)
    (directory / "fabric.yaml").write_text(PROJECT.format(uri=uri, splits=splits))
    (directory / "users.yaml").write_text("users: {}\n")
    (directory / "policies" / "federation.csv").write_text("p, aud, *, read, allow\n")
    (directory / "policies" / "bench.csv").write_text("")
    return build(directory)


def took(app: App, sql: str) -> float:
    """Seconds of one query, its rows dropped."""
    began = time.perf_counter()
    with app.line.run(sql, WHO, Session()) as answer:
        for _ in answer.batches():
            pass
    return time.perf_counter() - began


def main() -> None:
    """By latency in milliseconds, statement and splits: seconds."""
    folder = Path(tempfile.mkdtemp(prefix="ripstop-splits-"))
    folder.chmod(0o711)
    results: dict[str, dict[str, float]] = {}
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        server = stack.enter_context(EmbeddedPostgres(folder / "postgres"))
        server.execute(
            f"CREATE TABLE wide AS SELECT i::bigint AS id, i::bigint * 7919 % {ROWS} AS customer, "
            "'O' AS status, (i * 0.37)::numeric(15,2) AS price, date '1992-01-01' + i % 2400 AS day, "
            "'Clerk#' || i % 1000 AS clerk, repeat('x', 20 + i % 40) AS comment "
            f"FROM generate_series(1, {ROWS}) i; VACUUM ANALYZE wide"
        )
        for latency in LATENCIES:
            relay = stack.enter_context(relayed({"db": server.port}, latency))
            uri = server.uri.replace(f":{server.port}/", f":{relay.ports['db']}/")
            with ExitStack() as apps:
                made = {
                    n: apps.enter_context(closing(project(folder / f"{latency:g}-{n}", uri, n)))
                    for n in SPLITS
                }
                for name, sql in STATEMENTS.items():
                    times = {n: [took(made[n], sql)] for n in SPLITS}
                    for _ in range(ROUNDS - 1):
                        for n in SPLITS:
                            times[n].append(took(made[n], sql))
                    results[f"{latency:g} ms, {name}"] = {str(n): round(min(times[n]), 3) for n in SPLITS}
    write("splits", results)


if __name__ == "__main__":
    main()
