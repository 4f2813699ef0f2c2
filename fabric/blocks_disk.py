"""The second tier of the block cache: one file per block, in a folder that one process holds."""

from __future__ import annotations

import fcntl
import hashlib
import os
import queue
import threading
from collections import OrderedDict
from pathlib import Path

_DIGEST = 16
_PENDING = 512


class DiskBlocks:
    """Blocks on disk, the least recently used dropped first.

    A block lies in a file of its own, behind a digest over its key and bytes: what was torn by a crash
    or touched by anyone reads as absent. Blocks are written by one thread, and when it lags they are not
    written at all.

    Args:
        directory: made when absent; each process takes a numbered folder in it, and keeps a lock there.
        budget: bytes that the blocks may take, headers not counted.
    """

    def __init__(self, directory: Path, budget: int) -> None:
        self._budget = budget
        self._folder, self._held = _take_folder(directory)
        self._lock = threading.Lock()
        self._index: OrderedDict[str, int] = OrderedDict()
        self._bytes = 0
        self._recall()
        self._queue: queue.Queue[tuple[str, bytes] | None] = queue.Queue(_PENDING)
        self._writer = threading.Thread(target=self._write_queued, name="block-writer", daemon=True)
        self._writer.start()

    def get(self, key: str) -> bytes | None:
        """The block's bytes, or None."""
        name = _name(key)
        with self._lock:
            if name not in self._index:
                return None
            self._index.move_to_end(name)
        try:
            stored = (self._folder / name).read_bytes()
        except OSError:
            stored = b""
        data = stored[_DIGEST:]
        if stored[:_DIGEST] == _digest(key, data):
            return data
        self._forget(name)
        return None

    def put(self, key: str, data: bytes) -> None:
        """Have the block written soon; a block larger than the budget is not kept."""
        if len(data) <= self._budget:
            try:
                self._queue.put_nowait((key, data))
            except queue.Full:
                return

    def close(self) -> None:
        """Write what is queued and give the folder back; the blocks stay for the next process."""
        self._queue.put(None)
        self._writer.join()
        os.close(self._held)

    def _write_queued(self) -> None:
        while (item := self._queue.get()) is not None:
            try:
                self._write(*item)
            except OSError:
                # A full or read-only disk makes the cache useless, not the query.
                continue

    def _write(self, key: str, data: bytes) -> None:
        name = _name(key)
        with self._lock:
            if name in self._index:
                return
        target = self._folder / name
        target.parent.mkdir(mode=0o700, exist_ok=True)
        partial = target.with_suffix(".part")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_digest(key, data) + data)
        partial.replace(target)
        with self._lock:
            self._index[name] = len(data)
            self._bytes += len(data)
            dropped = []
            while self._bytes > self._budget:
                old, size = self._index.popitem(last=False)
                self._bytes -= size
                dropped.append(old)
        for old in dropped:
            (self._folder / old).unlink(missing_ok=True)

    def _forget(self, name: str) -> None:
        with self._lock:
            self._bytes -= self._index.pop(name, 0)
        (self._folder / name).unlink(missing_ok=True)

    def _recall(self) -> None:
        found = []
        for path in self._folder.glob("??/*"):
            if path.suffix:
                path.unlink(missing_ok=True)
                continue
            status = path.stat()
            found.append((status.st_mtime_ns, f"{path.parent.name}/{path.name}", status.st_size - _DIGEST))
        for _, name, size in sorted(found):
            if self._bytes + size > self._budget:
                (self._folder / name).unlink(missing_ok=True)
                continue
            self._index[name] = size
            self._bytes += size


def _take_folder(directory: Path) -> tuple[Path, int]:
    number = 0
    while True:
        folder = directory / str(number)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = os.open(folder / "lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(held)
            number += 1
            continue
        return folder, held


def _name(key: str) -> str:
    name = hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=20).hexdigest()
    return f"{name[:2]}/{name[2:]}"


def _digest(key: str, data: bytes) -> bytes:
    made = hashlib.blake2b(
        data, digest_size=_DIGEST, key=hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
    )
    return made.digest()
