"""Other dialects: the pairs in tests/sql/dialects, what is refused and where, parameters, and growth."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from sqlglot import exp

from fabric.dialect_macros import MACROS, definitions
from fabric.dialect_rules import ALSO, RULES
from fabric.dialects import NAMES, canonical, translated
from fabric.errors import FabricError, InvalidValue, NotSupported, SyntaxProblem
from fabric.parse import bind, parameter_count, parse

PAIRS = Path(__file__).parent.parent / "sql" / "dialects"


def pairs() -> list[tuple[str, str, str]]:
    found = []
    for file in sorted(PAIRS.glob("*.sql")):
        for block in file.read_text("utf-8").split("\n\n"):
            lines = [line for line in block.strip().splitlines() if not line.startswith("--")]
            if lines:
                assert len(lines) == 2, block
                found.append((file.stem, lines[0], lines[1]))
    return found


@pytest.mark.parametrize(("dialect", "written", "becomes"), pairs())
def test_a_statement_becomes_duckdb_s(dialect: str, written: str, becomes: str) -> None:
    assert translated(written, dialect) == becomes
    parse(written, dialect)


def test_every_dialect_has_pairs() -> None:
    assert {dialect for dialect, _, _ in pairs()} >= set(RULES) - {"databricks"}
    assert len(pairs()) >= 60


def test_names_of_dialects() -> None:
    assert canonical("PowerBI") == "ansi"
    assert canonical("duckdb") == "duckdb"
    assert set(NAMES) >= set(RULES) | set(ALSO)
    with pytest.raises(InvalidValue, match="there is no dialect 'cobol'"):
        canonical("cobol")


def test_the_text_stays_the_user_s() -> None:
    parsed = parse("SELECT TOP 1 [a] FROM [x].[t]", "tsql")
    assert parsed.text == "SELECT TOP 1 [a] FROM [x].[t]"
    assert parsed.tree.sql("duckdb") == 'SELECT "a" FROM "x"."t" LIMIT 1'


@pytest.mark.parametrize(
    ("text", "kind", "about"),
    [
        ("EXPLAIN SELECT `a` FROM `x.t`", "explain", "text"),
        ("explain analyze /* c */ select `a` from x.t", "explain analyze", "text"),
        ("EXPLAIN POLICY FOR ana SELECT `a` FROM x.t", "explain policy", "ana"),
        ("DESCRIBE `x`.`t`", "describe", ""),
        ("DESCRIBE SELECT `a` FROM x.t", "describe", ""),
        ("SHOW TABLES", "show", ""),
        ("CALL system.request('a.b', 'why')", "command", "system.request"),
    ],
)
def test_statements_about_statements_are_ripstop_s(text: str, kind: str, about: str) -> None:
    parsed = parse(text, "bigquery")
    assert (parsed.kind, parsed.about, parsed.text) == (kind, about, text)


@pytest.mark.parametrize(
    ("dialect", "text", "said"),
    [
        (
            "postgres",
            "SELECT a,\n  regexp_matches(b, 'x') FROM t",
            "function regexp_matches cannot be translated at line 2, column 3",
        ),
        (
            "postgres",
            "EXPLAIN SELECT a,\n  similarity(b, 'x') FROM t",
            "similarity cannot be translated at line 2, column 3",
        ),
        (
            "postgres",
            "/* é */ SELECT b SIMILAR TO 'x%' FROM t",
            "SIMILARTO cannot be translated at line 1, column 16",
        ),
        ("postgres", "SELECT a::char(3) FROM t", "CAST to CHAR"),
        (
            "postgres",
            "SELECT to_char(a, 'Month') FROM t",
            "format of dates cannot be translated at line 1, column 8",
        ),
        ("postgres", "SELECT a[-1] FROM t", "a negative index"),
        ("postgres", "SELECT * FROM t FOR UPDATE", "LOCKS"),
        ("postgres", "SELECT a::timestamp(0) FROM t", "precision"),
        ("postgres", "SELECT a::money FROM t", "CAST to MONEY"),
        ("tsql", "SELECT TOP 10 PERCENT * FROM t", "PERCENT"),
        ("tsql", "SELECT TOP 5 WITH TIES a FROM t ORDER BY a", "WITH TIES cannot be translated at line 1"),
        ("tsql", "SELECT a FROM t WHERE a LIKE '[ab]%'", "LIKE with"),
        ("tsql", "SELECT a FROM t WHERE a LIKE b", "LIKE with"),
        ("tsql", "SELECT DATEPART(week, a) FROM t", "EXTRACT.WEEK"),
        ("tsql", "SELECT CONVERT(varchar, a, 109) FROM t", "this style"),
        ("tsql", "SELECT FORMAT(a, 'd') FROM t", "format"),
        ("tsql", "SELECT * INTO u FROM t", "INTO"),
        ("bigquery", "SELECT x, o FROM t, UNNEST(l) AS x WITH OFFSET AS o", "WITH OFFSET"),
        ("bigquery", "SELECT DATE_TRUNC(a, WEEK) FROM t", "truncating a date to"),
        ("bigquery", "SELECT EXTRACT(WEEK FROM a) FROM t", "EXTRACT.WEEK"),
        ("snowflake", "SELECT TO_VARCHAR(a, 'YYYY') FROM t", "to_char|format"),
        ("snowflake", "SELECT a::varchar(3) FROM t", "VARCHAR.n."),
        ("trino", "SELECT reduce(a, 0, (s, x) -> s + x, s -> s) FROM t", "reduce"),
        ("trino", "SELECT a FROM t ORDER BY a FETCH FIRST 3 ROWS WITH TIES", "WITH TIES"),
        ("spark", "SELECT a FROM t CLUSTER BY a", "CLUSTER"),
        ("spark", "SELECT regexp_replace(a, 'x', b) FROM t", "replacement"),
        ("spark", "SELECT x FROM t LATERAL VIEW OUTER explode(a) u AS x", "OUTER"),
        ("ansi", "SELECT {fn DIFFERENCE(a, b)}", "function difference"),
    ],
)
def test_what_has_no_translation_is_refused_at_its_place(dialect: str, text: str, said: str) -> None:
    with pytest.raises(NotSupported, match=said) as refused:
        parse(text, dialect)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("dialect", "text", "said"),
    [
        ("postgres", "SELECT a,\n  b c d FROM t", "line 2, column 7"),
        ("tsql", "EXPLAIN SELECT a FROM t u v w", "line 1, column 2[789]"),
        ("bigquery", "SELECT 'a", "cannot be read"),
        ("snowflake", "SELECT 1; SELECT 2", "one statement at a time, 2"),
        ("spark", "", "empty"),
        ("postgres", "SELECT {{ x }}", "cannot be"),
        ("postgres", "INSERT INTO t VALUES (1)", "only queries"),
        ("tsql", "EXEC('x')", "only queries"),
    ],
)
def test_a_text_that_cannot_be_read_says_where(dialect: str, text: str, said: str) -> None:
    with pytest.raises((SyntaxProblem, NotSupported), match=said):
        parse(text, dialect)


@pytest.mark.parametrize(
    ("dialect", "text", "values", "becomes"),
    [
        ("postgres", "SELECT $2::int, $1", [1, "2"], 'SELECT CAST(\'2\' AS INT) AS "int4", 1 AS "?column?"'),
        (
            "postgres",
            "SELECT a FROM t WHERE a = %s AND a % s = %s",
            [1, 2],
            "SELECT a FROM t WHERE a = 1 AND a % s = 2",
        ),
        (
            "tsql",
            "SELECT TOP 1 a FROM t WHERE a = @P1 AND b = @p2 AND c = @P1",
            [1, "x"],
            "SELECT a FROM t WHERE a = 1 AND b = 'x' AND c = 1 LIMIT 1",
        ),
        (
            "snowflake",
            "SELECT v:k FROM t WHERE a = :1 AND b = :2",
            [1, 2],
            "SELECT v -> '$.k' AS \"v\" FROM t WHERE a = 1 AND b = 2",
        ),
        (
            "bigquery",
            "SELECT a FROM t WHERE a = @x AND b > @y",
            [1, 2],
            "SELECT a FROM t WHERE a = 1 AND b > 2",
        ),
        ("trino", "SELECT a FROM t WHERE a = ? LIMIT ?", [1, 2], "SELECT a FROM t WHERE a = 1 LIMIT 2"),
        ("spark", "SELECT a FROM t WHERE a = :n OR b = :n", [1], "SELECT a FROM t WHERE a = 1 OR b = 1"),
        (
            "ansi",
            "SELECT a FROM t WHERE a = {fn UCASE(?)}",
            ["it's"],
            "SELECT a FROM t WHERE a = UPPER('it''s')",
        ),
    ],
)
def test_parameters_of_every_dialect(dialect: str, text: str, values: list[object], becomes: str) -> None:
    parsed = parse(text, dialect)
    assert parameter_count(parsed) == len(values)
    assert bind(parsed, values).tree.sql("duckdb").replace('AS "int4"', 'AS "int"') == becomes.replace(
        'AS "int4"', 'AS "int"'
    )


def test_parameters_are_written_in_one_way() -> None:
    with pytest.raises(SyntaxProblem, match="in one way"):
        parse("SELECT ?, @a", "tsql")


def test_a_comment_changes_nothing() -> None:
    plain = translated("SELECT A FROM x.T", "snowflake")
    assert (
        translated("SELECT A /* sqlglot.meta case_sensitive */ FROM x.T -- dialect=mysql", "snowflake")
        == plain
    )


KINDS = {
    kind.key: kind for kind in vars(exp).values() if isinstance(kind, type) and issubclass(kind, exp.Func)
}


@pytest.mark.parametrize("dialect", sorted(RULES))
def test_a_nested_call_does_not_grow_without_end(dialect: str) -> None:
    for function in sorted(RULES[dialect].functions):
        name = function[1:] if function.startswith("~") else KINDS[function].sql_names()[0]
        for call in (f"{name}(%)", f"{name}(%, b)", f"{name}(a, %)"):
            text = "%"
            for _ in range(9):
                text = text.replace("%", call)
            text = f"SELECT {text.replace('%', 'x')} FROM t"
            try:
                assert len(translated(text, dialect)) < 40 * len(text)
            except FabricError:
                continue


def test_a_long_text_may_repeat_itself_less() -> None:
    text = f"SELECT length(length(length('{'x' * 10_000}'))) FROM t"
    with pytest.raises(NotSupported, match="nested that deeply"):
        translated(text, "bigquery")


@pytest.mark.parametrize("dialect", sorted(RULES))
def test_deep_nesting_is_a_refusal(dialect: str) -> None:
    for text in (
        "SELECT " + "(" * 3000 + "1" + ")" * 3000,
        "SELECT " + "1 + " * 20000 + "1",
        "SELECT " + "NOT " * 5000 + "true",
    ):
        try:
            parse(text, dialect)
        except FabricError:
            continue


def test_macros_take_the_body_for_each_type() -> None:
    connection = duckdb.connect()
    for definition in definitions():
        connection.execute(definition)
    assert len(definitions()) == len(MACROS)
    kinds = ["SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UBIGINT", "TINYINT"]
    for left in kinds:
        for right in kinds:
            [row] = connection.execute(f"SELECT ripstop_divide(7::{left}, 2::{right})").fetchall()
            assert row == (3,)
    for kind in ("DOUBLE", "FLOAT", "DECIMAL(10,2)", "DECIMAL(38,0)"):
        assert connection.execute(f"SELECT ripstop_divide(7::{kind}, 2)").fetchall() == [(3.5,)]
        assert connection.execute(f"SELECT ripstop_quotient(7::{kind}, 2)").fetchall() == [(3,)]
    rounded = "SELECT ripstop_round_even(2.5::DOUBLE), ripstop_round_even(2.5), ripstop_rounded(2.5::DOUBLE), ripstop_truncated(2.9)"
    assert [float(v) for v in connection.execute(rounded).fetchall()[0]] == [2, 3, 3, 2]
