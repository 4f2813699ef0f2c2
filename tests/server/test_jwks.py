"""An issuer's keys over real HTTP: rotation, an issuer that fails, and what is not fetched."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from pathlib import Path

import pytest
import trustme

from fabric.errors import LoginRefused
from server import jwks
from server.jwks import AGAIN_SECONDS, KEPT_SECONDS, RENEW_SECONDS, KeySet
from tests.server.issuer import Issuer


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> Issuer:
    return Issuer().add("one")


def known(keys: KeySet, kid: str) -> bool:
    try:
        return bool(keys.key(kid, "ES256"))
    except LoginRefused:
        return False


def test_keys_are_fetched_once_and_kept(issuer: Issuer) -> None:
    clock = Clock()
    with issuer.serving() as url:
        keys = KeySet(url, clock)
        assert issuer.asked == 0
        for _ in range(50):
            assert known(keys, "one")
            clock.now += RENEW_SECONDS / 100
        assert issuer.asked == 1


def test_a_new_key_counts_at_once_and_an_old_one_until_the_next_renewal(issuer: Issuer) -> None:
    clock = Clock()
    with issuer.serving() as url:
        keys = KeySet(url, clock)
        assert known(keys, "one")
        clock.now += AGAIN_SECONDS
        issuer.add("two")
        assert known(keys, "two")
        assert known(keys, "one")
        issuer.withdraw("one")
        assert known(keys, "one")
        clock.now += RENEW_SECONDS
        assert not known(keys, "one")
        assert known(keys, "two")


def test_made_up_key_ids_do_not_flood_the_issuer(issuer: Issuer) -> None:
    clock = Clock()
    with issuer.serving() as url:
        keys = KeySet(url, clock)
        for n in range(100):
            assert not known(keys, f"made up {n}")
        assert issuer.asked == 1
        clock.now += AGAIN_SECONDS
        for n in range(100):
            assert not known(keys, f"made up {n}")
        assert issuer.asked == 2


def test_a_known_key_of_another_kind_has_nobody_asked(issuer: Issuer) -> None:
    clock = Clock()
    with issuer.serving() as url:
        keys = KeySet(url, clock)
        assert known(keys, "one")
        clock.now += AGAIN_SECONDS
        with pytest.raises(LoginRefused):
            keys.key("one", "RS256")
        assert issuer.asked == 1


def test_many_threads_that_meet_a_new_key_ask_once_and_all_get_in(issuer: Issuer) -> None:
    clock = Clock()
    with issuer.serving() as url:
        keys = KeySet(url, clock)
        assert known(keys, "one")
        clock.now += AGAIN_SECONDS
        issuer.add("two")
        found: list[bool] = []
        threads = [threading.Thread(target=lambda: found.append(known(keys, "two"))) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [True] * 20
        assert issuer.asked == 2


BROKEN = {
    "fails": (500, b""),
    "is gone": (404, b"{}"),
    "answers nothing": (204, b""),
    "answers a page": (200, b"<html>login</html>"),
    "answers another document": (200, b'{"issuer": "x"}'),
    "answers too much": (200, b" " * (2**20 + 1) + b'{"keys": []}'),
    "answers nested text": (200, b"[" * 200_000),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_an_issuer_that_breaks_leaves_the_last_good_keys_for_a_day(
    issuer: Issuer, answer: tuple[int, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    with issuer.serving() as url:
        keys = KeySet(url, clock)
        assert known(keys, "one")
        issuer.answer = answer
        clock.now += RENEW_SECONDS
        assert known(keys, "one")
        assert issuer.asked == 2
        assert "the last good keys serve" in caplog.text
        clock.now = KEPT_SECONDS - 1
        assert known(keys, "one")
        clock.now = KEPT_SECONDS + 1 + AGAIN_SECONDS
        assert not known(keys, "one")
        issuer.answer = None
        clock.now += AGAIN_SECONDS
        assert known(keys, "one")


def test_an_issuer_that_is_down_is_told_as_such_and_asked_again_later(issuer: Issuer) -> None:
    clock = Clock()
    with issuer.serving() as url:
        issuer.answer = (503, b"")
        keys = KeySet(url, clock)
        for _ in range(3):
            with pytest.raises(LoginRefused, match="cannot be read at the moment") as caught:
                keys.key("one", "ES256")
            assert caught.value.retryable
        assert issuer.asked == 1
        issuer.answer = None
        clock.now += AGAIN_SECONDS
        assert known(keys, "one")


def test_nobody_there_is_a_refusal_too() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        keys = KeySet(f"http://127.0.0.1:{taken.getsockname()[1]}/keys", Clock())
        assert not known(keys, "one")


def test_an_issuer_that_never_answers_holds_a_login_up_no_longer_than_the_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jwks, "_TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        keys = KeySet(f"http://127.0.0.1:{mute.getsockname()[1]}/keys", Clock())
        assert not known(keys, "one")


def test_an_issuer_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks, "_TIMEOUT_SECONDS", 0.3)
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                while not done.wait(0.1):
                    try:
                        connection.sendall(b" ")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            assert not known(KeySet(f"http://127.0.0.1:{server.getsockname()[1]}/keys", Clock()), "one")
        finally:
            done.set()
            thread.join()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_anywhere(issuer: Issuer, status: int, tmp_path: Path) -> None:
    thief = Issuer().add("one")
    with thief.serving() as elsewhere, issuer.serving() as url:
        issuer.answer = (status, b"")
        for place in (elsewhere, thief.write(tmp_path / "keys.json").as_uri()):
            issuer.location = place
            assert not known(KeySet(url, Clock()), "one")
    assert thief.asked == 0


def test_loopback_is_asked_without_the_proxy_of_the_environment(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with issuer.serving() as url:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        monkeypatch.delenv("no_proxy", raising=False)
        assert known(KeySet(url, Clock()), "one")


def test_over_https_the_issuer_must_be_who_the_address_says(
    issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "localhost")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    for name, trusting, good in (
        ("localhost", True, True),
        ("other.example", True, False),
        ("localhost", False, False),
    ):
        with monkeypatch.context() as patch, secure(issuer, authority.issue_cert(name)) as url:
            if trusting:
                patch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
            assert known(KeySet(url, Clock()), "one") is good


class secure:
    """The issuer's keys over TLS, for one request."""

    def __init__(self, issuer: Issuer, leaf: trustme.LeafCert) -> None:
        self.body = json.dumps({"keys": issuer.published}).encode()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf.configure_cert(self.context)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.answer)

    def answer(self) -> None:
        plain, _ = self.server.accept()
        try:
            with self.context.wrap_socket(plain, server_side=True) as connection:
                connection.recv(2**16)
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(self.body)}\r\nConnection: close\r\n\r\n"
                connection.sendall(head.encode() + self.body)
        except (ssl.SSLError, OSError):
            plain.close()

    def __enter__(self) -> str:
        self.thread.start()
        return f"https://localhost:{self.server.getsockname()[1]}/keys"

    def __exit__(self, *ending: object) -> None:
        self.thread.join()
        self.server.close()
