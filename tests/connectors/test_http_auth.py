from __future__ import annotations

import base64
import time
from typing import Any
from urllib.parse import parse_qs

import pytest

from fabric.errors import (
    SourceError,
    SourceLoginRefused,
    Unreachable,
)
from tests.connectors.http_source import GOOD, ONE, TABLES, failure, rows_of, source
from tests.connectors.scripted_http import Asked, Reply, in_turn, scripted


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr("connectors.http.client.FIRST_PAUSE", 0.02)


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        ({"bearer": "hush"}, "authorization", "Bearer hush"),
        (
            {"basic": {"user": "ü", "password": "hush"}},
            "authorization",
            "Basic " + base64.b64encode("ü:hush".encode()).decode(),
        ),
        ({"header": {"X-Api-Key": "hush"}}, "x-api-key", "hush"),
    ],
)
def test_credentials_are_sent(auth, name, value):
    with scripted(in_turn(GOOD)) as server, source(server.uri, TABLES, auth=auth) as connector:
        assert rows_of(connector, "t") == ONE
    assert server.asked[0].headers[name] == value


def test_headers_are_sent_with_every_request():
    with (
        scripted(in_turn(GOOD)) as server,
        source(server.uri, TABLES, headers={"X-Tenant": "acme"}) as connector,
    ):
        rows_of(connector, "t")
    assert server.asked[0].headers["x-tenant"] == "acme"
    assert server.asked[0].headers["accept"] == "application/json"


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_reported_at_once(status):
    with scripted(in_turn(Reply(status=status))) as server:
        failure(server.uri, SourceLoginRefused, auth={"bearer": "hush"})
    assert len(server.asked) == 1


def test_a_header_that_cannot_be_sent_is_reported_without_its_value():
    with scripted(in_turn(GOOD)) as server:
        failure(server.uri, SourceError, auth={"bearer": "hush\r\nX-Evil: 1"})
    assert server.asked == []


class TokenServer:
    """Hands out tokens t1, t2, …; the API takes the last one only."""

    def __init__(self, seconds: int = 3600, status: int = 200) -> None:
        self.given = 0
        self.seconds = seconds
        self.status = status

    def script(self, asked: Asked) -> Reply:
        if asked.target == "/token":
            self.given += 1
            token = {"access_token": f"t{self.given}", "token_type": "bearer", "expires_in": self.seconds}
            return Reply(token, status=self.status)
        return GOOD if asked.headers["authorization"] == f"Bearer t{self.given}" else Reply(status=401)


def oauth2(uri: str) -> dict[str, Any]:
    client = {"token_url": f"{uri}/token", "client_id": "us", "client_secret": "hush", "scope": "read all"}
    return {"oauth2": client}


def test_oauth2_fetches_a_token_once():
    tokens = TokenServer()
    with scripted(tokens.script) as server, source(server.uri, TABLES, auth=oauth2(server.uri)) as connector:
        assert rows_of(connector, "t") == rows_of(connector, "t") == ONE
    asked = server.asked[0]
    assert tokens.given == 1
    assert asked.method == "POST"
    assert parse_qs(asked.body.decode()) == {"grant_type": ["client_credentials"], "scope": ["read all"]}
    assert asked.headers["authorization"] == "Basic " + base64.b64encode(b"us:hush").decode()


def test_oauth2_renews_a_token_that_is_refused_once():
    tokens = TokenServer()
    with scripted(tokens.script) as server, source(server.uri, TABLES, auth=oauth2(server.uri)) as connector:
        assert rows_of(connector, "t") == ONE
        tokens.given += 1  # revokes the token that was given
        assert rows_of(connector, "t") == ONE
    assert [asked.target for asked in server.asked] == ["/token", "/t", "/t", "/token", "/t"]


def test_oauth2_gives_up_after_one_renewal():
    def script(asked: Asked) -> Reply:
        return Reply({"access_token": "t"}) if asked.target == "/token" else Reply(status=401)

    with scripted(script) as server:
        failure(server.uri, SourceLoginRefused, auth=oauth2(server.uri))
    assert [asked.target for asked in server.asked] == ["/token", "/t", "/token", "/t"]


def test_oauth2_renews_before_the_token_ends():
    tokens = TokenServer(seconds=1)
    with scripted(tokens.script) as server, source(server.uri, TABLES, auth=oauth2(server.uri)) as connector:
        rows_of(connector, "t")
        time.sleep(0.6)
        rows_of(connector, "t")
    assert tokens.given == 2
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply({"error": "invalid_client hush"}, status=401), SourceLoginRefused),
        (Reply({"error": "invalid_scope"}, status=400), SourceLoginRefused),
        (Reply(b"<html>", status=200), SourceError),
        (Reply({"token": "x"}, status=200), SourceError),
        (Reply({"access_token": "a\nb"}), SourceError),
        (Reply(status=500), SourceError),
        (Reply(drop=True), Unreachable),
    ],
)
def test_oauth2_without_a_token_is_an_error(reply, kind):
    with scripted(in_turn(reply)) as server:
        failure(server.uri, kind, auth=oauth2(server.uri))
    assert len(server.asked) == 1
