"""CREATE VIEW, DROP VIEW and COMMENT ON as they are read."""

from __future__ import annotations

import pytest

from fabric.errors import FabricError, NotSupported, SyntaxProblem
from fabric.parse import parse
from fabric.types import Definition


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("CREATE VIEW a.b AS SELECT 1", Definition("create", ("a", "b"), "SELECT 1")),
        ("create or replace view x.a.b as select 1;;", Definition("create", ("x", "a", "b"), "select 1", True)),
        ('CREATE VIEW "a"."b@2" AS\n-- front\nWITH w AS (SELECT 1) -- mid\nFROM w -- end', Definition("create", ("a", "b@2"), "WITH w AS (SELECT 1) -- mid\nFROM w")),
        ("CREATE VIEW a.b COMMENT 'it''s' AS VALUES (1)", Definition("create", ("a", "b"), "VALUES (1)", comment="it's")),
        ("CREATE VIEW b AS (SELECT ';' AS x)", Definition("create", ("b",), "(SELECT ';' AS x)")),
        ("CREATE VIEW view.comment AS SELECT 1", Definition("create", ("view", "comment"), "SELECT 1")),
        ("DROP VIEW a.b", Definition("drop", ("a", "b"))),
        ("/* x */ DROP VIEW IF EXISTS a.b;", Definition("drop", ("a", "b"), lenient=True)),
        ("COMMENT ON VIEW a.b IS 'x'", Definition("comment", ("a", "b"), comment="x")),
        ("COMMENT ON VIEW a.b IS NULL", Definition("comment", ("a", "b"), comment="")),
        ('COMMENT ON COLUMN a.b."c d" IS \'x\'', Definition("comment", ("a", "b"), column="c d", comment="x")),
    ],
)  # fmt: skip
def test_what_is_defined(text: str, found: Definition) -> None:
    parsed = parse(text)
    assert (parsed.kind, parsed.defines, parsed.text) == ("define", found, text)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("CREATE", NotSupported),
        ("CREATE TABLE a.b AS SELECT 1", NotSupported),
        ("CREATE TEMP VIEW a.b AS SELECT 1", NotSupported),
        ("CREATE VIEW IF NOT EXISTS a.b AS SELECT 1", FabricError),
        ("CREATE VIEW a.b(c) AS SELECT 1", NotSupported),
        ("CREATE VIEW a. AS SELECT 1", SyntaxProblem),
        ("CREATE VIEW 'a'.b AS SELECT 1", SyntaxProblem),
        ("CREATE VIEW a.b AS", SyntaxProblem),
        ("CREATE VIEW a.b SELECT 1", SyntaxProblem),
        ("CREATE VIEW a.b AS SELECT 1; DROP VIEW a.b", FabricError),
        ("CREATE VIEW a.b AS CREATE VIEW c.d AS SELECT 1", FabricError),
        ("CREATE VIEW a.b AS INSERT INTO x VALUES (1)", FabricError),
        ("CREATE VIEW a.b AS EXPLAIN SELECT 1", FabricError),
        ("DROP VIEW", SyntaxProblem),
        ("DROP VIEW a.b, c.d", SyntaxProblem),
        ("DROP SCHEMA a", NotSupported),
        ("COMMENT ON TABLE a.b IS 'x'", NotSupported),
        ("COMMENT ON COLUMN a IS 'x'", SyntaxProblem),
        ("COMMENT ON VIEW a.b IS 1", SyntaxProblem),
        ("COMMENT ON VIEW a.b IS 'x' || 'y'", SyntaxProblem),
        ("COMMENT ON VIEW a.b IS ?", SyntaxProblem),
    ],
)
def test_what_is_no_definition(text: str, error: type[FabricError]) -> None:
    with pytest.raises(error) as told:
        parse(text)
    assert told.value.hint or told.value.message


def test_another_dialect_is_not_taken_for_duckdbs() -> None:
    with pytest.raises(NotSupported, match="written in DuckDB's dialect"):
        parse("CREATE VIEW a.b AS SELECT 5 / 2 AS x", "postgres")
    assert parse("DROP VIEW a.b", "postgres").defines == Definition("drop", ("a", "b"))
