"""An SFTP server on loopback, for the demo and the tests: real SSH, in a thread of its own."""

from __future__ import annotations

import asyncio
import hmac
import threading
from collections.abc import Mapping
from pathlib import Path

import asyncssh


class EmbeddedSftp:
    """Serves one folder to named users; each sees it as ``/``, which is their login folder too.

    Args:
        root: the folder.
        users: passwords by user name.
        keys: OpenSSH public keys by user name, one or more lines each.
        host_key: a private key file that keeps the server's identity; a new identity when absent.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        root: Path,
        users: Mapping[str, str],
        *,
        keys: Mapping[str, str] | None = None,
        host_key: Path | None = None,
    ) -> None:
        self.root = root
        self.port = 0
        self._users = dict(users)
        self._keys = dict(keys or {})
        self._host_key = (
            asyncssh.read_private_key(host_key) if host_key else asyncssh.generate_private_key("ssh-ed25519")
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="embedded-sftp", daemon=True)
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._connections: set[asyncssh.SSHServerConnection] = set()

    @property
    def open_connections(self) -> int:
        """How many clients are connected now."""
        return len(self._connections)

    def start(self, port: int = 0) -> EmbeddedSftp:
        """Listen on the port (a free one for 0) and return when clients can connect."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(port), self._loop).result(10)
        return self

    def stop(self) -> None:
        """Drop every client and end the thread."""
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def known_hosts_line(self) -> str:
        """The line by which a client's known_hosts file knows this server."""
        key = self._host_key.export_public_key().decode().strip()
        return f"[{self.host}]:{self.port} {' '.join(key.split()[:2])}\n"

    async def _listen(self, port: int) -> None:
        self._acceptor = await asyncssh.listen(
            self.host,
            port,
            server_factory=lambda: _Login(self._users, self._keys, self._connections),
            server_host_keys=[self._host_key],
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(self.root).encode()),
            allow_scp=False,
            agent_forwarding=False,
        )
        self.port = self._acceptor.get_port()

    async def _shut(self) -> None:
        if self._acceptor is not None:
            self._acceptor.close()
            await self._acceptor.wait_closed()
        held = list(self._connections)
        for connection in held:
            connection.abort()
        # The clean-up closes the files that clients had open.
        await asyncio.wait_for(asyncio.gather(*(connection.wait_closed() for connection in held)), 5)
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


class _Login(asyncssh.SSHServer):
    def __init__(
        self,
        users: Mapping[str, str],
        keys: Mapping[str, str],
        connections: set[asyncssh.SSHServerConnection],
    ) -> None:
        self._users = users
        self._keys = keys
        self._connections = connections
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        if username in self._keys and self._connection is not None:
            self._connection.set_authorized_keys(asyncssh.import_authorized_keys(self._keys[username]))
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        known = self._users.get(username, "")
        return bool(known) and hmac.compare_digest(known.encode(), password.encode())
