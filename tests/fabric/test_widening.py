from __future__ import annotations

import pytest

from fabric.widening import widen, widen_text


@pytest.mark.parametrize(
    ("one", "other", "wider"),
    [
        ("INTEGER", "INTEGER", "INTEGER"),
        ("INTEGER", "BIGINT", "BIGINT"),
        ("UTINYINT", "UINTEGER", "UINTEGER"),
        ("UINTEGER", "INTEGER", "BIGINT"),
        ("UBIGINT", "TINYINT", "HUGEINT"),
        ("FLOAT", "DOUBLE", "DOUBLE"),
        ("DECIMAL(10,2)", "DECIMAL(8,4)", "DECIMAL(12,4)"),
        ("DECIMAL(38,0)", "DECIMAL(38,10)", None),
        ("TIMESTAMP_S", "TIMESTAMP", "TIMESTAMP"),
        ("TIMESTAMP_NS", "TIMESTAMP", None),
        ("BIGINT", "DOUBLE", None),
        ("BIGINT", "VARCHAR", None),
        ("DATE", "TIMESTAMP", None),
        ('"NULL"', "BLOB", "BLOB"),
        ("UHUGEINT", "HUGEINT", None),
    ],
)
def test_only_declared_rules_widen(one: str, other: str, wider: str | None) -> None:
    assert widen(one, other) == wider
    assert widen(other, one) == wider


@pytest.mark.parametrize(
    ("one", "other", "wider"),
    [
        ("BIGINT", "DOUBLE", "DOUBLE"),
        ("DATE", "TIMESTAMP", "TIMESTAMP"),
        ("BIGINT", "DATE", "VARCHAR"),
        ("BOOLEAN", "BIGINT", "VARCHAR"),
    ],
)
def test_sniffed_text_widens_to_what_was_written(one: str, other: str, wider: str) -> None:
    assert widen_text(one, other, "VARCHAR") == wider
    assert widen_text(other, one, "VARCHAR") == wider
