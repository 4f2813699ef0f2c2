"""Where a server listens, as a source's uri says it, and a TCP connection to it that a query can stop."""

from __future__ import annotations

import errno
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from fabric.errors import SourceError, SourceTimeout, Unreachable

_POLL = 0.1
_UNDER_WAY = {errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY}


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of a uri, percent-decoded; ``path`` has no slash in front, and none behind."""

    host: str
    port: int
    path: str
    user: str = ""
    password: str = field(default="", repr=False)


def parse_address(uri: str, scheme: str, port: int) -> Address:
    """``scheme://user@host:port/path`` in parts.

    Args:
        uri: the text.
        scheme: the only scheme that fits.
        port: what holds when the uri names none.

    Raises:
        ValueError: it is no such uri; the message does not repeat it.
    """
    shape = f"uri must look like {scheme}://user@host:{port}/path"
    try:
        parts = urlsplit(uri)
        found, named = parts.hostname, parts.port
    except ValueError:
        raise ValueError(shape) from None
    if parts.scheme.lower() != scheme or not found or parts.query or parts.fragment:
        raise ValueError(f"{shape}; '?' and '#' in the path are written %3F and %23")
    path = unquote(parts.path.removeprefix("/")).rstrip("/")
    # ``host//`` and ``host/%2F`` mean the server's own root, which the stripping above would lose.
    if parts.path.lower() in ("//", "/%2f"):
        path = "/"
    return Address(found, named or port, path, unquote(parts.username or ""), unquote(parts.password or ""))


def resolve(source: str, host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[object, ...]]]:
    """The addresses of a host, in the order in which to try them.

    Raises:
        Unreachable: the name does not resolve.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unreachable(
            source, "its host name does not resolve", hint="check the host in the source's uri, and DNS"
        ) from None
    return [(family, where) for family, _, _, _, where in found]


def dial(source: str, host: str, port: int, seconds: float, stopped: Callable[[], bool]) -> socket.socket:
    """A connected socket that waits ``seconds`` at most for any byte, without Nagle's delay.

    Raises:
        Unreachable: the name does not resolve, nobody accepts, or ``stopped`` says so meanwhile.
        SourceTimeout: nobody answered within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    problem: SourceError | None = None
    for family, where in resolve(source, host, port):
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            _connect(connection, where, deadline, stopped)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection.settimeout(seconds)
        except TimeoutError:
            connection.close()
            problem = SourceTimeout(
                source, f"no connection within {seconds:g} s", hint="check the host, the port and firewalls"
            )
        except OSError:
            connection.close()
            problem = Unreachable(
                source, "nothing accepts connections there", hint="check that the server runs, and its port"
            )
        else:
            return connection
    raise problem or Unreachable(source, "its host has no address", hint="check the host in the source's uri")


def _connect(
    connection: socket.socket, where: tuple[object, ...], deadline: float, stopped: Callable[[], bool]
) -> None:
    connection.setblocking(False)
    code = connection.connect_ex(where)
    if code in _UNDER_WAY:
        with selectors.DefaultSelector() as selector:
            selector.register(connection, selectors.EVENT_WRITE)
            while not selector.select(_POLL):
                if stopped():
                    raise ConnectionAbortedError
                if time.monotonic() > deadline:
                    raise TimeoutError
        code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code == errno.ETIMEDOUT:
        raise TimeoutError
    if code:
        raise OSError(code, "connect")
