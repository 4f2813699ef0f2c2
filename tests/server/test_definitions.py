"""CREATE VIEW and its kin as clients send them: as a query, as an update, prepared, and to several workers' files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from adbc_driver_flightsql import dbapi
from adbc_driver_manager import AdbcStatement, ProgrammingError
from argon2 import PasswordHasher
from pyarrow import flight  # noqa: TID251

from server import flightsql
from server.app import App, build
from server.flight import FlightServer

HASH = PasswordHasher(time_cost=1, memory_cost=1024).hash("secret")
FILES = {
    "fabric.yaml": 'name: acme\ndomains: {claims: {owner: "role:claims-owner"}}\n',
    "users.yaml": f"users:\n  olga: {{password: '{HASH}', roles: [role:claims-owner]}}\n  eve: {{password: '{HASH}'}}\n",
    "policies/federation.csv": "p, eve, claims.seen, read, allow\n",
    "policies/claims.csv": "",
}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    with closing(build(tmp_path)) as made:
        yield made


@contextmanager
def connected(app: App, user: str = "olga") -> Iterator[Any]:
    server = FlightServer(lambda: app, fabric="acme")
    try:
        login = {"username": user, "password": "secret"}
        with dbapi.connect(f"grpc://127.0.0.1:{server.port}", db_kwargs=login, autocommit=True) as connection:
            yield connection
    finally:
        server.close()


def test_a_client_defines_and_reads(app: App) -> None:
    with connected(app) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE VIEW claims.seen AS SELECT 1 AS x, 'a' AS y")
        assert app.catalog.products.find("claims", "seen") is not None  # done, whether anybody fetches or not
        assert cursor.fetchall() == [("claims.seen", "created")]
        assert app.audit is not None
        done = [
            row
            for row in app.audit.records("olga", 100)
            if row[6] and row[6].startswith("CREATE VIEW claims.seen")
        ]
        assert [row[3] for row in done if row[3] == "intent" and row[1]] == ["intent"]  # once
        cursor.execute("FROM claims.seen")
        assert cursor.fetchall() == [(1, "a")]
        with AdbcStatement(connection.adbc_connection) as statement:
            statement.set_sql_query("CREATE OR REPLACE VIEW claims.seen AS SELECT 1 AS x, 'b' AS y, 2 AS z")
            statement.execute_update()
        with AdbcStatement(connection.adbc_connection) as statement:
            statement.set_sql_query("COMMENT ON VIEW claims.seen IS 'seen'")
            statement.prepare()
            statement.execute_update()
        cursor.execute("SELECT y, z FROM claims.seen")
        assert cursor.fetchall() == [("b", 2)]
        cursor.execute("SELECT description FROM system.products")
        assert cursor.fetchall() == [("seen",)]
        cursor.execute("DROP VIEW claims.seen")
        with pytest.raises(ProgrammingError, match="NOT_FOUND"):
            cursor.execute("FROM claims.seen")


def test_what_is_prepared_does_nothing_yet_and_runs_once(app: App) -> None:
    """The JDBC driver sends what has no columns as an update, and then as a query: a definition has some."""
    server = FlightServer(lambda: app, fabric="acme")
    try:
        with flight.connect(f"grpc://127.0.0.1:{server.port}") as client:
            options = flight.FlightCallOptions(headers=[client.authenticate_basic_token("olga", "secret")])
            query = "CREATE VIEW claims.seen AS SELECT 1 AS x"
            body = flightsql.pack("ActionCreatePreparedStatementRequest", query=query)
            (answer,) = client.do_action(flight.Action("CreatePreparedStatement", body), options)
            _, made = flightsql.unpack(answer.body.to_pybytes())
            assert not made.is_update
            assert app.catalog.products.find("claims", "seen") is None  # nothing is done yet
    finally:
        server.close()


def test_one_without_rights_learns_nothing_and_does_nothing(app: App) -> None:
    with connected(app) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE VIEW claims.kept AS SELECT 1 AS x")
        cursor.execute("CREATE VIEW claims.seen AS SELECT 1 AS x")
    with connected(app, "eve") as connection, connection.cursor() as cursor:
        said = []
        for name in ("kept", "absent"):
            with pytest.raises(ProgrammingError) as caught:
                cursor.execute(f"CREATE OR REPLACE VIEW claims.{name} AS SELECT 2 AS x")
            said.append(str(caught.value).replace(name, "…"))
        assert said[0] == said[1]
        with pytest.raises(ProgrammingError, match="ACCESS_DENIED"):
            cursor.execute("DROP VIEW claims.seen")
    assert "SELECT 1 AS x" in (app.config.directory / "products/claims/kept.sql").read_text()


def test_another_process_sees_it(app: App) -> None:
    with closing(build(app.config.directory, recorded=False)) as other:
        with connected(app) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE VIEW claims.seen AS SELECT 1 AS x")
        other.catalog.products._checked = 0.0
        assert other.catalog.products.find("claims", "seen") is not None
