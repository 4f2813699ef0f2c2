"""Files on an SFTP server, read with pipelined ranges over a few kept SSH connections."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, cast

from pydantic import Field, SecretStr, model_validator

from connectors.files import FileSource, FileSourceSettings
from connectors.remote.dial import parse_address, resolve
from connectors.remote.session_pool import Pool
from connectors.remote.transfer import Transfer
from fabric.errors import InvalidConfig
from fabric.spi import ScanContext, Step
from fabric.types import FileStat

if TYPE_CHECKING:
    from connectors.sftp.session import SftpSession


class SftpSettings(FileSourceSettings):
    """The keys of an ``sftp`` source.

    ``uri`` is ``sftp://user@host:port/path``: the path is absolute, and ``/~/path`` lies in the login folder.
    """

    password: SecretStr | None = None
    private_key_file: str | None = Field(default=None, description="OpenSSH or PEM private key")
    passphrase: SecretStr | None = Field(default=None, description="of the private key")
    agent: bool = Field(default=False, description="log in with the keys of the running SSH agent")
    known_hosts_file: str | None = Field(
        default=None, description="OpenSSH known_hosts that names the server"
    )
    host_key: Literal["verify", "accept-any"] = Field(
        default="verify", description="accept-any trusts whoever answers: for tests only"
    )

    @model_validator(mode="after")
    def _one_login_and_one_identity(self) -> SftpSettings:
        address = parse_address(self.uri, "sftp", 22)
        if not address.user:
            raise ValueError("uri names no user; write sftp://user@host/path")
        passwords = [bool(address.password), self.password is not None]
        if sum([*passwords, self.private_key_file is not None, self.agent]) != 1:
            raise ValueError("say exactly one of password, private_key_file and agent: true")
        if self.passphrase is not None and self.private_key_file is None:
            raise ValueError("passphrase belongs to a private_key_file")
        if self.host_key == "verify" and self.known_hosts_file is None:
            raise ValueError(
                "known_hosts_file is required, so that the server can prove who it is; "
                "'ssh-keyscan -p PORT HOST' prints its line (host_key: accept-any does without, for tests only)"
            )
        return self


class SftpConnector(FileSource):
    """A folder on an SFTP server; a file's validator is its mtime and size, in whole seconds and bytes.

    Links to files and folders are followed as the server resolves them.
    """

    Settings: ClassVar[type[FileSourceSettings]] = SftpSettings
    extra: ClassVar[str] = "sftp"
    one_call: ClassVar[bool] = True
    block_bytes: ClassVar[int] = 1 << 20

    def __init__(self, name: str, settings: FileSourceSettings, directory: Path) -> None:
        from connectors.sftp.key import KeyFile
        from connectors.sftp.login import SftpLogin
        from connectors.sftp.session import SftpSession

        super().__init__(name, settings, directory)
        keys = cast("SftpSettings", settings)
        self._address = parse_address(keys.uri, "sftp", 22)
        for key, path in (
            ("private_key_file", keys.private_key_file),
            ("known_hosts_file", keys.known_hosts_file),
        ):
            if path is not None and not (directory / path).is_file():
                raise InvalidConfig(
                    f"source '{name}': {key} does not exist", hint=f"check {key} in fabric.yaml"
                )
        login = SftpLogin(
            user=self._address.user,
            password=_secret(keys.password) or self._address.password,
            key=KeyFile(name, directory / keys.private_key_file, _secret(keys.passphrase))
            if keys.private_key_file
            else None,
            known_hosts=directory / (keys.known_hosts_file or "") if keys.host_key == "verify" else None,
        )
        self._root = self._server_path(self._address.path)
        self._pool: Pool[SftpSession] = Pool(
            name,
            lambda: SftpSession(name, self._address, login, keys.connect_timeout, keys.timeout),
            keys.limits.connections,
        )

    @staticmethod
    def _server_path(path: str) -> str:
        if path in ("", "~"):
            return "."
        return path.removeprefix("~/") if path.startswith("~/") else "/" + path.removeprefix("/")

    def check(self) -> Iterator[Step]:
        """The host resolves, lets us in and proves who it is, and every table has files."""
        resolve(self.name, self._address.host, self._address.port)
        yield Step("resolved")
        detail = self._pool.run(ScanContext(), lambda session: session.describe())
        yield Step("connected")
        yield Step("logged in", detail)
        yield self._listed()

    def close(self) -> None:
        """Close every connection."""
        super().close()
        self._pool.close()

    def _walk(self, folder: str, deep: bool) -> Iterable[FileStat]:
        return self._pool.run(ScanContext(), lambda session: session.walk(self._root, folder, deep))

    def _stat(self, path: str) -> FileStat | None:
        return self._pool.run(ScanContext(), lambda session: session.stat(self._root, path))

    def _read(self, file: FileStat, ranges: Sequence[tuple[int, int]], context: ScanContext) -> list[bytes]:
        transfer = Transfer(ranges)
        path = posixpath.join(self._root, file.path)
        self._pool.run(context, lambda session: session.fill(path, file, transfer))
        return transfer.parts()


def _secret(value: SecretStr | None) -> str:
    return value.get_secret_value() if value is not None else ""
