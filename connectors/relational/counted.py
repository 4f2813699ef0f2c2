"""Equal rows that were sent once, with their number, as the rows that they stand for.

Of rows that are equal but for columns of which only sums matter, the sum of each such column is spread evenly: to whole
units, over as many values as are not NULL. No value then leaves the bounds of those that were summed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

COUNT = "count"
"""The name of the column behind all others: how many rows are equal to this one."""

_MOST_ROWS = 122_880  # of a batch, as DuckDB's own row groups
_NULL = -1

_Whole = npt.NDArray[np.int64]


def next_to(quotients: pa.Array, remainders: pa.Array) -> pa.Array:
    """The whole numbers one further from zero than quotients that were rounded towards it, where something is left over."""
    return pc.add_checked(quotients, pc.cast(pc.sign(remainders), quotients.type))


def repeated(batch: pa.RecordBatch, summed: Sequence[int] = ()) -> Iterator[pa.RecordBatch]:
    """The rows that a batch stands for, in batches of bounded size, as its first columns.

    Args:
        batch: the columns; for each of the ``summed`` ones of them the value next to it, how many rows have that one (less
            than none where it is the smaller), and how many are not NULL; and the number of rows.
        summed: their places.
    """
    width = batch.num_columns - 1 - 3 * len(summed)
    names = batch.schema.names[:width]
    counts, rows = _numbers(batch.column(batch.num_columns - 1)), np.arange(batch.num_rows)
    equal = _Runs(rows, counts)
    columns = [(equal, values) for values in batch.columns[:width]]
    for n, place in enumerate(summed):
        beside, left, filled = batch.columns[width + 3 * n : width + 3 * n + 3]
        further, number = np.abs(_numbers(left)), _numbers(filled)
        runs = _Runs(
            np.stack([rows + len(rows), rows, np.full_like(rows, _NULL)], axis=1).ravel(),
            np.stack([further, number - further, counts - number], axis=1).ravel(),
        )
        columns[place] = runs, pa.concat_arrays([batch.column(place), beside])
    for first in range(0, equal.total, _MOST_ROWS):
        end = min(first + _MOST_ROWS, equal.total)
        shared = equal.places(first, end)
        taken = [
            values.take(shared if runs is equal else runs.places(first, end)) for runs, values in columns
        ]
        yield pa.RecordBatch.from_arrays(taken, names=names)


class _Runs:
    """Which value each of many rows has, run by run."""

    def __init__(self, places: _Whole, lengths: _Whole) -> None:
        self._places = places[lengths > 0]
        self._ends = np.cumsum(lengths[lengths > 0])
        self.total = int(self._ends[-1]) if len(self._ends) else 0

    def places(self, first: int, end: int) -> pa.Array:
        """Those of some of the rows."""
        low, high = np.searchsorted(self._ends, first, "right"), np.searchsorted(self._ends, end, "left") + 1
        lengths = np.diff(np.minimum(self._ends[low:high], end), prepend=first)
        found = np.repeat(self._places[low:high], lengths)
        return pa.array(found, mask=found == _NULL)


def _numbers(values: pa.Array) -> _Whole:
    found: _Whole = pc.fill_null(pc.cast(values, pa.int64()), 0).to_numpy(zero_copy_only=False)
    return found
