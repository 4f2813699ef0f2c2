from __future__ import annotations

import gzip
import json
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import trustme

from fabric.errors import (
    Cancelled,
)
from fabric.spi import ScanContext
from tests.connectors.http_source import GOOD, ONE, TABLES, batches_of, offer_of, rows_of, source
from tests.connectors.scripted_http import Asked, Reply, in_turn, scripted
from tests.patience import PATIENCE


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


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
        assert cancelled_after(context, 0.3, lambda: batches_of(connector, offer, context)) < PATIENCE * 0.5
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
        assert cancelled_after(context, 0.2, lambda: batches_of(connector, offer, context)) < PATIENCE * 0.5
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
