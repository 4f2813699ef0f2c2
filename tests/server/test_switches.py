"""Session options that are on or off, or a duration: said in a header, as an option, or to ``ripstop sql``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from adbc_driver_flightsql import dbapi
from adbc_driver_manager import Error
from argon2 import PasswordHasher
from typer.testing import CliRunner

from server.app import build
from server.cli import app as cli
from server.flight import FlightServer
from tests.server.tiny import keep_option

HASH = PasswordHasher(time_cost=1, memory_cost=1024).hash("secret")
FILES = {
    "fabric.yaml": 'name: acme\ndomains: {claims: {owner: "role:claims-owner"}}\nsources:\n'
    "  desk: {type: local, domain: claims, uri: desk/, tables: {note: {path: 'kind=*/n.csv', format: csv, partitioning: hive}}}\n",
    "users.yaml": f"users:\n  ana: {{password: '{HASH}'}}\n",
    "policies/federation.csv": "p, ana, desk.*, read, allow\n",
    "policies/claims.csv": "",
    "desk/kind=a/n.csv": "n\n1\n2\n",
    "desk/kind=b/n.csv": "n\n3\n",
}
SQL = "SELECT n FROM desk.note WHERE kind = 'b'"
HEADER = "adbc.flight.sql.rpc.call_header."
OPTION = "adbc.flight.sql.session.option."


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("acme")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    with closing(build(folder)) as app:
        server = FlightServer(lambda: app, fabric="acme")
        try:
            yield f"grpc://127.0.0.1:{server.port}"
        finally:
            server.close()


@contextmanager
def cursor(uri: str, headers: dict[str, str], options: dict[str, str]) -> Iterator[Any]:
    login = {"username": "ana", "password": "secret"} | {
        HEADER + name: each for name, each in headers.items()
    }
    with (
        dbapi.connect(uri, db_kwargs=login, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        for name, each in options.items():
            keep_option(connection, OPTION + name, each)
        yield cursor


def plan(uri: str, headers: dict[str, str], options: dict[str, str]) -> str:
    with cursor(uri, headers, options) as asked:
        asked.execute(SQL)
        assert asked.fetchall() == [(3,)]
        asked.execute(f"EXPLAIN {SQL}")
        return "\n".join(row[0] for row in asked.fetchall())


@pytest.mark.parametrize(
    ("headers", "options", "off"),
    [
        ({}, {}, False),
        ({"pushdown": "off"}, {}, True),
        ({"pushdown": "OFF"}, {}, True),
        ({}, {"pushdown": "off"}, True),
        ({}, {"pushdown": "on"}, False),
        ({"pushdown": "off"}, {"pushdown": "on"}, False),
    ],
)
def test_pushdown(uri: str, headers: dict[str, str], options: dict[str, str], off: bool) -> None:
    text = plan(uri, headers, options)
    assert ("files: 2 of 2" in text) == ("pushdown is off" in text) == off, text
    assert ("files: 1 of 2" in text) != off


def test_a_header_that_is_neither_is_an_error(uri: str) -> None:
    with cursor(uri, {"pushdown": "maybe"}, {}) as asked, pytest.raises(Error, match="is 'on' or 'off'"):
        asked.execute(SQL)


def test_an_option_that_is_neither_is_refused(uri: str) -> None:
    with pytest.raises(Error), cursor(uri, {}, {"pushdown": "maybe"}):
        pass


@pytest.mark.parametrize("said", ["0", "60s", "500ms", "1.5h"])
def test_max_staleness_is_a_duration(uri: str, said: str) -> None:
    for headers, options in (({"max_staleness": said}, {}), ({}, {"max_staleness": said})):
        with cursor(uri, headers, options) as asked:
            asked.execute(SQL)
            assert asked.fetchall() == [(3,)]


@pytest.mark.parametrize("wrong", ["soon", "60", "-1s"])
def test_max_staleness_that_is_no_duration_is_refused(uri: str, wrong: str) -> None:
    with cursor(uri, {"max_staleness": wrong}, {}) as asked, pytest.raises(Error, match="duration"):
        asked.execute(SQL)
    with pytest.raises(Error), cursor(uri, {}, {"max_staleness": wrong}):
        pass


def test_the_command_line(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIPSTOP_PASSWORD", "secret")
    common = ["sql", "--uri", uri, "--user", "ana", "--format", "json", "-c", f"EXPLAIN {SQL}"]
    said = CliRunner().invoke(cli, [*common, "--option", "pushdown=off"])
    assert said.exit_code == 0, said.output
    assert "pushdown is off" in json.dumps(json.loads(said.stdout))
    for wrong in ("pushdwn=off", "pushdown"):
        refused = CliRunner().invoke(cli, [*common, "--option", wrong])
        assert refused.exit_code == 2
        assert "NAME=VALUE" in refused.output
