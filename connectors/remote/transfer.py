"""What one read of ranges still lacks: filled in any order, by one connection or by several in turn."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence


class Transfer:
    """The bytes of some ranges of one file, as they arrive.

    Args:
        ranges: ``(offset, length)``; they may overlap and be empty.
    """

    def __init__(self, ranges: Sequence[tuple[int, int]]) -> None:
        self._ranges = list(ranges)
        self._starts: list[int] = []
        self._lacks: list[list[int]] = []
        spans: list[list[int]] = []
        for offset, length in sorted((o, n) for o, n in ranges if n > 0):
            if spans and offset <= spans[-1][1]:
                spans[-1][1] = max(spans[-1][1], offset + length)
            else:
                spans.append([offset, offset + length])
        self._starts = [start for start, _ in spans]
        self._spans = [bytearray(end - start) for start, end in spans]
        self._lacks = spans

    @property
    def missing(self) -> list[tuple[int, int]]:
        """The ``(offset, length)`` that nobody has put yet: disjoint, by offset."""
        return [(start, end - start) for start, end in self._lacks]

    def put(self, offset: int, data: bytes | memoryview) -> None:
        """Note the bytes at ``offset``, all of which are missing."""
        span = bisect_right(self._starts, offset) - 1
        at = offset - self._starts[span]
        self._spans[span][at : at + len(data)] = data
        lack = bisect_right(self._lacks, [offset, 1 << 63]) - 1
        start, end = self._lacks[lack]
        rest = [[start, offset], [offset + len(data), end]]
        self._lacks[lack : lack + 1] = [part for part in rest if part[0] < part[1]]

    def parts(self) -> list[bytes]:
        """The bytes of each range, in the order asked for.

        Raises:
            ValueError: bytes are missing.
        """
        if self._lacks:
            raise ValueError("the transfer is not complete")
        return [self._cut(offset, length) for offset, length in self._ranges]

    def _cut(self, offset: int, length: int) -> bytes:
        if length <= 0:
            return b""
        span = bisect_right(self._starts, offset) - 1
        at = offset - self._starts[span]
        return bytes(memoryview(self._spans[span])[at : at + length])
