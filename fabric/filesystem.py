"""The one filesystem that DuckDB may open: the files that were mounted for a running query.

A mounted file has the path ``ripstop://<token>/<n>/<its own path>``: the token cannot be guessed, and the
file's own path keeps what DuckDB reads from it (``k=v`` folders, ``.csv.gz``). Anything else is not found.
"""

from __future__ import annotations

import logging
import re
import secrets
import threading
import uuid
import weakref
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any, NoReturn

import fsspec

from fabric.blocks import BlockCache
from fabric.blocks_flights import CachedFile, Demand
from fabric.errors import FabricError, InternalError
from fabric.filesystem_handle import Handle
from fabric.spi import FileConnector, ScanContext
from fabric.types import FileStat

PROTOCOL = "ripstop"
_PATH = re.compile(r"(?:ripstop:/*)?([0-9a-f]{32})/(\d+)/", re.ASCII)

_log = logging.getLogger(__name__)


class Mount:
    """The files of one scan while its query runs; ``paths`` are what DuckDB is given, in order.

    ``error`` is the first error that a read raised: DuckDB shows only its text, so the engine raises
    this one instead.
    """

    def __init__(
        self, blocks: BlockCache, connector: FileConnector, files: Sequence[FileStat], context: ScanContext
    ) -> None:
        self.token = secrets.token_hex(16)
        self.connector = connector
        self.files = tuple(files)
        self.error: FabricError | None = None
        self._blocks = blocks
        self._identity = _identity(connector)
        self._demand = Demand(context)
        self._begun: list[tuple[int, int, int, Future[bytes]]] = []

    @property
    def paths(self) -> list[str]:
        """The files' paths for DuckDB's readers."""
        return [self.path(number) for number in range(len(self.files))]

    def path(self, number: int) -> str:
        """One file's path for DuckDB's readers."""
        return f"{PROTOCOL}://{self.token}/{number}/{self.files[number].path}"

    def open(self, number: int) -> Handle:
        """A handle on a file; it holds nothing that must be given back."""
        file = CachedFile(self._identity, self.connector, self.files[number])
        return Handle(
            file.file.size,
            lambda offset, length: self._read(number, file, offset, length),
            lambda offset, length: self._blocks.read_ahead(file, offset, length, self._demand),
        )

    def fetch(self, number: int, ranges: Sequence[tuple[int, int]]) -> None:
        """Have ``(offset, length)`` ranges of a file in the cache, by one call to the source.

        Raises:
            FabricError: as from the connector.
        """
        file = CachedFile(self._identity, self.connector, self.files[number])
        try:
            self._blocks.fetch(file, ranges, self._demand)
        except FabricError as error:
            self._fail(error)

    def begin(self, number: int, offset: int, length: int) -> None:
        """Start reading a part of a file that DuckDB will surely ask for, and do not wait for it.

        An error is left to the read that meets it. What no cache holds is held here, until the query ends.
        """
        if self._demand.stopped.done():
            return
        file = CachedFile(self._identity, self.connector, self.files[number])
        part = self._blocks.begin(file, offset, length, self._demand)
        if part is not None:
            self._begun.append((number, offset, offset + length, part))

    def close(self) -> None:
        """End every read that still runs; the paths are dead."""
        self._demand.stop()
        for *_, part in self._begun:
            part.cancel()

    def _read(self, number: int, file: CachedFile, offset: int, length: int) -> bytes:
        end = min(offset + length, file.file.size)
        begun = (
            (start, part)
            for n, start, stop, part in self._begun
            if n == number and start <= offset and end <= stop
        )
        try:
            for start, part in begun:
                return self._demand.awaited(part)[offset - start : end - start]
            return self._blocks.read(file, offset, length, self._demand)
        except FabricError as error:
            self._fail(error)
        except Exception:  # noqa: BLE001 (DuckDB would print it to the user)
            fault = InternalError()
            _log.exception("read of a file failed, reference %s", fault.reference)
            self._fail(fault)

    def _fail(self, error: FabricError) -> NoReturn:
        if self.error is None:
            self.error = error
        raise error


class FileSystem(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """What DuckDB calls, once registered with ``connection.register_filesystem``.

    Args:
        blocks: the cache through which every read goes.
    """

    protocol = PROTOCOL
    cachable = False

    def __init__(self, blocks: BlockCache) -> None:
        super().__init__()
        self._blocks = blocks
        self._lock = threading.Lock()
        self._mounts: dict[str, Mount] = {}

    def mount(self, connector: FileConnector, files: Sequence[FileStat], context: ScanContext) -> Mount:
        """Let DuckDB read these files until ``unmount``."""
        mount = Mount(self._blocks, connector, files, context)
        with self._lock:
            self._mounts[mount.token] = mount
        return mount

    def unmount(self, mount: Mount) -> None:
        """Take the files away again; reads that still run end."""
        with self._lock:
            self._mounts.pop(mount.token, None)
        mount.close()

    def _find(self, path: str) -> tuple[Mount, int]:
        match = _PATH.match(path)
        if match:
            with self._lock:
                mount = self._mounts.get(match[1])
            number = int(match[2])
            if mount and number < len(mount.files) and mount.files[number].path == path[match.end() :]:
                return mount, number
        raise FileNotFoundError("no such file")

    def open(self, path: str, mode: str = "rb", **_: Any) -> Handle:
        """A handle on a mounted file.

        Raises:
            FileNotFoundError: the path is not mounted.
            PermissionError: it was to be written.
        """
        if mode != "rb":
            raise PermissionError("files are read only")
        mount, number = self._find(path)
        return mount.open(number)

    def glob(self, path: str, **_: Any) -> list[str]:
        """The path itself when it is mounted: lists are made by connectors, never here."""
        return [path] if self.exists(path) else []

    def exists(self, path: str, **_: Any) -> bool:
        """Whether the path is mounted."""
        try:
            self._find(path)
        except FileNotFoundError:
            return False
        return True

    def isfile(self, path: str) -> bool:
        """Whether the path is mounted."""
        return self.exists(path)

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Name, size and type of a mounted file."""
        mount, number = self._find(path)
        return {"name": path, "size": mount.files[number].size, "type": "file"}

    def modified(self, path: str) -> datetime:
        """When the file was last modified, as far as its source tells."""
        mount, number = self._find(path)
        return mount.files[number].modified or datetime.fromtimestamp(0, UTC)


_IDENTITIES: weakref.WeakKeyDictionary[FileConnector, str] = weakref.WeakKeyDictionary()
_IDENTITIES_LOCK = threading.Lock()


def _identity(connector: FileConnector) -> str:
    """What names the store behind a connector, so that blocks outlive a reload and never change sides."""
    with _IDENTITIES_LOCK:
        known = _IDENTITIES.get(connector)
        if known is None:
            known = getattr(connector, "identity", None) or uuid.uuid4().hex
            _IDENTITIES[connector] = known
    return known
