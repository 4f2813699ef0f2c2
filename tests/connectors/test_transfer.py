from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.remote.transfer import Transfer

FILE = random.Random(1).randbytes(300)
RANGES = st.lists(
    st.integers(0, 299).flatmap(lambda o: st.tuples(st.just(o), st.integers(0, 300 - o))), max_size=8
)


@given(RANGES, st.randoms(use_true_random=False), st.integers(1, 40))
def test_pieces_put_in_any_order_make_up_the_ranges(
    ranges: list[tuple[int, int]], chance: random.Random, piece: int
) -> None:
    transfer = Transfer(ranges)
    while missing := transfer.missing:
        offset, length = chance.choice(missing)
        start = offset + chance.randrange(length)
        transfer.put(start, FILE[start : min(start + piece, offset + length)])
    assert transfer.parts() == [FILE[o : o + n] for o, n in ranges]


def test_what_is_missing_is_asked_for_once() -> None:
    transfer = Transfer([(10, 10), (15, 10), (40, 0), (25, 5), (50, 1)])
    assert transfer.missing == [(10, 20), (50, 1)]
    transfer.put(12, b"xx")
    assert transfer.missing == [(10, 2), (14, 16), (50, 1)]
    with pytest.raises(ValueError, match="not complete"):
        transfer.parts()
