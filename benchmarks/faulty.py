"""A proxy in front of an S3 server that answers some requests with 500, some not at all, before or after they were carried out."""

from __future__ import annotations

import io
import random
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_MOST_HEAD = 65_536
_FAULT = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
KINDS = ("500", "500 after", "silence", "silence after")


class FaultyProxy:
    """Hands requests on to a server of this machine, all but a part of them; after a fault the connection ends.

    Args:
        target: the server's port.
        part: of how many requests of one something goes wrong.
        silence: how many seconds nothing is said before the connection ends.
        seed: of the choice.
    """

    def __init__(self, target: int, part: float, silence: float, seed: int) -> None:
        self.part = part
        self.requests = 0
        self.faults: Counter[str] = Counter()
        self._target = target
        self._silence = silence
        self._choose = random.Random(seed)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        """Take no more connections."""
        self._ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as server:
            came, went = client.makefile("rb"), server.makefile("rb")
            go_on = lambda: client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")  # noqa: E731
            while request := _message(came, is_answer=False, expected=go_on):
                fault = self._fault()
                if fault in ("", "500 after", "silence after"):
                    server.sendall(request)
                    answer = _message(went, is_answer=True, to_head=request.startswith(b"HEAD "))
                    while answer.startswith(b"HTTP/1.1 100"):
                        answer = _message(went, is_answer=True)
                    if not fault:
                        client.sendall(answer)
                        continue
                if fault.startswith("500"):
                    client.sendall(_FAULT)
                else:
                    self._ended.wait(self._silence)
                return

    def _fault(self) -> str:
        with self._lock:
            self.requests += 1
            fault = self._choose.choice(KINDS) if self._choose.random() < self.part else ""
            if fault:
                self.faults[fault] += 1
            return fault


def _message(
    stream: io.BufferedReader,
    *,
    is_answer: bool,
    to_head: bool = False,
    expected: Callable[[], None] = lambda: None,
) -> bytes:
    """A request or an answer, head and body; nothing where the connection has ended."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        part = stream.readline(_MOST_HEAD)
        if not part:
            return b""
        head += part
    fields = {
        name.strip().lower(): value.strip()
        for name, _, value in (field.partition(b":") for field in head.split(b"\r\n")[1:])
    }
    status = head.split(b" ", 2)[1] if is_answer else b""
    if to_head or status in (b"204", b"304") or status.startswith(b"1"):
        return head
    if fields.get(b"expect"):
        expected()
    if fields.get(b"transfer-encoding", b"").lower() == b"chunked":
        body = b""
        while True:
            size = stream.readline(_MOST_HEAD)
            length = int(size.split(b";")[0], 16)
            body += size + stream.read(length + 2)
            if length == 0:
                return head + body
    return head + stream.read(int(fields.get(b"content-length", b"0")))


@contextmanager
def faulty(endpoint: str, part: float, silence: float, seed: int) -> Iterator[FaultyProxy]:
    """A proxy in front of ``http://127.0.0.1:<port>``."""
    proxy = FaultyProxy(int(endpoint.rpartition(":")[2]), part, silence, seed)
    try:
        yield proxy
    finally:
        proxy.stop()
