"""The wire of FTP: a control connection, a data connection, TLS on both, and what goes wrong on them."""

from __future__ import annotations

import ftplib
import selectors
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from connectors.remote.dial import Address, dial
from fabric.errors import (
    BadData,
    IdentityRefused,
    SourceError,
    SourceLoginRefused,
    SourceTimeout,
    Throttled,
    Unreachable,
)

_FAREWELL_SECONDS = 5.0


class FtpChannel:
    """A control connection and at most one data connection: passive, UTF-8, with TLS on both or on none.

    Args:
        source: the source's name, for errors.
        address: where the server listens, and who we are.
        tls: for FTPS with AUTH TLS (RFC 4217); then nothing else is sent in the clear.
        connect_seconds: time for each step of connecting and logging in.
        silent_seconds: how long the server may then stay silent.
    """

    def __init__(
        self,
        source: str,
        address: Address,
        tls: ssl.SSLContext | None,
        connect_seconds: float,
        silent_seconds: float,
    ) -> None:
        self.features: frozenset[str] = frozenset()
        self._source = source
        self._address = address
        self._tls = tls
        self._connect_seconds = connect_seconds
        self._silent_seconds = silent_seconds
        self._ftp = ftplib.FTP(encoding="utf-8")  # noqa: S321 (it is what the user has)
        self._control: socket.socket | None = None
        self._data: socket.socket | None = None
        self._aborted = False
        self._mode = ""
        self._home = ""
        self._patience = connect_seconds

    def connect(self) -> None:
        """Connect, protect and log in, unless that was done.

        Raises:
            SourceError: as the step that failed says.
        """
        if self._control is not None:
            return
        with self.faults():
            self._control_over(self._dial(self._address.host, self._address.port))
            try:
                self._ftp.welcome = self._ftp.getresp()
            except ftplib.error_temp:
                raise self._too_many() from None
            except ftplib.error_perm:
                raise SourceError(
                    self._source, "the server turns every connection away", hint="ask its owner why"
                ) from None
            if self._tls is not None:
                self._protect(self._tls)
            self._log_in()
            self._learn()
            self._set_patience(self._silent_seconds)

    def alive(self) -> bool:
        """Whether the connection stands, and the server has said nothing unasked (such as goodbye)."""
        if self._control is None or self._aborted:
            return False
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            return not selector.select(0)

    def abort(self) -> None:
        """Make whatever is waited for, or ever will be, fail at once; from any thread."""
        self._aborted = True
        for connection in (self._data, self._control):
            if connection is not None:
                with suppress(OSError):
                    # SSLSocket's own would wait for what another thread does with it.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def close(self) -> None:
        """Give back both connections."""
        for connection in (self._data, self._control, self._ftp.file):
            if connection is not None:
                with suppress(OSError):
                    connection.close()

    @property
    def home(self) -> str:
        """The folder in which the login begins."""
        self._home = self._home or self._ftp.pwd()
        return self._home

    def ask(self, command: str) -> str:
        """The reply to a command, all its lines.

        Raises:
            ftplib.Error: the server answered with 4xx or 5xx.
        """
        return self._ftp.sendcmd(command)

    def lines(self, command: str) -> list[str]:
        """The lines that a listing command sends."""
        with self.transfer("A", command) as data:
            chunks = []
            while chunk := data.recv(1 << 16):
                chunks.append(chunk)
            self.finish(data)
        text = b"".join(chunks).decode("utf-8")
        if text and not text.endswith("\n"):
            # The server's word that it sent all is no proof that all came through.
            raise EOFError
        return [line.rstrip("\r") for line in text.split("\n")[:-1]]

    @contextmanager
    def transfer(self, mode: str, command: str) -> Iterator[socket.socket]:
        """The data connection of a command that is read to its end; closed when that fails."""
        data = self.start(mode, command)
        try:
            yield data
        except BaseException:
            data.close()
            raise

    def start(self, mode: str, command: str, offset: int = 0) -> socket.socket:
        """The data connection of a transfer that has begun.

        Args:
            mode: ``A`` or ``I`` (RFC 959's TYPE).
            command: what the server shall send.
            offset: where in the file it shall start (REST).

        Raises:
            ftplib.Error: the server refused.
        """
        self.set_mode(mode)
        try:
            data: socket.socket = self._dial(*self._ftp.makepasv())
        except Unreachable:
            raise Unreachable(
                self._source,
                "no data connection",
                hint="the server's passive ports must be open to us (firewall, NAT)",
            ) from None
        self._data = data
        try:
            if self._aborted:
                raise ConnectionAbortedError
            if offset:
                self.ask(f"REST {offset}")
            reply = self.ask(command)
            # RFC 959 lets a server answer 2xx first; ftplib does the same.
            if reply.startswith("2"):
                reply = self._ftp.getresp()
            if not reply.startswith("1"):
                raise EOFError
            if self._tls is not None:
                data = self._data = self._wrap_data(self._tls, data)
            data.settimeout(self._silent_seconds)
        except BaseException:
            data.close()
            raise
        return data

    def finish(self, data: socket.socket) -> None:
        """Close a data connection that was read to its end, and take the server's word that it was the end."""
        if isinstance(data, ssl.SSLSocket):
            with suppress(OSError):
                data.unwrap()
        data.close()
        self._data = None
        self._ftp.voidresp()

    def abandon(self, data: socket.socket) -> None:
        """Close a data connection in the middle, and wait until the control connection is in step again.

        Servers answer with one reply or with two: the answer to NOOP, and nothing else, is 200.
        """
        data.close()
        self._data = None
        self._set_patience(min(_FAREWELL_SECONDS, self._silent_seconds))
        try:
            reply = self._reply()
            self._ftp.putcmd("NOOP")
            for _ in range(3):
                reply = self._reply()
                if reply.startswith("200"):
                    break
            else:
                raise EOFError
        except TimeoutError:
            raise EOFError from None
        self._set_patience(self._silent_seconds)

    def _reply(self) -> str:
        return str(self._ftp.getmultiline())

    def set_mode(self, mode: str) -> None:
        """``A`` for listings, ``I`` for files and their sizes."""
        if self._mode != mode:
            self._ftp.voidcmd(f"TYPE {mode}")
            self._mode = mode

    def _dial(self, host: str, port: int) -> socket.socket:
        return dial(self._source, host, port, self._connect_seconds, lambda: self._aborted)

    def _control_over(self, connection: socket.socket) -> None:
        self._control = self._ftp.sock = connection
        self._ftp.host, self._ftp.af = self._address.host, connection.family
        self._ftp.file = connection.makefile("r", encoding=self._ftp.encoding)
        if self._aborted:
            self.abort()

    def _protect(self, tls: ssl.SSLContext) -> None:
        try:
            self._ftp.voidcmd("AUTH TLS")
        except ftplib.Error:
            raise IdentityRefused(
                self._source, "the server offers no TLS", hint="type: ftp would do without any protection"
            ) from None
        plain, name = self._ftp.sock, self._address.host
        if plain is None:
            raise EOFError
        wrapped = tls.wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False)
        self._control_over(wrapped)
        wrapped.do_handshake()
        self._ftp.voidcmd("PBSZ 0")
        self._ftp.voidcmd("PROT P")

    def _wrap_data(self, tls: ssl.SSLContext, data: socket.socket) -> ssl.SSLSocket:
        # Many servers insist that the data connection resumes the control connection's TLS session.
        session = self._control.session if isinstance(self._control, ssl.SSLSocket) else None
        wrapped = tls.wrap_socket(
            data, server_hostname=self._address.host, session=session, do_handshake_on_connect=False
        )
        self._data = wrapped
        try:
            wrapped.do_handshake()
        except BaseException:
            wrapped.close()
            raise
        return wrapped

    def _log_in(self) -> None:
        try:
            self._ftp.login(self._address.user, self._address.password)
        except ftplib.error_temp:
            raise self._too_many() from None
        except ftplib.Error:
            raise SourceLoginRefused(
                self._source, "the server refused the login", hint="check the user in uri, and the password"
            ) from None

    def _learn(self) -> None:
        with suppress(ftplib.error_perm):
            lines = self.ask("FEAT").splitlines()[1:-1]
            self.features = frozenset(line.split()[0].upper() for line in lines if line.strip())
        if "UTF8" in self.features:
            with suppress(ftplib.error_perm):
                self.ask("OPTS UTF8 ON")

    def _set_patience(self, seconds: float) -> None:
        self._patience = seconds
        if self._control is not None:
            self._control.settimeout(seconds)

    def _too_many(self) -> Throttled:
        return Throttled(
            self._source, "the server takes no further connection now", hint="lower limits.connections"
        )

    @contextmanager
    def faults(self, what: str = "") -> Iterator[None]:
        """Turn what ftplib and the sockets raise into the errors of the fabric."""
        try:
            yield
        except ssl.SSLCertVerificationError:
            raise IdentityRefused(
                self._source,
                "the server's certificate is not trusted",
                hint="check ca_file, the host in uri, and the certificate's names and dates",
            ) from None
        except TimeoutError:
            raise SourceTimeout(
                self._source,
                f"silent for {self._patience:g} s",
                hint="raise timeout or connect_timeout, or ask its owner",
            ) from None
        except UnicodeDecodeError:
            raise BadData(self._source, "a file name is not UTF-8", hint="rename that file") from None
        except (OSError, EOFError, ftplib.error_temp, ftplib.error_proto, ftplib.error_reply):
            raise Unreachable(self._source, "the connection broke", hint="try again") from None
        except ftplib.error_perm as error:
            if str(error).startswith("530"):
                raise SourceLoginRefused(self._source, "the server refused the login") from None
            raise SourceError(
                self._source, f"the server refused to give '{what}'", hint="check it with an FTP client"
            ) from None
        except ValueError:
            raise BadData(self._source, f"FTP has no way to name '{what!r}'", hint="rename it") from None
