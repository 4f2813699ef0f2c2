"""Uploaded tables: Parquet files of a domain, and for each table one small file that says which of them count.

    <lake>/uploads/<domain>/<digest of the name>/table.json   name, schema, files, and those that were replaced
                                                <uuid>.parquet  written once, never changed
    <lake>/uploads/<domain>/stamp                              touched by every change

A table changes when its ``table.json`` is replaced, which is atomic: readers see the files of before or of after, and
those of before stay for an hour. What a crash leaves behind is in no ``table.json``, and is removed by a later upload.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from fabric.errors import Cancelled, FabricError, SourceChanged, Unreachable
from fabric.settings import SourceSettings
from fabric.spi import ScanContext, Step
from fabric.types import DEFAULT_SCHEMA, FileLayout, FileStat, Table, TableName

_KEPT_SECONDS = 3600.0
"""How long replaced files stay for queries that read them, and others before they count as left behind."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One table: ``files`` are names with their sizes in bytes, ``replaced`` names with when they were."""

    name: str
    schema: pa.Schema
    files: tuple[tuple[str, int], ...] = ()
    replaced: tuple[tuple[str, float], ...] = ()


class Uploads:
    """A domain's uploaded tables, as a source of files; any process may write, any may read.

    Args:
        name: the source's name.
        folder: holds the tables; made when the first one lands.
    """

    Settings: ClassVar[type[SourceSettings]] = SourceSettings
    extra: ClassVar[str] = ""
    one_call: ClassVar[bool] = False
    block_bytes: ClassVar[int] = 0  # the kernel caches them

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self._seen = 0

    @property
    def identity(self) -> str:
        """Names the store, so that cached blocks are its own."""
        return hashlib.blake2b(f"{self.name}\0{self.folder}".encode(), digest_size=16).hexdigest()

    def check(self) -> Iterator[Step]:
        """Every table's description can be read."""
        yield Step("listed", f"{len(self.tables())} tables")

    def close(self) -> None:
        """Nothing is held."""

    def changed(self) -> bool:
        """Whether a table was uploaded since the last listing, by any process."""
        return self._stamp() != self._seen

    # ── reading ─────────────────────────────────────────────────────────────────────────────

    def tables(self) -> Sequence[Table]:
        """Every table; its columns are read from its files."""
        self._seen = self._stamp()
        found = []
        with suppress(FileNotFoundError):
            for folder in sorted(self.folder.iterdir()):
                if (folder / "table.json").is_file():
                    upload = self._read_table(folder)
                    layout = FileLayout(pattern=upload.name, format="parquet")
                    name = TableName(self.name, DEFAULT_SCHEMA, upload.name)
                    found.append(Table(name, (), layout=layout))
        return found

    def files(self, layout: FileLayout, max_age: float | None = None) -> Sequence[FileStat]:
        """The files of a table as it is now."""
        upload = self.find(layout.pattern)
        if upload is None:
            raise SourceChanged(self.name, f"table '{layout.pattern}' is gone", hint="run the query again")
        folder = _digest(upload.name)
        return [FileStat(f"{folder}/{file}", size, file) for file, size in upload.files]

    def read(self, file: FileStat, ranges: Sequence[tuple[int, int]], context: ScanContext) -> list[bytes]:
        """The bytes of each range; files never change, but may be removed an hour after they were replaced."""
        if context.cancelled:
            raise Cancelled("the query was cancelled")
        try:
            descriptor = os.open(self.folder / file.path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            raise SourceChanged(
                self.name, "a table was replaced meanwhile", hint="run the query again"
            ) from None
        try:
            parts = [os.pread(descriptor, length, offset) for offset, length in ranges]
        except OSError:
            raise Unreachable(self.name, "an uploaded file cannot be read", hint="check the disk") from None
        finally:
            os.close(descriptor)
        if any(len(part) != length for part, (_, length) in zip(parts, ranges, strict=True)):
            raise SourceChanged(self.name, "an uploaded file is shorter than it was listed")
        return parts

    def find(self, name: str) -> Upload | None:
        """The table of that name, compared without case."""
        folder = self.folder / _digest(name)
        return self._read_table(folder) if (folder / "table.json").is_file() else None

    def _read_table(self, folder: Path) -> Upload:
        try:
            said: dict[str, Any] = json.loads((folder / "table.json").read_text("utf-8"))
            schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(said["schema"])))
            files = tuple((str(name), int(size)) for name, size in said["files"])
            replaced = tuple((str(name), float(at)) for name, at in said["replaced"])
            return Upload(said["name"], schema, files, replaced)
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
            raise Unreachable(
                self.name, "the description of an uploaded table cannot be read", hint="check the lake's disk"
            ) from None

    def _stamp(self) -> int:
        try:
            return (self.folder / "stamp").stat().st_mtime_ns
        except OSError:
            return 0

    # ── writing ─────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def landing(self, name: str) -> Iterator[Landing]:
        """A place for a new file of a table; it counts once ``Landing.switch`` was called, and else is removed.

        Raises:
            Unreachable: the disk cannot be written.
        """
        folder = self.folder / _digest(name)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from None
        landing = Landing(self, name, folder, f"{uuid.uuid4().hex}.parquet")
        try:
            yield landing
        except FabricError:
            raise
        except OSError as error:
            raise self._unwritable(error) from None
        finally:
            landing.discard()

    def _unwritable(self, error: OSError) -> Unreachable:
        return Unreachable(
            self.name,
            f"the lake cannot be written ({error.strerror or 'disk'})",
            hint="check the lake's disk",
        )

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One change at a time, in whatever process."""
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def write_table(self, folder: Path, upload: Upload) -> None:
        """Replace a table's description, and say that something has changed; the lock is held."""
        said = {
            "name": upload.name,
            "schema": base64.b64encode(upload.schema.serialize().to_pybytes()).decode(),
            "files": [list(file) for file in upload.files],
            "replaced": [list(file) for file in upload.replaced],
        }
        new = folder / f"{uuid.uuid4().hex}.json"
        with new.open("w", encoding="utf-8") as file:
            json.dump(said, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(folder / "table.json")
        _sync(folder)
        (self.folder / "stamp").touch(mode=0o600)
        os.utime(self.folder / "stamp", ns=(time.time_ns(), time.time_ns()))

    def sweep(self, folder: Path, upload: Upload) -> Upload:
        """Remove files that nobody reads any more, and those that a crash left; the lock is held."""
        now = time.time()
        replaced = tuple((name, at) for name, at in upload.replaced if now - at < _KEPT_SECONDS)
        kept = {"table.json", *(name for name, _ in (*upload.files, *replaced))}
        for file in folder.iterdir():
            with suppress(OSError):
                gone = any(file.name == name for name, _ in upload.replaced)
                if file.name not in kept and (gone or now - file.stat().st_mtime > _KEPT_SECONDS):
                    file.unlink()
        return Upload(upload.name, upload.schema, upload.files, replaced)


@dataclass
class Landing:
    """A file on its way into a table; ``path`` is where it is to be written."""

    uploads: Uploads
    name: str
    folder: Path
    file: str
    _landed: bool = field(default=False)

    @property
    def path(self) -> Path:
        """Where to write."""
        return self.folder / self.file

    def switch(self, change: Callable[[Upload | None, tuple[str, int]], Upload]) -> None:
        """Have the file count: ``change`` makes the new table of the one that there is now.

        Raises:
            FabricError: what ``change`` raises; nothing has changed then.
        """
        with self.path.open("rb") as written:
            os.fsync(written.fileno())
        with self.uploads.lock():
            before = self.uploads.find(self.name)
            upload = change(before, (self.file, self.path.stat().st_size))
            self.uploads.write_table(self.folder, self.uploads.sweep(self.folder, upload))
            self._landed = True

    def discard(self) -> None:
        """Remove the file unless it counts, and a folder that holds nothing."""
        if not self._landed:
            with suppress(OSError):
                self.path.unlink()
            with suppress(OSError):
                self.folder.rmdir()


def _digest(name: str) -> str:
    """A folder's name: no table's name can lead anywhere else."""
    return hashlib.sha256(name.lower().encode()).hexdigest()[:32]


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
