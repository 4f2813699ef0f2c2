"""Every query over the real sources answers as plain DuckDB does over local copies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.equivalence.comparison import ask, assert_same, expect
from tests.equivalence.conftest import Both

QUERIES = Path(__file__).parent / "queries"
_IN_ORDER = " [in order]"


@dataclass(frozen=True)
class Query:
    """One query of a file: ``ordered`` when its ORDER BY leaves no tie."""

    theme: str
    name: str
    sql: str
    ordered: bool


def read(file: Path) -> Iterator[Query]:
    """The queries of a file: each is a line of comment that names it, then the statement, then a blank line."""
    for block in re.split(r"\n\s*\n", file.read_text("utf-8").strip()):
        title, _, sql = block.partition("\n")
        name = title.removeprefix("-- ")
        yield Query(file.stem, name.removesuffix(_IN_ORDER), sql, name.endswith(_IN_ORDER))


ALL = [query for file in sorted(QUERIES.glob("*.sql")) for query in read(file)]


@pytest.mark.parametrize("query", ALL, ids=lambda query: f"{query.theme}: {query.name}")
def test_the_line_answers_as_duckdb_does(both: Both, query: Query) -> None:
    got, wanted = ask(both.app.line, query.sql), expect(both.copies, query.sql)
    assert_same(both.copies, got, wanted, query.ordered)


def test_there_are_enough_queries_and_each_has_its_own_name() -> None:
    assert len(ALL) >= 150
    assert len({(query.theme, query.name) for query in ALL}) == len(ALL)
