from __future__ import annotations

import pytest

from fabric.errors import BadData, InvalidConfig
from fabric.file_shapes import FileShape, hive_types, hive_values, merge, option_texts
from fabric.types import Column, FileFormat, FileLayout, FileStat


def layout(kind: FileFormat = "parquet", **more: object) -> FileLayout:
    return FileLayout("*", kind, **more)  # type: ignore[arg-type]


def files(*paths: str) -> list[FileStat]:
    return [FileStat(path, 10, "v") for path in paths]


def test_a_missing_column_and_a_wider_type_merge() -> None:
    shapes = [FileShape((("a", "INTEGER"), ("b", "VARCHAR"))), FileShape((("A", "BIGINT"), ("c", "DATE")))]
    assert merge("s", layout(), files("1", "2"), shapes) == (
        Column("a", "BIGINT"),
        Column("b", "VARCHAR"),
        Column("c", "DATE"),
    )


def test_types_that_do_not_fit_name_the_file() -> None:
    shapes = [FileShape((("a", "INTEGER"),)), FileShape((("a", "VARCHAR"),))]
    with pytest.raises(BadData, match=r"file 'two.parquet' has column 'a' as VARCHAR") as caught:
        merge("lake", layout(), files("one.parquet", "two.parquet"), shapes)
    assert "columns:" in caught.value.hint


def test_a_declared_type_wins_and_a_declared_column_need_not_be_there() -> None:
    shapes = [FileShape((("a", "INTEGER"),)), FileShape((("a", "VARCHAR"),))]
    found = merge("s", layout(declared={"A": "DOUBLE", "z": "DATE"}), files("1", "2"), shapes)
    assert found == (Column("A", "DOUBLE"), Column("z", "DATE"))


def test_what_the_owner_says_of_a_column_stays_with_it() -> None:
    found = merge("s", layout(said={"A": ("the key", ("pii",))}), files("1"), [FileShape((("a", "DATE"),))])
    assert found == (Column("a", "DATE", comment="the key", tags=("pii",)),)


def test_text_files_fall_back_to_text() -> None:
    shapes = [FileShape((("a", "BIGINT"),)), FileShape((("a", "DATE"),))]
    assert merge("s", layout("csv"), files("1", "2"), shapes) == (Column("a", "VARCHAR"),)
    assert merge("s", layout("json"), files("1", "2"), shapes) == (Column("a", "JSON"),)


def test_hive_keys_come_last_with_the_type_that_all_values_fit() -> None:
    listed = files("year=2024/day=2024-01-01/r=x%2Fy/1", "year=2025/day=2024-01-02/r=z/2")
    found = merge("s", layout(hive=True), listed, [FileShape((("a", "DATE"),))] * 2)
    assert found == (
        Column("a", "DATE"),
        Column("year", "BIGINT"),
        Column("day", "DATE"),
        Column("r", "VARCHAR"),
    )


def test_hive_values_are_decoded_and_the_default_partition_is_null() -> None:
    assert hive_values("a=x%2Fy/B=__HIVE_DEFAULT_PARTITION__/f=.csv") == {"a": "x/y", "b": None}


def test_leading_zeros_are_numbers_as_in_duckdb() -> None:
    assert hive_types(layout(hive=True), files("m=01/x", "m=02/x"))["m"][1] == "BIGINT"
    assert hive_types(layout(hive=True, declared={"m": "VARCHAR"}), files("m=01/x"))["m"][1] == "VARCHAR"


def test_reader_options_are_duckdbs_own_and_nothing_else() -> None:
    assert option_texts(
        layout("csv", options={"delim": "|", "header": False, "nullstr": ["", "NA"]}), "s", "t"
    ) == (
        ("delim", "'|'"),
        ("header", "false"),
        ("nullstr", "['', 'NA']"),
    )
    for option in ("filename", "ignore_errors", "hive_partitioning", "columns", "x) --"):
        with pytest.raises(InvalidConfig, match="not an option"):
            option_texts(layout("csv", options={option: "x"}), "s", "t")


def test_an_options_text_cannot_become_syntax() -> None:
    assert option_texts(layout("csv", options={"delim": "', x='"}), "s", "t") == (("delim", "''', x='''"),)
