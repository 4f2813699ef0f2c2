"""The files of all tables of a statement, asked for at the same time, each table once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from fabric.errors import FabricError
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
            own, *others = different.items()  # one is asked here: a thread takes long to begin
            with ThreadPoolExecutor(min(_MOST_THREADS, len(others))) as pool:
                for key, (connector, layout) in others:
                    self._found[key] = pool.submit(connector.files, layout, max_age)
                key, (connector, layout) = own
                self._found[key] = _asked(connector, layout, max_age)

    def of(self, connector: FileConnector, layout: FileLayout) -> Sequence[FileStat]:
        """The files of a table.

        Raises:
            FabricError: as ``FileConnector.files``.
        """
        found = self._found.get(_key(connector, layout))
        return connector.files(layout, self._max_age) if found is None else found.result()


def _asked(connector: FileConnector, layout: FileLayout, max_age: float | None) -> Future[Sequence[FileStat]]:
    """What a pool's thread would answer."""
    found: Future[Sequence[FileStat]] = Future()
    try:
        found.set_result(connector.files(layout, max_age))
    except FabricError as error:
        found.set_exception(error)
    return found


def _key(connector: FileConnector, layout: FileLayout) -> tuple[object, ...]:
    return id(connector), layout.pattern, layout.format, bool(layout.declared)
