"""Queries under a session time zone answer as plain DuckDB does that is in that zone."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest

from fabric.pipeline import Session
from tests.equivalence.comparison import AUDITOR, expect, texts
from tests.equivalence.conftest import Both
from tests.equivalence.test_queries import ALL

ZONES = ("America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
QUERIES = (
    "SELECT customer_id, created_at, created_at::DATE AS d, created_at::TIMESTAMP AS t, created_at::VARCHAR AS v FROM policy_db.customer",
    "SELECT customer_id FROM policy_db.customer WHERE created_at >= '2020-02-01'",
    "SELECT customer_id FROM policy_db.customer WHERE created_at BETWEEN TIMESTAMPTZ '2020-02-01 12:00' AND '2020-03-08 02:30'",
    "SELECT customer_id FROM policy_db.customer WHERE created_at::DATE = DATE '2020-03-08' OR hour(created_at) = 3",
    "SELECT date_trunc('day', created_at) AS day, count(*) AS n FROM policy_db.customer GROUP BY ALL",
    "SELECT date_trunc('month', created_at) AS m, min(created_at) AS a, max(created_at + INTERVAL 1 DAY) AS b FROM policy_db.customer GROUP BY 1",
    "SELECT policy_id, issued_at::TIMESTAMPTZ AS i, issued_at AT TIME ZONE 'Europe/Berlin' AS b FROM policy_db.policy",
    "SELECT policy_id, start_date::TIMESTAMPTZ AS i FROM policy_db.policy WHERE start_date::TIMESTAMPTZ > '2020-01-01'",
    "SELECT id, instant, instant::VARCHAR AS v, moment::TIMESTAMPTZ AS m FROM claims_lake.extreme WHERE isfinite(instant)",
    "SELECT id FROM claims_lake.extreme WHERE instant > '1970-01-01' AND instant <= '2024-10-27 02:00'",
    "SELECT id, instant FROM policy_db.public.extreme WHERE instant > TIMESTAMP '1999-12-31 20:00'",
    "SELECT TIMESTAMPTZ '2024-03-10 02:30:00' AS gap, '2024-11-03 01:30'::TIMESTAMPTZ AS fold, strftime(TIMESTAMPTZ '2024-07-01 00:00+00', '%H %z') AS f",
    "SELECT c.customer_id FROM policy_db.customer c JOIN policy_db.policy p ON c.created_at::DATE = p.issued_at::DATE",
    "SELECT extract(epoch FROM created_at) AS e, dayofweek(created_at) AS d, date_part('timezone_hour', created_at) AS z FROM policy_db.customer",
    "SELECT customer_id, list(created_at ORDER BY created_at)::VARCHAR[] AS l FROM policy_db.customer GROUP BY 1",
)


def asked(both: Both, sql: str, zone: str) -> pa.Table:
    session = Session(timezone=zone)
    described = both.app.line.describe(sql, AUDITOR, session)
    with both.app.line.run(sql, AUDITOR, session, (), described.policy_version) as answer:
        assert answer.schema == described.schema
        return pa.Table.from_batches(list(answer.batches()), schema=answer.schema)


def in_zone(copies: duckdb.DuckDBPyConnection, sql: str, zone: str) -> pa.Table:
    copies.execute(f"SET TimeZone = '{zone}'")
    try:
        return expect(copies, sql)
    finally:
        copies.execute("SET TimeZone = 'UTC'")


def same(both: Both, got: pa.Table, wanted: pa.Table) -> None:
    assert got.schema == wanted.schema
    mine, theirs = texts(both.copies, got), texts(both.copies, wanted)
    assert sorted(map(repr, mine)) == sorted(map(repr, theirs))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("sql", QUERIES)
def test_the_line_answers_as_duckdb_in_that_zone(both: Both, sql: str, zone: str) -> None:
    same(both, asked(both, sql, zone), in_zone(both.copies, sql, zone))


@pytest.mark.parametrize(
    "query", [q for q in ALL if "random" not in q.sql][::5], ids=lambda query: f"{query.theme}: {query.name}"
)
def test_other_queries_too(both: Both, query: object) -> None:
    sql = query.sql  # type: ignore[attr-defined]
    same(both, asked(both, sql, "Asia/Kolkata"), in_zone(both.copies, sql, "Asia/Kolkata"))


def test_zones_side_by_side_do_not_mix(both: Both) -> None:
    sql = "SELECT min(created_at)::VARCHAR AS v FROM policy_db.customer"
    for zone in (*ZONES, "UTC", *ZONES):
        assert asked(both, sql, zone).to_pylist() == in_zone(both.copies, sql, zone).to_pylist()
