"""What a client sees of an error: a Flight status and one message, never a traceback.

pyarrow 26 sends FlightErrors as their gRPC status, but has none for INVALID_ARGUMENT, NOT_FOUND and
UNIMPLEMENTED; those codes come from ordinary exceptions only, to whose message Arrow C++ appends the
formatted Python traceback. It falls back to the exception's type name when formatting fails, so the
exceptions here refuse to be formatted. GetSchema knows no FlightErrors at all: whatever has no ordinary
exception is UNKNOWN there, with the same message.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, TypeVar, cast

import pyarrow as pa
from pyarrow import flight  # noqa: TID251

from fabric.errors import STATUS, FabricError, InternalError

_log = logging.getLogger("ripstop.flight")

# Headers of more than 8 KB are refused by gRPC clients, and the message travels in three of them.
_LONGEST = 2000

M = TypeVar("M", bound=Callable[..., Any])


class _Unformatted(Exception):
    @property
    def __cause__(self) -> BaseException | None:  # type: ignore[override]
        raise RuntimeError("not for the wire")

    def __str__(self) -> str:
        return str(self.args[0])


_ORDINARY: dict[str, type[Exception]] = {
    code: type(code, (_Unformatted, base), {})
    for code, base in {
        "INVALID_ARGUMENT": pa.ArrowInvalid,
        "NOT_FOUND": pa.ArrowKeyError,
        "UNIMPLEMENTED": pa.ArrowNotImplementedError,
    }.items()
}
_UNKNOWN = type("UNKNOWN", (_Unformatted,), {})

_FLIGHT: dict[str, type[Exception]] = {
    "UNAUTHENTICATED": flight.FlightUnauthenticatedError,
    "PERMISSION_DENIED": flight.FlightUnauthorizedError,
    "UNAVAILABLE": flight.FlightUnavailableError,
    "DEADLINE_EXCEEDED": flight.FlightTimedOutError,
    # pyarrow clients take CANCELLED for Ctrl-C and interrupt their whole process: this one is UNKNOWN.
    "CANCELLED": flight.FlightServerError,
    "INTERNAL": flight.FlightInternalError,
}


def to_flight(error: Exception, *, in_schema: bool = False) -> Exception:
    """The exception that makes pyarrow send the error's status and message.

    An error that is not a FabricError is a fault of ours: it is logged whole, and the client gets its
    reference. ``in_schema``: it is raised from GetSchema.
    """
    if not isinstance(error, FabricError):
        fault = InternalError()
        _log.error("internal error %s", fault.reference, exc_info=error)
        error = fault
    code = STATUS[error.code].flight
    text = str(error)
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 1] + "…"
    if code in _ORDINARY:
        return _ORDINARY[code](text)
    return _UNKNOWN(text) if in_schema else _FLIGHT[code](text)


def guarded(method: M) -> M:
    """Have whatever a server's method raises pass through ``to_flight``."""
    in_schema = method.__name__ == "get_schema"

    @functools.wraps(method)
    def answer(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except Exception as error:  # noqa: BLE001
            raise to_flight(error, in_schema=in_schema) from None

    return cast("M", answer)
