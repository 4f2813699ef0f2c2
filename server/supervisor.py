"""The supervisor: starts the workers that are the server, and another when one dies or outgrows its memory.

It holds no data and imports neither DuckDB nor pyarrow, so that nothing a query does can reach it. Beside
those that serve, a spare one stands built and waiting, and takes the place of one that dies:

    starting → warm → (told to bind) → ready → dead

One worker has the port itself. Several stand behind a proxy (``proxy.py``), and share what must be one in a server
(``switchboard.py``); the first to be warm says how many there are.
"""

from __future__ import annotations

import contextlib
import itertools
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from server.control import Board, Channel, die_with_parent
from server.proxy import HINT, WANTING, Proxy
from server.refusals import DEATH, MEMORY, Refusals
from server.switchboard import Switchboard

_TURN_SECONDS = 0.1
_TRIES = 3
_LONGEST_PAUSE = 10.0
_SHORT_LIFE = 10.0
_EDIT_PAUSE = 2.0

# A worker ends itself when it outgrows its memory (``watch``); this is for one that does not come to it.
_OVER_SECONDS = 1.0
_OVER_BYTES = 2 * 10**9

# A worker that does not read what it is told for so long is ended.
_DEAF_SECONDS = 2.0


@dataclass(eq=False)
class _Worker:
    number: int
    process: subprocess.Popen[bytes]
    channel: Channel
    board: Board
    started_at: float = field(default_factory=time.monotonic)
    warm: bool = False
    told: bool = False
    ready: bool = False
    memory: int | None = None
    port: int = 0
    over_since: float | None = None
    outgrown: bool = False
    error: str = ""
    final: bool = False
    ends: bool = False

    def rss(self) -> int:
        """Resident memory in bytes; 0 when it cannot be read."""
        try:
            return int(psutil.Process(self.process.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def send(self, **message: Any) -> None:
        """Tell it something; one that is deaf is ended."""
        if not self.channel.send(**message):
            self.process.kill()

    def end(self) -> None:
        """Kill it, if it lives, and take its remains away."""
        self.process.kill()
        self.process.wait()
        self.channel.close()
        self.board.close()


class Supervisor:
    """Keeps one server of one worker or several running on one port.

    Args:
        directory: the project directory.
        factory: ``module:function`` that a worker calls with the directory to build its app.
        port: the port to serve on; None takes the project's, 0 any free one.
        memory: bytes that each worker may hold; None takes what the project's limits allow.
        say: told of each event in one line: ``ready grpc://…``, and each death and replacement.
        drain_seconds: how long running queries may go on after SIGTERM, SIGINT or ``stop``.
    """

    def __init__(
        self,
        directory: Path,
        *,
        factory: str = "server.app:build",
        port: int | None = None,
        memory: int | None = None,
        say: Callable[[str], None] = print,
        drain_seconds: float = 10.0,
    ) -> None:
        self.port = port
        self.ready = threading.Event()
        self._directory = directory
        self._factory = factory
        self._memory = memory
        self._say = say
        self._drain_seconds = drain_seconds
        self._count = 1
        self._places: dict[int, _Worker] = {}
        self._ports: dict[int, int] = {}
        self._spare: _Worker | None = None
        self._numbers = itertools.count(1)
        self._board = Switchboard()
        self._proxy: Proxy | None = None
        self._weighed_at = 0.0
        self._failures = 0
        self._spare_failures = 0
        self._short_lives = 0
        self._served = False
        self._start_at = 0.0
        self._spare_at = 0.0
        self._down_since: float | None = None
        self._refusals = Refusals()
        self._stops = 0
        self._status = 0
        self._wake, self._waker = socket.socketpair()

    @property
    def pid(self) -> int | None:
        """The process that serves now; of several the first."""
        return self.pids[0] if self.pids else None

    @property
    def pids(self) -> list[int]:
        """The processes that serve now, or are about to."""
        return [worker.process.pid for _, worker in sorted(self._places.items())]

    @property
    def has_spare(self) -> bool:
        """Whether a built worker waits to take over."""
        return self._spare is not None and self._spare.warm

    def stop(self) -> None:
        """Drain and end ``run``; a second call does not wait for queries. For any thread or signal."""
        self._stops += 1
        with contextlib.suppress(OSError):
            self._waker.send(b".")

    def run(self) -> int:
        """Serve until stopped, or until the worker cannot be started; returns the exit status."""
        with self._signals():
            try:
                while not self._stops and not self._status:
                    self._start_missing()
                    self._turn()
                self._drain()
            finally:
                for worker in self._workers():
                    worker.end()
                if self._proxy is not None:
                    self._proxy.close()
                self._wake.close()
                self._waker.close()
        return self._status

    # ── one turn: listen, then look at the dead, then at the fat ──────────────────────────────

    def _turn(self) -> None:
        workers = self._workers()
        ends = [self._wake.fileno(), *(worker.channel.fileno() for worker in workers)]
        heard, _, _ = select.select(ends, [], [], _TURN_SECONDS)
        for worker in workers:
            messages = worker.channel.receive() if worker.channel.fileno() in heard else []
            for message in messages or []:
                self._hear(worker, message)
            if messages is None or worker.process.poll() is not None:
                self._bury(worker)
        # Messages of queries may come by the thousand.
        if time.monotonic() - self._weighed_at > _TURN_SECONDS:
            self._weighed_at = time.monotonic()
            for worker in self._workers():
                self._weigh(worker)
        for slot, worker in self._places.items():
            if worker.warm and not worker.told:
                worker.told = True
                self._bind(slot, worker)
        if self._proxy is not None and self.ready.is_set() and not self._proxy.running:
            self._say("the proxy ended, and is started again; every connection has ended with UNAVAILABLE")
            self._start_proxy()

    def _bind(self, slot: int, worker: _Worker) -> None:
        order: dict[str, Any] = {"port": self.port}
        if self._proxy is not None:
            self._board.join(worker.number, worker.send)
            order = {"port": self._ports.get(slot, 0), "socket": self._proxy.socket_of(slot)}
        memory, refused = self._memory or worker.memory, self._refusals.left()
        worker.send(do="bind", memory=memory, refused=refused, **order)

    def _weigh(self, worker: _Worker) -> None:
        limit, held, now = self._memory or worker.memory, worker.rss(), time.monotonic()
        if limit is None or held <= limit:
            worker.over_since = None
            return
        worker.over_since = worker.over_since or now
        if held > limit + _OVER_BYTES or now - worker.over_since > _OVER_SECONDS:
            worker.error = f"held {held / 1e9:.1f} GB of the {limit / 1e9:.1f} GB that it may"
            worker.outgrown = True
            worker.process.kill()

    def _hear(self, worker: _Worker, message: dict[str, Any]) -> None:
        if self._board.hear(worker.number, message):
            return
        if message["state"] == "warm":
            worker.warm, worker.memory = True, message["memory"]
            if worker is self._spare:
                self._spare_failures = 0
            elif not self._served and self._proxy is None and message.get("workers", 1) > 1:
                self._open(message)
        elif message["state"] == "ready":
            worker.ready, worker.started_at = True, time.monotonic()
            worker.port = message["port"]
            self._is_ready(message)
        elif message["state"] == "refuse":
            refused = self._refusals.add(message["digest"], message["why"], message["by"])
            self._board.everyone_but(None, do="refuse", refused=refused)
        elif message["state"] == "ends":
            worker.error, worker.ends = message["error"], True
        else:
            worker.error, worker.final = message["error"], message["final"]

    def _open(self, message: dict[str, Any]) -> None:
        """Listen, for several workers: the first of them says where, and how many."""
        port = message["port"] if self.port is None else self.port
        try:
            self._proxy = Proxy(message["host"], port)
        except FileNotFoundError:
            self._fail(f"MISSING_EXTRA: {WANTING} Hint: {HINT}")
        except OSError:
            self._fail(
                f"CONFIG: cannot listen on {message['host']}:{port} Hint: is another server running there?"
            )
        else:
            self._count, self.port = message["workers"], self._proxy.port

    def _fail(self, why: str) -> None:
        self._status = 1
        self._say(f"the server cannot start: {why}")

    def _is_ready(self, message: dict[str, Any]) -> None:
        """Say so, when this was the last worker that was missing."""
        address = message["address"]
        if self._proxy is None:
            self.port = message["port"]
        else:
            if len(self._places) < self._count or not all(worker.ready for worker in self._places.values()):
                return
            self._ports = {slot: worker.port for slot, worker in self._places.items() if worker.port > 0}
            if not self._proxy.running:
                self._start_proxy()
            address = f"{address.partition('://')[0]}://{message['host']}:{self.port}"
        self._served = True
        late = "" if self._down_since is None else f" again after {self._since_down():.2f} s"
        self._down_since = None
        self._say(f"ready {address}{late}")
        self.ready.set()

    def _start_proxy(self) -> None:
        assert self._proxy is not None  # noqa: S101 - there are several workers
        self._proxy.start([self._ports.get(slot) for slot in range(self._count)])

    def _since_down(self) -> float:
        return time.monotonic() - (self._down_since or 0.0)

    def _bury(self, worker: _Worker) -> None:
        while select.select([worker.channel.fileno()], [], [], 0)[0] and (last := worker.channel.receive()):
            for message in last:
                self._hear(worker, message)
        if worker.ready and not worker.ends:
            self._refusals.died(worker.board.read(), MEMORY if worker.outgrown else DEATH)
        worker.end()
        self._board.lost(worker.number)
        if worker is self._spare:
            self._spare = None
            self._spare_failures += 1
            self._spare_at = time.monotonic() + _pause(self._spare_failures)
            self._say(f"the spare worker ended: {_reason(worker)}")
            return
        slot = next(slot for slot, each in self._places.items() if each is worker)
        self.ready.clear()  # before the place is empty: who finds another worker there must not take it for ready
        del self._places[slot]
        if worker.ready:
            now = time.monotonic()
            self._failures = 0
            self._short_lives = self._short_lives + 1 if now - worker.started_at < _SHORT_LIFE else 0
            # One death is replaced at once; a row of them must not keep the machine busy with starting.
            self._start_at = self._spare_at = now + (
                _pause(self._short_lives) if self._short_lives > 1 else 0
            )
            self._down_since = now
            others = f", {len(self._places)} of {self._count} go on" if self._count > 1 else ""
            self._say(f"the worker ended: {_reason(worker)}; its queries end with UNAVAILABLE{others}")
        elif worker.final and self._served:
            # Somebody edits a file: the server comes back when it loads again.
            self._start_at = time.monotonic() + _EDIT_PAUSE
            self._say(f"no server until this is mended: {_reason(worker)}")
        else:
            self._failures += 1
            if worker.final or self._failures >= _TRIES:
                self._fail(_reason(worker))
                return
            self._start_at = time.monotonic() + _pause(self._failures)
        if self._spare is not None:
            self._places[slot], self._spare = self._spare, None

    def _start_missing(self) -> None:
        now = time.monotonic()
        missing = [slot for slot in range(self._count) if slot not in self._places]
        if missing and now >= self._start_at:
            for slot in missing:
                self._places[slot] = self._start()
        elif not missing and self.ready.is_set() and self._spare is None and now >= self._spare_at:
            self._spare = self._start()

    def _start(self) -> _Worker:
        ours, theirs = socket.socketpair()
        with theirs, Board.file() as board:
            # -P: a folder `server` in the current directory must not be taken for ours.
            descriptors = [theirs.fileno(), board.fileno()]
            command = [sys.executable, "-P", "-m", "server.worker"]
            command += ["--control", str(descriptors[0]), "--board", str(descriptors[1])]
            command += ["--factory", self._factory, "--directory", str(self._directory)]
            process = subprocess.Popen(  # noqa: S603
                command, pass_fds=descriptors, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent
            )
            channel = Channel(ours)
            channel.patience(_DEAF_SECONDS)
            return _Worker(next(self._numbers), process, channel, Board(board.fileno()))

    # ── the end ──────────────────────────────────────────────────────────────────────────────

    def _drain(self) -> None:
        if self._spare:
            self._spare.end()
            self._spare = None
        if self._status:
            return
        until, stops = time.monotonic() + self._drain_seconds + 5, self._stops
        left = self._workers()
        for worker in left:
            worker.send(do="drain", seconds=self._drain_seconds)
        while left and self._stops == stops and time.monotonic() < until:
            heard, _, _ = select.select([worker.channel.fileno() for worker in left], [], [], _TURN_SECONDS)
            # What they share goes on until the last has ended.
            for worker in list(left):
                messages = worker.channel.receive() if worker.channel.fileno() in heard else []
                for message in messages or []:
                    self._board.hear(worker.number, message)
                if messages is None or worker.process.poll() is not None:
                    self._board.lost(worker.number)
                    left.remove(worker)

    def _workers(self) -> list[_Worker]:
        return [*self._places.values(), *([self._spare] if self._spare else [])]

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        names = (signal.SIGTERM, signal.SIGINT)
        before = {name: signal.signal(name, lambda *_: self.stop()) for name in names}
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)


def _pause(failures: int) -> float:
    return min(_LONGEST_PAUSE, 0.25 * 2.0**failures)


def _reason(worker: _Worker) -> str:
    if worker.error:
        return worker.error
    code = worker.process.returncode
    return f"signal {-code}" if code < 0 else f"exit status {code}"
