"""Connections of a DuckDB that only plans: what a statement is planned over stays for the statements after it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import duckdb

from fabric.remembered import EmptyRelations, begins_with_id

_IDLE = 4  # connections that wait for the next statement
_MOST_COLUMNS = 20_000  # of the relations that one connection keeps; one takes some kB

Create = Callable[[duckdb.DuckDBPyConnection, str, Sequence[tuple[str, str]]], None]


@dataclass(slots=True)
class _Connection:
    cursor: duckdb.DuckDBPyConnection
    has: dict[str, Sequence[tuple[str, str]] | str] = field(default_factory=dict)
    columns: int = 0

    def hold(self, name: str, wanted: Sequence[tuple[str, str]] | str, create: Create) -> None:
        if self.has.get(name) == wanted:
            return
        if self.has.pop(name, None) is not None:  # and views were made of that
            self.has = {each: held for each, held in self.has.items() if not isinstance(held, str)}
        if isinstance(wanted, str):
            self.cursor.execute(f'CREATE OR REPLACE TEMP VIEW "{name}" AS {wanted}')
        else:
            self.columns += len(wanted)
            create(self.cursor, name, wanted)
        self.has[name] = wanted


class PlanningConnections:
    """Connections to one DuckDB; any thread may ask, and has one for itself.

    Args:
        start: opens the DuckDB, when it is first asked.
        create: makes an empty table of a name with these columns, in the place of another of that name.
    """

    def __init__(self, start: Callable[[], duckdb.DuckDBPyConnection], create: Create) -> None:
        self._start = start
        self._create = create
        self._root: duckdb.DuckDBPyConnection | None = None
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()

    @contextmanager
    def over(self, relations: EmptyRelations) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that has these empty relations, and others of names that nobody's statement can hold."""
        connection = self._taken()
        try:
            for name, wanted in relations.items():
                connection.hold(name, wanted, self._create)
            yield connection.cursor
        finally:
            self._give_back(connection, kept=all(map(begins_with_id, relations)))

    def close(self) -> None:
        """Shut it down."""
        with self._lock:
            for connection in self._idle:
                connection.cursor.close()
            self._idle.clear()
            if self._root is not None:
                self._root.close()

    def _taken(self) -> _Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if self._root is None:
                self._root = self._start()
            return _Connection(self._root.cursor())

    def _give_back(self, connection: _Connection, *, kept: bool) -> None:
        with self._lock:
            if kept and connection.columns <= _MOST_COLUMNS and len(self._idle) < _IDLE:
                self._idle.append(connection)
                return
        connection.cursor.close()
