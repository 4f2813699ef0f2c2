"""A TCP relay on loopback that cuts a connection, or falls silent on it, after so many bytes."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

_PASSIVE = re.compile(rb"227 [^(]*\(127,0,0,1,(\d+),(\d+)\)")


class CuttingProxy:
    """Relays to a server of the test.

    Args:
        target: the server's port.
        budgets: for each connection in turn, the bytes that the server may send; then there is no limit.
        silent: fall silent where the budget ends, instead of cutting.
        passive: the server speaks FTP: the budgets are those of its data connections.
        seen: called with the bytes that all budgeted connections have brought so far.
    """

    def __init__(
        self,
        target: int,
        budgets: Iterable[int] = (),
        *,
        silent: bool = False,
        passive: bool = False,
        seen: Callable[[int], None] = lambda total: None,
    ) -> None:
        self.connections = 0
        self._budgets = iter(budgets)
        self._silent = silent
        self._passive = passive
        self._seen = seen
        self._total = 0
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.port = self._listen(target, counted=not passive)

    def stop(self) -> None:
        """Close everything."""
        self._stopping.set()
        while self._sockets:
            _cut(self._sockets.pop())
        for thread in self._threads:
            thread.join(5)

    def _listen(self, target: int, *, counted: bool) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        self._sockets.append(listener)
        self._run(self._accept, listener, target, counted)
        return int(listener.getsockname()[1])

    def _run(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket, target: int, counted: bool) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", target))
                self._sockets += [client, server]
                with self._lock:
                    self.connections += 1
                    budget = next(self._budgets, None) if counted else None
                self._run(self._pump, client, server, None, False)
                self._run(self._pump, server, client, budget, counted)

    def _pump(self, source: socket.socket, sink: socket.socket, left: int | None, counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 14):
                if self._passive and not counted:
                    data = _PASSIVE.sub(self._redirect, data)
                data = data if left is None else data[:left]
                sink.sendall(data)
                if counted:
                    with self._lock:
                        self._total += len(data)
                        self._seen(self._total)
                if left is not None:
                    left -= len(data)
                    if left <= 0:
                        if self._silent:
                            self._stopping.wait(30)
                        break
        _cut(sink)
        _cut(source)

    def _redirect(self, match: re.Match[bytes]) -> bytes:
        port = self._listen(int(match[1]) * 256 + int(match[2]), counted=True)
        return b"227 Entering passive mode (127,0,0,1,%d,%d)" % divmod(port, 256)


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def cutting(target: int, budgets: Iterable[int] = (), **how: object) -> Iterator[CuttingProxy]:
    """A proxy that is stopped at the end."""
    proxy = CuttingProxy(target, budgets, **how)  # type: ignore[arg-type]
    try:
        yield proxy
    finally:
        proxy.stop()


@contextmanager
def mute() -> Iterator[int]:
    """The port of a server that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@contextmanager
def dead_port() -> Iterator[int]:
    """A port on which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


@contextmanager
def saying(*words: bytes) -> Iterator[int]:
    """The port of a server that says one thing on connecting, and the next after each thing it hears."""
    opened: list[socket.socket] = []

    def talk(listener: socket.socket) -> None:
        with suppress(OSError):
            client, _ = listener.accept()
            opened.append(client)
            for position, word in enumerate(words):
                if position:
                    client.recv(1 << 10)
                client.sendall(word)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=talk, args=(listener,), daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            for client in opened:
                _cut(client)
            thread.join(5)
