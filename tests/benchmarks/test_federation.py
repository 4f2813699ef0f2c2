"""The parts of the federation benchmark that its figures stand on."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import pyarrow as pa
import pytest

from benchmarks.federation.answers import difference
from benchmarks.federation.queries import FEDERATED, queries
from benchmarks.federation.relay import relayed


@contextmanager
def echoing() -> Iterator[int]:
    """A server that sends back what it gets; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                while data := connection.recv(1 << 16):
                    connection.sendall(data)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def test_the_relay_adds_its_time_to_a_round_trip_and_keeps_the_order() -> None:
    sent = bytes(range(256)) * 4096
    with (
        echoing() as port,
        relayed({"echo": port}, 40) as relay,
        socket.create_connection(("127.0.0.1", relay.ports["echo"])) as client,
    ):
        began = time.perf_counter()
        client.sendall(b"ping")
        assert client.recv(4) == b"ping"
        assert time.perf_counter() - began >= 0.04
        threading.Thread(target=client.sendall, args=(sent,)).start()
        got = b""
        while len(got) < len(sent):
            got += client.recv(1 << 16)
        assert got == sent


def test_the_relay_counts_bytes_towards_the_engine_and_request_heads() -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    with echoing() as port, relayed({"echo": port}) as relay:
        with socket.create_connection(("127.0.0.1", relay.ports["echo"])) as client:
            relay.ask("reset")
            for piece in (head[:-2], head[-2:] + head):
                client.sendall(piece)
                time.sleep(0.05)
            got = b""
            while len(got) < 2 * len(head):
                got += client.recv(1 << 16)
        counts = relay.ask("counts")["echo"]
    assert (counts["requests"], counts["bytes"]) == (2, 2 * len(head))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ([1.0, 2.0], [2.0, 1.0 + 1e-12], True),
        ([Decimal("1.50"), None], [None, Decimal("1.5")], True),
        ([1.0, 2.0], [1.0, 2.00001], False),
        ([1], [1, 1], False),
        ([None], [0], False),
    ],
)
def test_answers_are_the_same_in_any_order_and_to_a_billionth(
    one: list[object], other: list[object], same: bool
) -> None:
    assert (difference(pa.table({"a": one}), pa.table({"b": other})) == "") is same


def test_every_query_names_its_tables_by_placeholders() -> None:
    assert (len(queries("bi")), len(queries("tpch"))) == (20, 22)
    for text in (queries("bi") | queries("tpch")).values():
        assert "{" not in text.format(**FEDERATED)
