"""What a supervisor and a worker share: a line of messages, and a board that outlives the worker."""

from __future__ import annotations

import contextlib
import ctypes
import json
import mmap
import signal
import socket
import struct
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import IO, Any


def die_with_parent() -> None:
    """Have the kernel end this process with the thread that started it (Linux: prctl PR_SET_PDEATHSIG).

    A supervisor that is killed can end nobody itself, and a worker hears of it only once it listens.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Channel:
    """One end of the line: JSON objects, one a line, over a socket pair.

    The other end's death shows as the end of what is received.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._rest = b""
        self._lock = threading.Lock()

    def fileno(self) -> int:
        """The socket's descriptor, for ``select``."""
        return self._end.fileno()

    def patience(self, seconds: float) -> None:
        """How long a send may wait for the peer to read; without it, for ever."""
        whole = int(seconds)
        wait = struct.pack("ll", whole, int((seconds - whole) * 1e6))
        self._end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, wait)

    def send(self, **message: Any) -> bool:
        """Send one message, from any thread; whether it was sent. A dead peer shows in ``receive`` too."""
        data = json.dumps(message).encode() + b"\n"
        with self._lock:
            try:
                self._end.sendall(data)
            except OSError:
                return False
        return True

    def receive(self) -> list[dict[str, Any]] | None:
        """Wait for bytes and return the messages that are whole; None when the peer is gone."""
        try:
            data = self._end.recv(65536)
        except OSError:
            data = b""
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        """Close this end."""
        self._end.close()


class Board:
    """The digests of the statements that run in a worker, where its supervisor reads them after its death.

    Args:
        fileno: an open file of ``BYTES``.
    """

    _SLOT = 16
    _SLOTS = 256
    BYTES = _SLOT * _SLOTS

    def __init__(self, fileno: int) -> None:
        self._memory = mmap.mmap(fileno, self.BYTES)

    @classmethod
    @contextlib.contextmanager
    def file(cls) -> Iterator[IO[bytes]]:
        """A file without a name, for both ends to map."""
        with tempfile.TemporaryFile() as file:
            file.truncate(cls.BYTES)
            yield file

    def write(self, slot: int, digest: str = "") -> None:
        """Put 16 characters into a slot, or nothing; beyond the last slot nothing is kept."""
        if slot < self._SLOTS:
            self._memory[slot * self._SLOT : (slot + 1) * self._SLOT] = digest.encode().ljust(
                self._SLOT, b"\0"
            )

    def read(self) -> set[str]:
        """Every digest that stands on it."""
        held = self._memory[:]
        slots = {held[at : at + self._SLOT] for at in range(0, self.BYTES, self._SLOT)}
        return {slot.decode() for slot in slots if slot.strip(b"\0")}

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()
