"""Equal rows that were sent once, with their number, as the rows that they stand for."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

COUNT = "count"
"""The name of the column behind all others: how many rows are equal to this one."""

_MOST_ROWS = 122_880  # of a batch, as DuckDB's own row groups


def repeated(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The rows that a batch stands for, in batches of bounded size, without the count."""
    rows = batch.remove_column(batch.num_columns - 1)
    places, ends, total = list[int](), list[int](), 0
    for place, count in enumerate(batch.column(batch.num_columns - 1).to_pylist()):
        left = count
        while left:
            part = min(left, _MOST_ROWS - total)
            left -= part
            total += part
            places.append(place)
            ends.append(total)
            if total == _MOST_ROWS:
                yield _taken(rows, places, ends)
                places, ends, total = [], [], 0
    if total:
        yield _taken(rows, places, ends)


def _taken(rows: pa.RecordBatch, places: list[int], ends: list[int]) -> pa.RecordBatch:
    runs = pa.RunEndEncodedArray.from_arrays(pa.array(ends, pa.int32()), pa.array(places, pa.int32()))
    return rows.take(pc.run_end_decode(runs))
