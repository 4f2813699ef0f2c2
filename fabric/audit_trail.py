"""The audit's files: lines are appended, under a lock that all writers of a project share.

One chain runs through all files, whoever writes: a writer takes the lock, reads what others have appended since,
and appends. A writer that was killed amid a line leaves a torn one; the next writer says so in the line behind it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import logging
import os
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fabric.audit_chain import (
    Link,
    file_name,
    file_names,
    head_file,
    head_line,
    last_record,
    read_head,
    seals,
)

log = logging.getLogger("ripstop.audit")

FILE_BYTES = 64 * 2**20
"""A file of this size is followed by another."""

_LOCK_SECONDS = 5.0
_LOCK_PAUSE = 0.0005
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


def now() -> str:
    """The time in UTC, to the microsecond, as records hold it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


@contextlib.contextmanager
def locked(folder: int, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold the lock of an open audit folder; of one descriptor, one thread at a time.

    Raises:
        OSError: another holds it for longer than five seconds.
    """
    until = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(folder, how | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > until:
                raise OSError(errno.EBUSY, "another process holds the audit's lock") from None
            time.sleep(_LOCK_PAUSE)
    try:
        yield
    finally:
        fcntl.flock(folder, fcntl.LOCK_UN)


class NotDurable(OSError):
    """What was appended may be lost: after a failed fsync Linux takes the pages for clean, and the next succeeds."""


class Trail:
    """The newest file of an audit, open to append; ``link`` is its last record.

    ``append``, ``publish_head`` and ``close`` belong to one thread at a time, ``sync`` and ``draft_head`` to another.
    All raise OSError when the system refuses, and then nothing was appended.

    Args:
        folder: made, readable by its owner alone, when it is not there; its head lies beside it.
        key: the fabric's key.
        file_bytes: from which size on a file is followed by another.
    """

    def __init__(self, folder: Path, key: bytes, file_bytes: int = FILE_BYTES) -> None:
        self._path = folder
        self._seals = seals(key)
        self._heads = seals(key, purpose="head")
        (self._seal,) = self._seals.values()
        (self._head_seal,) = self._heads.values()
        self._file_bytes = file_bytes
        self.writer = secrets.token_hex(4)
        self._draft = head_file(folder).with_suffix(f".{self.writer}")
        self.link = Link()
        self._size = 0
        self._file = -1
        self._name = self._place = ""
        self._swapping = threading.Lock()
        _make(folder)
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with locked(self._folder):
                self._find_end()
        except BaseException:
            self.close()
            raise

    def append(self, bodies: Sequence[Mapping[str, Any]]) -> Link:
        """Append the records, all or none; they are in the kernel when this returns."""
        with locked(self._folder):
            self._catch_up()
            if self._size >= self._file_bytes:
                self._turn()
            self._write(bodies)
            return self.link

    def sync(self) -> Link:
        """Have everything that was appended durable; the last record of which that is known now."""
        with self._swapping:
            link = self.link
            self._fsync()
            return link

    def draft_head(self, durable: Link) -> None:
        """Write what ``publish_head`` will publish: how far the audit is durable."""
        descriptor = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(head_line(self._head_seal, durable))
            file.flush()
            os.fsync(descriptor)  # or a power cut might leave an empty head, which looks like tampering

    def publish_head(self, durable: Link) -> None:
        """Make the draft the head, unless another writer has got further."""
        with locked(self._folder):
            said, _ = self._read_head()
            if said is None or said.number < durable.number:
                self._draft.replace(head_file(self._path))
            else:
                self._draft.unlink()

    def close(self) -> None:
        """Close the files."""
        with self._swapping:
            for descriptor in (self._file, self._folder):
                if descriptor >= 0:
                    os.close(descriptor)
            self._file = self._folder = -1

    # ── under the lock ───────────────────────────────────────────────────────────────────────

    def _find_end(self) -> None:
        """Open the file that holds the newest record, and take the place behind it."""
        files = file_names(self._path)
        head, wrong = self._read_head()
        if not files and not head_file(self._path).exists():
            self.draft_head(Link())  # from its first record on an audit has a head: one without is no new one
            self._draft.replace(head_file(self._path))
            head = Link()
        # Records that only the head knows of are lost: the gap in the numbers stays, for all to see.
        self.link = head or Link()
        for name in reversed(files):
            self._open(name)
            if last_record(self._file, self._seals)[0] is not None:
                break
        else:
            self._open(file_name(self.link.number + 1))
        found = self._adopt()
        if head is None:
            log.error("the head of the audit is %s", wrong)
            self._write([{"event": "headless", "head": wrong}])
        elif found < head.number:
            log.error("the audit has lost records %d to %d", found + 1, head.number)

    def _catch_up(self) -> None:
        """Take in what other writers have appended; refuse when the file is no longer the one that was written."""
        here = os.fstat(self._file)
        if not os.path.samestat(here, os.stat(self._place)):
            raise OSError(errno.ESTALE, "the audit's file was replaced")
        if here.st_size < self._size:
            raise OSError(errno.ESTALE, "the audit's file was cut")
        if here.st_size > self._size:
            self._adopt()

    def _adopt(self) -> int:
        """Go behind the last record that is there, whose number is returned.

        What is no record behind it is told in the next line.
        """
        found = 0
        last, end = last_record(self._file, self._seals)
        while last is not None:
            found = last.link.number
            if found > self.link.number:
                self.link = last.link
            if last.event != "turn":
                break
            self._fsync()  # whoever turned may have been killed before they did
            self._open(file_name(found + 1))
            last, end = last_record(self._file, self._seals)
        self._size = os.fstat(self._file).st_size
        rest = os.pread(self._file, self._size - end, end)
        if rest:
            log.error("the audit's file %s ended with %d bytes that are no record", self._name, len(rest))
            body = {"event": "recovered", "bytes": len(rest), "sha256": hashlib.sha256(rest).hexdigest()}
            self._write([body], b"" if rest.endswith(b"\n") else b"\n")
        return found

    def _write(self, bodies: Sequence[Mapping[str, Any]], before: bytes = b"") -> None:
        link, lines = self.link, [before]
        for body in bodies:
            line, link = self._seal.line({"at": now(), "by": self.writer, **body}, link)
            lines.append(line)
        data = memoryview(b"".join(lines))
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError:
            if written:
                # Nobody relies on the part of a line; where it cannot be taken back, it counts as torn.
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, self._size)
            raise
        self._size += written
        self.link = link

    def _turn(self) -> None:
        """Go on in a new file; the last line of the old one says so to the other writers."""
        name = file_name(self.link.number + 2)
        self._write([{"event": "turn", "file": name}])
        self._fsync()
        self._open(name)
        self._size = os.fstat(self._file).st_size

    def _fsync(self) -> None:
        try:
            os.fsync(self._file)
        except OSError as error:
            raise NotDurable(error.errno, error.strerror) from None

    def _open(self, name: str) -> None:
        descriptor = os.open(name, _FLAGS, 0o600, dir_fd=self._folder)
        try:
            os.fsync(self._folder)
        except OSError:
            os.close(descriptor)
            raise
        with self._swapping:
            if self._file >= 0:
                os.close(self._file)
            self._file, self._name, self._size = descriptor, name, 0
            self._place = os.path.join(self._path, name)

    def _read_head(self) -> tuple[Link | None, str]:
        """What the head says, or what is wrong with it."""
        try:
            return read_head(self._path, self._heads), "missing"
        except ValueError as error:
            return None, str(error)


def _make(folder: Path) -> None:
    if folder.is_dir():
        return
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    ignore = folder.parent / ".gitignore"
    if not ignore.exists():
        # The project directory is a Git work tree, and what people asked must not travel.
        ignore.write_text("*\n")
    folder.mkdir(mode=0o700, exist_ok=True)
