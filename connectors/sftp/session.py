"""One SSH connection with an SFTP channel: connecting, listing, and ranges read in one burst."""

from __future__ import annotations

import logging
import posixpath
import socket
import stat
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, cast

import paramiko
from paramiko.sftp import CMD_READ, CMD_STATUS, SFTPError, int64
from paramiko.ssh_exception import IncompatiblePeer

from connectors.remote.dial import Address, dial
from connectors.remote.transfer import Transfer
from connectors.sftp.login import SftpLogin, known_keys, prefer, prove_identity, prove_user
from fabric.errors import BadData, SourceChanged, SourceError, SourceLoginRefused, SourceTimeout, Unreachable
from fabric.types import FileStat

# paramiko writes tracebacks of its own there; what matters of them is in our errors.
_LOG = logging.getLogger("connectors.sftp.paramiko")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False

# Every server answers reads of 32 KiB, and 64 of them fill paramiko's default window of 2 MiB. A larger
# window costs three to four times the throughput.
_PACKET = 32 << 10
_IN_FLIGHT = 64
# AES-GCM moves twice as much as paramiko's first choice, AES-CTR with a separate HMAC.
_FAST = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")


class SftpSession:
    """A ``connectors.remote.session_pool.Session`` over SSH.

    Args:
        source: the source's name, for errors.
        address: where the server listens.
        login: the proofs.
        connect_seconds: time for each step from the first packet to the open channel.
        silent_seconds: how long the server may then stay silent.
    """

    def __init__(
        self, source: str, address: Address, login: SftpLogin, connect_seconds: float, silent_seconds: float
    ) -> None:
        self._source = source
        self._address = address
        self._login = login
        self._connect_seconds = connect_seconds
        self._silent_seconds = silent_seconds
        self._aborted = False
        self._socket: socket.socket | None = None
        self._transport: paramiko.Transport | None = None
        self._client: paramiko.SFTPClient | None = None

    def connect(self) -> None:
        """As ``Session.connect``."""
        if self._socket is not None:
            return
        address = self._address
        trusted = self._login.known_hosts
        known = known_keys(self._source, address, trusted) if trusted is not None else None
        self._socket = dial(
            self._source, address.host, address.port, self._connect_seconds, lambda: self._aborted
        )
        if self._aborted:
            self.abort()
        with self._faults("log in"):
            transport = self._transport = self._negotiator(self._socket)
            if known is not None:
                prefer(transport, known)
            self._negotiate(transport)
            if known is not None:
                prove_identity(self._source, transport, known)
            prove_user(self._source, transport, self._login)
            self._client = self._open_channel(transport)

    def _negotiator(self, connection: socket.socket) -> paramiko.Transport:
        transport = paramiko.Transport(connection)
        transport.set_log_channel(_LOG.name)
        for step in ("banner_timeout", "handshake_timeout", "auth_timeout", "channel_timeout"):
            setattr(transport, step, self._connect_seconds)
        options = transport.get_security_options()
        options.ciphers = tuple(sorted(options.ciphers, key=lambda cipher: cipher not in _FAST))
        return transport

    def _negotiate(self, transport: paramiko.Transport) -> None:
        deadline = time.monotonic() + self._connect_seconds
        try:
            transport.start_client(timeout=self._connect_seconds)
            if transport.initial_kex_done:
                return
        except IncompatiblePeer:
            raise
        except (paramiko.SSHException, EOFError, OSError):
            if time.monotonic() < deadline - 0.2:
                raise Unreachable(
                    self._source, "no SSH server answers there", hint="check the host and port in uri"
                ) from None
        raise SourceTimeout(
            self._source, f"no SSH answer within {self._connect_seconds:g} s", hint="raise connect_timeout"
        )

    def _open_channel(self, transport: paramiko.Transport) -> paramiko.SFTPClient:
        try:
            client = paramiko.SFTPClient.from_transport(transport)
        except (paramiko.SSHException, EOFError):
            client = None
        channel = client.get_channel() if client is not None else None
        if client is None or channel is None:
            raise Unreachable(
                self._source, "the server opened no SFTP channel", hint="is SFTP allowed there?"
            )
        channel.settimeout(self._silent_seconds)
        return client

    @property
    def _sftp(self) -> paramiko.SFTPClient:
        if self._client is None:
            raise Unreachable(self._source, "not connected")
        return self._client

    def alive(self) -> bool:
        """As ``Session.alive``."""
        channel = self._client.get_channel() if self._client is not None else None
        transport = self._transport
        return bool(
            transport is not None and transport.is_active() and channel is not None and not channel.closed
        )

    def abort(self) -> None:
        """As ``Session.abort``."""
        self._aborted = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """As ``Session.close``."""
        self.abort()
        if self._transport is not None:
            self._transport.close()
        if self._socket is not None:
            self._socket.close()

    def describe(self) -> str:
        """What ``check`` says of the login."""
        return f"as {self._login.user}"

    def walk(self, root: str, folder: str, deep: bool) -> list[FileStat]:
        """The files of a folder under ``root``; none when it does not exist.

        Raises:
            SourceLoginRefused: a folder may not be listed.
            SourceError: the root does not exist.
        """
        with self._faults("list", folder or "."):
            if self._attributes(root) is None:
                raise SourceError(
                    self._source, "the folder in its uri does not exist", hint="check the path in uri"
                )
            top = posixpath.join(root, folder)
            if self._attributes(top) is None:
                return []
            return list(self._descend(self._sftp.normalize(top), folder, deep, ()))

    def _descend(self, real: str, folder: str, deep: bool, above: tuple[str, ...]) -> Iterator[FileStat]:
        try:
            entries = [] if real in above else self._sftp.listdir_attr(real)
        except FileNotFoundError:
            return
        for entry in entries:
            path, beneath = posixpath.join(folder, entry.filename), posixpath.join(real, entry.filename)
            found: paramiko.SFTPAttributes | None = entry
            if entry.st_mode is None or stat.S_ISLNK(entry.st_mode):
                found = self._attributes(beneath)
                beneath = self._sftp.normalize(beneath) if deep and found is not None else beneath
            if found is not None and stat.S_ISDIR(found.st_mode or 0):
                if deep:
                    yield from self._descend(beneath, path, deep, (*above, real))
            elif found is not None and (file := self._file(path, found)) is not None:
                yield file

    def stat(self, root: str, path: str) -> FileStat | None:
        """One file under ``root``, or None."""
        with self._faults("look up", path):
            found = self._attributes(posixpath.join(root, path))
            return None if found is None else self._file(path, found)

    def _attributes(self, path: str) -> paramiko.SFTPAttributes | None:
        with suppress(FileNotFoundError):
            return self._sftp.stat(path)
        return None

    def _file(self, path: str, found: paramiko.SFTPAttributes) -> FileStat | None:
        if found.st_mode is not None and not stat.S_ISREG(found.st_mode):
            return None
        if found.st_size is None or found.st_mtime is None:
            raise BadData(
                self._source,
                f"the server tells no size or time of '{path}'",
                hint="without them a change cannot be noticed; serve the file another way",
            )
        modified = datetime.fromtimestamp(found.st_mtime, UTC)
        return FileStat(path, found.st_size, f"{found.st_mtime}-{found.st_size}", modified)

    def fill(self, path: str, file: FileStat, transfer: Transfer) -> None:
        """Read what the transfer still lacks of a file.

        Args:
            path: where the server has the file.
            file: what was listed; it must still be that, before and after.
            transfer: gets the bytes.

        Raises:
            SourceChanged: the file is another one now, or gone.
        """
        changed = SourceChanged(self._source, f"file '{file.path}' changed", hint="run the query again")
        with self._faults("read", file.path):
            try:
                handle = self._sftp.open(path, "r")
            except FileNotFoundError:
                raise changed from None
            if self._validator(file, handle) != file.validator:
                raise changed
            self._burst(handle, transfer, changed)
            if self._validator(file, handle) != file.validator:
                raise changed
            # Not in a ``finally``: a close would wait for a server that has fallen silent once more.
            handle.close()

    def _validator(self, file: FileStat, handle: paramiko.SFTPFile) -> str:
        found = self._file(file.path, handle.stat())
        return "" if found is None else found.validator

    def _burst(self, handle: paramiko.SFTPFile, transfer: Transfer, shorter: SourceChanged) -> None:
        """All ranges with up to ``_IN_FLIGHT`` requests under way.

        ``SFTPFile.readv`` does it with a thread whose failures go to stderr, falls back to one request at
        a time when the first answer is quicker than the second request, and takes quadratic time over one
        large range (88 s for 100 MB, measured): so its two primitives are used here.
        """
        wire = cast("Any", self._sftp)
        replies = _Replies()
        todo = deque(
            (at, min(_PACKET, offset + length - at))
            for offset, length in transfer.missing
            for at in range(offset, offset + length, _PACKET)
        )
        asked: dict[int, tuple[int, int]] = {}
        while todo or asked:
            while todo and len(asked) < _IN_FLIGHT:
                at, length = todo.popleft()
                asked[
                    wire._async_request(replies, CMD_READ, cast("Any", handle).handle, int64(at), length)
                ] = (
                    at,
                    length,
                )
            wire._read_response()
            while replies.arrived:
                kind, message, number = replies.arrived.popleft()
                at, length = asked.pop(number)
                data = self._data(kind, message)
                if not 0 < len(data) <= length:
                    raise shorter
                transfer.put(at, data)
                if len(data) < length:
                    todo.appendleft((at + len(data), length - len(data)))

    def _data(self, kind: int, message: Any) -> bytes:
        if kind == CMD_STATUS:
            with suppress(EOFError):
                cast("Any", self._sftp)._convert_status(message)
            return b""
        return bytes(message.get_string())

    def _answers(self) -> bool:
        """Whether the server still does; paramiko raises bare OSErrors for its refusals and for its silence."""
        try:
            self._sftp.normalize(".")
        except (OSError, EOFError, paramiko.SSHException, SFTPError, Unreachable):
            return False
        return True

    @contextmanager
    def _faults(self, verb: str, what: str = "") -> Iterator[None]:
        """Turn what paramiko raises into the errors of the fabric."""
        try:
            yield
        except TimeoutError:
            raise SourceTimeout(
                self._source, f"silent for {self._silent_seconds:g} s", hint="raise timeout, or ask its owner"
            ) from None
        except UnicodeDecodeError:
            raise BadData(
                self._source, f"a name beneath {what} is not UTF-8", hint="rename that file"
            ) from None
        except IncompatiblePeer:
            raise SourceError(
                self._source, "no SSH algorithm in common with the server", hint="have the server updated"
            ) from None
        except PermissionError:
            raise SourceLoginRefused(
                self._source, f"we may not {verb} '{what}'", hint="have the server's owner grant it"
            ) from None
        except (OSError, EOFError, paramiko.SSHException, SFTPError) as error:
            if not isinstance(error, OSError) or not self._answers():
                raise Unreachable(self._source, "the connection broke", hint="try again") from None
            raise SourceError(
                self._source, f"the server could not {verb} '{what}'", hint="check it with an SFTP client"
            ) from None


class _Replies:
    """Stands in for a file among paramiko's expected responses."""

    def __init__(self) -> None:
        self.arrived: deque[tuple[int, Any, int]] = deque()

    def _async_response(self, kind: int, message: Any, number: int) -> None:
        self.arrived.append((kind, message, number))
