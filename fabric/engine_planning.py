"""Connections of a DuckDB that only plans: what a statement is planned over stays for the statements after it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import duckdb

_IDLE = 4  # connections that wait for the next statement
_MOST_COLUMNS = 20_000  # of the relations that one connection keeps; one takes some kB

_Shape = TypeVar("_Shape")


@dataclass(slots=True)
class _Connection(Generic[_Shape]):
    cursor: duckdb.DuckDBPyConnection
    relations: dict[str, _Shape] = field(default_factory=dict)
    columns: int = 0


class PlanningConnections(Generic[_Shape]):
    """Connections to one DuckDB; any thread may ask, and has one for itself.

    Args:
        start: opens the DuckDB, when it is first asked.
        relate: makes an empty relation of a name and shape, in the place of another of that name.
        width: how many columns a shape has.
    """

    def __init__(
        self,
        start: Callable[[], duckdb.DuckDBPyConnection],
        relate: Callable[[duckdb.DuckDBPyConnection, str, _Shape], None],
        width: Callable[[_Shape], int],
    ) -> None:
        self._start = start
        self._relate = relate
        self._width = width
        self._root: duckdb.DuckDBPyConnection | None = None
        self._idle: list[_Connection[_Shape]] = []
        self._lock = threading.Lock()

    @contextmanager
    def over(self, relations: Mapping[str, _Shape]) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that has these empty relations, and maybe others."""
        connection = self._taken()
        try:
            for name, shape in relations.items():
                if name not in connection.relations or connection.relations[name] != shape:
                    connection.relations.pop(name, None)
                    connection.columns += self._width(shape)
                    self._relate(connection.cursor, name, shape)
                    connection.relations[name] = shape
            yield connection.cursor
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Shut it down."""
        with self._lock:
            if self._root is not None:
                self._root.close()

    def _taken(self) -> _Connection[_Shape]:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if self._root is None:
                self._root = self._start()
            return _Connection(self._root.cursor())

    def _give_back(self, connection: _Connection[_Shape]) -> None:
        with self._lock:
            if connection.columns <= _MOST_COLUMNS and len(self._idle) < _IDLE:
                self._idle.append(connection)
                return
        connection.cursor.close()
