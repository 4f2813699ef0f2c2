"""The second reader, and the reviewed list of functions."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from fabric.confirm import confirm, functions
from fabric.engine import Engine
from fabric.errors import NotSupported, SyntaxProblem

KINDS = {"table": "table", "table_macro": "table"}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    made.close()


def test_every_function_of_the_installed_duckdb_is_on_the_list() -> None:
    with duckdb.connect(":memory:") as connection:
        rows = connection.sql(
            "SELECT DISTINCT lower(function_name), function_type FROM duckdb_functions() "
            "WHERE function_type <> 'pragma'"
        ).fetchall()
    unlisted = sorted({(name, KINDS.get(kind, "scalar")) for name, kind in rows} - set(functions()))
    assert not unlisted, f"review these and add them to fabric/functions.csv: {unlisted}"


def test_of_all_table_functions_three_are_open() -> None:
    allowed = {name for (name, kind), allow in functions().items() if kind == "table" and allow}
    assert allowed == {"range", "generate_series", "unnest"}


@pytest.mark.parametrize(
    "name",
    [
        "error",
        "getvariable",
        "current_setting",
        "json_serialize_sql",
        "json_execute_serialized_sql",
        "stats",
        "sleep_ms",
        "write_log",
        "nextval",
        "query",
        "query_table",
        "read_csv",
        "read_text",
        "glob",
        "duckdb_settings",
        "parquet_scan",
        "arrow_scan",
        "current_user",
        "version",
        "pg_get_viewdef",
        "col_description",
        "which_secret",
        "json_deserialize_sql",
        "seq_scan",
    ],
)
def test_functions_that_reach_outside_are_closed(name: str) -> None:
    verdicts = [allow for (listed, _), allow in functions().items() if listed == name]
    assert verdicts
    assert not any(verdicts)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT lower(a), sum(b) OVER (PARTITION BY c) FROM r",
        "SELECT list_transform(l, LAMBDA x : x + 1), coalesce(a, 1), CASE WHEN a THEN 1 END FROM r",
        "WITH t AS (SELECT * FROM r) SELECT * FROM t, range(3)",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT * FROM t",
        "SELECT a IN (SELECT x FROM r), EXISTS(SELECT 1), unnest([1, 2]) FROM r",
        "PIVOT r ON c IN ('a') USING sum(b)",
        "FROM r UNPIVOT (v FOR n IN (a, b))",
    ],
)
def test_what_names_only_relations_passes(engine: Engine, sql: str) -> None:
    confirm(sql, engine.serialize, {"r"})


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM other",
        "SELECT * FROM r, other",
        "SELECT * FROM main.r",
        "SELECT * FROM temp.main.r",
        "SELECT * FROM duckdb_tables()",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM query('SELECT 1')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT getvariable('x')",
        "SELECT (SELECT max(x) FROM other)",
        "SELECT system.main.lower('x')",
        "WITH t AS (SELECT * FROM other) SELECT 1",
        "SELECT * FROM (SHOW TABLES)",
        "SELECT * FROM r ORDER BY current_setting('x')",
        "SELECT list_aggregate([1], 'sum') FROM pg_class",
    ],
)
def test_anything_else_is_refused(engine: Engine, sql: str) -> None:
    with pytest.raises(NotSupported):
        confirm(sql, engine.serialize, {"r"})


def test_a_pivot_without_values_says_what_to_write(engine: Engine) -> None:
    with pytest.raises(NotSupported) as caught:
        confirm("PIVOT r ON c USING sum(b)", engine.serialize, {"r"})
    assert "IN ('a', 'b')" in caught.value.hint


def test_what_duckdb_does_not_read_is_refused(engine: Engine) -> None:
    with pytest.raises(SyntaxProblem):
        confirm("SELECT FROM WHERE", engine.serialize, set())
