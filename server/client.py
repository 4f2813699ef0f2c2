"""A client of a Ripstop over ADBC Flight SQL, for the shell and the demo."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fabric.errors import FabricError, MissingExtra

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

_NAP_SECONDS = 0.1

# The driver's wrapping: `STATUS: [FlightSQL] … . Detail: … (Status; Call). Vendor code: …`
_BEFORE = re.compile(r"^.*?\[FlightSQL\] ", re.DOTALL)
_BEHIND = re.compile(r"(?:\. Detail: .*?)? \([A-Z]\w+; [A-Z]\w+[^()]*\)(?:\. Vendor code: \d+)?$", re.DOTALL)
_ANSWER = re.compile(r"(?P<code>[A-Z][A-Z_]+): (?P<message>.*?)(?: Hint: (?P<hint>.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Login:
    """Where to ask, and as whom: by password, by a Bearer ``token``, by a certificate, which may stand beside either.

    ``ca_file`` holds the certificates to trust behind ``grpc+tls://``, ``cert_file`` and ``key_file`` one's own.
    ``dialect`` is what statements are written in; empty, DuckDB's. ``purpose`` is what one asks for. ``options`` are
    further session options.
    """

    uri: str
    user: str = ""
    password: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    token: str = ""
    dialect: str = ""
    purpose: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


class Client:
    """One connection; closes with ``close`` or at the end of a ``with`` block.

    Raises:
        MissingExtra: the driver is not installed.
        FabricError: nobody answers there, or the login was refused.
    """

    def __init__(self, login: Login) -> None:
        try:
            from adbc_driver_flightsql import dbapi
        except ImportError:
            raise MissingExtra(
                "the ADBC Flight SQL driver is not installed", hint="pip install 'ripstop[client]'"
            ) from None
        options = _options(login)
        with answered(login.uri):
            self._connection: Any = dbapi.connect(login.uri, db_kwargs=options, autocommit=True)
        self._uri = login.uri
        self._login = login

    def again(self) -> Client:
        """Another connection with the same login, for what must not wait for this one."""
        return Client(self._login)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *ending: object) -> None:
        self.close()

    @contextmanager
    def query(self, sql: str) -> Iterator[Answer]:
        """Run one statement; the answer streams while the block lasts, and Ctrl-C cancels it.

        Raises:
            FabricError: with the code, message and hint that the server gave.
        """
        with answered(self._uri), self._connection.cursor() as cursor, ThreadPoolExecutor(1) as thread:
            calls = _Calls(thread, cursor.adbc_cancel)
            calls.run(cursor.execute, sql)
            with calls.run(cursor.fetch_record_batch) as reader:
                yield Answer(reader, calls)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _options(login: Login) -> dict[str, str]:
    """What the driver is told of a login."""
    from adbc_driver_flightsql import DatabaseOptions

    options: dict[str, str] = {}
    if login.token:
        options[DatabaseOptions.AUTHORIZATION_HEADER.value] = f"Bearer {login.token}"
    elif login.user and login.cert_file:
        # A server that logs in by certificate answers no Handshake.
        pair = b64encode(f"{login.user}:{login.password}".encode()).decode()
        options[DatabaseOptions.AUTHORIZATION_HEADER.value] = f"Basic {pair}"
    elif login.user:
        options |= {"username": login.user, "password": login.password}
    for name, value in {**login.options, "dialect": login.dialect, "purpose": login.purpose}.items():
        if value:
            options[DatabaseOptions.RPC_CALL_HEADER_PREFIX.value + name] = value
    for option, file in (
        (DatabaseOptions.TLS_ROOT_CERTS, login.ca_file),
        (DatabaseOptions.MTLS_CERT_CHAIN, login.cert_file),
        (DatabaseOptions.MTLS_PRIVATE_KEY, login.key_file),
    ):
        if file:
            options[option.value] = Path(file).read_text("utf-8")
    return options


class _Calls:
    """Makes the driver's calls in a thread, since they wait in Go, where Ctrl-C would not be heard."""

    def __init__(self, thread: ThreadPoolExecutor, cancel: Callable[[], None]) -> None:
        self._thread = thread
        self._cancel = cancel

    def run(self, call: Callable[..., T], *arguments: object) -> T:
        """The call's result; when we are interrupted meanwhile, the statement is cancelled."""
        future = self._thread.submit(call, *arguments)
        try:
            while True:
                # In naps: the signal may be taken by a thread of Go's, which would not wake a long wait.
                done, _ = wait([future], _NAP_SECONDS)
                if done:
                    return future.result()
        except BaseException:
            if not future.done():
                self._cancel()
            raise


class Answer:
    """The batches of one answer, to be iterated once."""

    def __init__(self, reader: pa.RecordBatchReader, calls: _Calls) -> None:
        self.schema: pa.Schema = reader.schema
        self._reader = reader
        self._calls = calls

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        while (batch := self._calls.run(next, self._reader, None)) is not None:
            yield batch

    def read_all(self) -> pa.Table:
        """The whole answer."""
        import pyarrow as pa

        return pa.Table.from_batches(self, schema=self.schema)


@contextmanager
def answered(uri: str) -> Iterator[None]:
    """Turn what the driver raises into the error that the server meant."""
    from adbc_driver_manager import Error
    from pyarrow import ArrowException

    try:
        yield
    except (Error, ArrowException, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise to_error(str(error), uri) from None


def to_error(text: str, uri: str) -> FabricError:
    """The error that a driver's text holds: the server's own where it spoke, else that nobody answers."""
    said = _BEHIND.sub("", _BEFORE.sub("", text))
    hint = "is `ripstop serve` running? see --uri"
    if "x509: " in said:
        hint = "say --ca with the certificates (PEM) to trust"
    elif uri.startswith("grpc+tls:"):
        hint += "; a server that wants a certificate of yours hangs up without --cert"
    return spoken(said) or NotAnswered(f"no Ripstop answers at {uri}: {said}", hint=hint)


def spoken(text: str) -> FabricError | None:
    """The error whose ``str`` the text is; None when it is no such thing."""
    answer = _ANSWER.fullmatch(text)
    kind = _kinds().get(answer["code"]) if answer else None
    if answer is None or kind is None:
        return None
    error = kind.__new__(kind)
    FabricError.__init__(error, answer["message"], hint=answer["hint"] or "")
    return error


class NotAnswered(FabricError):
    """Nobody answered, or somebody who is no Ripstop."""

    code = "UNREACHABLE"
    again = True


def _kinds() -> dict[str, type[FabricError]]:
    """The error classes by code; of several with one code, the most general."""
    kinds: dict[str, type[FabricError]] = {}
    waiting: list[type[FabricError]] = [FabricError]
    while waiting:
        kind = waiting.pop(0)
        kinds.setdefault(kind.code, kind)
        waiting += kind.__subclasses__()
    return kinds
