"""The base of a connector that asks a database in SQL: its pool, its watch, and questions of its own."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import Field

from connectors.relational.pool import Link, Pool, Watch
from connectors.relational.session import Session
from connectors.relational.stream import Conduct
from fabric.errors import FabricError, Unreachable
from fabric.settings import Columns, ColumnSettings, SourceSettings, Strict
from fabric.spi import ScanSession


class DeclaredTable(Strict):
    """What the owner adds to an introspected table."""

    columns: Columns = Field(default_factory=dict)


Answer = TypeVar("Answer")


class RelationalSource(ABC):
    """Connections to one database, under the source's cap.

    Args:
        name: the source's name.
        settings: its keys.
        declared: what the owner says of tables, by table or ``schema.table``.
        conduct: how this kind of database is talked to.
    """

    def __init__(
        self, name: str, settings: SourceSettings, declared: Mapping[str, DeclaredTable], conduct: Conduct
    ) -> None:
        self.name = name
        self._timeout = settings.timeout
        self._declared: dict[str, dict[str, ColumnSettings]] = {
            table.lower(): {column.lower(): own for column, own in more.columns.items()}
            for table, more in declared.items()
        }
        self._conduct = conduct
        self._database: Any = None
        self._first = threading.Lock()
        self._watch = Watch(settings.timeout)
        self._pool = Pool(name, settings.limits.connections, self._connect, self._close_database)

    @abstractmethod
    def _connect(self) -> Link:
        """A new connection; ``_first`` guards the making of ``_database``."""

    def open(self, scans: int | None = None) -> ScanSession:
        """A session for one query; its scans see one state where the database can show one."""
        return Session(self._conduct, self._pool, self._watch, alone=scans == 1)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()
        self._watch.close()

    def _ask(self, question: Callable[[Link], Answer]) -> Answer:
        """Ask within one snapshot; a pooled connection that broke meanwhile is replaced once."""
        while True:
            link = self._pool.take(seconds=self._timeout)
            whole = False
            try:
                with self._watch.over(link) as alarm:
                    self._conduct.lead(link, None, alone=True)
                    answer = question(link)
                    self._conduct.end(link)
                whole = True
                return answer
            except FabricError:
                raise
            except Exception as error:  # noqa: BLE001  (drivers raise what they like; all is translated)
                known = self._conduct.silent() if alarm.rang else self._conduct.failed(error, None)
                if not (link.used and isinstance(known, Unreachable)):
                    raise known from None
                self._pool.forget_idle()
            finally:
                self._pool.give(link, whole=whole)

    def _close_database(self) -> None:
        if self._database is not None:
            self._database.close()
