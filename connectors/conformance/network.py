"""Bad networks on loopback: a port where nobody listens, one that says nothing, one that cuts."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def dead_port() -> Iterator[int]:
    """A port on which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


@contextmanager
def mute_port() -> Iterator[int]:
    """The port of a server that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield int(listener.getsockname()[1])


@contextmanager
def cutting_port(target: int, budget: int) -> Iterator[int]:
    """A port that relays to ``target`` until it has sent ``budget`` bytes in all; then every connection is cut."""
    relay = _Relay(target, budget)
    try:
        yield relay.port
    finally:
        relay.stop()


class _Relay:
    def __init__(self, target: int, budget: int) -> None:
        self._target = target
        self._left = budget
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._sockets.append(listener)
        self.port = int(listener.getsockname()[1])
        self._run(self._accept, listener)

    def stop(self) -> None:
        while self._sockets:
            _cut(self._sockets.pop())
        for thread in self._threads:
            thread.join(5)

    def _run(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, server]
                self._run(self._pump, client, server, False)
                self._run(self._pump, server, client, True)

    def _pump(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 14):
                if counted:
                    with self._lock:
                        data, self._left = data[: max(self._left, 0)], self._left - len(data)
                sink.sendall(data)
                if counted and self._left <= 0:
                    break
        _cut(sink)
        _cut(source)


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
