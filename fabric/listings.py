"""The files of all tables of a statement, asked for at the same time, each table once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from fabric.spi import FileConnector
from fabric.types import FileLayout, FileStat

_MOST_THREADS = 8


class Listings:
    """What the sources list.

    Args:
        wanted: the tables' layouts, with the connector of each.
        max_age: how many seconds old a listing may be, at most as the source says.
    """

    def __init__(
        self, wanted: Iterable[tuple[FileConnector, FileLayout]] = (), max_age: float | None = None
    ) -> None:
        self._max_age = max_age
        different = {_key(connector, layout): (connector, layout) for connector, layout in wanted}
        self._found: dict[tuple[object, ...], Future[Sequence[FileStat]]] = {}
        if len(different) > 1:
            with ThreadPoolExecutor(min(_MOST_THREADS, len(different))) as pool:
                for key, (connector, layout) in different.items():
                    self._found[key] = pool.submit(connector.files, layout, max_age)

    def of(self, connector: FileConnector, layout: FileLayout) -> Sequence[FileStat]:
        """The files of a table.

        Raises:
            FabricError: as ``FileConnector.files``.
        """
        found = self._found.get(_key(connector, layout))
        return connector.files(layout, self._max_age) if found is None else found.result()


def _key(connector: FileConnector, layout: FileLayout) -> tuple[object, ...]:
    return id(connector), layout.pattern, layout.format, bool(layout.declared)
