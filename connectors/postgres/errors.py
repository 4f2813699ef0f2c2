"""What Postgres and libpq say, as errors of ours that repeat none of their words."""

from __future__ import annotations

from fabric.errors import (
    BadData,
    FabricError,
    IdentityRefused,
    SchemaChanged,
    SourceChanged,
    SourceError,
    SourceLoginRefused,
    SourceTimeout,
    Throttled,
    Unreachable,
)

_BROKEN = ("57P01", "57P02", "57P03", "57P05", "08")
_REFUSED = ("28", "42501", "3D000")
_GONE = ("42P01", "42703", "3F000", "42704", "42883", "42804", "42846")
_MOVED = ("40", "72000")
_VALUE = ("22", "0A000")

# libpq gives no SQLSTATE for a failed login; its own texts are not translated in the driver's build,
# and a server's that are not English end in the last line of `refused_connection`.
_TLS = ("certificate", "ssl error", "ssl was required", "support ssl", "tls", "private key file")
_BUSY = ("too many", "remaining connection slots", "starting up", "shutting down", "recovery mode")
_LOGIN = (
    "authentication",
    "no password",
    "pg_hba.conf",
    "does not exist",
    "permission denied",
    "not permitted",
)


def refused_connection(source: str, text: str) -> SourceError:
    """The error for a connection that was not made; ``text`` is libpq's and stays here."""
    said = text.lower()
    if any(word in said for word in _TLS):
        return IdentityRefused(
            source,
            "the server's identity could not be proved by TLS, or it offers none",
            hint="check sslmode, sslrootcert, sslcert and sslkey against the server's certificate",
        )
    if any(word in said for word in _BUSY):
        return Throttled(
            source,
            "the server takes no further connection now",
            hint="lower limits.connections, or try again when the server is up",
        )
    if any(word in said for word in _LOGIN):
        return SourceLoginRefused(
            source,
            "the server refused the user, the password or the database",
            hint="check user, password and database in the source's uri, and the server's pg_hba.conf",
        )
    if "timeout expired" in said:
        return SourceTimeout(
            source,
            "the server did not answer the login in time",
            hint="check host and port, or raise connect_timeout",
        )
    if "fatal:" in said:
        return SourceLoginRefused(source, "the server refused the login", hint="its own log says why")
    return unreachable(source)


def unreachable(source: str) -> Unreachable:
    """No connection, or a lost one."""
    return Unreachable(
        source,
        "the server cannot be reached, or the connection broke",
        hint="check that it runs at the uri's host and port",
    )


def silent(source: str, seconds: float) -> SourceTimeout:
    """The server sent nothing for longer than the source's ``timeout``."""
    return SourceTimeout(
        source,
        f"the server sent nothing for {seconds:g} s",
        hint="raise the source's timeout, or ask for fewer rows",
    )


def failed(source: str, error: Exception, table: str = "", suspects: tuple[str, ...] = ()) -> FabricError:
    """The error for a statement that failed.

    Args:
        source: the source's name.
        error: an ADBC error; only its SQLSTATE, and the driver's own fixed words, are read.
        table: what was read, for the message.
        suspects: columns whose conversion may raise, for the message.
    """
    state = getattr(error, "sqlstate", None) or ""
    where = f"reading {table}" if table else "reading the catalog"
    if state.startswith(_BROKEN):
        return unreachable(source)
    if state.startswith("53"):
        return Throttled(
            source, f"{where}: the server is out of resources", hint="try again, or ask for less"
        )
    if state == "57014":
        return SourceTimeout(
            source,
            f"{where}: the server cancelled the statement",
            hint="raise the source's statement_timeout",
        )
    if state.startswith(_REFUSED):
        return SourceLoginRefused(
            source,
            f"{where}: our role may not do that",
            hint="GRANT SELECT on it to the role of the source's uri",
        )
    if state.startswith(_GONE):
        return changed(source, table)
    if state.startswith(_MOVED):
        return SourceChanged(
            source, f"{where}: the snapshot of this query is gone", hint="run the query again"
        )
    if state.startswith(_VALUE) or (not state and "readrecord failed" in str(error).lower()):
        return unfit(source, table, suspects)
    if not state:
        return unreachable(source)
    return SourceError(
        source, f"{where}: the server failed with SQLSTATE {state}", hint="its own log says why"
    )


def changed(source: str, table: str) -> SchemaChanged:
    """The table is not, or not in the shape, that the catalog knew."""
    return SchemaChanged(source, f"{table} is gone or has changed its columns", hint="run the query again")


def unfit(source: str, table: str, columns: tuple[str, ...]) -> BadData:
    """A value that the column's DuckDB type cannot hold: NaN, an overflow, a second dimension."""
    which = "a value" if not columns else f"a value of column {' or '.join(map(repr, columns))}"
    return BadData(
        source,
        f"{table}: {which} does not fit the column's type (NaN, out of range, or of more dimensions)",
        hint="declare the column as VARCHAR under the source's tables to read it as text",
    )
