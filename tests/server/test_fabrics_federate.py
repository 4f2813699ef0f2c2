"""A fabric is a source of another fabric, through the Flight SQL driver of ADBC."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fabric.errors import FabricError, NotFound
from server.app import App, build
from server.flight import FlightServer
from tests.fabric.project import AUD, ask, lines, write

SECOND = """
name: second
domains: {own: {owner: "role:owner"}}
sources:
  first:
    type: adbc
    domain: own
    driver: adbc_driver_flightsql
    dialect: duckdb
    options: {uri: "grpc://127.0.0.1:{{port}}", username: "{{user}}", password: "${env:FIRST_PASSWORD}"}
  desk: {type: local, domain: own, uri: desk/, tables: {extra: {path: extra.csv, format: csv}}}
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    directory = tmp_path_factory.mktemp("first")
    write(directory)
    (directory / "users.yaml").write_text(
        'users:\n  aud: {password: "${env:FIRST_PASSWORD}", roles: [role:auditor]}\n'
        '  ana: {password: "${env:FIRST_PASSWORD}", roles: [role:analyst]}\n'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRST_PASSWORD", "first-secret")
        app = build(directory)
    server = FlightServer(lambda: app, fabric="acme")
    yield server.port
    server.close()
    app.close()


def second(directory: Path, port: int, user: str, monkeypatch: pytest.MonkeyPatch) -> App:
    monkeypatch.setenv("FIRST_PASSWORD", "first-secret")
    (directory / "desk").mkdir()
    (directory / "desk" / "extra.csv").write_text("claim_id,remark\n1,one\n100,hundred\n")
    (directory / "policies").mkdir()
    (directory / "policies" / "federation.csv").write_text("p, aud, *, read, allow\n")
    (directory / "policies" / "own.csv").write_text("")
    (directory / "users.yaml").write_text("users: {}\n")
    text = SECOND.replace("{{port}}", str(port)).replace("{{user}}", user)
    (directory / "fabric.yaml").write_text(text)
    return build(directory)


def test_a_product_of_one_fabric_is_joined_in_another(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = second(tmp_path, port, "aud", monkeypatch)
    try:
        assert app.catalog.failures()["first"] is None
        found = ask(
            app,
            "SELECT o.claim_id, o.amount, e.remark FROM first.claims.open o JOIN desk.extra e USING (claim_id) ORDER BY 1",
        )
        assert [tuple(str(v) for v in row.values()) for row in found.to_pylist()] == [("1", "0.25", "one")]
        explained = lines(app, "EXPLAIN SELECT amount FROM first.claims.open WHERE claim_id = 4")
        assert 'pushed: "claim_id" = 4' in explained
        assert "first-secret" not in explained
    finally:
        app.close()


def test_the_first_fabric_decides_what_the_second_may_see(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = second(tmp_path, port, "ana", monkeypatch)
    try:
        assert ask(app, "SELECT count(*) AS n FROM first.claims.open").to_pylist() == [{"n": 132}]
        with pytest.raises(NotFound):
            ask(app, "SELECT * FROM first.lake.claim", AUD)
        with pytest.raises(FabricError) as caught:
            ask(app, "SELECT * FROM first.claims.secret", AUD)
        assert "first-secret" not in str(caught.value)
    finally:
        app.close()
