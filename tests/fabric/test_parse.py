"""Text to one statement: what may run, what is refused, and how it is said."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from fabric.errors import InvalidValue, NotSupported, SyntaxProblem
from fabric.parse import bind, parameter_count, parse


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "FROM a.b",
        "VALUES (1), (2)",
        "WITH t AS (SELECT 1 AS x) SELECT * FROM t",
        "SELECT 1 UNION ALL SELECT 2",
        "(SELECT 1) EXCEPT SELECT 2",
        "PIVOT a.b ON c IN ('x', 'y') USING sum(d)",
        "UNPIVOT a.b ON c, d INTO NAME n VALUE v",
        "SELECT 1;",
        "TABLE a.b",
        "SELECT * FROM a.b ASOF JOIN a.c USING (k)",
        "SELECT [x + 1 FOR x IN l IF x > 1], {'k': 1}, l[1:2] FROM a.b",
        "SELECT DISTINCT ON (k) k FROM a.b QUALIFY row_number() OVER w = 1 WINDOW w AS (ORDER BY k)",
    ],
)
def test_queries_are_read(text: str) -> None:
    assert parse(text).kind == "query"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("EXPLAIN SELECT 1", "explain"),
        ("explain analyze select 1", "explain analyze"),
        ("EXPLAIN /* why */ SELECT 1", "explain"),
        ("SHOW TABLES", "show"),
        ("show schemas;", "show"),
        ("DESCRIBE a.b", "describe"),
        ('DESCRIBE "a"."b";', "describe"),
        ("DESCRIBE SELECT 1", "describe"),
    ],
)
def test_statements_about_statements_keep_their_kind(text: str, kind: str) -> None:
    assert parse(text).kind == kind


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO a.b VALUES (1)",
        "DELETE FROM a.b",
        "WITH x AS (DELETE FROM a.b RETURNING *) SELECT * FROM x",
        "CREATE TABLE t (a INT)",
        "COPY a.b TO 'x.csv'",
        "ATTACH ':memory:' AS m",
        "PRAGMA database_list",
        "SET search_path = 'x'",
        "USE a",
        "LOAD json",
        "INSTALL httpfs",
        "CALL pragma_version()",
        "CHECKPOINT",
        "DEALLOCATE p",
        "PREPARE p AS SELECT 1",
        "SUMMARIZE a.b",
        "SELECT * FROM (SUMMARIZE a.b)",
        "SELECT * FROM (DESCRIBE a.b)",
        "EXPLAIN POLICY SELECT 1",
        "EXPLAIN POLICY FOR ana",
        "EXPLAIN CREATE TABLE t (a INT)",
        "SHOW VARIABLES",
        "SELECT 1 INTO t",
        "SELECT * FROM a.b FOR UPDATE",
        "SELECT * FROM a.b FOR VERSION AS OF 1",
    ],
)
def test_other_statements_are_refused(text: str) -> None:
    with pytest.raises((NotSupported, SyntaxProblem)):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "CALL system.request('a.b', 'c')",
        "call System . REQUEST ( 'a.b' , 'c' ) ;",
        "CALL \"system\".\"request\"('a.b', /* no */ 'c') -- comment",
    ],
)
def test_a_call_is_a_command_over_its_arguments(text: str) -> None:
    parsed = parse(text)
    assert (parsed.kind, parsed.about) == ("command", "system.request")
    assert parsed.tree.sql(dialect="duckdb") == "SELECT ('a.b', 'c')"


def test_a_call_takes_parameters() -> None:
    parsed = parse("CALL system.request(?, ?)")
    assert parameter_count(parsed) == 2
    assert bind(parsed, ["a.b", "it's"]).tree.sql(dialect="duckdb") == "SELECT ('a.b', 'it''s')"


def test_a_call_of_anything_else_names_what_can_be_called() -> None:
    for text in (
        "CALL",
        "CALL pragma_version()",
        "CALL system.request",
        "CALL system.lend('a', 'b')",
        "CALL 1",
    ):
        with pytest.raises(NotSupported) as refused:
            parse(text)
        assert refused.value.hint == (
            "CALL system.cancel('<query id>'); CALL system.emit('<event>', '<source>', '<target>', '<json>'[, '<query id>']); "
            "CALL system.request('<product>', '<why>'); CALL system.share('<run id>', '<user or role:name>'); "
            "CALL system.submit('<query>')"
        )


def test_two_statements_are_refused() -> None:
    with pytest.raises(SyntaxProblem, match="one statement at a time, 2 were given"):
        parse("SELECT 1; SELECT 2")


@pytest.mark.parametrize("text", ["", "   ", ";", "-- only a comment", "/* nothing */"])
def test_nothing_is_refused(text: str) -> None:
    with pytest.raises(SyntaxProblem):
        parse(text)


def test_an_error_points_at_its_place() -> None:
    with pytest.raises(SyntaxProblem, match=r"line 2, column \d+, near 'a'"):
        parse("SELECT a\nFRO a.b c d")


def test_an_open_quote_has_a_hint() -> None:
    with pytest.raises(SyntaxProblem) as caught:
        parse("SELECT 'open")
    assert "quote" in caught.value.hint


def test_comments_never_reach_the_tree() -> None:
    parsed = parse('SELECT /* sqlglot.meta case_sensitive */ "A" -- x\nFROM t')
    assert all(not node.comments for node in parsed.tree.walk())


@pytest.mark.parametrize(
    "text",
    [
        "SELECT " + "(" * 5000 + "1" + ")" * 5000,
        "SELECT " + "NOT " * 20000 + "true",
        "SELECT " + "(SELECT " * 2000 + "1" + ")" * 2000,
        "SELECT " + "- " * 30000 + "1",
    ],
)
def test_deep_nesting_is_refused_and_does_not_crash(text: str) -> None:
    with pytest.raises((NotSupported, SyntaxProblem)):
        parse(text)


def test_a_huge_text_is_refused() -> None:
    with pytest.raises(NotSupported, match="longer than"):
        parse("SELECT '" + "x" * 1_000_001 + "'")


def test_a_nul_character_is_refused() -> None:
    with pytest.raises(SyntaxProblem, match="NUL"):
        parse("SELECT 'a\x00b'")


@pytest.mark.parametrize(
    ("value", "sql"),
    [
        (None, "SELECT NULL"),
        (True, "SELECT TRUE"),
        (-5, "SELECT -5"),
        (Decimal("1.20"), "SELECT CAST('1.20' AS DECIMAL(3, 2))"),
        (Decimal("0.001"), "SELECT CAST('0.001' AS DECIMAL(3, 3))"),
        (Decimal("1E+3"), "SELECT CAST('1000' AS DECIMAL(4, 0))"),
        (0.1, "SELECT CAST('0.1' AS DOUBLE)"),
        (float("inf"), "SELECT CAST('Infinity' AS DOUBLE)"),
        (float("-inf"), "SELECT CAST('-Infinity' AS DOUBLE)"),
        (float("nan"), "SELECT CAST('NaN' AS DOUBLE)"),
        ("it's", "SELECT 'it''s'"),
        (b"\x01\xff", "SELECT CAST('\\x01\\xFF' AS BLOB)"),
        (date(2024, 2, 29), "SELECT CAST('2024-02-29' AS DATE)"),
        (datetime(2024, 1, 1, 12), "SELECT CAST('2024-01-01 12:00:00' AS TIMESTAMP)"),
        (datetime(2024, 1, 1, tzinfo=UTC), "SELECT CAST('2024-01-01 00:00:00+00:00' AS TIMESTAMPTZ)"),
        (UUID(int=1), "SELECT CAST('00000000-0000-0000-0000-000000000001' AS UUID)"),
        ([1, None], "SELECT [1, NULL]"),
    ],
)
def test_a_parameter_becomes_a_typed_literal(value: object, sql: str) -> None:
    assert bind(parse("SELECT ?"), [value]).tree.sql(dialect="duckdb") == sql


def test_a_parameter_cannot_become_syntax() -> None:
    bound = bind(parse("SELECT ?"), ["'; DROP TABLE t; --"])
    assert bound.tree.sql(dialect="duckdb") == "SELECT '''; DROP TABLE t; --'"


def test_numbered_parameters_go_by_number_and_may_repeat() -> None:
    parsed = parse("SELECT $2, $1, $2")
    assert parameter_count(parsed) == 2
    assert bind(parsed, [1, 2]).tree.sql(dialect="duckdb") == "SELECT 2, 1, 2"


def test_named_parameters_share_a_value() -> None:
    parsed = parse("SELECT $a, $b, $A")
    assert parameter_count(parsed) == 2
    assert bind(parsed, [1, 2]).tree.sql(dialect="duckdb") == "SELECT 1, 2, 1"


def test_placeholders_are_taken_in_the_order_of_the_text() -> None:
    parsed = parse("WITH t AS (SELECT ? AS a) SELECT ? FROM t WHERE a = ? ORDER BY a LIMIT ?")
    bound = bind(parsed, [1, 2, 3, 4]).tree.sql(dialect="duckdb")
    assert bound == "WITH t AS (SELECT 1 AS a) SELECT 2 FROM t WHERE a = 3 ORDER BY a LIMIT 4"


@pytest.mark.parametrize("text", ["SELECT ?, $1", "SELECT $1, $a", "SELECT :a", "SELECT $0"])
def test_parameters_are_written_in_one_known_way(text: str) -> None:
    with pytest.raises((SyntaxProblem, NotSupported)):
        bind(parse(text), [1, 2])


def test_unbound_placeholders_count_as_null() -> None:
    assert bind(parse("SELECT ? + 1"), None).tree.sql(dialect="duckdb") == "SELECT NULL + 1"


@pytest.mark.parametrize("values", [[], [1, 2]])
def test_the_number_of_parameters_must_fit(values: list[object]) -> None:
    with pytest.raises(InvalidValue, match="takes 1 parameters"):
        bind(parse("SELECT ?"), values)


def test_a_value_without_a_literal_is_refused() -> None:
    with pytest.raises(InvalidValue, match="type object"):
        bind(parse("SELECT ?"), [object()])


def test_describe_of_a_name_cannot_carry_more_than_a_name() -> None:
    with pytest.raises((NotSupported, SyntaxProblem)):
        parse("DESCRIBE a.b; SELECT 1")


@pytest.mark.parametrize(
    ("before", "within", "behind"),
    [
        ("INT(", "1", ")"),
        ("CAST(INT((", "1", ")) AS INT)"),
        ("ROW((x, ", "1", "))"),
        ("DATE(f(", "1", "))"),
        ("ARRAY[", "1", "]"),
        ("ENUM(1, ", "1", ")"),
        ("if[", "1", "]"),
        ("if -f(", "1", ")"),
        ("f(1 LIMIT (", "1", "))"),
        ("f(1 LIMIT g(", "1", "))"),
        ("(SELECT f(x LIMIT (SELECT ", "1", ")))"),
    ],
)
def test_what_would_be_read_again_and_again_is_refused_at_once(before: str, within: str, behind: str) -> None:
    began = time.monotonic()
    for levels in (12, 25, 40):
        with suppress(SyntaxProblem, NotSupported):
            parse(f"SELECT {before * levels}{within}{behind * levels}")
    with pytest.raises(NotSupported, match="nested too deeply"):
        parse(f"SELECT {before * 30}{within}{behind * 30}")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("join", ["JOIN b", "LEFT JOIN b", "SEMI JOIN (SELECT 1)", "JOIN LATERAL (SELECT 1)"])
def test_joins_that_wait_for_their_conditions_are_refused_at_once(join: str) -> None:
    began = time.monotonic()
    with pytest.raises(NotSupported, match="nested too deeply"):
        parse(f"SELECT 1 FROM a {f'{join} ' * 40}")
    assert time.monotonic() - began < 5
    assert parse("SELECT 1 FROM a JOIN b JOIN c JOIN d ON true ON true ON true").kind == "query"
    assert parse("SELECT 1 FROM a" + " JOIN b ON a.c = b.d LEFT JOIN e USING (f)" * 500).kind == "query"
    assert (
        parse("SELECT 1 FROM a" + " CROSS JOIN b NATURAL LEFT JOIN c POSITIONAL JOIN d" * 10).kind == "query"
    )


@pytest.mark.parametrize(
    "text",
    [
        "SELECT " + ", ".join(["CAST(a AS DECIMAL(10, 2))"] * 5_000),
        "SELECT CAST(a AS STRUCT(b STRUCT(c MAP(VARCHAR, STRUCT(d DECIMAL(10, 2)[])), e STRUCT(f INT)[]))) FROM b.c",
        "SELECT date(timestamp(text(json(a)))), MAP {'a': [[1, 2], [3]]}, list(a ORDER BY b LIMIT 3) FROM b.c",
        "SELECT a FROM (SELECT a FROM (SELECT a FROM b.c LIMIT 5) LIMIT 4) WHERE a IN (SELECT d FROM b.d LIMIT 3) LIMIT 9",
    ],
)
def test_what_people_nest_is_read(text: str) -> None:
    assert parse(text).kind == "query"


@pytest.mark.parametrize("number", ["0", "65536", "999999999", "9" * 5_000])
def test_a_parameter_has_a_number_that_can_be_counted_to(number: str) -> None:
    with pytest.raises((NotSupported, SyntaxProblem)):
        parameter_count(parse(f"SELECT ${number}"))
