"""Equal rows that came once are the rows that they stand for, however many."""

from __future__ import annotations

from itertools import islice
from uuid import UUID

import pyarrow as pa
import pytest

from connectors.relational.counted import COUNT, repeated


def _batch(counts: list[int]) -> pa.RecordBatch:
    names = [None if n == 1 else f"v{n}" for n in range(len(counts))]
    ids = pa.array([UUID(int=n).bytes for n in range(len(counts))], pa.uuid())
    return pa.RecordBatch.from_arrays([pa.array(names), ids, pa.array(counts)], names=["v", "id", COUNT])


@pytest.mark.parametrize("counts", [[], [1], [3, 1, 2], [122_880], [122_879, 2, 500_000], [1] * 300])
def test_each_row_comes_as_often_as_it_counts(counts: list[int]) -> None:
    parts = list(repeated(_batch(counts)))
    assert all(part.num_rows <= 122_880 for part in parts)
    assert sum(part.num_rows for part in parts) == sum(counts)
    seen = [value for part in parts for value in part.column("v").to_pylist()]
    assert seen == [None if n == 1 else f"v{n}" for n, count in enumerate(counts) for _ in range(count)]
    assert all(part.schema.field("id").type == pa.uuid() for part in parts)


def test_a_count_beyond_memory_is_no_matter() -> None:
    first = list(islice(repeated(_batch([10**15])), 3))
    assert [part.num_rows for part in first] == [122_880] * 3
