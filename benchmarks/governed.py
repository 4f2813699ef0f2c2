"""What a row rule and masks cost: the governed line against the same SQL with both written by hand.

The peer is plain DuckDB over the same files, and over the same Postgres through ADBC, asked for the same columns
and, where a hand would write it so, the same filter. A third figure is the line itself with nothing restricted, for
someone who writes rule and mask by hand. Queries that may raise take the barrier (docs/architecture.md) and are
reported apart.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import adbc_driver_postgresql.dbapi as adbc
import duckdb
import pyarrow as pa

from benchmarks.machine import write
from fabric.pipeline import Session
from fabric.types import Principal
from server.app import App, build
from server.demo.postgres import EmbeddedPostgres

ROWS = int(os.environ.get("RIPSTOP_BENCH_ROWS", "2000000"))
TIMES = 9

_FABRIC = """
name: bench
cache: {{results: 0}}
domains: {{claims: {{owner: "role:owner"}}}}
sources:
  lake: {{type: local, domain: claims, uri: data/, tables: {{claim: {{path: "claim.parquet", format: parquet}}}}}}
  db: {{type: postgres, domain: claims, uri: "{uri}"}}
"""
_RULES = """p, role:*, claims.*, read, allow
p, role:free, lake.*, read, allow
p, role:free, db.*, read, allow
p3, role:analyst, lake.claim, region = attr('region')
p3, role:analyst, db.claim, region = attr('region')
p2, role:analyst, lake.claim, email, email
p2, role:analyst, db.claim, email, email
"""
_PRODUCTS = {"claim": "SELECT * FROM lake.claim", "booked": "SELECT * FROM db.public.claim"}

_EMAIL = (
    "CASE WHEN email IS NULL THEN NULL WHEN contains(email, '@') "
    "THEN left(email, 1) || '***@' || split_part(email, '@', -1) ELSE '***' END"
)
_BY_HAND = f"(SELECT id, region, amount, kind, body, {_EMAIL} AS email FROM {{raw}} WHERE region = 'EU')"

TOTAL = {
    "point": "SELECT id, email FROM {t} WHERE id = 4711 OR id = 4712",
    "scan": "SELECT id, email FROM {t} WHERE amount > 900",
    "group": "SELECT kind, count(*) AS n, sum(amount) AS s FROM {t} GROUP BY kind ORDER BY kind",
    "join": "SELECT count(*) AS n, sum(a.amount) AS s FROM {t} a JOIN {t} b USING (id) WHERE b.kind = 'k3'",
}
BARRIER = {
    "group and cast": "SELECT CAST(body AS INTEGER) % 10 AS d, count(*) AS n FROM {t} GROUP BY d ORDER BY d",
    "filter and cast": "SELECT count(*) AS n FROM {t} WHERE CAST(body AS INTEGER) = 77",
    "join and cast": "SELECT count(*) AS n FROM {t} a JOIN {t} b USING (id) WHERE CAST(b.body AS INTEGER) < 100",
}


def main() -> None:
    """Measure and write ``out/governed.json``."""
    results: dict[str, object] = {"rows": ROWS}
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "pg") as postgres:
        directory = Path(folder) / "bench"
        directory.mkdir()
        _write(directory, postgres)
        app = build(directory)
        try:
            for source, table, raw in (("files", "claim", "lake.claim"), ("postgres", "booked", "db.claim")):
                for path, queries in (("total", TOTAL), ("barrier", BARRIER)):
                    results[f"{source}, {path}"] = {
                        name: _measure(app, directory, postgres, source, text, table, raw)
                        for name, text in queries.items()
                    }
        finally:
            app.close()
    write("governed", results)


def _measure(
    app: App, directory: Path, postgres: EmbeddedPostgres, source: str, text: str, table: str, raw: str
) -> dict[str, float]:
    ana = Principal("ana", frozenset({"role:analyst"}), {"region": "EU"})
    free = Principal("free", frozenset({"role:free"}))
    governed = text.format(t=f"claims.{table}")
    by_hand = text.format(t=_BY_HAND.format(raw=raw))
    with duckdb.connect() as plain, adbc.connect(postgres.uri) as connection:
        ways: dict[str, Callable[[], pa.Table]] = {
            "governed": lambda: _ask(app, governed, ana),
            "by_hand_in_the_line": lambda: _ask(app, by_hand, free),
        }
        if source == "files":
            file = str(directory / "data" / "claim.parquet")
            direct = text.format(t=_BY_HAND.format(raw=f"read_parquet('{file}')"))
            ways["by_hand_in_duckdb"] = lambda: plain.sql(direct).to_arrow_table()
        else:
            ways["by_hand_in_duckdb"] = lambda: _over_adbc(plain, connection, text)
        took: dict[str, list[float]] = {name: [] for name in ways}
        answers = {}
        for _ in range(TIMES):
            for name, way in ways.items():
                started = time.perf_counter()
                answers[name] = way()
                took[name].append(time.perf_counter() - started)
    rows = {name: sorted(map(str, answer.to_pylist())) for name, answer in answers.items()}
    if len({tuple(each) for each in rows.values()}) != 1:
        raise AssertionError(f"{governed}: the answers differ")
    seconds = {name: median(values) for name, values in took.items()}
    return {
        **{f"{name}_ms": round(value * 1000, 2) for name, value in seconds.items()},
        "to_line": round(seconds["governed"] / seconds["by_hand_in_the_line"], 2),
        "to_duckdb": round(seconds["governed"] / seconds["by_hand_in_duckdb"], 2),
    }


def _ask(app: App, sql: str, who: Principal) -> pa.Table:
    with app.line.run(sql, who, Session()) as answer:
        return pa.Table.from_batches(list(answer.batches()), schema=answer.schema)


def _over_adbc(plain: duckdb.DuckDBPyConnection, connection: adbc.Connection, text: str) -> pa.Table:
    """As a hand would: one fetch an occurrence, the rule in its WHERE, the mask in DuckDB."""
    occurrences = text.count("{t}")
    sql = text
    for number in range(occurrences):
        with connection.cursor() as cursor:
            cursor.execute("SELECT id, region, amount, kind, body, email FROM claim WHERE region = 'EU'")
            plain.register(f"part_{number}", cursor.fetch_arrow_table())
        sql = sql.replace("{t}", _BY_HAND.format(raw=f"part_{number}"), 1)
    return plain.sql(sql).to_arrow_table()


def _write(directory: Path, postgres: EmbeddedPostgres) -> None:
    (directory / "data").mkdir()
    (directory / "fabric.yaml").write_text(_FABRIC.format(uri=postgres.uri), encoding="utf-8")
    (directory / "users.yaml").write_text("users: {}\n", encoding="utf-8")
    (directory / "policies").mkdir()
    (directory / "policies" / "federation.csv").write_text(_RULES, encoding="utf-8")
    (directory / "policies" / "claims.csv").write_text("", encoding="utf-8")
    (directory / "products" / "claims").mkdir(parents=True)
    for name, sql in _PRODUCTS.items():
        (directory / "products" / "claims" / f"{name}.sql").write_text(sql, encoding="utf-8")
    made = (
        "SELECT i AS id, CASE WHEN i % 2 = 0 THEN 'EU' ELSE 'US' END AS region, (i * 7 % 1000)::DOUBLE AS amount, "
        "'k' || (i % 10) AS kind, CASE WHEN i % 2 = 0 THEN (i % 1000)::VARCHAR ELSE 'text' END AS body, "
        f"'p' || i || '@mail.example' AS email FROM range({ROWS}) t(i)"
    )
    file = directory / "data" / "claim.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({made}) TO '{file}' (FORMAT parquet)")
        table = connection.sql(f"FROM '{file}' LIMIT {ROWS // 10}").to_arrow_table()
    with adbc.connect(postgres.uri) as pg, pg.cursor() as cursor:
        cursor.adbc_ingest("claim", table)
        pg.commit()


if __name__ == "__main__":
    main()
