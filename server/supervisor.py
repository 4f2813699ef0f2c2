"""The supervisor: starts the worker that is the server, and another when that one dies or outgrows its memory.

It holds no data and imports neither DuckDB nor pyarrow, so that nothing a query does can reach it. Beside
the worker that serves, a spare one stands built and waiting, and takes the port over:

    starting → warm → (told to bind) → ready → dead
"""

from __future__ import annotations

import contextlib
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

from server.control import Board, Channel
from server.refusals import DEATH, MEMORY, Refusals

_TURN_SECONDS = 0.1
_TRIES = 3
_LONGEST_PAUSE = 10.0
_SHORT_LIFE = 10.0
_EDIT_PAUSE = 2.0

# A worker ends itself when it outgrows its memory (``watch``); this is for one that does not come to it.
_OVER_SECONDS = 1.0
_OVER_BYTES = 2 * 10**9


@dataclass(eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    channel: Channel
    board: Board
    started_at: float = field(default_factory=time.monotonic)
    warm: bool = False
    told: bool = False
    ready: bool = False
    memory: int | None = None
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

    def end(self) -> None:
        """Kill it, if it lives, and take its remains away."""
        self.process.kill()
        self.process.wait()
        self.channel.close()
        self.board.close()


class Supervisor:
    """Keeps one server running on one port.

    Args:
        directory: the project directory.
        factory: ``module:function`` that a worker calls with the directory to build its app.
        port: the port to serve on; None takes the project's, 0 any free one.
        memory: bytes that a worker may hold; None takes what the project's limits allow.
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
        self._active: _Worker | None = None
        self._spare: _Worker | None = None
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
        """The process that serves now."""
        return self._active.process.pid if self._active else None

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
        for worker in self._workers():
            self._weigh(worker)
        if self._active and self._active.warm and not self._active.told:
            self._active.told = True
            refused = self._refusals.left()
            memory = self._memory or self._active.memory
            self._active.channel.send(do="bind", port=self.port, memory=memory, refused=refused)

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
        if message["state"] == "warm":
            worker.warm, worker.memory = True, message["memory"]
            if worker is self._spare:
                self._spare_failures = 0
        elif message["state"] == "ready":
            worker.ready, worker.started_at = True, time.monotonic()
            self.port, self._served = message["port"], True
            late = "" if self._down_since is None else f" again after {self._since_down():.2f} s"
            self._down_since = None
            self._say(f"ready {message['address']}{late}")
            self.ready.set()
        elif message["state"] == "refuse":
            self._refusals.add(message["digest"], message["why"])
        elif message["state"] == "ends":
            worker.error, worker.ends = message["error"], True
        else:
            worker.error, worker.final = message["error"], message["final"]

    def _since_down(self) -> float:
        return time.monotonic() - (self._down_since or 0.0)

    def _bury(self, worker: _Worker) -> None:
        while select.select([worker.channel.fileno()], [], [], 0)[0] and (last := worker.channel.receive()):
            for message in last:
                self._hear(worker, message)
        if worker.ready and not worker.ends:
            self._refusals.died(worker.board.read(), MEMORY if worker.outgrown else DEATH)
        worker.end()
        if worker is self._spare:
            self._spare = None
            self._spare_failures += 1
            self._spare_at = time.monotonic() + _pause(self._spare_failures)
            self._say(f"the spare worker ended: {_reason(worker)}")
            return
        self._active = None
        if worker.ready:
            now = time.monotonic()
            self._failures = 0
            self._short_lives = self._short_lives + 1 if now - worker.started_at < _SHORT_LIFE else 0
            # One death is replaced at once; a row of them must not keep the machine busy with starting.
            self._start_at = self._spare_at = now + (
                _pause(self._short_lives) if self._short_lives > 1 else 0
            )
            self._down_since = now
            self.ready.clear()
            self._say(f"the worker ended: {_reason(worker)}; its queries end with UNAVAILABLE")
        elif worker.final and self._served:
            # Somebody edits a file: the server comes back when it loads again.
            self._start_at = time.monotonic() + _EDIT_PAUSE
            self._say(f"no server until this is mended: {_reason(worker)}")
        else:
            self._failures += 1
            if worker.final or self._failures >= _TRIES:
                self._status = 1
                self._say(f"the server cannot start: {_reason(worker)}")
                return
            self._start_at = time.monotonic() + _pause(self._failures)
        self._active, self._spare = self._spare, None

    def _start_missing(self) -> None:
        now = time.monotonic()
        if self._active is None and now >= self._start_at:
            self._active = self._start()
        elif self._active and self._active.ready and self._spare is None and now >= self._spare_at:
            self._spare = self._start()

    def _start(self) -> _Worker:
        ours, theirs = socket.socketpair()
        with theirs, Board.file() as board:
            # -P: a folder `server` in the current directory must not be taken for ours.
            descriptors = [theirs.fileno(), board.fileno()]
            command = [sys.executable, "-P", "-m", "server.worker"]
            command += ["--control", str(descriptors[0]), "--board", str(descriptors[1])]
            command += ["--factory", self._factory, "--directory", str(self._directory)]
            process = subprocess.Popen(command, pass_fds=descriptors, stdin=subprocess.DEVNULL)  # noqa: S603
            return _Worker(process, Channel(ours), Board(board.fileno()))

    # ── the end ──────────────────────────────────────────────────────────────────────────────

    def _drain(self) -> None:
        if self._spare:
            self._spare.end()
            self._spare = None
        if self._active is None or self._status:
            return
        asked, stops = time.monotonic(), self._stops
        self._active.channel.send(do="drain", seconds=self._drain_seconds)
        while self._stops == stops and time.monotonic() - asked < self._drain_seconds + 5:
            try:
                self._active.process.wait(_TURN_SECONDS)
                return
            except subprocess.TimeoutExpired:
                continue

    def _workers(self) -> list[_Worker]:
        return [worker for worker in (self._active, self._spare) if worker]

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
