"""flightsql-dbapi 0.2.2 with SQLAlchemy 1.4, in an environment of its own (``make clients``).

It pins SQLAlchemy below 2, so it cannot share ours.
"""

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
    python = needed(ROOT / ".venv-dbapi" / "bin" / "python")
    return said([python, Path(__file__).with_name("ask_dbapi.py"), str(fabric.port)])


@shows("flightsql-dbapi", "queries")
def test_the_client_that_superset_uses_reads_what_it_may(answers: dict[str, Any]) -> None:
    assert answers["rows"] == [[0, "closed"], [1, "open"], [2, "open"]]
    assert answers["columns"] == ["claim_id", "status"]
    assert answers["sqlalchemy"] == 132
    assert answers["literal"] == 3


@shows("flightsql-dbapi", "parameters")
def test_it_binds_question_marks(answers: dict[str, Any]) -> None:
    assert answers["bound"] == [[4]]


@shows("flightsql-dbapi", "parameters by name", "no")
def test_it_sends_named_parameters_as_null(answers: dict[str, Any]) -> None:
    assert answers["named"] == []


@shows("flightsql-dbapi", "catalog")
def test_it_lists_schemas_tables_and_columns(answers: dict[str, Any]) -> None:
    assert "claims" in answers["schemas"]
    assert "open" in answers["tables"]
    assert answers["views"] == ["claim_id", "amount", "year"]


@shows("flightsql-dbapi", "errors")
def test_it_is_told_what_may_not_be_seen(answers: dict[str, Any]) -> None:
    assert "NOT_FOUND: there is no 'lake.claim' that you may see" in str(answers["refused"])
    assert "Traceback" not in str(answers["refused"])
