"""flightsql-dbapi 0.2.2 with SQLAlchemy 1.4, in an environment of its own (``make clients``).

It pins SQLAlchemy below 2, so it cannot share ours. Known trap, not ours: a bound ``:name`` in SQLAlchemy's text()
is sent as NULL by the client.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.app import build
from server.flight import FlightServer
from tests.fabric.project import write

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-dbapi" / "bin" / "python"

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-dbapi: run `make clients`"),
]


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    write(tmp_path)
    monkeypatch.setenv("PASSWORD", "secret")
    (tmp_path / "users.yaml").write_text(
        'users:\n  aud: {password: "${env:PASSWORD}", roles: [role:auditor]}\n'
        '  ana: {password: "${env:PASSWORD}", roles: [role:analyst]}\n'
    )
    app = build(tmp_path)
    server = FlightServer(lambda: app, fabric="acme")
    try:
        yield server.port
    finally:
        server.close()
        app.close()


def test_the_client_that_superset_uses_reads_what_it_may(port: int) -> None:
    ran = subprocess.run(
        [PYTHON, Path(__file__).with_name("ask_dbapi.py"), str(port)],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert ran.returncode == 0, ran.stderr
    said: dict[str, object] = {}
    for line in ran.stdout.splitlines():
        said |= json.loads(line)
    assert said["rows"] == [[0, "closed"], [1, "open"], [2, "open"]]
    assert said["columns"] == ["claim_id", "status"]
    assert said["bound"] == [[4]]
    assert said["sqlalchemy"] == 132
    assert said["literal"] == 3
    assert "claims" in said["schemas"]  # type: ignore[operator]
    assert "open" in said["tables"]  # type: ignore[operator]
    assert said["views"] == ["claim_id", "amount", "year"]
    assert "NOT_FOUND: there is no 'lake.claim' that you may see" in str(said["refused"])
    assert "Traceback" not in str(said["refused"])
