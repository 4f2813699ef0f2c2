"""Apache Superset 6.1 over flightsql-dbapi, in an environment of its own: charts through its REST API."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import ROOT, Fabric, said

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]
shows = pytest.mark.shows


@pytest.fixture(scope="module")
def answers(
    fabric: Fabric, needed: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    python = needed(ROOT / ".venv-superset" / "bin" / "python")
    home = str(tmp_path_factory.mktemp("superset"))
    script = Path(__file__).with_name("ask_superset.py")
    return said([python, script, str(fabric.port)], 280, SUPERSET_HOME=home)


@shows("Superset", "logins")
def test_superset_connects(answers: dict[str, Any]) -> None:
    assert answers["database"]["id"] == 1
    assert answers["test"] == {"message": "OK"}


@shows("Superset", "catalog")
def test_superset_lists_schemas_tables_and_columns(answers: dict[str, Any]) -> None:
    assert "claims" in answers["schemas"]["result"]
    assert "open" in [table["value"] for table in answers["tables"]["result"]]
    columns = {column["column_name"]: column["type"] for column in answers["columns"]}
    assert columns == {"claim_id": "BIGINT", "amount": "DECIMAL", "year": "BIGINT"}


@shows("Superset", "queries")
def test_superset_draws_charts(answers: dict[str, Any]) -> None:
    assert answers["chart"] == [
        {"year": 2024, "n": 66, "total": 816.75},
        {"year": 2025, "n": 66, "total": 816.75},
    ]
    assert answers["filtered"] == [
        {"claim_id": 1, "amount": 0.25},
        {"claim_id": 2, "amount": 0.5},
        {"claim_id": 4, "amount": 1.0},
    ]
    assert answers["lab"]["data"] == [{"one": 1}]


@shows("Superset", "errors")
def test_superset_shows_the_code(answers: dict[str, Any]) -> None:
    assert "NOT_FOUND: there is no" in str(answers["refused"])
