"""The house rules that can be counted."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("fabric", "connectors", "policies", "server")
FILES = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]


def functions() -> list[tuple[int, str]]:
    found = []
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                found.append((length, f"{file.relative_to(ROOT)}:{node.lineno} {node.name}"))
    return sorted(found)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_file_is_above_400_lines(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 400


def test_files_are_about_160_lines_in_the_median() -> None:
    assert statistics.median(len(file.read_text(encoding="utf-8").splitlines()) for file in FILES) <= 160


def test_nine_functions_of_ten_have_at_most_35_lines() -> None:
    lengths = functions()
    assert lengths[int(len(lengths) * 0.9)][0] <= 35


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert not [
        file for file in FILES if file.stem in ("utils", "util", "helpers", "helper", "manager", "common")
    ]


def test_pyarrow_flight_is_imported_in_the_server_only() -> None:
    # import-linter cannot forbid a subpackage of an external package.
    for file in FILES:
        text = file.read_text(encoding="utf-8")
        if "pyarrow.flight" in text or "from pyarrow import flight" in text:
            assert file.is_relative_to(ROOT / "server"), file


def test_every_public_module_class_and_function_has_a_docstring() -> None:
    missing = []
    for file in FILES:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        if tree.body and ast.get_docstring(tree) is None:
            missing.append(str(file.relative_to(ROOT)))
    assert not missing
