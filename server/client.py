"""A client of a Ripstop over ADBC Flight SQL, for the shell and the demo."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fabric.errors import FabricError, InternalError, LoginRefused, MissingExtra, NotSupported

if TYPE_CHECKING:
    import pyarrow as pa

# `CODE: message Hint: hint`, which the driver wraps into `[FlightSQL] … (status; call)`.
_ANSWER = re.compile(
    r"\b(?P<code>[A-Z][A-Z_]{4,}): (?P<message>.*?)(?: Hint: (?P<hint>.*?))?(?: \(\w+; \w+\).*)?$", re.S
)
_NOBODY = ("connection refused", "no such host", "deadline exceeded while", "connection reset", "EOF")


@dataclass(frozen=True, slots=True)
class Login:
    """Where to ask, and as whom; ``ca_file`` holds the certificates to trust behind ``grpc+tls://``."""

    uri: str
    user: str
    password: str
    ca_file: str = ""


class Client:
    """One connection; closes with ``close`` or at the end of a ``with`` block.

    Raises:
        MissingExtra: the driver is not installed.
        FabricError: nobody answers there, or the login was refused.
    """

    def __init__(self, login: Login) -> None:
        try:
            from adbc_driver_flightsql import DatabaseOptions, dbapi
        except ImportError:
            raise MissingExtra(
                "the ADBC Flight SQL driver is not installed", hint="pip install 'ripstop[client]'"
            ) from None
        options = {"username": login.user, "password": login.password}
        if login.ca_file:
            with open(login.ca_file, encoding="utf-8") as file:
                options[DatabaseOptions.TLS_ROOT_CERTS.value] = file.read()
        with answered(login.uri):
            self._connection: Any = dbapi.connect(login.uri, db_kwargs=options, autocommit=True)
        self._uri = login.uri

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *ending: object) -> None:
        self.close()

    @contextmanager
    def query(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        """Run one statement; the reader streams the answer while the block lasts.

        Raises:
            FabricError: with the code, message and hint that the server gave.
        """
        with answered(self._uri), self._connection.cursor() as cursor:
            cursor.execute(sql)
            with cursor.fetch_record_batch() as reader:
                yield reader

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


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
    """The error of a driver's text: the server's own where it speaks, else nobody answered."""
    kinds = _kinds()
    found = next((m for m in _ANSWER.finditer(text) if m["code"] in kinds), None)
    # The driver prefixes its own status word; ours, if any, stands behind it.
    inner = _ANSWER.search(text, found.start("message")) if found else None
    if inner is not None and inner["code"] in kinds:
        found = inner
    if found is not None:
        error = kinds[found["code"]].__new__(kinds[found["code"]])
        FabricError.__init__(error, found["message"].strip(), hint=(found["hint"] or "").strip())
        return error
    if any(sign.lower() in text.lower() for sign in _NOBODY):
        return NotAnswered(
            f"no Ripstop answers at {uri}", hint="start one with `ripstop serve`, or say --uri"
        )
    if "unauthenticated" in text.lower():
        return LoginRefused("the login was refused", hint="check --user and the password")
    if "unimplemented" in text.lower():
        return NotSupported("the server does not offer this call", hint="is it a Ripstop?")
    return NotAnswered(text.strip().splitlines()[0] if text.strip() else "the call failed")


class NotAnswered(FabricError):
    """No server answered, or not as a Ripstop does."""

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
    return kinds | {InternalError.code: FabricError}
