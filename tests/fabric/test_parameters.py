"""The types of placeholders, as DuckDB's bound plan tells them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fabric.errors import NotFound
from fabric.pipeline import Session
from server.app import App
from tests.fabric.project import ANA, AUD, project


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with project(Path(tmp_path_factory.mktemp("project"))) as app:
        yield app


def types(app: App, sql: str) -> list[str | None]:
    return list(app.line.describe(sql, AUD, Session()).parameter_types)


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("SELECT 1", []),
        (
            "FROM lake.claim WHERE claim_id = ? AND amount < ? AND status LIKE ?",
            ["BIGINT", "DECIMAL(10,2)", "VARCHAR"],
        ),
        ("FROM claims.open WHERE claim_id IN (?, ?) LIMIT ? OFFSET ?", ["BIGINT"] * 4),
        ("SELECT claim_id FROM lake.claim GROUP BY ALL HAVING sum(claim_id) > $1", ["HUGEINT"]),
        (
            "WITH c AS (SELECT claim_id AS n FROM lake.claim WHERE status = $b) FROM c WHERE n = $a",
            ["VARCHAR", "BIGINT"],
        ),
        ("SELECT ?::DATE, CAST(? AS TIMESTAMP), ?::INTEGER[]", ["DATE", "TIMESTAMP", "INTEGER[]"]),
        ("SELECT ?::DECIMAL(9,2)[]", ["DECIMAL(9,2)[]"]),
        ("EXPLAIN SELECT ?::TIME", ["TIME"]),
        ("DESCRIBE SELECT ?::BOOLEAN", ["BOOLEAN"]),
        ("SELECT NULL, ?::BLOB", ["BLOB"]),
        ("SELECT ?", [None]),
        ("SELECT ? + 1, claim_id FROM lake.claim WHERE claim_id = ?", [None, "BIGINT"]),
        ("FROM lake.claim WHERE status = $1 OR claim_id = $1", [None]),
        ("SELECT " + "? + 1, " * 16 + "?::INTEGER", [None] * 17),
    ],
)
def test_a_placeholder_has_the_type_of_what_it_meets(app: App, sql: str, wanted: list[str | None]) -> None:
    assert types(app, sql) == wanted
    assert types(app, sql) == wanted  # remembered


def test_bound_placeholders_have_no_more_to_say(app: App) -> None:
    assert app.line.describe("SELECT ?::INTEGER", AUD, Session(), [1]).parameter_types == ()


def test_the_type_of_what_may_not_be_seen_is_not_told(app: App) -> None:
    with pytest.raises(NotFound):
        app.line.describe("FROM lake.claim WHERE claim_id = ?", ANA, Session())
    described = app.line.describe("FROM claims.open WHERE amount = ?", ANA, Session())
    assert described.parameter_types == ("DECIMAL(10,2)",)
