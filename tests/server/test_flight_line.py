"""The server over the real line, on a project of local files."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from adbc_driver_flightsql import dbapi
from pyarrow import flight  # noqa: TID251

from server.app import build
from server.flight import FlightServer
from tests.patience import PATIENCE
from tests.server.tiny import Raw, Served, until

PROJECT = """
name: acme
server: {port: 0}
domains: {claims: {owner: "role:claims-owner"}}
cache: off
sources:
  desk:
    type: local
    domain: claims
    uri: data/
    tables: {claim: {path: "claim/*.parquet", format: parquet}}
"""
USERS = """
users:
  ana: {password: "${env:ANA_PASSWORD}", roles: [role:analyst]}
  eve: {password: "${env:ANA_PASSWORD}", roles: []}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    directory = tmp_path_factory.mktemp("acme")
    (directory / "fabric.yaml").write_text(PROJECT)
    (directory / "users.yaml").write_text(USERS)
    (directory / "policies").mkdir()
    (directory / "policies" / "federation.csv").write_text("p, role:analyst, desk.*, read, allow\n")
    (directory / "data" / "claim").mkdir(parents=True)
    table = pa.table({"id": range(100_000), "text": ["x" * (n % 50) for n in range(100_000)]})
    pq.write_table(table, directory / "data" / "claim" / "1.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANA_PASSWORD", "secret")
        app = build(directory)
    server = FlightServer(lambda: app, fabric="acme")
    try:
        yield Served(app, server)
    finally:
        server.close()
        app.close()


def raw(served, client, user="ana"):
    return Raw(client, client.authenticate_basic_token(user, "secret"))


@pytest.fixture
def ana(served):
    with flight.connect(served.uri) as client:
        yield raw(served, client)


def test_a_statement_is_answered_in_the_promised_schema(ana):
    info = ana.query("SELECT id, text FROM desk.claim WHERE id < 10 ORDER BY id")
    table = ana.read(info)
    assert table.schema == info.schema
    assert table["id"].to_pylist() == list(range(10))
    assert "desk.claim" in json.loads(info.app_metadata)["restricted"]


def test_parameters_are_bound(served):
    login = {"username": "ana", "password": "secret"}
    with (
        dbapi.connect(served.uri, db_kwargs=login) as connection,
        connection.cursor() as cursor,
    ):
        for value in (3, 4):
            cursor.execute("SELECT id FROM desk.claim WHERE id = ?", (value,))
            assert cursor.fetchall() == [(value,)]


def test_what_one_may_not_see_is_neither_listed_nor_answered(served, ana):
    with flight.connect(served.uri) as client:
        eve = raw(served, client, "eve")
        tables = {"table_name_filter_pattern": "claim"}
        assert ana.read(ana.info("CommandGetTables", **tables)).num_rows == 1
        assert eve.read(eve.info("CommandGetTables", **tables)).num_rows == 0
        with pytest.raises(pa.ArrowKeyError) as hidden:
            eve.query("SELECT * FROM desk.claim")
        with pytest.raises(pa.ArrowKeyError) as missing:
            eve.query("SELECT * FROM desk.nope")
        assert str(hidden.value).replace("desk.claim", "desk.nope") == str(missing.value)


def test_a_client_that_gives_up_stops_the_line_while_duckdb_computes(served, ana):
    sql = "SELECT count(*) AS n FROM desk.claim a, desk.claim b, desk.claim c WHERE a.id + b.id + c.id = 7"
    info = ana.query(sql)
    with pytest.raises(flight.FlightTimedOutError):
        ana.read(info, timeout=0.5)
    assert until(lambda: not served.app.line._running) < PATIENCE * 0.5


def test_explain_and_metadata_of_every_kind_are_answered(ana):
    assert ana.read(ana.query("EXPLAIN SELECT id FROM desk.claim")).num_rows > 0
    for name in (
        "GetCatalogs",
        "GetDbSchemas",
        "GetTables",
        "GetTableTypes",
        "GetSqlInfo",
        "GetXdbcTypeInfo",
    ):
        assert ana.read(ana.info(f"Command{name}")).num_rows > 0
    for name in ("GetPrimaryKeys", "GetImportedKeys", "GetExportedKeys"):
        assert ana.read(ana.info(f"Command{name}", table="claim")).num_rows == 0
    everything = ana.read(ana.info("CommandGetTables", include_schema=True))
    for schema in everything["table_schema"].to_pylist():
        assert pa.ipc.read_schema(pa.py_buffer(schema)).names


def test_a_wish_is_made_once_by_a_prepared_call_and_by_an_update(served):
    def wishes(cursor):
        cursor.execute("SELECT reason FROM system.requests ORDER BY at")
        return [row[0] for row in cursor.fetchall()]

    login = {"username": "ana", "password": "secret"}
    with dbapi.connect(served.uri, db_kwargs=login) as connection, connection.cursor() as cursor:
        cursor.execute("CALL system.request(?, ?)", ("desk.claim", "it's for me"))
        (row,) = cursor.fetchall()
        assert (len(row[0]), row[1]) == (32, "role:claims-owner")
        assert wishes(cursor) == ["it's for me"]
        with connection.cursor() as another:
            another.adbc_statement.set_sql_query("CALL system.request('desk.claim', 'by update')")
            another.adbc_statement.execute_update()
        assert wishes(cursor) == ["it's for me", "by update"]
        with pytest.raises(dbapi.Error, match="NOT_FOUND"):
            cursor.execute("CALL system.request('desk.gone', 'x')")
        with pytest.raises(dbapi.Error, match=r"CALL system\.request"):
            cursor.execute("CALL system.lend('x', 'y')")
        assert len(wishes(cursor)) == 2
