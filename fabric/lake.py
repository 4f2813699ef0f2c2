"""The lake: files of the fabric's own, in a folder or under a prefix of a bucket; written once, never changed.

What counts is said in the state store, never by a file's being there. So nothing needs to be renamed, which S3 cannot do:
a file under way has a name that nobody knows yet, and one that a crash leaves behind is found by ``listed`` and removed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
from pyarrow import fs

from fabric.config_model import LakeSettings
from fabric.errors import Cancelled, FabricError, SourceChanged, Unreachable
from fabric.settings import SourceSettings
from fabric.spi import ScanContext, Step
from fabric.types import FileLayout, FileStat, Table

RESULTS = "results"
"""The catalog in which stored data stands; no source can be called so."""

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class LakeFile:
    """A file by its path in the lake; ``modified`` in seconds since 1970."""

    path: str
    size: int
    modified: float


class Lake:
    """Files by paths with ``/``; any thread may ask.

    Args:
        filesystem: a folder's, or a bucket's.
        root: where they lie in it.
        folder: the same as a folder of this machine, which is then flushed; None for a bucket.
    """

    def __init__(self, filesystem: fs.FileSystem, root: str, folder: Path | None = None) -> None:
        self._filesystem = filesystem
        self._root = root.rstrip("/")
        self._folder = folder

    @property
    def identity(self) -> str:
        """Names the place, so that cached blocks are its own."""
        return hashlib.blake2b(f"lake\0{self._root}".encode(), digest_size=16).hexdigest()

    @property
    def is_local(self) -> bool:
        """Whether it is a folder."""
        return self._folder is not None

    @contextmanager
    def writing(self, path: str) -> Iterator[pa.NativeFile]:
        """A stream into a new file, which is durable when the block ends, and removed when it fails.

        Raises:
            Unreachable: the lake cannot be written.
        """
        with self._telling("written"):
            if self._folder is not None:
                (self._folder / path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            stream = self._filesystem.open_output_stream(self._at(path))
            try:
                yield stream
                stream.close()
                self._sync(path)
            except BaseException:
                # A multipart upload that is closed becomes an object: it has to go again.
                with suppress(OSError):
                    stream.close()
                with suppress(FabricError):
                    self.remove(path)
                raise

    def read(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes of each ``(offset, length)`` range.

        Raises:
            SourceChanged: the file is gone, or shorter.
            Unreachable: the lake cannot be read.
        """
        with self._telling("read"):
            try:
                with self._filesystem.open_input_file(self._at(path)) as file:
                    parts = [bytes(file.read_at(length, offset)) for offset, length in ranges]
            except FileNotFoundError:
                raise SourceChanged("lake", "a stored file is gone", hint="run the query again") from None
        if any(len(part) != length for part, (_, length) in zip(parts, ranges, strict=True)):
            raise SourceChanged("lake", "a stored file is shorter than it was")
        return parts

    def size(self, path: str) -> int | None:
        """The bytes of a file; None when it is not there."""
        with self._telling("read"):
            info = self._filesystem.get_file_info(self._at(path))
        return None if info.type == fs.FileType.NotFound else int(info.size)

    def listed(self, folder: str) -> list[LakeFile]:
        """Every file in a folder, at any depth."""
        with self._telling("listed"):
            selector = fs.FileSelector(self._at(folder), recursive=True, allow_not_found=True)
            found = [each for each in self._filesystem.get_file_info(selector) if each.is_file]
        skip = len(self._root) + 1
        return [LakeFile(each.path[skip:], each.size, (each.mtime_ns or 0) / 1e9) for each in found]

    def remove(self, path: str) -> None:
        """Remove a file, be it there or not."""
        with self._telling("written"), suppress(FileNotFoundError):
            self._filesystem.delete_file(self._at(path))
        if self._folder is not None:
            with suppress(OSError):
                (self._folder / path).parent.rmdir()

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _sync(self, path: str) -> None:
        if self._folder is None:
            return
        for each in (self._folder / path, (self._folder / path).parent):
            descriptor = os.open(each, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    @contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError:
            raise Unreachable(
                "lake",
                f"the lake cannot be {what}",
                hint="whoever runs this fabric checks lake: in fabric.yaml",
            ) from None


class LakeTables:
    """The files of the lake as a source, so that they are read like every other file; it lists no tables.

    Args:
        lake: has the files. The pattern of a table's layout is the path of its one file.
    """

    Settings: ClassVar[type[SourceSettings]] = SourceSettings
    extra: ClassVar[str] = ""
    one_call: ClassVar[bool] = False
    block_bytes: ClassVar[int] = 0  # the kernel caches a folder's

    def __init__(self, lake: Lake) -> None:
        self.name = RESULTS
        self.lake = lake

    @property
    def identity(self) -> str:
        """See ``Lake.identity``."""
        return self.lake.identity

    def check(self) -> Iterator[Step]:
        """The lake can be listed."""
        self.lake.listed("runs")
        yield Step("listed")

    def close(self) -> None:
        """Nothing is held."""

    def tables(self) -> Sequence[Table]:
        """None: who may read which is decided by name, one at a time."""
        return ()

    def files(self, layout: FileLayout, max_age: float | None = None) -> Sequence[FileStat]:
        """The one file of a table."""
        size = self.lake.size(layout.pattern)
        if size is None:
            raise SourceChanged(self.name, "a stored file is gone", hint="run the query again")
        return [FileStat(layout.pattern, size, layout.pattern)]

    def read(self, file: FileStat, ranges: Sequence[tuple[int, int]], context: ScanContext) -> list[bytes]:
        """The bytes of each range."""
        if context.cancelled:
            raise Cancelled("the query was cancelled")
        context.requests += 1
        return self.lake.read(file.path, ranges)


class BucketTables(LakeTables):
    """The same of a lake in a bucket."""

    block_bytes: ClassVar[int] = 2**20


def lake_tables(lake: Lake) -> LakeTables:
    """The lake's files as a source."""
    return LakeTables(lake) if lake.is_local else BucketTables(lake)


def open_lake(settings: LakeSettings) -> Lake:
    """The lake that a configuration names; nothing is asked of it yet."""
    if "://" not in settings.uri:
        folder = Path(settings.uri)
        return Lake(fs.LocalFileSystem(), str(folder), folder)
    said = {
        "endpoint_override": settings.endpoint,
        "region": settings.region,
        "access_key": settings.access_key_id and settings.access_key_id.get_secret_value(),
        "secret_key": settings.secret_access_key and settings.secret_access_key.get_secret_value(),
        "session_token": settings.session_token and settings.session_token.get_secret_value(),
    }
    filesystem = fs.S3FileSystem(
        **{key: value for key, value in said.items() if value},
        connect_timeout=settings.timeout,
        request_timeout=settings.timeout,
        # The standard strategy stops retrying when too many requests fail in all: at one in ten it did (measured).
        retry_strategy=fs.AwsDefaultS3RetryStrategy(max_attempts=_ATTEMPTS),
    )
    return Lake(filesystem, settings.uri.partition("://")[2])
