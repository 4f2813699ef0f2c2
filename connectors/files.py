"""What every source of files shares: its tables, globs and archives.

A source (local, S3, SFTP, FTP) extends ``FileSource`` with how to list a folder (``_walk``) and how to
read ranges of a file (``_read``); everything else that ``fabric.spi.FileConnector`` asks is here.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from connectors.archives import Archives, is_archive, split_member
from connectors.globs import compile_glob, fixed_folder, is_glob
from fabric.errors import BadData, Cancelled, SourceChanged
from fabric.settings import FileTableSettings, SourceSettings
from fabric.spi import ScanContext, Step
from fabric.types import DEFAULT_SCHEMA, FileLayout, FileStat, Table, TableName


def _inside(table: FileTableSettings) -> FileTableSettings:
    segments = table.path.split("/")
    if any(segment in ("", ".", "..") for segment in segments) or "\\" in table.path:
        raise ValueError(f"path '{table.path}' must stay under the source's uri: relative, without . or ..")
    try:
        compile_glob(table.path)
    except re.error:
        raise ValueError(f"path '{table.path}' is not a glob: a range in [] runs backwards") from None
    return table


class FileSourceSettings(SourceSettings):
    """The keys that every source of files shares."""

    uri: str = Field(description="the folder, bucket or server under which every path of a table lies")
    tables: dict[str, Annotated[FileTableSettings, AfterValidator(_inside)]] = Field(default_factory=dict)


class FileSource(ABC):
    """The base of a ``fabric.spi.FileConnector``; thread-safe as long as ``_walk`` and ``_read`` are.

    Args:
        name: the source's name in fabric.yaml.
        settings: its keys.
        directory: the project directory, to which relative paths are relative.
    """

    Settings: ClassVar[type[FileSourceSettings]] = FileSourceSettings
    extra: ClassVar[str] = ""
    one_call: ClassVar[bool] = False
    block_bytes: ClassVar[int] = 1 << 20

    def __init__(self, name: str, settings: FileSourceSettings, directory: Path) -> None:
        self.name = name
        self.settings = settings
        self.directory = directory
        self._archives = Archives(name, self._read)
        self._listings: dict[tuple[str, str], tuple[float, tuple[FileStat, ...]]] = {}
        self._listings_lock = threading.Lock()

    @property
    def identity(self) -> str:
        """Names the store and the login, so that cached blocks outlive a reload of the same source."""
        unlike = {"tables", "description", "limits", "max_age", "connect_timeout", "timeout", "domain"}
        text = f"{self.name}\0{self.directory}\0{self.settings.model_dump_json(exclude=unlike)}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    @abstractmethod
    def check(self) -> Iterator[Step]:
        """Prove the source step by step; ends with ``yield self._listed()``."""

    @abstractmethod
    def _walk(self, folder: str, deep: bool) -> Iterable[FileStat]:
        """Every file of a folder (``""`` is the root), with those of the folders beneath when ``deep``.

        Paths are relative to the root. A folder that does not exist holds no file; a root that does not
        exist is a SourceError, as is anything that would make the listing partial.
        """

    @abstractmethod
    def _read(self, file: FileStat, ranges: Sequence[tuple[int, int]], context: ScanContext) -> list[bytes]:
        """``FileConnector.read`` for plain files; no range reaches beyond ``file.size``."""

    def _stat(self, path: str) -> FileStat | None:
        """One file by its exact path; a source that can ask for one file overrides this."""
        folder = path.rpartition("/")[0]
        return next((file for file in self._walk(folder, False) if file.path == path), None)

    def close(self) -> None:
        """Give back what is held; a source that holds connections extends this."""
        self._archives.close()

    def tables(self) -> Sequence[Table]:
        """The declared tables; their columns are read from the files by the engine."""
        return [self._table(name, table) for name, table in self.settings.tables.items()]

    def _table(self, name: str, table: FileTableSettings) -> Table:
        layout = FileLayout(
            pattern=table.path,
            format=table.format,
            hive=table.partitioning == "hive",
            options=table.options,
            declared={column: made.type for column, made in table.columns.items() if made.type},
            said={column: (made.description, made.tags) for column, made in table.columns.items()},
        )
        return Table(TableName(self.name, DEFAULT_SCHEMA, name), (), table.description, layout=layout)

    def files(self, layout: FileLayout, max_age: float | None = None) -> Sequence[FileStat]:
        """The files of a table, by path; archives as their members, listings at most ``max_age`` old.

        Args:
            layout: of the table.
            max_age: seconds; the source's own counts where it is less.

        Raises:
            BadData: no file matches and no columns are declared, so the table has no shape.
            SourceError: the listing failed.
        """
        found = self._remembered(layout, max_age)
        if found is None:
            asked = time.monotonic()
            found = tuple(sorted(self._match(layout), key=lambda file: file.path))
            if self.settings.max_age is not None:
                with self._listings_lock:
                    self._listings[(layout.pattern, layout.format)] = (asked, found)
        if not found and not layout.declared:
            raise BadData(
                self.name,
                f"no file matches '{layout.pattern}'",
                hint="check the table's path, or declare its columns to have an empty table",
            )
        return found

    def _remembered(self, layout: FileLayout, max_age: float | None) -> tuple[FileStat, ...] | None:
        declared = self.settings.max_age or 0.0
        with self._listings_lock:
            asked, found = self._listings.get((layout.pattern, layout.format), (0.0, ()))
        fresh = asked and time.monotonic() - asked < (declared if max_age is None else min(declared, max_age))
        return found if fresh else None

    def _match(self, layout: FileLayout) -> Iterator[FileStat]:
        pattern, inner = split_member(layout.pattern)
        for file in self._glob(pattern):
            if layout.format != "parquet" and is_archive(file.path):
                yield from self._archives.members(file, layout.format, compile_glob(inner) if inner else None)
            else:
                yield file

    def _glob(self, pattern: str) -> Iterator[FileStat]:
        if not is_glob(pattern):
            file = self._stat(pattern)
            if file is not None:
                yield file
            return
        matches = compile_glob(pattern).fullmatch
        for file in self._walk(*fixed_folder(pattern)):
            if matches(file.path):
                yield file

    def read(self, file: FileStat, ranges: Sequence[tuple[int, int]], context: ScanContext) -> list[bytes]:
        """The bytes of each ``(offset, length)`` range, in order, whole.

        Raises:
            SourceChanged: the file is no longer the one of ``file.validator``.
            Cancelled: the query was cancelled.
            SourceError: anything else.
        """
        if context.cancelled:
            raise Cancelled("the query was cancelled")
        serve = self._archives.read if split_member(file.path)[1] else self._read
        try:
            parts = serve(file, ranges, context)
            if any(len(part) != length for part, (_, length) in zip(parts, ranges, strict=True)):
                raise SourceChanged(self.name, f"file '{file.path}' is shorter than it was listed")
        except SourceChanged:
            with self._listings_lock:
                self._listings.clear()
            raise
        return parts

    def _listed(self) -> Step:
        """The last step of ``check``: every table's files."""
        counts = [len(self.files(layout)) for table in self.tables() if (layout := table.layout)]
        return Step("listed", f"{len(counts)} tables, {sum(counts)} files")
