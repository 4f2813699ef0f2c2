"""EXPLAIN as text, JSON and Mermaid: the same is told in each, and what is told holds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from fabric.errors import SyntaxProblem
from fabric.explain import _escaped
from fabric.explanation import Explanation, schema_text
from fabric.parse import parse
from tests.fabric.project import App, ask, lines, project

COMMITTED = Path(__file__).parents[2] / "docs" / "explain.schema.json"
SQL = "SELECT c.amount, p.name FROM lake.claim c JOIN desk.person p USING (claim_id) WHERE c.year = 2025"

# One line of a flowchart of ours (https://mermaid.js.org/syntax/flowchart.html); a quote ends a label.
_LABEL = r'"(?:[^"#<>&`]|#\d+;|<br/>)*"'
_LINES = (
    r"flowchart LR",
    rf"    scan\d+\[\({_LABEL}\)\]",
    rf"    scan\d+ (-->|-\.-)(\|{_LABEL}\|)? duckdb",
    rf"    duckdb\[{_LABEL}\] --> answer\(\[{_LABEL}\]\)",
)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with project(tmp_path) as made:
        yield made


def document(app: App, sql: str) -> Explanation:
    text = lines(app, sql)
    assert json.loads(text)
    return TypeAdapter(Explanation).validate_json(text)


@pytest.mark.parametrize("explain", ["EXPLAIN (FORMAT JSON)", "explain ( analyze , format json )",
                                     "EXPLAIN ANALYZE (FORMAT JSON)", "EXPLAIN (FORMAT JSON, ANALYZE)"])  # fmt: skip
def test_json(app: App, explain: str) -> None:
    told = document(app, f"{explain} {SQL}")
    claim, person = sorted(told.scans, key=lambda scan: str(scan.object))[::-1]
    assert (claim.object, claim.part_of, claim.kind, claim.told) == (
        "lake.claim",
        "lake.claim",
        "parquet files",
        True,
    )
    assert claim.files is not None
    assert (claim.files.read, claim.files.listed) == (1, 2)
    assert claim.pushed == ('"year" = 2025 (partitions)',)
    assert person.object == "desk.person"
    assert (claim.actual is not None) == ("analyze" in explain.lower())
    if claim.actual:
        assert claim.actual.bytes is not None
        assert claim.actual.milliseconds > 0


def test_the_schema_is_the_one_that_is_committed() -> None:
    assert COMMITTED.read_text("utf-8") == schema_text(), (
        "run: python -m fabric.explanation > docs/explain.schema.json"
    )


def test_mermaid(app: App) -> None:
    for explain in ("EXPLAIN (FORMAT MERMAID)", "EXPLAIN (ANALYZE, FORMAT MERMAID)"):
        assert ask(app, f"{explain} {SQL}").num_rows == 1
        text = lines(app, f"{explain} {SQL}")
        assert text.startswith("flowchart LR\n")
        for line in text.split("\n"):
            assert any(re.fullmatch(form, line) for form in _LINES), line
        assert text.count("--> duckdb") == 2
        assert "#34;year#34; = 2025 (partitions)" in text


def test_a_name_cannot_leave_its_label(tmp_path: Path) -> None:
    with project(tmp_path) as app:
        odd = 'a"]; click x href "javascript:alert(1)" %% <b>'
        text = lines(app, f"EXPLAIN (FORMAT MERMAID) SELECT * FROM desk.person WHERE name = '{odd}'")
        assert all(any(re.fullmatch(form, line) for form in _LINES) for line in text.split("\n")), text
        assert "click x" in text
    assert _escaped('"<&`#;\n\x1b\u202e') == "#34;#60;#38;#96;#35;#59;   "


def test_text_is_what_it_was_without_a_format(app: App) -> None:
    assert lines(app, f"EXPLAIN {SQL}") == lines(app, f"EXPLAIN (FORMAT TEXT) {SQL}")


@pytest.mark.parametrize("text", ["EXPLAIN (FORMAT XML) SELECT 1", "EXPLAIN (FORMAT) SELECT 1", "EXPLAIN (FORMAT JSON",
                                  "EXPLAIN (ANALYZE, VERBOSE) SELECT 1", "EXPLAIN (ANALYZE,) SELECT 1", "EXPLAIN (FORMAT JSON)"])  # fmt: skip
def test_other_options_are_refused(text: str) -> None:
    with pytest.raises(SyntaxProblem) as refused:
        parse(text)
    assert len(str(refused.value)) < 300


def test_a_query_in_brackets_is_one() -> None:
    assert (parse("EXPLAIN (SELECT 1)").kind, parse("EXPLAIN (SELECT 1)").about) == ("explain", "text")


@pytest.mark.parametrize("dialect", ["postgres", "tsql", "snowflake"])
def test_in_other_dialects_too(dialect: str) -> None:
    for text, kind, form in (
        ("EXPLAIN (FORMAT JSON) SELECT 1", "explain", "json"),
        ("EXPLAIN (ANALYZE, FORMAT MERMAID)SELECT 1", "explain analyze", "mermaid"),
        ("EXPLAIN ANALYZE SELECT 1", "explain analyze", "text"),
        ("ASSERT PUSHED SELECT 1", "query", "pushed"),
    ):
        assert (parse(text, dialect).kind, parse(text, dialect).about) == (kind, form)
