"""Session options, kept by the client: signed, in a cookie and behind its bearer token.

Nothing is kept here, so a session survives a new worker and moves between replicas. JDBC keeps cookies,
the Go driver (Python, R, Go) sends back whatever ``authorization`` a response brought; both get both.
A client that keeps neither cannot have options, and GetSessionOptions tells it so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from http.cookies import CookieError, SimpleCookie
from zoneinfo import ZoneInfo

from fabric.catalog import Entry
from fabric.dialects import canonical
from fabric.errors import InvalidValue, LoginRefused
from fabric.pipeline import Session
from fabric.questions import MAX_STALENESS, SWITCHES
from fabric.types import Principal
from server import flightsql
from server.keys import Signer

COOKIE = "ripstop_session"
SEPARATOR = "~"
"""Stands between a bearer token and the session; no token holds one (RFC 6750 allows it)."""

_SECONDS = 7 * 24 * 3600
_LONGEST_PURPOSE = 100
PURPOSE = "purpose"
OPTIONS = ("catalog", "schema", "timezone", MAX_STALENESS, "dialect", PURPOSE, *SWITCHES)


def read_options(token: str, signer: Signer, principal: Principal) -> Mapping[str, str]:
    """The options that a client kept; those of another user or a forged token are refused.

    Raises:
        LoginRefused: expired, forged, or another user's.
    """
    if not token:
        return {}
    payload = signer.verify("session", token)
    if payload["u"] != principal.user:
        raise LoginRefused("this session is another user's", hint="connect again")
    options: dict[str, str] = payload["o"]
    return options


def write_options(options: Mapping[str, str], signer: Signer, principal: Principal) -> str:
    """The token that a client shall keep; empty for no options."""
    if not options:
        return ""
    return signer.sign("session", {"u": principal.user, "o": dict(options)}, _SECONDS)


def from_cookies(headers: Iterable[str]) -> str:
    """The session token among the Cookie headers, or ''."""
    for header in headers:
        try:
            cookie = SimpleCookie(header).get(COOKIE)
        except CookieError:
            continue
        if cookie:
            return cookie.value
    return ""


def to_session(options: Mapping[str, str], caller: Mapping[str, str]) -> Session:
    """The options as the line takes them, and what is known of who calls.

    Raises:
        InvalidValue: a switch is neither on nor off, or ``max_staleness`` is no duration.
    """
    rest = {name: value for name, value in options.items() if name not in ("schema", "timezone")}
    session = Session(options.get("schema"), options.get("timezone", "UTC"), rest, caller)
    for option in (MAX_STALENESS, *SWITCHES):
        _judge(session, option)
    return session


def asking(principal: Principal, options: Mapping[str, str]) -> Principal:
    """The principal with what they say they ask for as the attribute ``purpose``; what their login says of it counts more."""
    purpose = options.get(PURPOSE, "")
    if not _is_purpose(purpose) or PURPOSE in principal.attributes:
        return principal
    return replace(principal, attributes={**principal.attributes, PURPOSE: purpose})


def changed(
    options: Mapping[str, str], request: Mapping[str, str | None], entries: Iterable[Entry], fabric: str
) -> tuple[dict[str, str], dict[str, int]]:
    """The options after a request, and what was wrong with it: name → ``flightsql.INVALID_…``.

    A value of None unsets the option. Only schemas and catalogs that the principal may know of are taken.
    """
    result, errors = dict(options), dict[str, int]()
    known = list(entries) if request.keys() & {"catalog", "schema"} else []
    catalogs = {fabric.lower()} | {entry.name.catalog.lower() for entry in known}
    schemas = {entry.name.schema.lower() for entry in known}
    for name, value in request.items():
        if name not in OPTIONS:
            errors[name] = flightsql.INVALID_NAME
        elif value is None:
            result.pop(name, None)
        elif (
            (name == "catalog" and value.lower() not in catalogs)
            or (name == "schema" and value.lower() not in schemas)
            or (name == "timezone" and not _is_zone(value))
            or (name == "dialect" and not _is_dialect(value))
            or (name == PURPOSE and not _is_purpose(value))
            or (name in (MAX_STALENESS, *SWITCHES) and not _is_taken(name, value))
        ):
            errors[name] = flightsql.INVALID_VALUE
        else:
            result[name] = value
    return result, errors


def from_headers(headers: Mapping[str, list[str]]) -> dict[str, str]:
    """The options that a client sends as headers of every call, as a connection's URI can have it do.

    JDBC sends what stands behind ``?`` and it does not know, ADBC its ``adbc.flight.sql.rpc.call_header.…``.
    """
    return {name: headers[name][0][:100] for name in OPTIONS if headers.get(name)}


def _is_dialect(name: str) -> bool:
    try:
        canonical(name)
    except InvalidValue:
        return False
    return True


def _judge(session: Session, option: str) -> None:
    """Read what was said of an option.

    Raises:
        InvalidValue: it cannot be read.
    """
    if option == MAX_STALENESS:
        _ = session.max_staleness
    else:
        session.is_on(option)


def _is_taken(name: str, value: str) -> bool:
    try:
        _judge(Session(options={name: value}), name)
    except InvalidValue:
        return False
    return True


def _is_purpose(text: str) -> bool:
    return bool(text.strip()) and len(text) <= _LONGEST_PURPOSE and text.isprintable()


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return False
    return True
