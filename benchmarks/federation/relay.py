"""A TCP relay in a process of its own: it delays what passes, or counts it.

Each direction is delayed by the same time, with order kept and nothing lost of the bandwidth: what was read waits
with its due time in a queue while more is read. Told on standard input (``reset`` or ``counts``, a line each), it
answers on standard output with a line of JSON. Threads, since asyncio's timers are whole milliseconds.
"""

from __future__ import annotations

import json
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

CHUNK = 1 << 18
# 256 chunks of 256 KB between a reader and its writer: 25 GB/s at 2.5 ms.
WAITING = 256
_HEAD_END = b"\r\n\r\n"


@dataclass
class Counts:
    """What passed one route: bytes towards the engine, heads of HTTP requests from it, connections."""

    bytes: int = 0
    requests: int = 0
    connections: int = 0


@dataclass
class Route:
    """One port that leads to another; ``delay`` in seconds, each way."""

    name: str
    target: int
    delay: float = 0.0
    counts: Counts = field(default_factory=Counts)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def listen(self) -> int:
        """Take connections in a thread of its own; the port."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return int(listener.getsockname()[1])

    def _accept(self, listener: socket.socket) -> None:
        while True:
            engine, _ = listener.accept()
            try:
                source = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                engine.close()
                continue
            for end in (engine, source):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.counts.connections += 1
            self._pass(engine, source, _Heads(self))
            self._pass(source, engine, _Bytes(self))

    def _pass(self, origin: socket.socket, target: socket.socket, meter: _Heads | _Bytes) -> None:
        due: queue.Queue[tuple[float, bytes]] = queue.Queue(WAITING)
        threading.Thread(target=_read, args=(origin, due, meter, self.delay), daemon=True).start()
        threading.Thread(target=_write, args=(due, origin, target), daemon=True).start()


class _Bytes:
    """Counts what goes to the engine."""

    def __init__(self, route: Route) -> None:
        self.route = route

    def __call__(self, data: bytes) -> None:
        with self.route.lock:
            self.route.counts.bytes += len(data)


class _Heads:
    """Counts the ends of request heads: reads have no bodies, so each end is a request."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.rest = b""

    def __call__(self, data: bytes) -> None:
        seen = self.rest + data
        self.rest = seen[-(len(_HEAD_END) - 1) :]
        with self.route.lock:
            self.route.counts.requests += seen.count(_HEAD_END)


def _read(
    origin: socket.socket, due: queue.Queue[tuple[float, bytes]], meter: _Heads | _Bytes, delay: float
) -> None:
    data = b"?"
    while data:
        try:
            data = origin.recv(CHUNK)
        except OSError:
            data = b""
        meter(data)
        due.put((time.monotonic() + delay, data))


def _write(due: queue.Queue[tuple[float, bytes]], origin: socket.socket, target: socket.socket) -> None:
    gone = False
    while True:
        at, data = due.get()
        if (wait := at - time.monotonic()) > 0:
            time.sleep(wait)
        if not data:
            break
        if not gone:
            try:
                target.sendall(data)
            except OSError:
                # The reader goes on until its end has closed, so that its queue never stays full.
                gone = True
                with suppress(OSError):
                    origin.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@dataclass
class Relay:
    """A running relay: the port that stands for each route, and what passed."""

    ports: dict[str, int]
    process: subprocess.Popen[str]

    def ask(self, word: str) -> dict[str, dict[str, int]]:
        """``counts`` tells what passed, ``reset`` begins to count anew."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        answer: dict[str, dict[str, int]] = json.loads(self.process.stdout.readline())
        return answer


@contextmanager
def relayed(targets: dict[str, int], milliseconds: float = 0.0) -> Iterator[Relay]:
    """A relay to these ports of 127.0.0.1 that adds so much to every round trip."""
    told = json.dumps({"targets": targets, "delay": milliseconds / 2000})
    command = [sys.executable, "-m", "benchmarks.federation.relay", told]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root
    ) as process:
        try:
            assert process.stdout is not None
            yield Relay(json.loads(process.stdout.readline()), process)
        finally:
            process.terminate()


def main() -> None:
    """Relay until standard input ends."""
    told = json.loads(sys.argv[1])
    routes = [Route(name, target, told["delay"]) for name, target in told["targets"].items()]
    print(json.dumps({route.name: route.listen() for route in routes}), flush=True)
    for line in sys.stdin:
        for route in routes:
            with route.lock:
                if line.strip() == "reset":
                    # Connections that are kept open count on, from nothing.
                    route.counts.bytes = route.counts.requests = route.counts.connections = 0
        print(json.dumps({route.name: asdict(route.counts) for route in routes}), flush=True)


if __name__ == "__main__":
    main()
