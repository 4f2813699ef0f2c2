from __future__ import annotations

import base64
import gzip
import itertools
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
import trustme

from fabric.errors import (
    BadData,
    Cancelled,
    IdentityRefused,
    SourceError,
    SourceLoginRefused,
    SourceTimeout,
    Throttled,
    Unreachable,
)
from fabric.spi import ScanContext
from tests.connectors.http_source import batches_of, offer_of, rows_of, source
from tests.connectors.scripted_http import Asked, Reply, in_turn, scripted

TABLES = {"t": {"path": "/t", "columns": {"id": "BIGINT"}}}
GOOD = Reply([{"id": 1}])
ONE = [{"id": 1}]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr("connectors.http_client.FIRST_PAUSE", 0.02)


def failure(uri: str, kind: type[SourceError], **keys: Any) -> SourceError:
    with source(uri, TABLES, **keys) as connector, pytest.raises(kind) as caught:
        rows_of(connector, "t")
    error = caught.value
    assert type(error) is kind
    assert error.source == "fraud_api"
    assert error.hint
    assert "127.0.0.1" not in str(error)
    assert "hush" not in str(error)
    assert error.__cause__ is None
    return error


# ── retries ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_source_is_asked_again(status):
    with scripted(in_turn(Reply(status=status), GOOD)) as server, source(server.uri, TABLES) as connector:
        context = ScanContext()
        assert rows_of(connector, "t", context=context) == ONE
    assert context.requests == len(server.asked) == 2


@pytest.mark.parametrize(
    "broken",
    [Reply(drop=True), Reply([{"id": 1}, {"id": 2}], cut=5), Reply([{"id": 1}], cut=0)],
)
def test_a_connection_that_breaks_is_made_again_and_the_page_asked_from_its_start(broken):
    with scripted(in_turn(broken, GOOD)) as server, source(server.uri, TABLES) as connector:
        assert rows_of(connector, "t") == ONE
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(status=429), Throttled),
        (Reply(status=502), Unreachable),
        (Reply(status=503), Unreachable),
        (Reply(drop=True), Unreachable),
        (Reply([{"id": 1}], cut=5), Unreachable),
    ],
)
def test_after_three_retries_it_is_an_error(reply, kind):
    with scripted(in_turn(reply)) as server:
        assert failure(server.uri, kind).retryable
    assert len(server.asked) == 4


def test_pauses_grow_and_differ():
    with scripted(in_turn(Reply(status=503))) as server:
        failure(server.uri, Unreachable)
        failure(server.uri, Unreachable)
    times = [asked.at for asked in server.asked]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses[2] > pauses[0]
    assert pauses[0] != pauses[4]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, BadData), (404, BadData), (422, BadData), (500, SourceError), (501, SourceError)],
)
def test_other_statuses_are_not_asked_again(status, kind):
    with scripted(in_turn(Reply({"detail": "hush"}, status=status))) as server:
        assert str(status) in str(failure(server.uri, kind))
    assert len(server.asked) == 1


def test_retry_after_is_honoured():
    with (
        scripted(in_turn(Reply(status=429, headers={"Retry-After": "1"}), GOOD)) as server,
        source(server.uri, TABLES) as connector,
    ):
        assert rows_of(connector, "t") == ONE
    assert server.asked[1].at - server.asked[0].at >= 1.0


def test_retry_after_may_be_a_date():
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    with (
        scripted(in_turn(Reply(status=503, headers={"Retry-After": moment}), GOOD)) as server,
        source(server.uri, TABLES) as connector,
    ):
        assert rows_of(connector, "t") == ONE
    assert server.asked[1].at - server.asked[0].at >= 0.8


@pytest.mark.parametrize("text", ["3600", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_a_long_retry_after_is_reported_at_once(text):
    with scripted(in_turn(Reply(status=429, headers={"Retry-After": text}))) as server:
        started = time.monotonic()
        assert "pause" in str(failure(server.uri, Throttled))
    assert time.monotonic() - started < 10
    assert len(server.asked) == 1


@pytest.mark.parametrize("text", ["soon", "-5", ""])
def test_an_unreadable_retry_after_is_ignored(text):
    with (
        scripted(in_turn(Reply(status=429, headers={"Retry-After": text}), GOOD)) as server,
        source(server.uri, TABLES) as connector,
    ):
        assert rows_of(connector, "t") == ONE


def test_a_page_is_delivered_once_although_it_was_asked_twice():
    paging = {"pagination": {"type": "cursor", "param": "c", "next": "$.next"}, "records": "$.items"}
    pages = in_turn(
        Reply({"items": [{"id": 1}], "next": "a"}),
        Reply({"items": [{"id": 2}]}, cut=9),
        Reply({"items": [{"id": 2}]}),
    )
    with scripted(pages) as server, source(server.uri, {"t": {**TABLES["t"], **paging}}) as connector:
        assert rows_of(connector, "t") == [{"id": 1}, {"id": 2}]


# ── unreachable, slow, untrusted ─────────────────────────────────────────────────────────────


def test_nothing_listens():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    assert "nothing listens" in str(failure(f"http://127.0.0.1:{port}", Unreachable))


def test_a_name_that_does_not_resolve():
    assert "does not resolve" in str(failure("http://nobody.invalid", Unreachable))


@pytest.mark.parametrize("reply", [Reply(silent=True), Reply([{"id": 1}], hang=4)])
def test_silence_is_a_timeout_and_not_retried(reply):
    with scripted(in_turn(reply)) as server:
        assert failure(server.uri, SourceTimeout, timeout="200ms").retryable
        assert len(server.asked) == 1


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_an_unknown_certificate_is_refused(tls):
    with scripted(in_turn(GOOD), tls) as server:
        assert "ca_file" in failure(server.uri, IdentityRefused, auth={"bearer": "hush"}).hint
    assert server.asked == []


def test_a_certificate_of_a_declared_authority_is_taken(tls, authority, tmp_path):
    (tmp_path / "ca.pem").write_bytes(authority.cert_pem.bytes())
    with (
        scripted(in_turn(GOOD), tls) as server,
        source(server.uri, TABLES, tmp_path, ca_file="ca.pem") as connector,
    ):
        assert rows_of(connector, "t") == ONE


def test_tls_where_none_is_spoken_is_refused():
    def answer(server: socket.socket) -> None:
        client, _ = server.accept()
        with client:
            client.recv(4096)
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,))
        thread.start()
        failure(f"https://127.0.0.1:{server.getsockname()[1]}", IdentityRefused)
        thread.join()


# ── credentials ──────────────────────────────────────────────────────────────────────────────


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


# ── redirects ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_within_the_origin_is_followed(status):
    def script(asked: Asked) -> Reply:
        return GOOD if asked.target == "/u?x=1" else Reply(status=status, headers={"Location": "/u?x=1"})

    with scripted(script) as server, source(server.uri, TABLES, auth={"bearer": "hush"}) as connector:
        assert rows_of(connector, "t") == ONE
    assert server.asked[1].headers["authorization"] == "Bearer hush"


@pytest.mark.parametrize("auth", [{"auth": {"bearer": "hush"}}, {"headers": {"x-key": "hush"}}, {}])
def test_a_redirect_to_another_origin_is_not_followed(auth):
    with scripted(in_turn(GOOD)) as other:
        for location in (
            f"{other.uri}/t",
            other.uri.replace("http:", "") + "/t",
            "https://127.0.0.1/t",
            "file:///etc/passwd",
            "http://[::1",
        ):
            with scripted(in_turn(Reply(status=302, headers={"Location": location}))) as server:
                assert "another origin" in str(failure(server.uri, SourceError, **auth))
        assert other.asked == []


def test_a_circle_of_redirects_is_an_error():
    with scripted(in_turn(Reply(status=302, headers={"Location": "/t"}))) as server:
        assert "circles" in str(failure(server.uri, SourceError))
    assert len(server.asked) == 6


# ── rate, connections, cancelling ────────────────────────────────────────────────────────────


def test_the_rate_is_kept_by_all_threads_together():
    with scripted(in_turn(GOOD)) as server, source(server.uri, TABLES, rate_limit="20/s") as connector:
        threads = [threading.Thread(target=rows_of, args=(connector, "t")) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    times = sorted(asked.at for asked in server.asked)
    assert len(times) == 8
    assert times[-1] - times[0] >= 7 / 20 - 0.05


def test_no_more_connections_than_declared():
    slow = Reply([{"id": 1}], delay=0.05)
    with (
        scripted(in_turn(slow)) as server,
        source(server.uri, TABLES, limits={"connections": 2}) as connector,
    ):
        found: list[Any] = []
        threads = [threading.Thread(target=lambda: found.append(rows_of(connector, "t"))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [ONE] * 8
    assert server.most == 2


def test_a_connection_is_kept_for_the_next_request():
    with scripted(in_turn(GOOD)) as server, source(server.uri, TABLES) as connector:
        for _ in range(3):
            rows_of(connector, "t")
        assert server.open == 1


def test_compressed_answers_are_read():
    packed = gzip.compress(json.dumps(ONE).encode())
    with (
        scripted(in_turn(Reply(packed, headers={"Content-Encoding": "gzip"}))) as server,
        source(server.uri, TABLES) as connector,
    ):
        assert rows_of(connector, "t") == ONE


def test_cookies_are_not_kept():
    with (
        scripted(in_turn(Reply(ONE, headers={"Set-Cookie": "a=b"}))) as server,
        source(server.uri, TABLES) as connector,
    ):
        rows_of(connector, "t")
        rows_of(connector, "t")
    assert "cookie" not in server.asked[1].headers


def cancelled_after(context: ScanContext, seconds: float, call: Callable[[], object]) -> float:
    """Seconds from the cancel to the end of the call, which must be Cancelled."""
    timer = threading.Timer(seconds, context.cancel)
    timer.start()
    started = time.monotonic()
    with pytest.raises(Cancelled):
        call()
    timer.join()
    return time.monotonic() - started - seconds


@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize("reply", [Reply(silent=True), Reply(ONE, hang=3)])
def test_cancelling_closes_a_connection_that_waits(reply, trusted, tls, authority, tmp_path):
    (tmp_path / "ca.pem").write_bytes(authority.cert_pem.bytes())
    with (
        scripted(in_turn(reply), tls if trusted else None) as server,
        source(server.uri, TABLES, tmp_path, ca_file="ca.pem") as connector,
    ):
        context = ScanContext()
        offer = offer_of(connector, "t")
        assert cancelled_after(context, 0.3, lambda: batches_of(connector, offer, context)) < 0.5
        deadline = time.monotonic() + 0.5
        while server.open and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.open == 0


@pytest.mark.parametrize(
    ("reply", "keys"),
    [
        (Reply(status=503, headers={"Retry-After": "20"}), {}),
        (GOOD, {"rate_limit": "1/m"}),
        (Reply(silent=True), {"limits": {"connections": 1}}),
    ],
)
def test_cancelling_ends_every_wait(reply, keys):
    with scripted(in_turn(reply)) as server, source(server.uri, TABLES, **keys) as connector:
        offer = offer_of(connector, "t")
        context = ScanContext()
        holder = ScanContext()

        def hold() -> None:
            with pytest.raises(Cancelled):
                batches_of(connector, offer, holder)

        thread = None
        if reply.silent:
            thread = threading.Thread(target=hold)
            thread.start()
        elif "rate_limit" in keys:
            batches_of(connector, offer)
        time.sleep(0.1)
        assert cancelled_after(context, 0.2, lambda: batches_of(connector, offer, context)) < 0.5
        holder.cancel()
        if thread is not None:
            thread.join()


def test_a_cancelled_query_asks_nothing():
    context = ScanContext()
    context.cancel()
    with scripted(in_turn(GOOD)) as server, source(server.uri, TABLES) as connector, pytest.raises(Cancelled):
        batches_of(connector, offer_of(connector, "t"), context)
    assert server.asked == []


def test_cancelling_one_query_leaves_another_alone():
    def script(asked: Asked) -> Reply:
        return Reply(ONE, delay=0.6)

    with scripted(script) as server, source(server.uri, TABLES) as connector:
        offer = offer_of(connector, "t")
        context, found = ScanContext(), []
        other = threading.Thread(target=lambda: found.append(rows_of(connector, "t")))
        other.start()
        cancelled_after(context, 0.2, lambda: batches_of(connector, offer, context))
        other.join()
    assert found == [ONE]
