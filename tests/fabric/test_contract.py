"""What was promised, and which changes break it."""

from __future__ import annotations

import pytest

from fabric.contract import changes, read_contract, told, written
from fabric.errors import InvalidConfig
from fabric.product_types import Contract
from fabric.types import Column, Product, TableName

A = Column("a", "INTEGER")
KEY = Column("k", "BIGINT", nullable=False, unique=True)


def column(name: str = "a", kind: str = "INTEGER", required: bool = False, unique: bool = False) -> Column:
    return Column(name, kind, not required, unique=unique)


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        ([A], [A], []),
        ([A], [column("A")], []),
        ([A], [], [("column 'a' is gone", True)]),
        ([A], [A, column("b", "DATE")], [("column 'b' is new: DATE", False)]),
        ([A], [column(kind="BIGINT")], [("column 'a' is widened: INTEGER → BIGINT", False)]),
        ([A], [column(kind="SMALLINT")], [("column 'a' has another type: INTEGER → SMALLINT", True)]),
        ([A], [column(kind="VARCHAR")], [("column 'a' has another type: INTEGER → VARCHAR", True)]),
        ([column(kind="DECIMAL(9,2)")], [column(kind="DECIMAL(10,2)")], [("column 'a' is widened: DECIMAL(9,2) → DECIMAL(10,2)", False)]),
        ([column(kind="DECIMAL(9,2)")], [column(kind="DECIMAL(9,3)")], [("column 'a' has another type: DECIMAL(9,2) → DECIMAL(9,3)", True)]),
        ([column(kind="DECIMAL(9,2)")], [column(kind="DOUBLE")], [("column 'a' has another type: DECIMAL(9,2) → DOUBLE", True)]),
        ([column(required=True)], [A], [("column 'a' may be NULL: it is required no more", True)]),
        ([A], [column(required=True)], [("column 'a' is never NULL any more", False)]),
        ([KEY, column(unique=True)], [KEY, A], [("column 'a' may repeat: it is unique no more", True)]),
        ([KEY], [column("k", "BIGINT", required=True)], [("column 'k' may repeat: it is unique no more", True), ("nothing says any more what one row is: no column is unique", True)]),
        ([KEY, A], [A], [("column 'k' is gone", True), ("nothing says any more what one row is: no column is unique", True)]),
        ([A], [column(unique=True)], [("column 'a' never repeats any more", False)]),
    ],
)  # fmt: skip
def test_changes(before: list[Column], now: list[Column], found: list[tuple[str, bool]]) -> None:
    assert [(told(c), c.breaking) for c in changes(Contract("1.0.0", tuple(before)), now)] == found


def test_a_promise_is_read_as_it_was_written() -> None:
    columns = (KEY, column("odd name: #", "STRUCT(a INTEGER, b VARCHAR[])"), column("ü*/"))
    product = Product(TableName("acme", "claims", "late"), "claims", "", version="1.2.0", columns=columns)
    text = written(Contract("1.2.0", columns, "2026-11-30"), product)
    assert read_contract(text, "x") == Contract("1.2.0", columns, "2026-11-30")
    assert "  k: {type: BIGINT, required: true, unique: true}\n" in text


@pytest.mark.parametrize(
    "text",
    ["", "[]", "a: [", "product: x\nversion: 1.0.0", "product: x\nversion: 1.0.0\ncolumns: {a: BIGINT}"],
)
def test_what_is_no_promise_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfig, match="late@1 is no contract"):
        read_contract(text, "late@1")
