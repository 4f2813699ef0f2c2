"""API tokens: made and revoked on the command line, used over a real socket, and never worth more than their user."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from adbc_driver_flightsql import DatabaseOptions, dbapi
from pyarrow import flight  # noqa: TID251

from fabric.errors import LoginRefused, NotFound
from fabric.state import State, open_state
from policies.scope import ScopedPrincipal
from server import auth
from server.api_tokens import ApiTokens, Claim, is_api_token
from server.app import build, with_config
from server.auth import Authenticator, hash_password
from server.flight import FlightServer
from server.keys import Signer
from tests.server.test_auth import QUICK, user
from tests.server.test_cli import ripstop, said_error
from tests.server.tiny import Raw, Served

SIGNER = Signer(b"0123456789abcdef0123456789abcdef")
HERE = "127.0.0.1"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "_HASHER", QUICK)


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with closing(open_state(str(tmp_path / ".ripstop" / "state.db"))) as state:
        yield state


@pytest.fixture
def tokens(state: State) -> ApiTokens:
    return ApiTokens(state, SIGNER)


ANA = user(QUICK.hash("swordfish"), "role:analyst", "role:auditor", region="EU")
BO = user(QUICK.hash("other"), "role:analyst")


def door(tokens: ApiTokens | None, **users: Any) -> Authenticator:
    return Authenticator({"ana": ANA, "bo": BO} | users, SIGNER, tokens=tokens)


def token_of(tokens: ApiTokens, name: str = "ana", *roles: str, days: int = 90) -> str:
    mark = auth.password_mark(SIGNER, name, {"ana": ANA, "bo": BO}[name])
    return tokens.make(name, mark, roles, days)[0]


# ── what a token is worth ────────────────────────────────────────────────────────────────────


def test_a_token_logs_in_as_bearer_and_in_the_place_of_the_password(tokens: ApiTokens) -> None:
    token = token_of(tokens)
    for login in (
        door(tokens).authenticate_bearer(token),
        door(tokens).authenticate_basic("ana", token, HERE),
    ):
        assert login.principal == door(tokens).authenticate_basic("ana", "swordfish", HERE).principal
        assert login.token == token


def test_a_login_with_a_token_gives_no_other_token_that_would_outlive_it(tokens: ApiTokens) -> None:
    """A login token made of it would shed the scope, the end and the revocation."""
    token = token_of(tokens, "ana", "role:auditor")
    assert door(tokens).authenticate_basic("ana", token, HERE).token == token


def test_a_scope_limits_the_grants_and_keeps_what_restricts(tokens: ApiTokens) -> None:
    found = door(tokens).authenticate_bearer(token_of(tokens, "ana", "role:auditor")).principal
    assert isinstance(found, ScopedPrincipal)
    assert found.scope == {"role:auditor"}
    assert found.roles == {"role:analyst", "role:auditor"}
    assert found.attributes == {"region": "EU"}


def test_a_token_has_the_roles_and_attributes_that_the_user_has_now(tokens: ApiTokens) -> None:
    token = token_of(tokens)
    hashed = ANA.password.get_secret_value()
    found = door(tokens, ana=user(hashed, "role:new", region="US")).authenticate_bearer(token).principal
    assert (found.roles, found.attributes) == ({"role:new"}, {"region": "US"})


def test_it_begins_as_secret_scanners_can_know_it_and_is_in_no_state(
    tokens: ApiTokens, tmp_path: Path
) -> None:
    token = token_of(tokens)
    assert token.startswith("ripstop_")
    assert is_api_token(token)
    for file in (tmp_path / ".ripstop").iterdir():
        assert token[40:].encode() not in file.read_bytes()
    assert (tmp_path / ".ripstop").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "text", ["", "ripstop_", "ripstop_hunter2", "ripstop_a.b", "swordfish", "a" * 60 + "." + "b" * 43]
)
def test_a_password_that_only_begins_like_a_token_is_a_password(tokens: ApiTokens, text: str) -> None:
    assert not is_api_token(text)
    if text:
        assert door(tokens, cy=user(QUICK.hash(text))).authenticate_basic("cy", text, HERE)


# ── attacks ──────────────────────────────────────────────────────────────────────────────────


def refused(login: Authenticator, token: str, why: str) -> None:
    with pytest.raises(LoginRefused, match=why):
        login.authenticate_bearer(token)
    with pytest.raises(LoginRefused, match=why):
        login.authenticate_basic("ana", token, HERE)


def test_under_another_users_name_it_is_refused(tokens: ApiTokens) -> None:
    token = token_of(tokens)
    for name in ("bo", "Ana", "ANA", "", "anonymous", "nobody"):
        with pytest.raises(LoginRefused, match="another user's"):
            door(tokens).authenticate_basic(name, token, HERE)


def test_it_ends_with_its_days(state: State) -> None:
    clock = Clock()
    signer = Signer(b"0123456789abcdef0123456789abcdef", clock)
    tokens = ApiTokens(state, signer, clock)
    token, made = tokens.make("ana", auth.password_mark(signer, "ana", ANA), (), 1)
    login = Authenticator({"ana": ANA}, signer, tokens=tokens)
    clock.now = made.until - 1
    assert login.authenticate_bearer(token)
    assert made.state(clock.now) == "live"
    clock.now = made.until
    refused(login, token, "expired")
    assert made.state(clock.now) == "expired"


def test_it_ends_with_its_user_and_with_the_password(tokens: ApiTokens) -> None:
    token = token_of(tokens)
    refused(Authenticator({"bo": BO}, SIGNER, tokens=tokens), token, "no longer good")
    refused(door(tokens, ana=user(QUICK.hash("swordfish"))), token, "no longer good")


def test_revoked_it_ends_at_once_also_for_who_checks_over_another_connection(
    tokens: ApiTokens, tmp_path: Path
) -> None:
    token, other = token_of(tokens), token_of(tokens)
    login = door(tokens)
    assert login.authenticate_bearer(token)
    other_state = open_state(str(tmp_path / ".ripstop" / "state.db"))
    commands = ApiTokens(other_state, SIGNER)
    commands.revoke(commands.listed()[0].id)
    refused(login, token, "revoked")
    assert login.authenticate_bearer(other)
    commands.revoke(commands.listed()[0].id)
    assert [each.state(0) for each in commands.listed()] == ["revoked", "live"]
    other_state.close()


def test_a_token_that_the_state_does_not_know_counts_as_revoked(tokens: ApiTokens, tmp_path: Path) -> None:
    token = token_of(tokens)
    with sqlite3.connect(tmp_path / ".ripstop" / "state.db") as state:
        state.execute("DELETE FROM api_tokens")
    refused(door(tokens), token, "revoked")


def test_where_the_state_cannot_be_read_no_token_counts(tokens: ApiTokens, tmp_path: Path) -> None:
    token = token_of(tokens)
    with sqlite3.connect(tmp_path / ".ripstop" / "state.db") as state:
        state.execute("DROP TABLE api_tokens")
    refused(door(tokens), token, "cannot be checked")


def test_a_role_that_the_user_lost_is_out_of_the_tokens_scope(tokens: ApiTokens) -> None:
    hashed = ANA.password.get_secret_value()
    both, one = (
        token_of(tokens, "ana", "role:analyst", "role:auditor"),
        token_of(tokens, "ana", "role:auditor"),
    )
    login = door(tokens, ana=user(hashed, "role:analyst", "role:more"))
    found = login.authenticate_bearer(both).principal
    assert isinstance(found, ScopedPrincipal)
    assert found.scope == {"role:analyst"}
    refused(login, one, "none of the token's roles")


def test_a_role_that_the_token_claims_and_the_user_never_had_is_worth_nothing(tokens: ApiTokens) -> None:
    refused(door(tokens), token_of(tokens, "ana", "role:admin"), "none of the token's roles")


def test_tokens_are_refused_where_nobody_could_revoke_them(tokens: ApiTokens) -> None:
    refused(door(None), token_of(tokens), "takes no API tokens")


def test_bad_tokens_lock_no_user_out(tokens: ApiTokens) -> None:
    token = token_of(tokens, "bo")
    for _ in range(10):
        with pytest.raises(LoginRefused, match="another user's"):
            door(tokens).authenticate_basic("ana", token, HERE)
    assert door(tokens).authenticate_basic("ana", "swordfish", HERE)


def test_an_unknown_id_is_not_revoked_in_silence(tokens: ApiTokens) -> None:
    with pytest.raises(NotFound):
        tokens.revoke("nope")


def test_what_a_token_says_is_what_was_asked_for(tokens: ApiTokens) -> None:
    token, _ = tokens.make("ana", "m", ("role:b", "role:a", "role:a"), 1)
    assert tokens.verify(token) == Claim("ana", "m", ("role:a", "role:b"))


# ── the command line and the wire ────────────────────────────────────────────────────────────

PROJECT = """
name: acme
domains: {claims: {owner: "role:claims-owner"}, hr: {owner: "role:hr-owner"}}
cache: off
sources:
  desk: {type: local, domain: claims, uri: data/, tables: {claim: {path: claim.csv, format: csv}}}
  pay: {type: local, domain: hr, uri: data/, tables: {roll: {path: roll.csv, format: csv},
                                                      plan: {path: claim.csv, format: csv}}}
"""
POLICIES = """p, role:analyst, desk.*, read, allow
p, role:hr, pay.*, read, allow
p, role:guest, pay.roll, read, deny
p2, role:guest, pay.plan, text, "last(1)"
p3, role:guest, pay.plan, "id = 1"
p, ana, desk.claim, read, allow
g, ana, role:hr
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("acme")
    (directory / "data").mkdir()
    (directory / "data" / "claim.csv").write_text("id,text\n1,a\n2,b\n")
    (directory / "data" / "roll.csv").write_text("id,pay\n1,100\n")
    (directory / "fabric.yaml").write_text(PROJECT)
    hashed = hash_password("swordfish")
    (directory / "users.yaml").write_text(
        f"users:\n  ana: {{password: '{hashed}', roles: [role:analyst, role:hr, role:guest]}}\n"
        f"  bo: {{password: '{hashed}', roles: []}}\n"
    )
    (directory / "policies").mkdir()
    (directory / "policies" / "federation.csv").write_text(POLICIES)
    for domain in ("claims", "hr"):
        (directory / "policies" / f"{domain}.csv").write_text("")
    return directory


@pytest.fixture(scope="module")
def served(project: Path) -> Iterator[Served]:
    app = build(project)
    server = FlightServer(lambda: app, fabric="acme")
    try:
        yield Served(app, server)  # type: ignore[arg-type]
    finally:
        server.close()
        app.close()


def make(project: Path, *arguments: str) -> tuple[str, str]:
    done = ripstop("token", "new", *arguments, "-C", str(project))
    assert done.returncode == 0, done.stderr
    found = re.match(r"id (\w+), good until \d{4}-\d\d-\d\d", done.stderr)
    assert found
    return done.stdout.strip(), found[1]


def bearing(client: flight.FlightClient, token: str) -> Raw:
    return Raw(client, (b"authorization", f"Bearer {token}".encode()))


def test_a_token_of_the_command_line_gets_rows_and_revoked_gets_none(project: Path, served: Served) -> None:
    token, id = make(project, "ana", "--days", "7")
    with flight.connect(served.uri) as client:
        raw = bearing(client, token)
        assert raw.read(raw.query("SELECT id FROM desk.claim")).num_rows == 2
        listed = ripstop("token", "list", "-C", str(project)).stdout
        assert re.search(rf"^{id}  ana  live  \S+ to \S+  every role$", listed, re.MULTILINE)
        done = ripstop("token", "revoke", id, "-C", str(project))
        assert done.stdout == f"revoked {id}\n"
        with pytest.raises(flight.FlightUnauthenticatedError, match="revoked"):
            raw.query("SELECT id FROM desk.claim")
    assert f"{id}  ana  revoked" in ripstop("token", "list", "-C", str(project)).stdout


def test_adbc_takes_a_token_as_the_password_or_as_a_header(project: Path, served: Served) -> None:
    token, _ = make(project, "ana")
    header = DatabaseOptions.AUTHORIZATION_HEADER.value
    for login in ({"username": "ana", "password": token}, {header: f"Bearer {token}"}):
        with dbapi.connect(served.uri, db_kwargs=login) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM desk.claim")
            assert cursor.fetchall() == [(2,)]
    with pytest.raises(dbapi.Error, match="another user's"):
        dbapi.connect(served.uri, db_kwargs={"username": "bo", "password": token})


def test_a_scoped_token_sees_what_its_role_grants_and_no_more_than_its_user(
    project: Path, served: Served
) -> None:
    token, _ = make(project, "ana", "--role", "role:hr")
    with flight.connect(served.uri) as client:
        raw = bearing(client, token)
        # Rows and columns stay as restricted as a role that the token leaves out has them.
        whole = Raw(client, client.authenticate_basic_token("ana", "swordfish"))
        for login in (whole, raw):
            answer = login.read(login.query("SELECT id, text FROM pay.plan")).to_pylist()
            assert answer == [{"id": 1, "text": "***"}]
        # Granted to ana by her name and by another role, and not by the token's.
        with pytest.raises(KeyError, match=r"there is no 'desk\.claim'"):
            raw.query("SELECT id FROM desk.claim")
        # Granted by the token's role, and denied by a role that the token leaves out.
        with pytest.raises(KeyError, match=r"there is no 'pay\.roll'"):
            raw.query("SELECT id FROM pay.roll")
        tables = raw.read(raw.info("CommandGetTables", table_types=["TABLE"]))["table_name"].to_pylist()
        assert tables == ["plan"]
        assert raw.read(raw.query("SELECT * FROM system.sources")).num_rows == 1
        assert raw.read(raw.query("SELECT query_id FROM system.queries")).num_rows > 0


def test_a_ticket_and_a_handle_of_the_whole_user_are_judged_anew_under_a_scoped_token(
    project: Path, served: Served
) -> None:
    token, _ = make(project, "ana", "--role", "role:hr")
    with flight.connect(served.uri) as client:
        whole = Raw(client, client.authenticate_basic_token("ana", "swordfish"))
        scoped = bearing(client, token)
        info = whole.query("SELECT id FROM desk.claim")
        assert whole.read(info).num_rows == 2
        with pytest.raises(KeyError, match="there is no"):
            scoped.read(info)


def test_a_token_is_good_across_a_reload_of_the_users(project: Path, served: Served) -> None:
    token, _ = make(project, "ana")
    app = with_config(served.app, project)  # type: ignore[arg-type]
    assert app is not None
    assert app.authenticator.authenticate_bearer(token).principal.user == "ana"


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (("new", "nobody"), 1, "NOT_FOUND"),
        (("new", "Ana"), 1, "NOT_FOUND"),
        (("new", "ana", "--role", "role:admin"), 1, "INVALID_VALUE"),
        (("new", "ana", "--role", "analyst"), 1, "INVALID_VALUE"),
        (("new", "bo", "--role", "role:analyst"), 1, "INVALID_VALUE"),
        (("new", "ana", "--days", "0"), 2, "USAGE"),
        (("new", "ana", "--days", "100000"), 2, "USAGE"),
        (("new",), 2, "USAGE"),
        (("revoke", "nope"), 1, "NOT_FOUND"),
    ],
)
def test_a_token_that_cannot_be_is_refused(
    project: Path, arguments: tuple[str, ...], status: int, code: str
) -> None:
    done = ripstop("token", *arguments, "-C", str(project))
    assert (done.returncode, done.stdout) == (status, "")
    said_error(done, code)


@pytest.mark.parametrize("command", ["new", "list", "revoke"])
def test_every_command_has_help(command: str) -> None:
    done = ripstop("token", command, "--help")
    assert done.returncode == 0
    assert "-C" in done.stdout
