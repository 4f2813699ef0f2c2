"""What a Parquet footer tells of its row groups: none is left out in which a row might be wanted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fabric.footers as footers
from fabric.footers import Chunk, Footer, read_footers
from fabric.predicates import AllOf, AnyOf, Comparison, Membership, NullTest, Pattern, Predicate, Value
from fabric.pushdown import describe

GROUP = 2_048
TYPES = {"id": "BIGINT", "day": "DATE", "price": "DECIMAL(9,2)", "word": "VARCHAR", "some": "INTEGER"}
_ROWS = f"""SELECT i AS id, DATE '2025-01-01' + (i // {GROUP})::INTEGER AS day, (i % 500 / 100)::DECIMAL(9, 2) AS price,
CASE WHEN i < {3 * GROUP} THEN 'early' ELSE 'late ' || i % 7 END AS word,
CASE WHEN i >= {GROUP} THEN (i % 90)::INTEGER END AS some, {{'a': i, 'b': [i, 2]}} AS nested FROM range({6 * GROUP}) t(i)"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("lake") / "line.parquet")
    duckdb.execute(f"COPY ({_ROWS}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE {GROUP})")
    return path


@pytest.fixture(scope="module")
def rows() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


@pytest.fixture(scope="module")
def footer(file: str, rows: duckdb.DuckDBPyConnection) -> Footer:
    (found,) = read_footers(lambda sql: rows.sql(sql).fetchall(), f"'{file}'").values()
    return found


def test_it_says_where_everything_lies(file: str, footer: Footer) -> None:
    size = Path(file).stat().st_size
    assert Path(file).read_bytes()[footer.starts : -8][:1]
    assert int.from_bytes(Path(file).read_bytes()[-8:-4], "little") == size - 8 - footer.starts
    assert {column: len(chunks) for column, chunks in footer.chunks.items()} == dict.fromkeys(
        ["id", "day", "price", "word", "some", "nested, a", "nested, b, list, element"], 6
    )
    assert footer.ends["id"] == ("0", str(6 * GROUP - 1))
    assert footer.ends["some"] == ("0", "89")
    assert footer.chunks["some"][0].ends is None, "where all are NULL"


@pytest.mark.parametrize(
    ("predicates", "keys", "groups"),
    [
        ([], [0], [0]),
        ([], [], []),
        ([], [GROUP - 1, GROUP, 10**9], [0, 1]),
        ([], list(range(0, 6 * GROUP, GROUP)), [0, 1, 2, 3, 4, 5]),
        ([Comparison("day", "=", date(2025, 1, 3))], [5, 2 * GROUP + 5], [2]),
        ([Comparison("day", "<", date(2025, 1, 2))], [5, GROUP], [0]),
        ([Comparison("day", "<=", date(2025, 1, 2))], [5, GROUP], [0, 1]),
        ([Comparison("day", ">", date(2025, 1, 1))], [5, GROUP], [1]),
        ([Comparison("day", ">=", date(2025, 1, 1))], [5, GROUP], [0, 1]),
        ([Comparison("price", ">", Decimal("4.99"))], [5], []),
        ([Membership("word", ("late 3",))], [5, 5 * GROUP], [5]),
        ([Membership("word", ("late 3",), negated=True)], [5, 5 * GROUP], [0, 5]),
        ([AnyOf((Comparison("word", "=", "early"), Comparison("some", "=", 91)))], [5, 5 * GROUP], [0]),
        ([AllOf((Comparison("word", "=", "early"), Comparison("some", "=", 91)))], [5, 5 * GROUP], [0]),
        ([NullTest("word"), Pattern("word", "x%")], [5], [0]),
        ([Comparison("nested", "=", "x"), Comparison("nobody", "=", 1)], [5], [0]),
        ([Comparison("day", "=", "a word")], [5], [0]),
    ],
)
def test_row_groups_by_keys_and_predicates(
    footer: Footer, predicates: list[Predicate], keys: list[Value], groups: list[int]
) -> None:
    assert footer.row_groups(predicates, TYPES, "id", keys) == groups


@given(
    st.lists(st.integers(-10, 7 * GROUP), max_size=5),
    st.sampled_from(["<", "<=", "=", ">=", ">", "<>"]),
    st.sampled_from(
        [
            ("day", date(2025, 1, 4)),
            ("price", Decimal("2.50")),
            ("word", "late 5"),
            ("some", 40),
            ("id", 5000),
        ]
    ),
)
def test_no_row_group_is_missing_that_has_a_row(
    footer: Footer,
    rows: duckdb.DuckDBPyConnection,
    file: str,
    keys: list[int],
    op: str,
    against: tuple[str, Value],
) -> None:
    predicate = Comparison(against[0], op, against[1])  # type: ignore[arg-type]
    listed = ", ".join(map(str, keys)) or "NULL"
    needed = rows.sql(
        f"SELECT DISTINCT (file_row_number // {GROUP})::INTEGER AS n FROM read_parquet('{file}', file_row_number = true) "
        f"WHERE id IN ({listed}) AND {describe(predicate)}"
    ).fetchall()
    assert {number for (number,) in needed} <= set(footer.row_groups([predicate], TYPES, "id", sorted(keys)))


def test_ranges_hold_the_chunks_of_the_columns_and_what_lies_close_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    footer = Footer(
        2,
        900,
        chunks={
            "a": (Chunk(4, 10, None), Chunk(104, 10, None)),
            "b, list, element": (Chunk(14, 20, None), Chunk(114, 20, None)),
            "c": (Chunk(34, 6, None), Chunk(134, 6, None)),
            "d": (Chunk(40, 10, None), Chunk(140, 10, None)),
        },
    )
    assert list(footer.ranges({"b", "d"})) == [(14, 36), (114, 36)], "never beyond a row group"
    monkeypatch.setattr(footers, "COLUMN_GAP", 5)
    assert list(footer.ranges({"a", "b"})) == [(4, 30), (104, 30)]
    assert list(footer.ranges({"a", "b"}, [1])) == [(104, 30)]
    assert list(footer.ranges({"b", "d"})) == [(14, 20), (40, 10), (114, 20), (140, 10)]
    assert list(footer.ranges({"nobody"})) == list(footer.ranges({"a"}, [])) == []
