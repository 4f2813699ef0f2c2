"""What a shell may complete: the relations and columns that the server shows to the user, fetched behind their back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.client import Client

Path = tuple[str, str, str]
"""Catalog, schema and name of a relation."""

_FRESH_SECONDS = 60.0
_OWN = ("system", "information_schema")
_SQL = """/* completion in ripstop sql */
SELECT t.table_catalog, t.table_schema, t.table_name, c.column_name, c.data_type
FROM information_schema.tables t LEFT JOIN information_schema.columns c
USING (table_catalog, table_schema, table_name)
ORDER BY 1, 2, 3, c.ordinal_position"""


class Vocabulary:
    """Relations and their columns, as the server's metadata has them for this user.

    Args:
        connect: makes a connection of its own, so that a running statement is not waited for.
    """

    def __init__(self, connect: Callable[[], AbstractContextManager[Client]]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._asked = -_FRESH_SECONDS
        self._thread: threading.Thread | None = None
        self.relations: dict[Path, list[tuple[str, str]]] = {}

    def refresh(self, *, now: bool = False) -> None:
        """Fetch it in the background when it is older than a minute, or ``now``; one fetch runs at a time."""
        with self._lock:
            running = self._thread is not None and self._thread.is_alive()
            if running or (not now and time.monotonic() - self._asked < _FRESH_SECONDS):
                return
            self._asked = time.monotonic()
            self._thread = threading.Thread(target=self._fetch, name="ripstop-words", daemon=True)
            self._thread.start()

    def wait(self, seconds: float) -> None:
        """Wait for a fetch that runs."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _fetch(self) -> None:
        try:
            with self._connect() as client, client.query(_SQL) as answer:
                rows = answer.read_all()
        except Exception:  # noqa: BLE001 - the driver's too: what was known stays, and nobody waits for a completion
            return
        found: dict[Path, list[tuple[str, str]]] = {}
        for catalog, schema, table, column, kind in zip(*(c.to_pylist() for c in rows.columns), strict=True):
            columns = found.setdefault((catalog, schema, table), [])
            if column is not None:
                columns.append((column, kind))
        self.relations = found

    @property
    def fabric(self) -> str:
        """The catalog whose schemas need no catalog before them: the one of the products."""
        return next((catalog for catalog, schema, _ in self.relations if schema == "system"), "")

    def written(self, path: Path) -> tuple[str, ...]:
        """The shortest name under which a statement finds the relation."""
        catalog, schema, name = path
        if catalog == self.fabric:
            return schema, name
        return (catalog, name) if schema == "main" else path

    def find(self, parts: tuple[str, ...]) -> list[tuple[str, str]]:
        """The columns of the relation that these parts name; none when there is none, or several."""
        wanted = tuple(part.lower() for part in parts)
        found = [
            path
            for path in self.relations
            if wanted in (_lower(path), _lower(path[1:]), _lower((path[0], path[2])))
        ]
        own = [path for path in found if path[0] == self.fabric] or found
        return self.relations[own[0]] if len(own) == 1 else []

    def listed(self) -> Iterator[Path]:
        """Every relation, the fabric's own tables last."""
        yield from sorted(self.relations, key=lambda path: (path[1] in _OWN, path[0] != self.fabric, path))


def _lower(parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part.lower() for part in parts)
