"""Files in a folder of this machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from connectors.files import FileSource, FileSourceSettings
from fabric.errors import BadData, SourceChanged, SourceError, SourceLoginRefused, Unreachable
from fabric.spi import ScanContext, Step
from fabric.types import FileLayout, FileStat

_OUTSIDE = "outside"


class LocalSettings(FileSourceSettings):
    """The keys of a ``local`` source: ``uri`` is a folder, relative to the project directory."""


class LocalConnector(FileSource):
    """A folder; reads open the file anew, so that no position is shared and every read is verified.

    Links are followed inside the folder and refused when they leave it.
    """

    Settings: ClassVar[type[FileSourceSettings]] = LocalSettings
    # The kernel caches these files: ranges are read as asked.
    block_bytes: ClassVar[int] = 0

    def __init__(self, name: str, settings: FileSourceSettings, directory: Path) -> None:
        super().__init__(name, settings, directory)
        self._root = os.path.realpath(directory / settings.uri.removeprefix("file://"))

    def check(self) -> Iterator[Step]:
        """The folder is there, and every table has files."""
        self._require_root()
        yield Step("resolved", "folder found")
        yield self._listed()

    def files(self, layout: FileLayout, max_age: float | None = None) -> Sequence[FileStat]:
        """As ``FileSource.files``.

        Raises:
            BadData: a file of the table is a link that leaves the folder.
        """
        found = super().files(layout, max_age)
        for file in found:
            if file.validator == _OUTSIDE:
                raise self._leaves(file.path)
        return found

    def _require_root(self) -> None:
        if not os.path.isdir(self._root):
            raise Unreachable(
                self.name, "its folder does not exist", hint="check uri; it is relative to fabric.yaml"
            )

    def _leaves(self, path: str) -> BadData:
        return BadData(
            self.name,
            f"'{path}' is a link that leaves the source's folder",
            hint="move the file under the source's uri, or make a source of the folder it lies in",
        )

    def _contains(self, real: str) -> bool:
        return os.path.commonpath([self._root, real]) == self._root

    def _failed(self, path: str, error: OSError) -> SourceError:
        if isinstance(error, PermissionError):
            return SourceLoginRefused(
                self.name, f"'{path}' may not be read", hint="give the server's user the right to read it"
            )
        return Unreachable(self.name, f"'{path}' cannot be read", hint="check the disk or mount beneath it")

    def _walk(self, folder: str, deep: bool) -> Iterable[FileStat]:
        self._require_root()
        return self._descend(folder, deep, ())

    def _descend(self, folder: str, deep: bool, above: tuple[str, ...]) -> Iterator[FileStat]:
        real = os.path.realpath(os.path.join(self._root, folder))
        if not self._contains(real):
            raise self._leaves(folder)
        if real in above:
            return
        try:
            with os.scandir(real) as entries:
                found = [(entry.name, self._is_folder(entry)) for entry in entries]
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise self._failed(folder, error) from None
        for name, is_folder in found:
            path = f"{folder}/{name}" if folder else name
            if is_folder and deep:
                yield from self._descend(path, deep, (*above, real))
            elif not is_folder and (file := self._stat(path)) is not None:
                yield file

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        try:
            return entry.is_dir()
        except OSError:
            return False

    def _stat(self, path: str) -> FileStat | None:
        real = os.path.realpath(os.path.join(self._root, path))
        if not self._contains(real):
            return FileStat(path, 0, _OUTSIDE)
        try:
            found = os.stat(real)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._failed(path, error) from None
        if not stat.S_ISREG(found.st_mode):
            return None
        modified = datetime.fromtimestamp(found.st_mtime, UTC)
        return FileStat(path, found.st_size, _validator(found), modified)

    def _read(self, file: FileStat, ranges: Sequence[tuple[int, int]], context: ScanContext) -> list[bytes]:
        real = os.path.realpath(os.path.join(self._root, file.path))
        if not self._contains(real):
            raise self._leaves(file.path)
        changed = SourceChanged(self.name, f"file '{file.path}' changed", hint="run the query again")
        try:
            # O_NONBLOCK: a pipe put in the file's place must not hold the query.
            descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            raise changed from None
        except OSError as error:
            raise self._failed(file.path, error) from None
        try:
            before = os.fstat(descriptor)
            parts = [os.pread(descriptor, length, offset) for offset, length in ranges]
            after = os.fstat(descriptor)
        except OSError as error:
            raise self._failed(file.path, error) from None
        finally:
            os.close(descriptor)
        if not _validator(before) == _validator(after) == file.validator:
            raise changed
        return parts


def _validator(found: os.stat_result) -> str:
    return f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"
