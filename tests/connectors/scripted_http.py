"""An HTTP server that answers what a test scripts, and misbehaves on request; raw sockets, one thread each."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request as it came; ``headers`` have lower-case names."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""
    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Reply:
    """One answer.

    ``cut`` sends only so many bytes of the body and closes; ``hang`` sends only so many and waits;
    ``silent`` sends nothing and waits; ``drop`` closes at once.
    """

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    hang: int | None = None
    silent: bool = False
    drop: bool = False
    delay: float = 0.0

    def bytes(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Script = Callable[[Asked], Reply]


class ScriptedHttp:
    """The server; ``asked`` holds every request, ``open`` counts connections that clients hold."""

    def __init__(self, script: Script, trust: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self.open = 0
        self.most = 0
        self._trust = trust
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._socket.settimeout(0.01)
        self._threads: list[threading.Thread] = []
        self._main = threading.Thread(target=self._accept)
        self._main.start()

    @property
    def uri(self) -> str:
        scheme = "http" if self._trust is None else "https"
        return f"{scheme}://127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        self._over.set()
        self._main.join()
        for thread in self._threads:
            thread.join()
        self._socket.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                client, _ = self._socket.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=self._serve, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket) -> None:
        with self._lock:
            self.open += 1
            self.most = max(self.most, self.open)
        client = plain
        try:
            plain.settimeout(5)
            if self._trust is not None:
                client = self._trust.wrap_socket(plain, server_side=True)
            client.settimeout(0.05)
            while (asked := self._read(client)) is not None:
                with self._lock:
                    self.asked.append(asked)
                if not self._answer(client, self.script(asked)):
                    break
        except OSError:
            pass
        finally:
            client.close()
            with self._lock:
                self.open -= 1

    def _receive(self, client: socket.socket) -> bytes:
        while not self._over.is_set():
            try:
                return client.recv(65536)
            except TimeoutError:
                continue
        return b""

    def _read(self, client: socket.socket) -> Asked | None:
        data = b""
        while b"\r\n\r\n" not in data:
            part = self._receive(client)
            if not part:
                return None
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        while len(body) < int(headers.get("content-length", 0)):
            body += self._receive(client)
        method, target, _ = first.split(" ")
        return Asked(method, target, headers, body)

    def _answer(self, client: socket.socket, reply: Reply) -> bool:
        self._over.wait(reply.delay)
        if reply.drop:
            return False
        if reply.silent:
            self._wait_for_close(client)
            return False
        body = reply.bytes()
        headers = {"Content-Length": str(len(body)), "Content-Type": "application/json", **reply.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value)
        client.settimeout(5)
        client.sendall(f"HTTP/1.1 {reply.status} Scripted\r\n{lines}\r\n".encode())
        if reply.cut is not None:
            client.sendall(body[: reply.cut])
            return False
        if reply.hang is not None:
            client.sendall(body[: reply.hang])
            self._wait_for_close(client)
            return False
        client.sendall(body)
        client.settimeout(0.05)
        return True

    def _wait_for_close(self, client: socket.socket) -> None:
        client.settimeout(0.05)
        self._receive(client)


@contextmanager
def scripted(script: Script, trust: ssl.SSLContext | None = None) -> Iterator[ScriptedHttp]:
    server = ScriptedHttp(script, trust)
    try:
        yield server
    finally:
        server.close()


def in_turn(*replies: Reply) -> Script:
    """One reply after the other, the last one for ever."""
    left = list(replies)
    lock = threading.Lock()

    def script(_: Asked) -> Reply:
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]

    return script
