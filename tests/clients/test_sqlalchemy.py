"""SQLAlchemy 2 by sqlalchemy-adbc, ibis and DuckDB over what ADBC reads, in an environment of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import ROOT, Fabric, said

pytestmark = pytest.mark.clients
shows = pytest.mark.shows


@pytest.fixture(scope="module")
def answers(fabric: Fabric, needed: Callable[[Path], Path]) -> dict[str, Any]:
    python = needed(ROOT / ".venv-sqlalchemy" / "bin" / "python")
    return said([python, Path(__file__).with_name("ask_sqlalchemy.py"), str(fabric.port)])


@shows("SQLAlchemy 2", "queries")
def test_sqlalchemy_2_asks_in_text_and_in_expressions(answers: dict[str, Any]) -> None:
    assert answers["version"].startswith("2.")
    assert answers["text"] == 132
    assert answers["core"] == [[2024, "1.75"], [2025, "12.50"]]
    assert answers["pandas"] == [2, 2]


@shows("SQLAlchemy 2", "parameters")
@shows("SQLAlchemy 2", "parameters by name")
def test_sqlalchemy_2_binds(answers: dict[str, Any]) -> None:
    assert answers["bound"] == [4]


@shows("SQLAlchemy 2", "catalog", "no")
def test_the_dialect_finds_columns_and_schemas_and_lists_no_tables(answers: dict[str, Any]) -> None:
    assert answers["columns"] == ["claim_id", "amount", "year"]
    assert "claims" in answers["schemas"]
    assert answers["tables"] == []  # it looks for types of tables in lower case


@shows("SQLAlchemy 2", "errors")
def test_sqlalchemy_2_sees_the_code_and_goes_on(answers: dict[str, Any]) -> None:
    assert "NOT_FOUND: there is no 'lake.nothing'" in answers["refused"]
    assert answers["after"] == 1


@shows("ibis", "queries")
def test_ibis_goes_on_with_what_adbc_read(answers: dict[str, Any]) -> None:
    assert answers["ibis"] == [[2024, 66], [2025, 66]]


@shows("DuckDB", "queries")
def test_duckdb_goes_on_with_what_adbc_reads(answers: dict[str, Any]) -> None:
    assert answers["duckdb"] == [[2024, 66], [2025, 66]]
