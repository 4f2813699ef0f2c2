"""Members of zip archives, read where the archive lies.

A member is a file of its own, ``archive.zip!/member.csv``. Its bytes come from one forward decompression,
spooled to an unlinked temporary file as far as was asked for, so that reads in any order cost one pass.
"""

from __future__ import annotations

import io
import os
import re
import tempfile
import threading
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from fabric.errors import BadData, NotSupported
from fabric.spi import ScanContext
from fabric.types import FileFormat, FileStat

_ENDINGS = {
    "csv": re.compile(r".*\.(csv|tsv)(\.gz|\.zst)?", re.IGNORECASE | re.DOTALL),
    "json": re.compile(r".*\.(json|jsonl|ndjson)(\.gz|\.zst)?", re.IGNORECASE | re.DOTALL),
}
_MEMBER = re.compile(r"(.*?\.zip)!/(.*)", re.IGNORECASE | re.DOTALL)
_WINDOW = 1 << 20
_TAIL = 1 << 16
_CHUNK = 1 << 20
_SPOOLS = 16
_LISTED = 256

Read = Callable[[FileStat, Sequence[tuple[int, int]], ScanContext], list[bytes]]


def is_archive(path: str) -> bool:
    """Whether the file is listed as its members."""
    return path.lower().endswith(".zip")


def split_member(path: str) -> tuple[str, str]:
    """The archive and the member that a path names; the member is empty for a plain file."""
    match = _MEMBER.fullmatch(path)
    return (match[1], match[2]) if match else (path, "")


class Archives:
    """The archives of one source.

    Args:
        source: the source's name, for errors.
        read: reads ranges of a plain file of that source.
    """

    def __init__(self, source: str, read: Read) -> None:
        self._source = source
        self._read = read
        self._lock = threading.Lock()
        self._spools: OrderedDict[FileStat, _Spool] = OrderedDict()
        self._listed: OrderedDict[FileStat, list[zipfile.ZipInfo]] = OrderedDict()

    def members(
        self, archive: FileStat, format_: FileFormat, pattern: re.Pattern[str] | None
    ) -> list[FileStat]:
        """The members that match the pattern, or without one those whose name fits the format.

        Raises:
            BadData: not an archive, or no member fits.
            NotSupported: an archive in the archive, or an encrypted member.
        """
        matches = (pattern or _ENDINGS[format_]).fullmatch
        found = [info for info in self._directory(archive) if matches(info.filename)]
        if not found:
            raise BadData(
                self._source,
                f"archive '{archive.path}' holds no member for this table",
                hint="name the members in the table's path, as in 'files/*.zip!/*.txt'",
            )
        if any(info.flag_bits & 1 for info in found):
            raise NotSupported(
                f"source '{self._source}': archive '{archive.path}' is encrypted",
                hint="have it delivered without a password",
            )
        return [
            FileStat(
                f"{archive.path}!/{info.filename}",
                info.file_size,
                f"{archive.validator}|{archive.size}|{info.header_offset}|{info.CRC:08x}",
                archive.modified,
            )
            for info in found
        ]

    def read(self, file: FileStat, ranges: Sequence[tuple[int, int]], context: ScanContext) -> list[bytes]:
        """``FileConnector.read`` for a member.

        Raises:
            SourceChanged: the archive is no longer the one that was listed.
            BadData: the archive is damaged.
        """
        with self._lease(file) as spool, self._damage(file.path):
            return spool.read(ranges, context)

    def close(self) -> None:
        """Give back the spooled members."""
        with self._lock:
            spools = list(self._spools.values())
            self._spools.clear()
        for spool in spools:
            spool.close()

    def _directory(self, archive: FileStat) -> list[zipfile.ZipInfo]:
        with self._lock:
            known = self._listed.get(archive)
        if known is not None:
            return known
        with self._damage(archive.path), zipfile.ZipFile(_Window(archive, self._read)) as opened:
            infos = [
                i for i in opened.infolist() if not i.is_dir() and not i.filename.startswith("__MACOSX/")
            ]
        nested = next((info.filename for info in infos if is_archive(info.filename)), None)
        if nested is not None:
            raise NotSupported(
                f"source '{self._source}': archive '{archive.path}' holds an archive, '{nested}'",
                hint="deliver the inner archive as a file of its own",
            )
        with self._lock:
            self._listed[archive] = infos
            while len(self._listed) > _LISTED:
                self._listed.popitem(last=False)
        return infos

    @contextmanager
    def _damage(self, path: str) -> Iterator[None]:
        try:
            yield
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise BadData(
                self._source, f"archive '{path}' is damaged", hint="have the file delivered again"
            ) from error

    @contextmanager
    def _lease(self, member: FileStat) -> Iterator[_Spool]:
        with self._lock:
            spool = self._spools.pop(member, None) or _Spool(member, self._read)
            self._spools[member] = spool
            spool.leases += 1
        try:
            yield spool
        finally:
            with self._lock:
                spool.leases -= 1
                idle = [key for key, held in self._spools.items() if not held.leases]
                dropped = [self._spools.pop(key) for key in idle[: max(0, len(self._spools) - _SPOOLS)]]
            for old in dropped:
                old.close()


class _Spool:
    """One member, decompressed as far as was asked for."""

    def __init__(self, member: FileStat, read: Read) -> None:
        validator, size, offset, _ = member.validator.rsplit("|", 3)
        self.leases = 0
        self._header = int(offset)
        self._window = _Window(FileStat(split_member(member.path)[0], int(size), validator), read)
        self._lock = threading.Lock()
        self._stream: IO[bytes] | None = None
        self._file: IO[bytes] | None = None
        self._length = 0

    def read(self, ranges: Sequence[tuple[int, int]], context: ScanContext) -> list[bytes]:
        with self._lock:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (close closes it)
            self._window.context = context
            self._fill(self._file, max((offset + length for offset, length in ranges), default=0))
            return [os.pread(self._file.fileno(), length, offset) for offset, length in ranges]

    def _fill(self, file: IO[bytes], wanted: int) -> None:
        if self._length >= wanted:
            return
        try:
            if self._stream is None:
                archive = zipfile.ZipFile(self._window)
                info = next(i for i in archive.infolist() if i.header_offset == self._header)
                self._stream = archive.open(info)
                self._stream.seek(self._length)
            while self._length < wanted and (chunk := self._stream.read(_CHUNK)):
                file.write(chunk)
                self._length += len(chunk)
        except BaseException:
            # A stream that was interrupted may have lost bytes: the next read starts a new one.
            self._stream = None
            raise

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = self._stream = None
            self._length = 0


class _Window(io.RawIOBase):
    """A remote file as zipfile wants it: one stretch at a time is fetched, the directory in one read."""

    def __init__(self, file: FileStat, read: Read) -> None:
        self.context = ScanContext()
        self._remote = file
        self._fetch = read
        self._position = 0
        self._start = 0
        self._bytes = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._remote.size}[whence]
        if base + offset < 0:
            raise OSError("seek before the start of the file")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._remote.size - self._position)
        size = left if size is None or size < 0 else min(size, left)
        if not self._start <= self._position <= self._position + size <= self._start + len(self._bytes):
            self._load(size)
        at = self._position - self._start
        self._position += size
        return self._bytes[at : at + size]

    def _load(self, size: int) -> None:
        start = min(self._position, max(0, self._remote.size - _TAIL))
        # Far from the end the position itself is the start: only the directory is read backwards.
        end = min(self._remote.size, max(self._position + size, start + _WINDOW))
        (self._bytes,) = self._fetch(self._remote, [(start, end - start)], self.context)
        self._start = start
