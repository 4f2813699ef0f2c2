"""A worker: the whole server in one process, started and watched by the supervisor.

It builds everything, says ``warm``, and waits; told to ``bind`` it opens the port and says ``ready``.
A spare worker stays at ``warm``. One of several listens where the proxy in front finds it, and asks the supervisor
what the server must know as a whole (``gates.py``). It watches its own memory, and ends itself when it must (``watch.py``). When
the supervisor dies its end of the channel closes, and the worker ends at once, whatever it does.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import astuple
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, cast

from fabric.config import ProjectConfig
from fabric.config_model import TlsSettings
from fabric.errors import Cancelled, FabricError, InternalError, LimitError, UserError
from fabric.secrets import RedactingFormatter
from server.control import Board, Channel
from server.flight import FlightServer, Proxied
from server.gates import SharedGate
from server.live import LiveApp
from server.watch import Watch
from server.watched import WatchedApp

if TYPE_CHECKING:
    from server.app import App

_log = logging.getLogger("ripstop.worker")

_HEADROOM = 512 * 10**6
_LAST_SECONDS = 0.3


def main(arguments: list[str] | None = None) -> int:
    """Be a worker on the channel and the board whose descriptors are given; returns the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--control", type=int, required=True)
    parser.add_argument("--board", type=int, required=True)
    parser.add_argument("--factory", required=True)
    parser.add_argument("--directory", type=Path, required=True)
    options = parser.parse_args(arguments)

    _log_redacted()
    logging.getLogger("ripstop").setLevel(logging.INFO)
    # Ctrl-C reaches the whole group; the supervisor decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders: SimpleQueue[dict[str, Any]] = SimpleQueue()
    signal.signal(signal.SIGTERM, lambda *_: orders.put({"do": "drain", "seconds": 10.0}))
    channel = Channel(socket.socket(fileno=options.control))
    gate = SharedGate(channel.send)
    watch = Watch(Board(options.board), report=channel.send, end=lambda: _end(orders))
    arguments_of_listen = (channel, orders, gate, watch)
    threading.Thread(target=_listen, args=arguments_of_listen, name="control", daemon=True).start()
    try:
        return _serve(_factory(options.factory), options.directory, channel, orders, watch, gate)
    except Exception as error:  # noqa: BLE001
        if not isinstance(error, FabricError):
            fault = InternalError()
            _log.error("internal error %s", fault.reference, exc_info=error)
            error = fault
        # The user's own mistake does not go away by trying again.
        channel.send(state="failed", error=str(error), final=isinstance(error, UserError))
        return 1


def _log_redacted() -> None:
    """To stderr, without secrets; libraries that log rules or addresses say only what is wrong."""
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for library in ("casbin", "httpx2", "httpcore2", "paramiko", "botocore", "sqlglot"):
        logging.getLogger(library).setLevel(logging.WARNING)


def _serve(
    build: Callable[[Path], App],
    directory: Path,
    channel: Channel,
    orders: SimpleQueue[dict[str, Any]],
    watch: Watch,
    gate: SharedGate,
) -> int:
    # What has been imported stays: each collection would look through it again, and a query wait 80 ms for that.
    gc.freeze()
    app = build(directory)
    live = LiveApp(directory, app)
    settings = app.config.server
    try:
        where = {"host": settings.host, "port": settings.port, "workers": settings.workers}
        channel.send(state="warm", memory=_memory(app.config), **where)
        order = orders.get()
        if order["do"] != "bind":
            return 0
        server = _bound(order, app, lambda: cast("App", WatchedApp(live.current(), watch)), gate)
        watch.start(order["memory"], order["refused"])
        shown = f"[{settings.host}]" if ":" in settings.host else settings.host
        scheme = "grpc+tls" if isinstance(settings.tls, TlsSettings) else "grpc"
        address = f"{scheme}://{shown}:{server.port}"
        channel.send(state="ready", port=server.port, address=address, host=shown)
        while (order := orders.get())["do"] not in ("drain", "end"):
            pass
        server.close(order.get("seconds", 0.0))
        if order["do"] == "end":
            os._exit(1)
        return 0
    finally:
        live.close()


def _bound(order: dict[str, Any], app: App, current: Callable[[], App], gate: SharedGate) -> FlightServer:
    """The server, on the port itself or, as one of several, where the proxy finds it."""
    settings = app.config.server
    tls = settings.tls if isinstance(settings.tls, TlsSettings) else None
    if "socket" not in order:
        port = settings.port if order["port"] is None else order["port"]
        return FlightServer(current, fabric=app.config.name, host=settings.host, port=port, tls=tls)
    place = Proxied(order["socket"], gate.elsewhere)
    server = FlightServer(current, fabric=app.config.name, port=order["port"], tls=tls, proxied=place)
    underway = app.underway
    underway.gate = gate
    app.authenticator.failed = lambda user, peer: _tell(gate, {"ask": "failed", "user": user, "peer": peer})

    def answer(question: Mapping[str, Any]) -> Any:
        try:
            if question["ask"] == "entries":
                return [astuple(entry) for entry in underway.here(question["user"])]
            if question["ask"] == "scans":
                return underway.scans_here(question["user"])
            if question["ask"] == "stop":
                return underway.stop_here(question["id"], question["user"], Cancelled(question["why"]))
            if question["ask"] == "failed":
                return current().authenticator.note_failure(question["user"], question["peer"])
            return server.answer(question)
        except Exception:  # noqa: BLE001 - it is answered in the thread that hears the supervisor
            _log.exception("a question of another worker was not answered")
            return None

    gate.answer = answer
    return server


def _tell(gate: SharedGate, what: Mapping[str, Any]) -> None:
    with contextlib.suppress(LimitError):
        gate.elsewhere(what)


def _end(orders: SimpleQueue[dict[str, Any]]) -> None:
    """End when every call has its error, and without giving anything back: DuckDB may hold a thread for ever."""
    orders.put({"do": "end"})
    time.sleep(_LAST_SECONDS)
    os._exit(1)


def _listen(channel: Channel, orders: SimpleQueue[dict[str, Any]], gate: SharedGate, watch: Watch) -> None:
    while (messages := channel.receive()) is not None:
        for message in messages:
            if message["do"] in ("verdict", "answers", "question"):
                gate.hear(message)
            elif message["do"] == "refuse":
                for digest, (seconds, why) in message["refused"].items():
                    watch.refuse(digest, seconds, why)
            else:
                orders.put(message)
    os._exit(1)


def _factory(name: str) -> Callable[[Path], App]:
    module, _, attribute = name.partition(":")
    build: Callable[[Path], App] = getattr(importlib.import_module(module), attribute)
    return build


def _memory(config: ProjectConfig) -> int | None:
    """The bytes beyond which the worker is not what its configuration allows; None for no limit."""
    engine, cache = config.limits["default"].memory, config.cache
    if engine is None:
        return None
    kept = 0 if cache is None else cache.memory + cache.results
    if cache is not None and any(source.max_age for source in config.sources.values()):
        kept += cache.scans
    return engine + kept + _HEADROOM


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    # Without Python's own ending, which would wait for a thread that a dead source holds.
    os._exit(status)
