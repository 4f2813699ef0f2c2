"""Equal rows that came once are the rows that they stand for, however many."""

from __future__ import annotations

from itertools import islice
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.relational import counted
from connectors.relational.counted import COUNT, next_to, repeated


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


def _divided(values: list[int | None]) -> tuple[int | None, int | None, int]:
    """What Postgres sends of a group's values: their sum by their number, rounded towards zero, the rest, and the number."""
    held = [value for value in values if value is not None]
    if not held:
        return None, None, 0
    total = sum(held)
    quotient = abs(total) // len(held) * (-1 if total < 0 else 1)
    return quotient, total - quotient * len(held), len(held)


_WHOLE = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3) | st.sampled_from([2**63 - 1, -(2**63)])
_GROUPS = st.lists(st.lists(st.none() | _WHOLE, min_size=1, max_size=6), max_size=5)


@settings(max_examples=300, deadline=None)
@given(_GROUPS, st.integers(1, 7))
def test_what_is_summed_has_the_same_sum_and_number_within_the_same_bounds(
    groups: list[list[int | None]], most: int
) -> None:
    quotients, left, filled = (
        pa.array([_divided(group)[n] for group in groups], pa.int64()) for n in range(3)
    )
    batch = pa.RecordBatch.from_arrays(
        [pa.array([f"g{n}" for n in range(len(groups))], pa.string()), quotients, next_to(quotients, left), left,
         filled, pa.array([len(group) for group in groups], pa.int64())],
        names=["g", "x", "next", "left", "filled", COUNT],
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(counted, "_MOST_ROWS", most)
        parts = list(repeated(batch, (1,)))
    assert all(part.num_rows <= most and part.schema.names == ["g", "x"] for part in parts)
    rows = [row for part in parts for row in part.to_pylist()]
    assert [row["g"] for row in rows] == [f"g{n}" for n, group in enumerate(groups) for _ in group]
    for n, group in enumerate(groups):
        made = [row["x"] for row in rows if row["g"] == f"g{n}"]
        assert _divided(made) == _divided(group)
        held, values = [x for x in group if x is not None], [x for x in made if x is not None]
        assert not values or min(held) <= min(values) <= max(values) <= max(held)


def test_several_summed_columns_are_spread_each_by_itself() -> None:
    batch = pa.RecordBatch.from_arrays(
        [pa.array([3, None], pa.int16()), pa.array([b"a", b"b"]), pa.array([-2, 0], pa.int32()),
         *map(pa.array, ([4, 0], [1, 0], [4, 0], [-3, 0], [-1, 0], [2, 1], [5, 1]))],
        names=["x", "k", "y", *"abcdef", COUNT],
    )  # fmt: skip
    batch = batch.set_column(3, "a", pa.array([4, None], pa.int16())).set_column(
        6, "d", pa.array([-3, 0], pa.int32())
    )
    (made,) = repeated(batch, (0, 2))
    assert made.to_pydict() == {
        "x": [4, 3, 3, 3, None, None],
        "k": [b"a"] * 5 + [b"b"],
        "y": [-3, -2, None, None, None, 0],
    }
    assert made.schema.types == [pa.int16(), pa.binary(), pa.int32()]


def test_a_count_beyond_memory_is_no_matter() -> None:
    first = list(islice(repeated(_batch([10**15])), 3))
    assert [part.num_rows for part in first] == [122_880] * 3
