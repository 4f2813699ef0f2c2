"""A file handle that many of DuckDB's threads read at once.

DuckDB 2.0 uses a Python handle in two ways. Parquet, CSV and JSON are read by position: ``seek`` and then
``read`` in one thread, while other threads do the same on the same handle; a position that they shared
would give wrong bytes. Compressed text is read in sequence: ``read`` after ``read``, from one thread or
another, never two at once; a position per thread would give wrong bytes there. A ``read`` without a
``seek`` before it in its thread tells the second way from the first.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from types import TracebackType

from fabric.errors import InternalError

_SHORTEST_AHEAD = 1 << 20
_LONGEST_AHEAD = 8 << 20


class Handle:
    """A mounted file, opened; it holds nothing outside memory.

    Args:
        size: the file's bytes.
        fetch: gives ``(offset, length)`` of the file, whole.
        fetch_ahead: starts fetching ``(offset, length)`` and returns at once.
    """

    def __init__(
        self, size: int, fetch: Callable[[int, int], bytes], fetch_ahead: Callable[[int, int], None]
    ) -> None:
        self.size = size
        self.closed = False
        self._fetch = fetch
        self._fetch_ahead = fetch_ahead
        self._lock = threading.Lock()
        self._sought = threading.local()
        self._position = 0
        self._in_sequence = False
        self._reading = 0
        self._overlapped = False
        self._last = -1
        self._ahead = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set where this thread's next read starts; gives the position."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self.size}[whence]
        position = max(0, base + offset)
        with self._lock:
            self._position = position
        self._sought.position = position
        return position

    def tell(self) -> int:
        """Where the next read starts."""
        if self._in_sequence:
            return self._position
        return int(getattr(self._sought, "position", self._position))

    def read(self, length: int = -1) -> bytes:
        """At most ``length`` bytes, fewer only at the end; negative is all that is left.

        Raises:
            FabricError: the source failed, or the query was cancelled.
        """
        start, length = self._begin(length)
        try:
            data = self._fetch(start, length)
        finally:
            ahead = self._end(start, length)
        if ahead:
            self._fetch_ahead(*ahead)
        return data

    def close(self) -> None:
        """Mark the handle closed."""
        self.closed = True

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def __enter__(self) -> Handle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self, length: int) -> tuple[int, int]:
        sought = self._sought.__dict__.pop("position", None)
        with self._lock:
            if sought is None or self._in_sequence:
                if self._overlapped:
                    # Reads by position were seen on this handle: a guess here could give wrong bytes.
                    raise InternalError()
                self._in_sequence = True
                sought = self._position
            left = max(0, self.size - sought)
            length = left if length is None or length < 0 else min(length, left)
            self._position = sought + length
            self._overlapped = self._overlapped or self._reading > 0
            self._reading += 1
        return sought, length

    def _end(self, start: int, length: int) -> tuple[int, int] | None:
        """Note that a read is over; gives what to fetch ahead when reads have followed one another."""
        end = start + length
        with self._lock:
            self._reading -= 1
            follows, self._last = start == self._last and length > 0, end
            window = min(max(2 * length, _SHORTEST_AHEAD), _LONGEST_AHEAD)
            begin, stop = max(end, self._ahead), min(end + window, self.size)
            if not follows or stop - begin < min(window // 2, self.size - begin) or begin >= stop:
                return None
            self._ahead = stop
        return begin, stop - begin
