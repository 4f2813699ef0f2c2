"""An FTP server on loopback, for the demo and the tests: plain, or with TLS that the client must ask for."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

with warnings.catch_warnings():
    # pyftpdlib builds on asyncore, of which Python 3.11 warns.
    warnings.simplefilter("ignore", DeprecationWarning)
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import FTPServer

_LOG = logging.getLogger("pyftpdlib")
_TICK = 0.05


class EmbeddedFtp:
    """Serves one folder, to be read only, to named users; it is their login folder.

    Args:
        root: the folder.
        users: passwords by user name.
        certificate: a PEM file with private key and certificate chain; with it, TLS is required.
        without: commands that the server does not know, to be like an older one.
        clients: how many it serves at once.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        root: Path,
        users: Mapping[str, str],
        *,
        certificate: Path | None = None,
        without: Collection[str] = (),
        clients: int = 512,
    ) -> None:
        self.root = root
        self.port = 0
        self._users = dict(users)
        self._certificate = certificate
        self._without = frozenset(without)
        self._clients = clients
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="embedded-ftp", daemon=True)
        self._loop = IOLoop()
        self._server: Any = None

    @property
    def protected(self) -> bool:
        """Whether clients must ask for TLS."""
        return self._certificate is not None

    def start(self, port: int = 0) -> EmbeddedFtp:
        """Listen on the port (a free one for 0) and return when clients can connect."""
        if not _LOG.handlers:
            # Without a handler pyftpdlib would set up logging to stderr for the whole process.
            _LOG.addHandler(logging.NullHandler())
        self._server = FTPServer((self.host, port), self._handler(), ioloop=self._loop)
        # pyftpdlib counts the listening socket, and each client's data connection, as one more.
        self._server.max_cons = 2 * self._clients
        self.port = self._server.address[1]
        self._thread.start()
        return self

    def stop(self) -> None:
        """Drop every client and end the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def _handler(self) -> type:
        authorizer = DummyAuthorizer()
        for user, password in self._users.items():
            authorizer.add_user(user, password, str(self.root), perm="elr")
        base = TLS_FTPHandler if self._certificate else FTPHandler
        fields: dict[str, object] = {
            "authorizer": authorizer,
            "proto_cmds": {k: v for k, v in base.proto_cmds.items() if k not in self._without},
            "banner": "Ripstop demo",
            # A wrong password is answered at once, not after three seconds.
            "auth_failed_timeout": 0,
        }
        if self._certificate:
            fields |= {
                "certfile": str(self._certificate),
                "tls_control_required": True,
                "tls_data_required": True,
                "ssl_context": None,
            }
        return type("EmbeddedFtpHandler", (base,), fields)

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self._loop.loop(timeout=_TICK, blocking=False)
        self._server.close_all()
        self._loop.close()
