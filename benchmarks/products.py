"""1,000 products of 50 columns in chains 20 deep: start, reload of one, planning over the deepest, metadata.

python -m benchmarks.products [count] [depth]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.machine import seconds, write
from fabric.pipeline import Session
from fabric.types import Principal
from server import flightsql
from server.app import App, build
from server.metadata import answer

COLUMNS = 50
ANA = Principal("ana", frozenset({"role:analyst"}))
FABRIC = """
name: acme
domains: {claims: {owner: "role:claims-owner"}}
sources:
  lake: {type: local, domain: claims, uri: lake/, tables: {claim: {path: claim.parquet, format: parquet}}}
"""


def write_project(directory: Path, count: int, depth: int) -> None:
    """A project of products ``p<n>``, of which every ``depth`` form a chain over one table."""
    (directory / "fabric.yaml").write_text(FABRIC)
    (directory / "users.yaml").write_text("users: {}\n")
    (directory / "policies").mkdir()
    (directory / "policies/federation.csv").write_text(
        "p, role:analyst, claims.*, read, allow\np2, role:*, *, tag:pii, hash\n"
    )
    (directory / "policies/claims.csv").write_text("p3, role:analyst, claims.p0, c1 < 100\n")
    (directory / "lake").mkdir()
    table = pa.table({f"c{n}": ["x"] if n == 0 else [n] for n in range(COLUMNS)})
    pq.write_table(table, directory / "lake/claim.parquet")
    (directory / "products/claims").mkdir(parents=True)
    for number in range(count):
        write_product(directory, number, depth)


def write_product(directory: Path, number: int, depth: int, note: str = "") -> None:
    """One product, each of its columns with a type, a description and some with tags."""
    below = "lake.claim" if number % depth == 0 else f"claims.p{number - 1}"
    lines = [
        "owner: claims@acme.example",
        f"description: Product {number}.{note}",
        "tags: [bench]",
        "columns:",
    ]
    for column in range(COLUMNS):
        kind = "VARCHAR" if column == 0 else "BIGINT"
        tags = ", tags: [pii]" if column == 0 else ""
        lines.append(f"  c{column}: {{description: Column {column}, type: {kind}{tags}}}")
    names = ", ".join(f"t.c{column}" for column in range(COLUMNS))
    sql = f"SELECT {names}\nFROM {below} AS t\nWHERE t.c1 >= {number % 7}"
    file = directory / f"products/claims/p{number}.sql"
    file.write_text("/*---\n" + "\n".join(lines) + f"\n---*/\n{sql}\n")


def timed(work: Callable[[], object], times: int = 1) -> float:
    """The median time in milliseconds."""
    return round(seconds(work, times) * 1000, 1)


def metadata(app: App) -> Callable[[], object]:
    """GetTables with every schema, as a BI tool asks it."""
    message = flightsql.new("CommandGetTables", include_schema=True)
    return lambda: answer("CommandGetTables", message, lambda: app.visible(ANA), "acme")


def ask(app: App, sql: str) -> pa.Table:
    """The answer as a client has it."""
    with app.line.run(sql, ANA, Session()) as reply:
        return pa.Table.from_batches(list(reply.batches()), schema=reply.schema)


def asked(app: App, count: int, depth: int) -> dict[str, object]:
    """Metadata, and planning over the last of twenty chains: judged, bound by DuckDB, each source asked for its offer."""
    deepest = [f"SELECT count(*) FROM claims.p{n} WHERE c2 < {n}" for n in range(depth - 1, count, depth)]
    first = [timed(lambda sql=sql: ask(app, f"EXPLAIN {sql}")) for sql in deepest[:20]]
    again = [timed(lambda sql=sql: ask(app, f"EXPLAIN {sql} AND c3 > 0")) for sql in deepest[:20]]
    return {
        "GetTables with schemas (ms)": timed(metadata(app), 5),
        "system.columns (ms)": timed(lambda: ask(app, "SELECT count(*) FROM system.columns"), 5),
        "system.products (ms)": timed(lambda: ask(app, "SELECT count(*) FROM system.products"), 5),
        "planning over the deepest, the first question (ms)": median(first),
        "planning over the deepest, another question (ms)": median(again),
    }


def measure(count: int, depth: int) -> dict[str, object]:
    """All of it, of one project."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        write_project(directory, count, depth)
        began = time.perf_counter()
        with closing(build(directory, recorded=False)) as app:
            app.catalog.products.current()
            ready = time.perf_counter()
            visible = app.visible(ANA)
            shaped = time.perf_counter()
            assert sum(entry.type == "PRODUCT" and bool(entry.columns) for entry in visible) == count
            found = {
                "products": count,
                "columns": COLUMNS,
                "depth": depth,
                "start, every file read (ms)": round((ready - began) * 1000, 1),
                "every product bound, which goes on behind (ms)": round((shaped - ready) * 1000, 1),
                **asked(app, count, depth),
            }
            for where, number in (("the root of a chain", 0), ("the end of one", depth - 1)):
                write_product(directory, number, depth, " Changed")
                app.catalog.products._checked = 0.0
                found[f"reload of {where}, and every product listed (ms)"] = timed(lambda: app.visible(ANA))
        return found


def main(count: int = 1_000, depth: int = 20) -> None:
    """Measure and write down."""
    write("products", measure(count, depth))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
