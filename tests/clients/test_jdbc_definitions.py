"""CREATE VIEW, COMMENT ON and DROP VIEW over the JDBC driver, each of them done once; and ``purpose=`` in its address."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from server.app import build
from server.flight import FlightServer
from tests.clients.conftest import said
from tests.clients.test_jdbc import JAVA, classes
from tests.server.test_definitions import FILES

__all__ = ["classes"]

pytestmark = pytest.mark.clients


def test_products_are_defined_over_jdbc(classes: str, needed: Callable[[Path], Path], tmp_path: Path) -> None:
    score = "SELECT * FROM (VALUES ('fraud'), ('audit')) t(kind)"
    rules = {"policies/claims.csv": "p3, role:*, claims.score, \"kind = attr('purpose')\"\n"}
    for name, text in {**FILES, **rules, "products/claims/score.sql": score}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    with closing(build(tmp_path)) as app:
        server = FlightServer(lambda: app, fabric="acme")
        try:
            uri = f"jdbc:arrow-flight-sql://127.0.0.1:{server.port}?useEncryption=false&purpose=fraud"
            found: dict[str, Any] = said([*JAVA, "-cp", classes, "Definitions", uri, "olga", "secret"])
        finally:
            server.close()
    assert (found["executeUpdate"], found["execute"]) == ("done", True)
    assert "NullPointerException" in found["prepared"]["error"]  # the driver's (18.3), when it was done
    assert found["rows"] == [[1, "b", 2]]
    assert ["seen by JDBC"] in found["described"]
    assert found["purpose"] == [["fraud"]]
    assert "there is no such place that you may write to" in found["refused"]["error"]
    assert found["dropped"] is True
    assert "NOT_FOUND" in found["gone"]["error"]
