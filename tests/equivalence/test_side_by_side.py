"""Queries that run at once over the same sources do not mix."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.equivalence.comparison import ask, assert_same, expect
from tests.equivalence.conftest import Both
from tests.equivalence.test_queries import ALL


def test_eight_users_ask_at_once_and_each_gets_their_own_answer(both: Both) -> None:
    chosen = ALL[::4]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda query: ask(both.app.line, query.sql), chosen))
    for query, got in zip(chosen, answers, strict=True):
        assert_same(both.copies, got, expect(both.copies, query.sql), query.ordered)
