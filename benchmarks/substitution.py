"""TPC-H answered live and from snapshots of four products: ``python -m benchmarks.substitution --scale 1``.

Over Postgres, S3 and SFTP as ``benchmarks.federation`` serves them. Each of the 22 queries is asked as it is, and with
``max_staleness``, in turn; every answer is compared with local DuckDB's and the two with each other. Figures are medians.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

import pyarrow as pa
from adbc_driver_flightsql import dbapi

from benchmarks.federation.answers import difference
from benchmarks.federation.data import Sources, served
from benchmarks.federation.measure import truths
from benchmarks.federation.ours import LOGIN_KEYS, write
from benchmarks.federation.queries import FEDERATED, queries
from benchmarks.load import serving
from benchmarks.machine import write as written

PRODUCTS = {
    "pricing": """
SELECT l_returnflag, l_linestatus, sum(l_quantity) AS quantity, sum(l_extendedprice) AS base_price,
  sum(l_extendedprice * (1 - l_discount)) AS revenue, sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS charge,
  avg(l_quantity) AS quantity_avg, avg(l_extendedprice) AS price_avg, avg(l_discount) AS discount_avg, count(*) AS lines
FROM lake.lineitem WHERE l_shipdate <= DATE '1998-09-02' GROUP BY ALL""",
    "shipments": """
SELECT l_shipmode, o_orderpriority, l_receiptdate, count(*) AS lines
FROM sales.orders JOIN lake.lineitem ON o_orderkey = l_orderkey
WHERE l_commitdate < l_receiptdate AND l_shipdate < l_commitdate GROUP BY ALL""",
    "part_lines": """
SELECT p_type, p_brand, p_container, p_size, l_shipdate, l_quantity, l_extendedprice, l_discount, l_shipmode, l_shipinstruct
FROM lake.lineitem JOIN lake.part ON l_partkey = p_partkey""",
    "trade": """
SELECT s.n_name AS supplier_nation, c.n_name AS customer_nation, l_shipdate, sum(l_extendedprice * (1 - l_discount)) AS revenue
FROM partners.supplier JOIN lake.lineitem ON s_suppkey = l_suppkey JOIN sales.orders ON o_orderkey = l_orderkey
  JOIN sales.customer ON c_custkey = o_custkey JOIN sales.nation s ON s_nationkey = s.n_nationkey
  JOIN sales.nation c ON c_nationkey = c.n_nationkey
GROUP BY ALL""",
}
_FRONT = "/*---\nmaterialize: {refresh: '0 0 1 1 *'}\n---*/\n"
_OLD = {"adbc.flight.sql.rpc.call_header.max_staleness": "1d"}


def main() -> None:
    """Measure and write ``out/substitution-sf<scale>.json``."""
    parser = argparse.ArgumentParser(prog="benchmarks.substitution", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="TPC-H's scale factor")
    parser.add_argument("--rounds", type=int, default=3)
    told = parser.parse_args()
    os.environ["RIPSTOP_PASSWORD"] = "x"
    texts = queries("tpch")
    with served(told.scale) as sources, _asked(sources) as (live, stored, stored_in):
        right = truths(texts, sources.files)
        seen = {
            name: _measured(name, text, live, stored, right[name][1], told.rounds)
            for name, text in texts.items()
        }
    ratios = [each["ratio"] for each in seen.values() if each["matched"]]
    results = {
        "scale": told.scale,
        "stored_in_seconds": round(stored_in, 1),
        "matched": len(ratios),
        "ratio_of_matched": round(geometric_mean(ratios), 4),
        "ratio_of_others": round(geometric_mean(e["ratio"] for e in seen.values() if not e["matched"]), 3),
        "queries": seen,
    }
    written(f"substitution-sf{told.scale:g}", results)


@contextmanager
def _asked(sources: Sources) -> Iterator[tuple[Any, Any, float]]:
    """A connection that takes live answers only, one that takes old ones, and the seconds until all were stored."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        write(sources, {}, project, cached=True, seconds=300)
        for name, sql in PRODUCTS.items():
            file = project / "products" / "bench" / f"{name}.sql"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(_FRONT + sql.lstrip("\n") + "\n", encoding="utf-8")
        began = time.perf_counter()
        with serving(project) as server:
            uri = f"grpc://127.0.0.1:{server.port}"
            with (
                closing(dbapi.connect(uri, db_kwargs=LOGIN_KEYS, autocommit=True)) as live,
                closing(dbapi.connect(uri, db_kwargs={**LOGIN_KEYS, **_OLD}, autocommit=True)) as stored,
            ):
                waiting = "SELECT count(*) FROM system.products WHERE domain = 'bench' AND as_of IS NULL"
                while _ask(live, waiting)[1][0][0].as_py():
                    time.sleep(0.5)
                yield live, stored, time.perf_counter() - began


def _ask(connection: Any, sql: str) -> tuple[float, pa.Table]:
    with connection.cursor() as cursor:
        began = time.perf_counter()
        cursor.execute(sql)
        table = cursor.fetch_arrow_table()
        return time.perf_counter() - began, table


def _measured(name: str, text: str, live: Any, stored: Any, right: pa.Table, rounds: int) -> dict[str, Any]:
    """One query: the seconds of both ways, and whether it matched; a wrong answer ends the run."""
    sql = text.format(**FEDERATED)
    told = "\n".join(_ask(stored, f"EXPLAIN {sql}")[1]["plan"].to_pylist())
    took: dict[str, list[float]] = {"live": [], "stored": []}
    for _ in range(rounds):
        answers = {}
        for way, connection in (("live", live), ("stored", stored)):
            seconds, answers[way] = _ask(connection, sql)
            took[way].append(seconds)
            wrong = difference(answers[way], right)
            if wrong:
                raise AssertionError(f"{name}, {way}: {wrong}")
        if answers["live"].schema != answers["stored"].schema:
            raise AssertionError(f"{name}: other types")
    middle = {way: round(median(each), 4) for way, each in took.items()}
    matched = ": chosen" in told
    considered = [line for line in told.splitlines() if line.startswith("snapshot")]
    result = middle | {
        "ratio": middle["stored"] / middle["live"],
        "matched": matched,
        "considered": considered,
    }
    print(
        f"{name} {'snapshot' if matched else 'live':9} {middle['live']:8.3f} {middle['stored']:8.3f} s",
        flush=True,
    )
    return result


if __name__ == "__main__":
    main()
