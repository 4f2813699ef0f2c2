"""Another issuer's tokens beside local users: over a real socket, and what the two must not do to each other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from adbc_driver_flightsql import DatabaseOptions, dbapi
from pyarrow import flight  # noqa: TID251
from typer.testing import CliRunner

from fabric.errors import LoginRefused
from server.app import build
from server.auth import Authenticator
from server.cli import app as command_line
from server.flight import FlightServer
from server.jwt import JwtLogins
from server.keys import Signer
from tests.server.issuer import AUDIENCE, ISSUER, Issuer, settings
from tests.server.test_auth import user
from tests.server.tiny import Raw, Served

PROJECT = f"""
name: acme
domains: {{claims: {{owner: "role:claims-owner"}}}}
cache: off
auth:
  jwt: {{issuer: {ISSUER}, audience: {AUDIENCE}, jwks: URL, attributes: {{region: region}}}}
sources:
  desk:
    type: local
    domain: claims
    uri: data/
    tables: {{claim: {{path: claim.csv, format: csv}}, note: {{path: claim.csv, format: csv}}}}
"""
POLICIES = """p, role:analyst, desk.claim, read, allow
p, role:auditor, desk.*, read, allow
p, pat, desk.note, read, allow
g, pat, role:analyst
"""


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    issuer = Issuer().add("one")
    with issuer.serving() as url:
        issuer.location = url
        yield issuer


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("acme")
    (directory / "data").mkdir()
    (directory / "data" / "claim.csv").write_text("id,text\n1,a\n2,b\n")
    (directory / "fabric.yaml").write_text(PROJECT.replace("URL", issuer.location))
    (directory / "users.yaml").write_text("users: {ana: {password: '${env:P}', roles: [role:auditor]}}\n")
    (directory / "policies").mkdir()
    (directory / "policies" / "federation.csv").write_text(POLICIES)
    (directory / "policies" / "claims.csv").write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("P", "swordfish")
        app = build(directory)
    server = FlightServer(lambda: app, fabric="acme")
    try:
        yield Served(app, server)  # type: ignore[arg-type]
    finally:
        server.close()
        app.close()


@pytest.fixture
def client(served: Served) -> Iterator[flight.FlightClient]:
    with flight.connect(served.uri) as client:
        yield client


def bearing(client: flight.FlightClient, token: str) -> Raw:
    return Raw(client, (b"authorization", f"Bearer {token}".encode()))


def rows(raw: Raw, sql: str = "SELECT id FROM desk.claim") -> int:
    return raw.read(raw.query(sql)).num_rows


# ── in ───────────────────────────────────────────────────────────────────────────────────────


def test_a_flight_client_with_a_token_gets_the_rows_of_its_roles(
    client: flight.FlightClient, issuer: Issuer
) -> None:
    raw = bearing(client, issuer.token(roles=["analyst"]))
    assert rows(raw) == 2
    with pytest.raises(KeyError, match="there is no"):
        rows(raw, "SELECT id FROM desk.note")
    with pytest.raises(KeyError, match="there is no"):
        rows(bearing(client, issuer.token(roles=[])))


def test_rules_know_the_subject_by_name(client: flight.FlightClient, issuer: Issuer) -> None:
    raw = bearing(client, issuer.token(sub="Pat", roles=[]))
    assert rows(raw) == rows(raw, "SELECT id FROM desk.note") == 2


def test_a_handshake_gives_the_token_back_and_none_that_outlives_it(
    served: Served, client: flight.FlightClient, issuer: Issuer
) -> None:
    token = issuer.token(exp=int(time.time()) + 60)
    answered = []

    class Seen(flight.ClientMiddlewareFactory):
        def start_call(self, info: flight.CallInfo) -> flight.ClientMiddleware:
            return SeenCall()

    class SeenCall(flight.ClientMiddleware):
        def sending_headers(self) -> dict[str, str]:
            return {"authorization": f"Bearer {token}"}

        def received_headers(self, headers: dict[str, list[str]]) -> None:
            answered.extend(headers.get("authorization", []))

    class NoPayload(flight.ClientAuthHandler):
        def authenticate(self, outgoing: object, incoming: object) -> None:
            pass

        def get_token(self) -> bytes:
            return b""

    with flight.connect(served.uri, middleware=[Seen()]) as asking:
        asking.authenticate(NoPayload())
    assert answered == [f"Bearer {token}"]


def test_adbc_takes_a_token_as_a_header(served: Served, issuer: Issuer) -> None:
    header = {DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {issuer.token()}"}
    with dbapi.connect(served.uri, db_kwargs=header) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM desk.claim WHERE id > ?", (1,))
        assert cursor.fetchall() == [(1,)]


def test_the_shell_takes_a_token_from_its_environment(
    served: Served, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RIPSTOP_USER", raising=False)
    asked = [
        "sql",
        "--uri",
        f"grpc://127.0.0.1:{served.server.port}",
        "-c",
        "SELECT count(*) AS n FROM desk.claim",
    ]
    monkeypatch.setenv("RIPSTOP_TOKEN", issuer.token(roles=["analyst"]))
    done = CliRunner().invoke(command_line, [*asked, "--format", "csv"])
    assert (done.exit_code, done.output.split()) == (0, ["n", "2"]), done.output
    monkeypatch.setenv("RIPSTOP_TOKEN", issuer.token(roles=[]))
    assert CliRunner().invoke(command_line, asked).exit_code != 0


def test_local_users_log_in_beside_the_issuer(client: flight.FlightClient) -> None:
    raw = Raw(client, client.authenticate_basic_token("ana", "swordfish"))
    assert rows(raw, "SELECT id FROM desk.note") == 2


def test_a_rotated_key_is_taken_over_the_wire(client: flight.FlightClient, issuer: Issuer) -> None:
    assert rows(bearing(client, issuer.token())) == 2
    issuer.add("two")
    deadline = time.monotonic() + 60
    while True:
        try:
            assert rows(bearing(client, issuer.token("two"))) == 2
            break
        except flight.FlightUnauthenticatedError:
            assert time.monotonic() < deadline
            time.sleep(0.2)


# ── attacks ──────────────────────────────────────────────────────────────────────────────────


def test_a_stranger_and_a_wrong_audience_are_refused_over_the_wire(
    client: flight.FlightClient, issuer: Issuer
) -> None:
    stranger = Issuer().add("one")
    for token in (stranger.token(), issuer.token(aud="other"), issuer.token(exp=1), issuer.token(sub=None)):
        with pytest.raises(flight.FlightUnauthenticatedError):
            rows(bearing(client, token))


@pytest.mark.parametrize("name", ["ana", "Ana", "ANA", "anonymous", "Anonymous"])
def test_a_subject_with_the_name_of_a_local_user_is_refused(
    client: flight.FlightClient, issuer: Issuer, name: str
) -> None:
    with pytest.raises(flight.FlightUnauthenticatedError, match="name of a local user"):
        rows(bearing(client, issuer.token(sub=name, roles=["auditor"])))


def test_the_twin_of_a_letter_makes_no_other_name_of_a_local_user(tmp_path: Path) -> None:
    """The sign for kelvin is k in lower case, and rules compare in lower case."""
    issuer = Issuer().add("one")
    issuer.write(tmp_path / "keys.json")
    door = Authenticator(
        {"kim": user("x")}, Signer(b"0123456789abcdef"), jwt=JwtLogins(settings("keys.json"), tmp_path)
    )
    assert "\u212aim".lower() == "kim"
    for name in ("\u212aim", "kim", "KIM"):
        with pytest.raises(LoginRefused):
            door.authenticate_bearer(issuer.token(sub=name))
    assert door.authenticate_bearer(issuer.token(sub="kim2"))


def test_a_token_is_no_password(client: flight.FlightClient, issuer: Issuer) -> None:
    for name in ("kim", "ana", ""):
        with pytest.raises(flight.FlightUnauthenticatedError, match="wrong user name or password"):
            client.authenticate_basic_token(name, issuer.token())


def test_a_ticket_and_a_session_of_a_subject_are_useless_to_others(
    served: Served, client: flight.FlightClient, issuer: Issuer
) -> None:
    kim = bearing(client, issuer.token())
    ticket = kim.query("SELECT id FROM desk.claim")
    others = [
        bearing(client, issuer.token(sub="lee", roles=["analyst", "auditor"])),
        Raw(client, client.authenticate_basic_token("ana", "swordfish")),
    ]
    for other in others:
        with pytest.raises(flight.FlightUnauthorizedError, match="another user"):
            other.read(ticket)


def test_a_ticket_made_with_a_role_is_refused_without_it(client: flight.FlightClient, issuer: Issuer) -> None:
    """DoGet judges anew with the roles of its own call: a ticket carries the text, and no right."""
    info = bearing(client, issuer.token(roles=["analyst"])).query("SELECT id FROM desk.claim")
    assert bearing(client, issuer.token(roles=["analyst"])).read(info).num_rows == 2
    with pytest.raises(KeyError, match="there is no"):
        bearing(client, issuer.token(roles=[])).read(info)


def test_a_ticket_outlives_no_token(client: flight.FlightClient, issuer: Issuer) -> None:
    info = bearing(client, issuer.token()).query("SELECT id FROM desk.claim")
    with pytest.raises(flight.FlightUnauthenticatedError, match="expired"):
        bearing(client, issuer.token(exp=int(time.time()) - 60)).read(info)


def test_a_session_behind_a_token_is_its_users_own(
    served: Served, client: flight.FlightClient, issuer: Issuer
) -> None:
    session = served.app.signer.sign("session", {"u": "ana", "o": {"schema": "claims"}}, 60)
    with pytest.raises(flight.FlightUnauthenticatedError, match="another user's"):
        rows(bearing(client, f"{issuer.token()}~{session}"))
