"""What the footers of Parquet files say: where each column chunk lies, and between which values those of each row group are."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from fabric.predicates import COMPARE, AllOf, AnyOf, Comparison, Membership, Predicate, Value, typed

COLUMN_GAP = 256 << 10
"""Bytes between two column chunks of a row group that DuckDB reads with them."""

Rows = Callable[[str], list[tuple[Any, ...]]]

_OFFSET = (
    "CASE WHEN dictionary_page_offset BETWEEN 4 AND data_page_offset THEN dictionary_page_offset "
    "ELSE data_page_offset END"
)


class Chunk(NamedTuple):
    """The bytes of one column in one row group; ``ends`` are its least and its greatest value, as text."""

    offset: int
    length: int
    ends: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Footer:
    """One file's.

    Args:
        rows: of the file.
        starts: the offset at which it begins.
        blooms_at: that of the first bloom filter, where there is one.
        chunks: by lower-cased column, where a nested one is ``a, list, element``, one for each row group.
        ends: by lower-cased column, the least and the greatest value of those row groups that tell, as text.
    """

    rows: int
    starts: int
    blooms_at: int | None = None
    chunks: Mapping[str, tuple[Chunk, ...]] = field(default_factory=dict)
    ends: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def row_groups(
        self, predicates: Sequence[Predicate], types: Mapping[str, str], column: str, keys: Sequence[Value]
    ) -> list[int]:
        """Those in which a row may meet all predicates, and have one of the keys.

        Args:
            predicates: over columns.
            types: of columns, by lower-cased name.
            column: that of the keys.
            keys: in their order.
        """
        known: dict[str, list[_Ends]] = {}

        def of(number: int, name: str) -> _Ends:
            if name not in known:
                kind = types.get(name, "")
                known[name] = [_typed(chunk.ends, kind) for chunk in self.chunks.get(name, ())]
            return known[name][number] if number < len(known[name]) else None

        def may_have(number: int) -> bool:
            ends = partial(of, number)
            return _among(keys, ends(column.lower())) and all(_may_hold(each, ends) for each in predicates)

        return list(filter(may_have, range(max(map(len, self.chunks.values()), default=0))))

    def ranges(
        self, columns: Collection[str], row_groups: Collection[int] | None = None
    ) -> Iterator[tuple[int, int]]:
        """The offset and length of what DuckDB reads at once of these columns, row group by row group.

        Args:
            columns: their lower-cased names.
            row_groups: all, when absent.
        """
        wanted = [chunks for path, chunks in self.chunks.items() if path.split(", ")[0] in columns]
        for number in range(max(map(len, wanted), default=0)) if row_groups is None else row_groups:
            start = end = -1
            for offset, length, _ in sorted(chunks[number] for chunks in wanted if number < len(chunks)):
                if start >= 0 and offset - end <= COLUMN_GAP:
                    end = max(end, offset + length)
                    continue
                if start >= 0:
                    yield start, end - start
                start, end = offset, offset + length
            if start >= 0:
                yield start, end - start


def read_footers(rows: Rows, listed: str, *, chunks: bool = True) -> dict[str, Footer]:
    """The footers of files, by path.

    Args:
        rows: runs a statement on an engine that can open the paths.
        listed: the paths of Parquet files, as SQL.
        chunks: whether to say more than how many rows there are, and where it begins.
    """
    found = {
        path: Footer(count, starts)
        for path, count, starts in rows(
            "SELECT file_name, num_rows, CAST(file_size_bytes - footer_size - 8 AS BIGINT) "
            f"FROM parquet_file_metadata([{listed}])"
        )
    }
    return _with_chunks(rows, listed, found) if chunks else found


def _with_chunks(rows: Rows, listed: str, known: Mapping[str, Footer]) -> dict[str, Footer]:
    chunks: dict[str, dict[str, list[Chunk]]] = {}
    blooms: dict[str, int] = {}
    for path, column, offset, length, bloom, least, greatest in rows(
        f"SELECT file_name, path_in_schema, {_OFFSET}, total_compressed_size, bloom_filter_offset, "
        f"stats_min_value, stats_max_value FROM parquet_metadata([{listed}]) ORDER BY row_group_id"
    ):
        ends = None if least is None or greatest is None else (least, greatest)
        chunks.setdefault(path, {}).setdefault(column.lower(), []).append(Chunk(offset, length, ends))
        if bloom is not None:
            blooms[path] = min(bloom, blooms.get(path, bloom))
    return {
        path: replace(
            footer,
            blooms_at=blooms.get(path),
            chunks={column: tuple(each) for column, each in chunks.get(path, {}).items()},
            ends={
                column: outermost(texts)
                for column, each in chunks.get(path, {}).items()
                if (texts := [end for chunk in each if chunk.ends for end in chunk.ends])
            },
        )
        for path, footer in known.items()
    }


def outermost(texts: Sequence[str]) -> tuple[str, str]:
    """The least and the greatest of texts that are numbers, or else moments or words."""
    try:
        return min(texts, key=float), max(texts, key=float)
    except ValueError:
        return min(texts), max(texts)


_Ends = tuple[Any, Any] | None


def _typed(ends: tuple[str, str] | None, kind: str) -> _Ends:
    if ends is None:
        return None
    try:
        least, greatest = typed(ends[0], kind), typed(ends[1], kind)
    except (ValueError, ArithmeticError):
        return None
    return None if least is None or greatest is None else (least, greatest)


def _among(keys: Sequence[Value], ends: _Ends) -> bool:
    """Whether one of these keys, in their order, lies between the ends."""
    if ends is None:
        return True
    place = bisect_left(keys, ends[0])
    return place < len(keys) and bool(keys[place] <= ends[1])


def _may_hold(predicate: Predicate, ends: Callable[[str], _Ends]) -> bool:
    """Whether some value between the ends may meet a predicate; what is not surely false may be."""
    if isinstance(predicate, AllOf):
        return all(_may_hold(part, ends) for part in predicate.parts)
    if isinstance(predicate, AnyOf):
        return any(_may_hold(part, ends) for part in predicate.parts)
    if not isinstance(predicate, Comparison | Membership):
        return True
    between = ends(predicate.column.lower())
    if between is None:
        return True
    least, greatest = between
    try:
        if isinstance(predicate, Membership):
            return predicate.negated or any(least <= value <= greatest for value in predicate.values)
        if predicate.op == "<>":
            return True
        if predicate.op == "=":
            return bool(least <= predicate.value <= greatest)
        return COMPARE[predicate.op](least if predicate.op in ("<", "<=") else greatest, predicate.value)
    except TypeError:
        return True
