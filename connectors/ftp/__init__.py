"""Files on an FTP server, plain or with explicit TLS, read forward over a few kept logins."""

from __future__ import annotations

import posixpath
import ssl
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal, cast

from pydantic import Field, SecretStr, model_validator

from connectors.files import FileSource, FileSourceSettings
from connectors.ftp.channel import FtpChannel
from connectors.ftp.session import FtpSession
from connectors.remote.dial import Address, parse_address, resolve
from connectors.remote.session_pool import Pool
from connectors.remote.transfer import Transfer
from fabric.errors import InvalidConfig, SourceChanged, SourceError
from fabric.spi import ScanContext, Step
from fabric.types import FileStat

_ANONYMOUS = "anonymous"


class FtpSettings(FileSourceSettings):
    """The keys of an ``ftp`` or ``ftps`` source.

    ``uri`` is ``ftp://user@host:port/path`` or ``ftps://…`` (AUTH TLS); the path lies in the login folder
    unless it begins with ``%2F``. Without a user the login is anonymous.
    """

    password: SecretStr | None = None
    ca_file: str | None = Field(
        default=None, description="ftps: PEM file of the authorities to trust, instead of the system's"
    )
    certificate: Literal["verify", "accept-any"] = Field(
        default="verify", description="ftps: accept-any trusts whoever answers: for tests only"
    )

    @model_validator(mode="after")
    def _one_password_and_tls_for_ftps(self) -> FtpSettings:
        address = parse_address(self.uri, self.type, 21)
        if address.password and self.password is not None:
            raise ValueError("the password stands in uri and in password; say it once")
        if self.type == "ftp" and (self.ca_file is not None or self.certificate != "verify"):
            raise ValueError("ca_file and certificate are keys of type ftps")
        if self.ca_file is not None and self.certificate == "accept-any":
            raise ValueError("certificate: accept-any needs no ca_file; say one of the two")
        return self


class FtpConnector(FileSource):
    """A folder on an FTP server; a file's validator is its time and size as the server tells them.

    Where the server has no MLSD (RFC 3659), folders are read by LIST in the Unix or DOS form, and each
    file that matches costs SIZE and MDTM; links to folders are not followed there, and a server without
    MDTM lets a change within the same minute pass unseen.
    """

    Settings: ClassVar[type[FileSourceSettings]] = FtpSettings
    extra: ClassVar[str] = ""
    one_call: ClassVar[bool] = False
    block_bytes: ClassVar[int] = 4 << 20

    def __init__(self, name: str, settings: FileSourceSettings, directory: Path) -> None:
        super().__init__(name, settings, directory)
        keys = cast("FtpSettings", settings)
        self._address = _with_login(parse_address(keys.uri, keys.type, 21), keys)
        self._root = self._address.path
        tls = _tls(name, keys, directory) if keys.type == "ftps" else None
        self._pool = Pool(
            name,
            lambda: FtpSession(
                name, FtpChannel(name, self._address, tls, keys.connect_timeout, keys.timeout)
            ),
            keys.limits.connections,
        )

    def check(self) -> Iterator[Step]:
        """The host resolves, proves who it is (ftps), lets us in, and every table has files."""
        resolve(self.name, self._address.host, self._address.port)
        yield Step("resolved")
        self._pool.run(ScanContext(), FtpSession.leave)
        yield Step("connected", "with TLS" if self.settings.type == "ftps" else "")
        yield Step("logged in", f"as {self._address.user}")
        yield self._listed()

    def close(self) -> None:
        """Close every connection."""
        super().close()
        self._pool.close()

    def _walk(self, folder: str, deep: bool) -> Iterable[FileStat]:
        return self._pool.run(ScanContext(), lambda session: session.walk(self._root, folder, deep), _idle)

    def _glob(self, pattern: str) -> Iterator[FileStat]:
        # Only now, when it is known which files matter, are the inexact ones asked for one by one.
        for file in super()._glob(pattern):
            exact = file if file.validator else self._stat(file.path)
            if exact is not None:
                yield exact

    def _stat(self, path: str) -> FileStat | None:
        there = posixpath.join(self._root, path)
        found = self._pool.run(ScanContext(), lambda session: session.stat(there), _idle)
        return None if found is None else replace(found, path=path)

    def _read(self, file: FileStat, ranges: Sequence[tuple[int, int]], context: ScanContext) -> list[bytes]:
        path = posixpath.join(self._root, file.path)
        transfer = Transfer(ranges)

        def work(session: FtpSession) -> None:
            session.fill(path, file, transfer)
            self._verify(session, path, file, context)

        first = min((offset for offset, length in ranges if length), default=0)
        self._pool.run(
            context, work, lambda session: 0 if session.continues(path, file, first) else _idle(session)
        )
        return transfer.parts()

    def _verify(self, session: FtpSession, path: str, file: FileStat, context: ScanContext) -> None:
        """Ask after the file without ending the transfer, if a second login can be had at once."""
        if session.streaming:
            try:
                with self._pool.spare(context, _idle) as other:
                    if other is not None:
                        other.verify(path, file)
                        return
            except SourceChanged:
                raise
            except SourceError:
                pass  # the first login answers as well
        session.verify(path, file)


def _idle(session: FtpSession) -> int:
    """The pool's cost of taking a session for something else than its open transfer."""
    return 2 if session.streaming else 1


def _with_login(address: Address, keys: FtpSettings) -> Address:
    if not address.user:
        return replace(address, user=_ANONYMOUS, password=_ANONYMOUS + "@")
    given = keys.password.get_secret_value() if keys.password else address.password
    return replace(address, password=given)


def _tls(name: str, keys: FtpSettings, directory: Path) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=directory / keys.ca_file if keys.ca_file else None)
    except OSError:
        raise InvalidConfig(
            f"source '{name}': ca_file cannot be read as PEM certificates",
            hint="check ca_file in fabric.yaml",
        ) from None
    if keys.certificate == "accept-any":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
