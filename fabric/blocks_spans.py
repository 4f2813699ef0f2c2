"""Block numbers and byte ranges, and the way between them. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fabric.blocks_flights import CachedFile

SPAN_BYTES = 4 << 20


def block_numbers(file: CachedFile, ranges: Sequence[tuple[int, int]]) -> Iterable[int]:
    """The blocks that ranges touch, each once, in order."""
    size = file.connector.block_bytes
    numbers: set[int] = set()
    for offset, length in ranges:
        end = min(offset + length, file.file.size)
        numbers.update(range(offset // size, -(-end // size)))
    return sorted(numbers)


def spans_of(file: CachedFile, numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Neighbouring blocks as ``(offset, length)`` ranges of bounded length."""
    size = file.connector.block_bytes
    longest = max(1, SPAN_BYTES // size)
    start = 0
    for position in range(1, len(numbers) + 1):
        ends = position == len(numbers) or numbers[position] != numbers[position - 1] + 1
        if ends or position - start == longest:
            offset = numbers[start] * size
            yield offset, min((numbers[position - 1] + 1) * size, file.file.size) - offset
            start = position


def cut_blocks(part: bytes, offset: int, size: int) -> dict[int, bytes]:
    """The blocks, by number, of a part that starts at the block boundary ``offset``."""
    return {(offset + at) // size: part[at : at + size] for at in range(0, len(part), size)}
