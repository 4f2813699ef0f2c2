"""Exported data products, judged by the linter that has the published schema of ODPS (its pins do not fit Ripstop's own)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from server.product_export import export
from tests.clients.conftest import ROOT
from tests.policies.governed import company
from tests.server.test_product_exchange import FULL

LINTER = ROOT / ".venv-odps" / "bin" / "dataproduct"
OLDER = FULL.replace("1.2.0", "2.0.0").replace("status: active", "status: deprecated\nsunset: 2027-01-31")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("acme")
    with company(directory, {}, {"claims/late": FULL, "claims/late@2": OLDER}):
        pass
    return directory


def linted(file: Path, needed: Callable[[Path], Path]) -> tuple[int, str]:
    command = [needed(LINTER), "lint", file.name, "--no-resolve-references"]
    ran = subprocess.run(command, cwd=file.parent, capture_output=True, text=True, timeout=60, check=False)
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.clients
@pytest.mark.parametrize("name", ["claims.late", "claims.claim", "claims.totals", "crm.customer"])
def test_a_data_product_is_one_by_the_published_schema(
    project: Path, name: str, tmp_path: Path, needed: Callable[[Path], Path]
) -> None:
    file = tmp_path / "product.odps.yaml"
    file.write_text(export(project, name, "odps"))
    status, said = linted(file, needed)
    assert status == 0, said


@pytest.mark.clients
def test_the_linter_finds_what_is_no_part_of_the_standard(
    project: Path, tmp_path: Path, needed: Callable[[Path], Path]
) -> None:
    file = tmp_path / "product.odps.yaml"
    file.write_text(export(project, "claims.late", "odps").replace("outputPorts:", "exits:"))
    status, said = linted(file, needed)
    assert status != 0
    assert "exits" in said
