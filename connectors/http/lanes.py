"""The connections to one HTTP source: as many as its cap, each used by one request at a time.

A request that waits in ``recv`` can only be ended through its socket, and a pool of httpx2 does not
tell which socket serves which request. So each lane is a client of one connection that knows its socket.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any

import httpx2

from connectors.http.settings import HttpSettings
from fabric.errors import Cancelled, InvalidConfig
from fabric.spi import ScanContext

_NAP = 0.1


def live(context: ScanContext) -> None:
    """Go on only while the query does.

    Raises:
        Cancelled: the query was cancelled.
    """
    if context.cancelled:
        raise Cancelled("the query was cancelled")


class Lane:
    """One connection, made when first used and again after it broke."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client
        self._stream: Any = None

    @contextmanager
    def send(self, request: httpx2.Request, context: ScanContext) -> Iterator[httpx2.Response]:
        """The answer, its body unread; leaving the block frees the lane, cancelling breaks it.

        Raises:
            httpx2.HTTPError: as httpx2 does.
            Cancelled: the query was cancelled meanwhile.
        """
        lock, over = threading.Lock(), False

        def end() -> None:
            with lock:
                if not over:
                    self._break()

        def trace(event: str, info: dict[str, Any]) -> None:
            if event.endswith(("connect_tcp.complete", "start_tls.complete")):
                self._stream = info["return_value"]
                if context.cancelled:
                    self._break()

        request.extensions["trace"] = trace
        context.on_cancel(end)
        try:
            live(context)
            response = self._client.send(request, stream=True)
            try:
                yield response
            finally:
                response.close()
        except httpx2.HTTPError:
            live(context)
            raise
        finally:
            with lock:
                over = True

    def _break(self) -> None:
        held = None if self._stream is None else self._stream.get_extra_info("socket")
        if held is not None:
            # The plain socket's shutdown wakes the reader, under TLS too; closing would not.
            with suppress(OSError):
                socket.socket.shutdown(held, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


class Lanes:
    """At most ``limits.connections`` lanes, shared by all threads."""

    def __init__(self, name: str, settings: HttpSettings, directory: Path) -> None:
        self._trust = _trust(name, settings, directory)
        self._timeout = httpx2.Timeout(settings.timeout, connect=settings.connect_timeout)
        self._free: queue.LifoQueue[Lane | None] = queue.LifoQueue()
        for _ in range(settings.limits.connections):
            self._free.put(None)
        self._closed = False

    @contextmanager
    def lane(self, context: ScanContext) -> Iterator[Lane]:
        """A lane of one's own, waiting for one while others have them all.

        Raises:
            Cancelled: the query was cancelled meanwhile.
        """
        lane: Lane | None = None
        while True:
            live(context)
            with suppress(queue.Empty):
                lane = self._free.get(timeout=_NAP)
                break
        try:
            lane = lane or self._open()
            yield lane
        finally:
            self._free.put(lane)
            if self._closed:
                self.close()

    def _open(self) -> Lane:
        # A source's cookies would make one request's answer depend on another's.
        no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
        return Lane(
            httpx2.Client(
                verify=self._trust,
                timeout=self._timeout,
                limits=httpx2.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=30.0),
                cookies=no_cookies,
            )
        )

    def close(self) -> None:
        """Close every lane that is free now, and the others when their requests end."""
        self._closed = True
        with suppress(queue.Empty):
            while True:
                lane = self._free.get_nowait()
                if lane is not None:
                    lane.close()


def _trust(name: str, settings: HttpSettings, directory: Path) -> ssl.SSLContext:
    if settings.ca_file is not None:
        try:
            return ssl.create_default_context(cafile=directory / settings.ca_file)
        except OSError:
            raise InvalidConfig(
                f"source '{name}': ca_file cannot be read as certificates",
                hint="give a PEM file; its path is relative to fabric.yaml",
            ) from None
    oauth2 = settings.auth.oauth2 if settings.auth is not None else None
    addresses = (settings.uri, oauth2.token_url if oauth2 is not None else "")
    if any(address.startswith("https:") for address in addresses):
        return httpx2.create_ssl_context()
    # No TLS is spoken: one that trusts nobody is made much faster.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class RateLimit:
    """A token bucket for all threads of a source: ``rate`` requests per second, none saved up.

    Without savings no second, however it is cut, sees more than ``rate`` requests and one.
    """

    def __init__(self, rate: float | None) -> None:
        self._gap = 1 / rate if rate else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self, context: ScanContext) -> None:
        """Sleep until a request may be sent.

        Raises:
            Cancelled: the query was cancelled meanwhile.
        """
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._gap
        if turn > now:
            context.wait(turn - now)
        live(context)
