"""``ripstop demo``: servers, company, project, Ripstop itself, first answers, and a clean end."""

from __future__ import annotations

import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from fabric.errors import Unreachable
from server.client import Login
from server.demo.company import Company, generate
from server.demo.contracts import show_contracts
from server.demo.progress import Steps
from server.demo.project import PASSWORDS, refuse_foreign, write_demo
from server.demo.servers import Servers, Station
from server.demo.serving import served
from server.demo.tour import show_answers, show_ways

DEFAULT_PORT = 31337
INTERRUPTED = 130

T = TypeVar("T")


class _Ended(BaseException):
    """A signal came; no ``except Exception`` may swallow it."""


def run(directory: Path, *, keep: bool, scale: float = 1.0) -> int:
    """Start the demo and show its answers; with ``keep`` it stays up until Ctrl-C or SIGTERM.

    Returns the exit status: 0, or 130 when a signal came before the answers.

    Raises:
        FabricError: a server did not start, or an expected answer did not come.
    """
    refuse_foreign(directory)
    # What goes to a file or a pipe has no width to fit.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    answered = False
    with _signals() as done:
        try:
            with ExitStack() as stack:
                uri = _start(console, stack, directory, scale)
                show_answers(console, uri)
                show_contracts(console, Login(uri, "aud", PASSWORDS["aud"]), directory)
                show_ways(console, uri, directory)
                answered = True
                if keep:
                    console.print("\n[bold]Ctrl-C ends everything.[/]")
                    _wait()
                done()
        except _Ended:
            console.print("\nEvery server has ended.")
    return 0 if answered else INTERRUPTED


def _start(console: Console, stack: ExitStack, directory: Path, scale: float) -> str:
    """Bring everything up; what must end later is put on the stack. Gives Ripstop's address."""
    started = time.monotonic()
    with Steps(console) as steps:
        servers = stack.enter_context(Servers())
        stations = servers.stations()
        with ThreadPoolExecutor(len(stations) + 1) as pool:
            making = pool.submit(_within, steps, "the company", lambda: generate(scale))
            for future in [pool.submit(_fill, steps, station, making) for station in stations]:
                future.result()
        uri = _within(steps, "Ripstop", lambda: _serve(stack, directory, servers))
    console.print(f"Up after {time.monotonic() - started:.0f} s.\n")
    return uri


def _serve(stack: ExitStack, directory: Path, servers: Servers) -> str:
    write_demo(directory, servers.ports(_free_port(DEFAULT_PORT, 0)), servers.secrets)
    try:
        return stack.enter_context(served(directory))
    except Unreachable as error:
        # Another server may have taken the port since it was seen free.
        if "cannot listen" not in error.hint:
            raise
    write_demo(directory, servers.ports(_free_port(0)), servers.secrets)
    return stack.enter_context(served(directory))


def _fill(steps: Steps, station: Station, making: Future[Company]) -> None:
    with steps.step(station.title, unit="rows") as step:
        station.start()
        company = making.result()
        step.total = sum(getattr(company, table).num_rows for table in station.tables)
        for count in station.load(company):
            step.advance(count)


def _within(steps: Steps, title: str, work: Callable[[], T]) -> T:
    with steps.step(title):
        return work()


def _wait() -> None:
    """Wait for a signal, in short naps: the ADBC driver's Go runtime may take it in a thread of its own,
    and then a long wait of the main thread would not be woken.
    """
    while True:
        time.sleep(0.2)


@contextmanager
def _signals() -> Iterator[Callable[[], None]]:
    """Have the first SIGINT or SIGTERM raise ``_Ended``; none disturbs the clean-up that follows.

    Gives a function that says that the clean-up begins by itself.
    """
    ending = False

    def done() -> None:
        nonlocal ending
        ending = True

    def end(*_: object) -> None:
        if not ending:
            done()
            raise _Ended

    before = {name: signal.signal(name, end) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield done
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _free_port(*wanted: int) -> int:
    """The first of these ports that nobody has; 0 is any other."""
    for port in wanted:
        with socket.socket() as probe:
            # As a server does: a connection of the last demo that lingers is no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise AssertionError("the system has no free port")
