"""What depends on a session's time zone, and what rules and products do under one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from fabric.engine import Engine
from fabric.errors import FabricError, InvalidValue, NotSupported
from fabric.pipeline import Session
from fabric.types import Principal
from fabric.zones import is_utc, is_zone_free
from server.app import App, build

AUD, ANA = Principal("aud"), Principal("ana")
BERLIN = Session(timezone="Europe/Berlin")


@pytest.fixture(scope="module")
def tables() -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(duckdb.connect()) as connection:
        connection.execute("CREATE TABLE t (a TIMESTAMPTZ, b TIMESTAMP, d DATE, s VARCHAR, l TIMESTAMPTZ[])")
        yield connection


def plan(connection: duckdb.DuckDBPyConnection, sql: str) -> str | None:
    ((text,),) = connection.execute("SELECT json_serialize_plan(?, optimize := false)", [sql]).fetchall()
    return None if json.loads(text)["error"] else text


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM t WHERE b > TIMESTAMP '2024-01-01'",
        "SELECT a, b FROM t WHERE a > a OR a BETWEEN a AND a ORDER BY a",
        "SELECT b FROM t WHERE a IS NULL",
        "SELECT d FROM t WHERE a IN (SELECT a FROM t)",
        "SELECT strftime(b, '%Y'), s::DATE FROM t",
        "SELECT CASE WHEN a IS NULL THEN 1 END, coalesce(a, a) FROM t",
    ],
)
def test_the_same_in_every_zone(tables: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert is_zone_free(plan(tables, sql))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a::DATE FROM t",
        "SELECT a::VARCHAR FROM t",
        "SELECT b::TIMESTAMPTZ FROM t",
        "SELECT * FROM t WHERE a > '2024-01-01'",
        "SELECT * FROM t WHERE a > b",
        "SELECT * FROM t WHERE d < current_date",
        "SELECT current_date, today(), now(), current_time, localtimestamp",
        "SELECT age(b) FROM t",
        "SELECT date_trunc('day', a), extract(hour FROM a) FROM t",
        "SELECT list_transform(l, lambda x: x::DATE) FROM t",
        "SELECT to_json(t) FROM t",
        "SELECT d FROM t UNION SELECT a::DATE FROM t",
        "WITH x AS MATERIALIZED (SELECT a::DATE AS q FROM t) SELECT q FROM x",
        "SELECT count(*) FILTER (WHERE a::DATE = DATE '2024-01-01') FROM t",
        "SELECT s FROM t GROUP BY s, a::DATE",
        "SELECT s FROM t ORDER BY a::DATE",
        "SELECT sum(1) OVER (ORDER BY a RANGE INTERVAL 1 DAY PRECEDING) FROM t",
        "SELECT t.a + INTERVAL 1 DAY FROM t",
    ],
)
def test_what_depends_on_it_is_seen(tables: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert not is_zone_free(plan(tables, sql))


def test_a_plan_that_nobody_can_read_depends_on_it() -> None:
    assert not is_zone_free(None)


def test_names_of_utc() -> None:
    assert is_utc("utc")
    assert is_utc("Etc/UTC")
    assert not is_utc("Europe/London")


def test_an_engine_for_each_zone_and_few_of_them() -> None:
    engine = Engine(memory=10**9)
    try:
        tokyo = engine.in_zone("Asia/Tokyo")
        assert engine.in_zone("UTC") is engine
        assert engine.in_zone("Asia/Tokyo") is tokyo
        for zone in ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Europe/Paris"):
            assert engine.in_zone(zone).rows("SELECT current_setting('TimeZone')") == [(zone,)]
        assert engine.in_zone("Asia/Tokyo") is not tokyo
        assert engine.rows("SELECT current_setting('TimeZone')") == [("UTC",)]
        with pytest.raises(InvalidValue, match="no time zone 'it's'"):
            engine.in_zone("it's")
        with pytest.raises(FabricError):
            engine.in_zone("Europe/Berlin").rows("SET TimeZone = 'UTC'")
    finally:
        engine.close()


PROJECT = {
    "fabric.yaml": """
name: acme
domains: {claims: {owner: "role:claims-owner"}}
sources:
  lake:
    type: local
    domain: claims
    uri: data/
    tables:
      event: {path: event.parquet, format: parquet}
      log: {path: log.csv, format: csv, columns: {at: TIMESTAMPTZ}}
""",
    "users.yaml": "users: {}\n",
    "products/claims/plain.sql": "/*---\nowner: o@x.example\n---*/\nSELECT id, at FROM lake.event WHERE id > 0\n",
    "products/claims/daily.sql": "/*---\nowner: o@x.example\n---*/\nSELECT id, CAST(at AS DATE) AS day FROM lake.event\n",
    "policies/federation.csv": "p, aud, *, read, allow\np, ana, *, read, allow\np, domain:claims, *, read, allow\n"
    "p3, aud, lake.*, true\n",
    "policies/claims.csv": "p3, ana, lake.event, \"CAST(at AS DATE) < DATE '2024-07-01'\"\n",
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("zones")
    for name, text in PROJECT.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    data = folder / "data"
    data.mkdir()
    Path(data / "log.csv").write_text("id,at\n1,2024-06-30 23:30:00\n", "utf-8")
    duckdb.sql(
        "COPY (SELECT 1 AS id, TIMESTAMPTZ '2024-06-30 23:30:00+00' AS at UNION ALL "
        f"SELECT 2, TIMESTAMPTZ '2024-07-01 00:30:00+00') TO '{data / 'event.parquet'}' (FORMAT parquet)"
    )
    with closing(build(folder)) as made:
        yield made


def ask(app: App, sql: str, who: Principal, session: Session = BERLIN) -> pa.Table:
    described = app.line.describe(sql, who, session)
    with app.line.run(sql, who, session, (), described.policy_version) as answer:
        assert answer.schema == described.schema
        return pa.Table.from_batches(list(answer.batches()), schema=answer.schema)


def test_the_query_is_in_the_session_s_zone(app: App) -> None:
    sql = "SELECT id, at, CAST(at AS DATE)::VARCHAR AS day, hour(at) AS hour FROM lake.event ORDER BY id"
    got = ask(app, sql, AUD)
    assert got.schema.field("at").type == pa.timestamp("us", "Europe/Berlin")
    assert got.column("day").to_pylist() == ["2024-07-01", "2024-07-01"]
    assert got.column("hour").to_pylist() == [1, 2]
    assert ask(app, sql, AUD, Session()).column("day").to_pylist() == ["2024-06-30", "2024-07-01"]


def test_a_row_rule_stays_in_utc_or_the_query_is_refused(app: App) -> None:
    assert ask(app, "SELECT id FROM lake.event", ANA, Session()).column("id").to_pylist() == [1]
    for session in (BERLIN, Session(timezone="Pacific/Kiritimati"), Session(timezone="Pacific/Pago_Pago")):
        with pytest.raises(NotSupported, match=r"'lake.event' cannot be read under session time zone"):
            ask(app, "SELECT id FROM lake.event", ANA, session)


def test_a_product_s_body_stays_in_utc_or_the_query_is_refused(app: App) -> None:
    assert ask(app, "SELECT hour(at) AS h FROM claims.plain WHERE id = 1", AUD).column("h").to_pylist() == [1]
    with pytest.raises(NotSupported, match=r"'claims.daily' cannot be read") as refused:
        ask(app, "SELECT * FROM claims.daily", AUD)
    assert "AT TIME ZONE" in refused.value.hint
    assert ask(app, "SELECT id FROM claims.daily", AUD, Session()).num_rows == 2


def test_texts_in_files_are_read_in_utc_or_the_query_is_refused(app: App) -> None:
    assert ask(app, "SELECT epoch(at) AS e FROM lake.log", AUD, Session()).num_rows == 1
    with pytest.raises(NotSupported, match=r"'lake.log' cannot be read"):
        ask(app, "SELECT epoch(at) AS e FROM lake.log", AUD)


def test_explain_and_describe_under_a_zone(app: App) -> None:
    assert ask(app, "EXPLAIN ANALYZE SELECT CAST(at AS DATE) FROM lake.event", AUD).num_rows > 0
    described = ask(app, "DESCRIBE SELECT at FROM lake.event", AUD)
    assert described.column("column_type").to_pylist() == ["TIMESTAMP WITH TIME ZONE"]
