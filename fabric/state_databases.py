"""The two databases that the state may lie in: SQLite in a file, and Postgres by ADBC.

Both take the same SQL, with ``$1`` for the first value. Texts, 64-bit integers, doubles and NULL are all they are given.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from fabric.errors import MissingExtra

Value = str | int | float | None
Row = tuple[Any, ...]

SCHEMA = "ripstop"
"""Where the tables are in Postgres."""

_BUSY_SECONDS = 5
_LOST = ("08", "57P", "53", "25006", "40")  # SQLSTATEs that speak of the server, not of the statement


class Down(Exception):
    """The database cannot be reached, or does nothing at the moment."""


class Link(Protocol):
    """One connection; one thread at a time may use it. After ``Down`` it is closed, and another is opened.

    Every method raises ``Down``; whatever else is raised is the statement's own fault.
    """

    def run(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """Run one statement; what it returns."""
        ...

    def many(self, sql: str, rows: Sequence[Sequence[Value]]) -> None:
        """Run one statement for each row of values."""
        ...

    def transaction(self) -> contextlib.AbstractContextManager[None]:
        """All that is run within is durable after it, or nothing is there."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


class Database(Protocol):
    """Opens links, and has the words that differ."""

    number: str
    """The type of a column that numbers its rows, oldest first."""
    real: str
    """The type of doubles."""
    now: str
    """The database's own clock, in seconds since 1970."""
    alone: str
    """A statement after which no other process changes tables, until the transaction ends."""

    def open(self) -> Link:
        """A new connection.

        Raises:
            Down: there is none to be had.
        """
        ...


class SqliteDatabase:
    """A file in WAL mode; its folder is made, readable by its owner alone. ``"$1"`` is a name to SQLite."""

    number = "INTEGER PRIMARY KEY"
    real = "REAL"
    now = "((julianday('now') - 2440587.5) * 86400.0)"
    alone = "SELECT 1"  # every transaction is

    def __init__(self, file: Path) -> None:
        self._file = file

    def open(self) -> Link:
        """As ``Database.open``."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            connection = sqlite3.connect(
                self._file, check_same_thread=False, isolation_level=None, timeout=_BUSY_SECONDS
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            _adopt(connection)
        except (OSError, sqlite3.Error) as error:
            raise Down(str(error)) from None
        return _SqliteLink(connection)


def _adopt(connection: sqlite3.Connection) -> None:
    """A file whose tables the journal had numbered itself: they are those of its first script."""
    if connection.execute("PRAGMA user_version").fetchone() == (3,):
        connection.executescript(
            "BEGIN IMMEDIATE;"
            "CREATE TABLE IF NOT EXISTS versions (part TEXT PRIMARY KEY, version BIGINT NOT NULL);"
            "INSERT OR IGNORE INTO versions VALUES ('journal', 1), ('wishes', 1);"
            "PRAGMA user_version = 0;"
            "COMMIT"
        )


class _SqliteLink:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        with _sqlite_errors():
            return self._connection.execute(sql, _named(values)).fetchall()

    def many(self, sql: str, rows: Sequence[Sequence[Value]]) -> None:
        with _sqlite_errors():
            self._connection.executemany(sql, map(_named, rows))

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        self.run("BEGIN IMMEDIATE")
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self.run("ROLLBACK")
            raise

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()


def _named(values: Sequence[Value]) -> dict[str, Value]:
    return {str(number): _text(value) for number, value in enumerate(values, 1)}


@contextlib.contextmanager
def _sqlite_errors() -> Iterator[None]:
    try:
        yield
    except (sqlite3.OperationalError, sqlite3.ProgrammingError) as error:
        raise Down(str(error)) from None


class PostgresDatabase:
    """A database of a Postgres; the tables are in the schema ``ripstop``, which is made when it is absent.

    Args:
        uri: ``postgresql://…``, with what libpq takes behind it.

    Raises:
        MissingExtra: the driver is not installed.
    """

    number = "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"
    real = "DOUBLE PRECISION"
    now = "extract(epoch FROM clock_timestamp())::float8"
    alone = "SELECT pg_advisory_xact_lock(7461003)"

    def __init__(self, uri: str) -> None:
        try:
            import adbc_driver_postgresql.dbapi as driver
        except ImportError:
            raise MissingExtra(
                "state: postgresql:// needs a driver", hint="pip install 'ripstop[postgres]'"
            ) from None
        self._driver = driver
        self._uri = _patient(uri)

    def open(self) -> Link:
        """As ``Database.open``."""
        try:
            link = _PostgresLink(self._driver.connect(self._uri))
        except self._driver.Error:
            # libpq's text may hold the address, and whoever reads our log need not be told.
            raise Down("Postgres does not take the connection") from None
        with link.transaction():
            link.run(self.alone)
            if not link.run("SELECT 1 FROM pg_namespace WHERE nspname = $1", (SCHEMA,)):
                link.run(f"CREATE SCHEMA {SCHEMA}")
            link.run(f"SET search_path TO {SCHEMA}")
        return link


class _PostgresLink:
    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._within = False

    def run(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        with self._asked() as cursor:
            cursor.execute(sql, [_text(value) for value in values] or None)
            found = cursor.fetchall() if cursor.description else []
        return found

    def many(self, sql: str, rows: Sequence[Sequence[Value]]) -> None:
        with self._asked() as cursor:
            cursor.executemany(sql, [[_text(value) for value in row] for row in rows])

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        self._within = True
        try:
            yield
            with _postgres_errors():
                self._connection.commit()
        except BaseException:
            with _postgres_errors():
                self._connection.rollback()
            raise
        finally:
            self._within = False

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._connection.close()

    @contextlib.contextmanager
    def _asked(self) -> Iterator[Any]:
        """A cursor; beyond a transaction a statement is one of its own."""
        if not self._within:
            with self.transaction(), self._asked() as cursor:
                yield cursor
            return
        with _postgres_errors(), closing(self._connection.cursor()) as cursor:
            yield cursor


@contextlib.contextmanager
def _postgres_errors() -> Iterator[None]:
    import adbc_driver_manager as driver

    try:
        yield
    except driver.Error as error:
        state = error.sqlstate or ""
        if not state or state.startswith(_LOST):
            raise Down(f"Postgres answers with SQLSTATE {state}" if state else "no connection") from None
        raise


def _patient(uri: str) -> str:
    """The address, with how long a dead server is waited for where it does not say so itself."""
    parts = urlsplit(uri)
    said = {
        "connect_timeout": "5",
        "application_name": "ripstop",
        "keepalives_idle": "30",
        "tcp_user_timeout": "10000",
        **dict(parse_qsl(parts.query, keep_blank_values=True)),
    }
    return urlunsplit(parts._replace(query=urlencode(said, quote_via=quote)))


def _text(value: Value) -> Value:
    """The value; a text as both databases can keep it (no NUL, no half of a surrogate pair)."""
    if isinstance(value, str):
        return value.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")
    return value
