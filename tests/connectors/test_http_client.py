from __future__ import annotations

import itertools
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import trustme

from fabric.errors import (
    BadData,
    IdentityRefused,
    SourceError,
    SourceTimeout,
    Throttled,
    Unreachable,
)
from fabric.spi import ScanContext
from tests.connectors.http_source import GOOD, ONE, TABLES, failure, rows_of, source
from tests.connectors.scripted_http import Asked, Reply, in_turn, scripted


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr("connectors.http.client.FIRST_PAUSE", 0.02)


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
