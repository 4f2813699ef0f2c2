"""What is signed is bound: to who got it, to what it is for, and to every byte of it. Over a real socket."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import flight  # noqa: TID251

from fabric.errors import LoginRefused
from fabric.state import open_state
from server import flightsql
from server.api_tokens import PREFIX, ApiTokens
from server.auth import Authenticator, password_mark
from server.keys import Signer
from server.statements import Statement, seal
from tests.server.issuer import Issuer
from tests.server.tiny import Raw, Served, serving

REFUSED = (flight.FlightUnauthenticatedError, flight.FlightUnauthorizedError)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving() as served:
        door = served.app.authenticator
        tokens = ApiTokens(open_state(str(tmp_path_factory.mktemp("state") / "state.db")), served.app.signer)
        served.app.authenticator = Authenticator(door._users, served.app.signer, tokens=tokens)
        yield served


@pytest.fixture
def ana(served: Served) -> Iterator[Raw]:
    with served.raw("ana") as raw:
        yield raw


@pytest.fixture
def bob(served: Served) -> Iterator[Raw]:
    with served.raw("bob") as raw:
        yield raw


def api_token(served: Served, user: str = "ana") -> str:
    door = served.app.authenticator
    mark = password_mark(served.app.signer, user, door._users[user])
    return door.tokens.make(user, mark, (), 1)[0]


def prepared(raw: Raw, sql: str = "SELECT 41 + 1 AS n") -> bytes:
    request = flightsql.pack("ActionCreatePreparedStatementRequest", query=sql)
    (answer,) = raw.act("CreatePreparedStatement", request)
    return flightsql.unpack(answer)[1].prepared_statement_handle


def run(raw: Raw, ticket: bytes) -> Any:
    return raw.client.do_get(flight.Ticket(ticket), raw.options()).read_all()


def handle_of(ticket: flight.Ticket) -> bytes:
    return flightsql.unpack(ticket.ticket)[1].statement_handle


def bearing(raw: Raw, token: str) -> Raw:
    return Raw(raw.client, (b"authorization", f"Bearer {token}".encode()))


# ── another user's ───────────────────────────────────────────────────────────────────────────


def test_a_ticket_of_ana_is_useless_to_bob(ana: Raw, bob: Raw) -> None:
    ticket = ana.query("SELECT 42 AS n").endpoints[0].ticket.ticket
    with pytest.raises(flight.FlightUnauthorizedError, match="made for another user"):
        run(bob, ticket)
    assert run(ana, ticket).num_rows == 1


def test_a_prepared_handle_of_ana_is_useless_to_bob(ana: Raw, bob: Raw) -> None:
    handle = prepared(ana)
    with pytest.raises(flight.FlightUnauthorizedError, match="made for another user"):
        bob.info("CommandPreparedStatementQuery", prepared_statement_handle=handle)
    close = flightsql.pack("ActionClosePreparedStatementRequest", prepared_statement_handle=handle)
    with pytest.raises(flight.FlightUnauthorizedError):
        bob.act("ClosePreparedStatement", close)
    assert ana.read(ana.info("CommandPreparedStatementQuery", prepared_statement_handle=handle)).num_rows == 1


def test_bob_cannot_cancel_what_ana_runs(ana: Raw, bob: Raw) -> None:
    info = ana.query("SELECT 42 AS n")
    message = flightsql.new("CancelFlightInfoRequest")
    message.info.endpoint.add().ticket.ticket = info.endpoints[0].ticket.ticket
    with pytest.raises(flight.FlightUnauthorizedError, match="another user"):
        bob.act("CancelFlightInfo", message.SerializeToString())


def test_a_ticket_without_a_login_is_useless(served: Served, ana: Raw) -> None:
    ticket = ana.query("SELECT 42 AS n").endpoints[0].ticket
    with flight.connect(served.uri) as client, pytest.raises(flight.FlightUnauthenticatedError):
        client.do_get(ticket).read_all()


def test_a_name_in_another_case_is_another_user(served: Served, bob: Raw) -> None:
    for name in ("Bob", "BOB", "bob ", "bob\0"):
        sealed = seal(Statement(name, "SELECT 1"), "ticket", served.app.signer)
        with pytest.raises(flight.FlightUnauthorizedError):
            run(bob, flightsql.pack("TicketStatementQuery", statement_handle=sealed))


# ── for another purpose ──────────────────────────────────────────────────────────────────────


def test_a_handle_is_no_ticket_and_a_ticket_no_handle(ana: Raw) -> None:
    with pytest.raises(flight.FlightUnauthenticatedError):
        run(ana, flightsql.pack("TicketStatementQuery", statement_handle=prepared(ana)))
    handle = handle_of(ana.query("SELECT 42 AS n").endpoints[0].ticket)
    with pytest.raises(flight.FlightUnauthenticatedError):
        ana.info("CommandPreparedStatementQuery", prepared_statement_handle=handle)


def test_no_signed_text_but_a_login_token_or_an_api_token_logs_in(served: Served, ana: Raw) -> None:
    signer = served.app.signer
    ticket = handle_of(ana.query("SELECT 42 AS n").endpoints[0].ticket).decode()
    session = signer.sign("session", {"u": "ana", "o": {}}, 60)
    login = ana.token[1].decode().removeprefix("Bearer ")
    api = api_token(served)
    for token in (
        ticket, prepared(ana).decode(), session,
        PREFIX + ticket, PREFIX + session,
        PREFIX + login,  # a login token as an API token, which would get round the revocation
        api.removeprefix(PREFIX),  # an API token as a login token, which would shed its scope
        PREFIX + api, api + "~" + ticket, login + "." + login,
    ):  # fmt: skip
        with pytest.raises(flight.FlightUnauthenticatedError):
            bearing(ana, token).query("SELECT 1")
    assert bearing(ana, api).query("SELECT 1")
    assert bearing(ana, login).query("SELECT 1")


def test_no_token_is_a_ticket(served: Served, ana: Raw) -> None:
    for token in (ana.token[1].decode().removeprefix("Bearer "), api_token(served)):
        for handle in (token, token.removeprefix(PREFIX)):
            with pytest.raises(flight.FlightUnauthenticatedError):
                run(ana, flightsql.pack("TicketStatementQuery", statement_handle=handle.encode()))


def test_a_digest_that_we_tell_is_no_signature(served: Served) -> None:
    """Marks are keyed digests and stand readable in tokens: none must serve to sign with."""
    signer = served.app.signer
    body = signer.sign("login", {"user": "bob", "mark": ""}, 60).partition(".")[0]
    for purpose in ("login", "digest/login", "password"):
        mac = base64.urlsafe_b64encode(bytes.fromhex(signer.digest(purpose, body))).rstrip(b"=").decode()
        with pytest.raises(LoginRefused):
            served.app.authenticator.authenticate_bearer(f"{body}.{mac}")


# ── tampered with ────────────────────────────────────────────────────────────────────────────


def changed(signed: bytes, **fields: Any) -> bytes:
    """The signed text with another payload, under the old signature."""
    body, _, mac = signed.partition(b".")
    content = json.loads(base64.urlsafe_b64decode(body + b"==="))
    content["payload"] |= fields
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=") + b"." + mac


def test_a_ticket_cannot_be_made_to_say_something_else(ana: Raw, bob: Raw) -> None:
    handle = handle_of(ana.query("SELECT 42 AS n").endpoints[0].ticket)
    for raw, fields in (
        (bob, {"u": "bob"}),
        (ana, {"q": "SELECT 43 AS n"}),
        (ana, {"v": None}),
        (ana, {"c": ""}),
    ):
        forged = flightsql.pack("TicketStatementQuery", statement_handle=changed(handle, **fields))
        with pytest.raises(flight.FlightUnauthenticatedError):
            run(raw, forged)


def test_no_byte_of_a_ticket_or_handle_can_be_changed(ana: Raw) -> None:
    handle = prepared(ana)
    for index in range(0, len(handle), 7):
        forged = handle[:index] + bytes([handle[index] ^ 1]) + handle[index + 1 :]
        with pytest.raises(REFUSED):
            ana.info("CommandPreparedStatementQuery", prepared_statement_handle=forged)


def test_an_api_token_cannot_be_made_to_say_something_else(served: Served, ana: Raw) -> None:
    token = api_token(served).removeprefix(PREFIX).encode()
    for fields in ({"user": "bob"}, {"roles": ["role:admin"]}, {"id": "0" * 12}):
        with pytest.raises(flight.FlightUnauthenticatedError):
            bearing(ana, PREFIX + changed(token, **fields).decode()).query("SELECT 1")


def test_what_another_fabric_signed_is_worth_nothing_here(served: Served, ana: Raw) -> None:
    other = Signer(b"the key of another fabric")
    mark = password_mark(other, "ana", served.app.authenticator._users["ana"])
    with pytest.raises(flight.FlightUnauthenticatedError):
        bearing(ana, other.sign("login", {"user": "ana", "mark": mark}, 60)).query("SELECT 1")
    sealed = seal(Statement("ana", "SELECT 1"), "ticket", other)
    with pytest.raises(flight.FlightUnauthenticatedError):
        run(ana, flightsql.pack("TicketStatementQuery", statement_handle=sealed))


# ── ways in that are not offered ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic", "Basic Og==", "Basic !!!", "Negotiate abc", "bearer null", "Digest x",
     "Bearer ~", "Bearer .", "Bearer ..", "Basic " + base64.b64encode(b"ana").decode(),
     "Basic " + base64.b64encode(b"ana:").decode(), "Bearer " + "a" * 3000],
)  # fmt: skip
def test_a_login_that_is_none_is_refused(served: Served, header: str) -> None:
    with flight.connect(served.uri) as client, pytest.raises(flight.FlightUnauthenticatedError):
        Raw(client, (b"authorization", header.encode())).query("SELECT 1")


def test_a_jwt_is_refused_where_no_issuer_is_trusted(served: Served, ana: Raw) -> None:
    with pytest.raises(flight.FlightUnauthenticatedError, match="not made by this fabric"):
        bearing(ana, Issuer().add("one").token(sub="ana")).query("SELECT 1")


def test_of_two_logins_in_one_call_the_first_counts_and_must_be_good(served: Served, ana: Raw) -> None:
    good, bad = ana.token, (b"authorization", b"Bearer nonsense.x")
    command = flight.FlightDescriptor.for_command(flightsql.pack("CommandStatementQuery", query="SELECT 1"))
    for headers in ([bad, good], [bad]):
        with pytest.raises(flight.FlightUnauthenticatedError):
            ana.client.get_flight_info(command, flight.FlightCallOptions(headers=headers))


def test_who_says_to_be_somebody_else_in_other_headers_is_not(served: Served, ana: Raw, bob: Raw) -> None:
    posing = [(b"x-user", b"ana"), (b"user", b"ana"), (b"username", b"ana"), (b"auth-token-bin", b"ana")]
    options = flight.FlightCallOptions(headers=[bob.token, *posing])
    ticket = ana.query("SELECT 42 AS n").endpoints[0].ticket
    with pytest.raises(flight.FlightUnauthorizedError):
        bob.client.do_get(ticket, options).read_all()


def test_state_is_not_where_a_token_says(tmp_path: Path) -> None:
    """A token that was made over another state is signed well, and unknown here."""
    signer = Signer(b"0123456789abcdef")
    token, _ = ApiTokens(open_state(str(tmp_path / "one.db")), signer).make("ana", "m", (), 1)
    with pytest.raises(LoginRefused, match="revoked"):
        ApiTokens(open_state(str(tmp_path / "two.db")), signer).verify(token)
