"""docs/clients.md says what the tests show: its table is made of their marks, and its snippets run."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.conftest import ROOT, Fabric
from tests.clients.test_jdbc import JAR, JAVA

PAGE = ROOT / "docs" / "clients.md"
SHOWN = [*Path(__file__).parent.glob("test_*.py"), ROOT / "tests" / "server" / "test_flight_clients.py"]


def _marks() -> dict[tuple[str, str], str]:
    """What tests show: (client, feature) → yes or no, from ``shows`` on test functions."""
    found: dict[tuple[str, str], str] = {}
    for file in SHOWN:
        for node in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(node, ast.FunctionDef) and node.name.startswith("test_")):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func).split(".")[-1] == "shows":
                    client, feature, *how = (ast.literal_eval(argument) for argument in mark.args)
                    assert found.setdefault((client, feature), how[0] if how else "yes") == (*how, "yes")[0]
    return found


def _table() -> dict[tuple[str, str], str]:
    """What the page claims: (client, feature) → the cell's word; empty cells claim nothing."""
    lines = PAGE.read_text().split("## Client by feature")[1].split("\n### ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    clients = rows[0][1:]
    cells = {
        (client, row[0]): cell for row in rows[2:] for client, cell in zip(clients, row[1:], strict=True)
    }
    return {key: cell for key, cell in cells.items() if cell}


def test_each_cell_of_the_table_is_filled_by_a_test() -> None:
    assert _table() == _marks()


def _snippets() -> dict[str, tuple[str, str]]:
    """By heading, the language and the text of the code block under it."""
    text = PAGE.read_text()
    blocks = re.findall(r"^### ([^\n]+)\n(?:(?!^#).)*?^```(\w+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return {name: (language, code) for name, language, code in blocks}


PYTHON = {
    "ADBC": Path(sys.executable),
    "polars": Path(sys.executable),
    "pandas": Path(sys.executable),
    "DuckDB": Path(sys.executable),
    "ibis": ROOT / ".venv-sqlalchemy" / "bin" / "python",
    "SQLAlchemy 2": ROOT / ".venv-sqlalchemy" / "bin" / "python",
    "flightsql-dbapi": ROOT / ".venv-dbapi" / "bin" / "python",
    "pyarrow": ROOT / ".venv-pyarrow18" / "bin" / "python",
}


def _ours(code: str, fabric: Fabric) -> str:
    """The snippet, asking the fabric of the tests."""
    return code.replace("31337", str(fabric.port)).replace("open_claims", "open")


def test_each_client_has_a_snippet_and_each_snippet_is_run() -> None:
    assert set(_snippets()) == {*PYTHON, "JDBC: DBeaver, DataGrip, Tableau", "Superset"}


@pytest.mark.clients
@pytest.mark.parametrize("name", PYTHON)
def test_a_snippet_runs_as_it_stands(
    name: str, fabric: Fabric, needed: Callable[[Path], Path], tmp_path: Path
) -> None:
    file = tmp_path / "snippet.py"
    file.write_text(_ours(_snippets()[name][1], fabric))
    ran = subprocess.run(
        [needed(PYTHON[name]), "-W", "ignore", file], capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert "132" in ran.stdout


@pytest.mark.clients
def test_the_snippet_for_jdbc_runs_as_it_stands(
    fabric: Fabric, needed: Callable[[Path], Path], tmp_path: Path
) -> None:
    needed(JAR)
    needed(Path(shutil.which("java") or ROOT / "java"))
    file = tmp_path / "Ask.java"
    file.write_text(_ours(_snippets()["JDBC: DBeaver, DataGrip, Tableau"][1], fabric))
    ran = subprocess.run([*JAVA, "-cp", str(JAR), file], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert "132" in ran.stdout


def test_the_snippet_for_superset_is_what_its_test_configures() -> None:
    _, code = _snippets()["Superset"]
    for line in code.splitlines():
        if line.startswith("import "):
            assert line.split("  #")[0] in Path(__file__).with_name("superset_config.py").read_text()
    address = re.search(r"datafusion\+flightsql://\S+", code)
    assert address
    ours = address[0].replace("31337", "{sys.argv[1]}")
    assert ours in Path(__file__).with_name("ask_superset.py").read_text()
