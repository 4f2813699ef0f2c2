"""What policy expressions may say, and their word lists against the installed DuckDB and sqlglot."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from fabric.confirm import functions
from policies.expressions import read_condition, read_value
from policies.vocabulary import MANY_ROWS, MAX_DEPTH, MAX_NESTING, OWN, VOLATILE

# Per query and not per row, or another each time, and no word for the moment among those with a literal.
WITH_LITERALS = {
    "now",
    "today",
    "current_date",
    "get_current_time",
    "get_current_timestamp",
    "transaction_timestamp",
    "current_localtime",
    "current_localtimestamp",
}


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        yield connection


def listed(name: str) -> bool:
    return functions().get((name, "scalar"), False)


def names(duck: duckdb.DuckDBPyConnection, condition: str) -> set[str]:
    found = duck.execute(f"SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE {condition}")
    return {name for (name,) in found.fetchall()}


def macros(duck: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    return duck.execute(
        "SELECT lower(function_name), lower(macro_definition) FROM duckdb_functions() WHERE function_type = 'macro'"
    ).fetchall()


def test_every_aggregate_and_window_function_is_known(duck: duckdb.DuckDBPyConnection) -> None:
    open_ones = {name for name in names(duck, "function_type IN ('aggregate', 'window')") if listed(name)}
    assert len(open_ones) > 60
    assert open_ones <= MANY_ROWS


def test_so_is_every_macro_over_one(duck: duckdb.DuckDBPyConnection) -> None:
    for name, definition in macros(duck):
        over = set(re.findall(r"(\w+)\(", definition)) & MANY_ROWS
        if listed(name) and over:
            assert name in MANY_ROWS, (name, definition)


def test_every_function_that_is_not_the_same_each_time_is_known(duck: duckdb.DuckDBPyConnection) -> None:
    changing = {name for name in names(duck, "stability <> 'CONSISTENT'") if listed(name)}
    assert {"random", "uuid", "now"} <= changing
    assert changing <= VOLATILE
    for name, definition in macros(duck):
        if listed(name) and re.search(r"\b(current_|localtime|now\b|today\b|random)", definition):
            assert name in VOLATILE, (name, definition)


def test_each_word_for_the_moment_has_a_literal_or_is_refused() -> None:
    for name in sorted(VOLATILE):
        if name in WITH_LITERALS:
            assert read_condition(f"{name}() = x")
        else:
            with pytest.raises(ValueError, match=rf"({name}|uuid) cannot stand"):
                read_condition(f"{name}(x) = x")


def test_each_word_that_is_a_call_without_parentheses_is_a_moment_or_refused() -> None:
    parser = sqlglot.Dialect.get_or_raise("duckdb").parser_class
    words = [token.name for token in parser.NO_PAREN_FUNCTIONS]
    assert "CURRENT_DATE" in words
    for word in words:
        if word in ("CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP"):
            assert read_condition(f"{word} = x")
        elif word == "CURRENT_DATETIME":  # a column to DuckDB, and to its dialect in sqlglot
            assert isinstance(read_condition(f"{word} = x").this, exp.Column)
        else:
            with pytest.raises(ValueError, match=r"cannot stand|not available|only in quotes"):
                read_condition(f"{word} = x")


def test_duckdb_has_no_other_word_for_the_moment(duck: duckdb.DuckDBPyConnection) -> None:
    """Special dates of PostgreSQL would be a clock inside a literal."""
    for kind in ("DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIME"):
        for word in ("now", "today", "tomorrow", "yesterday"):
            assert duck.execute(f"SELECT TRY_CAST('{word}' AS {kind})").fetchone() == (None,)


def test_our_own_functions_are_not_users() -> None:
    assert not any(listed(name) for name in OWN)


def test_every_function_of_users_that_is_no_exception_may_stand_in_a_rule() -> None:
    """What a list forgets would show here as a function that no rule can call."""
    refused = []
    for (name, kind), allow in functions().items():
        if not allow or kind != "scalar" or not name.isidentifier() or name in MANY_ROWS | VOLATILE:
            continue
        call = exp.Anonymous(this=name, expressions=[exp.column("a"), exp.column("b")])
        try:
            read_condition(f"{call.sql(dialect='duckdb')} = 1")
        except ValueError as error:
            # Nor in users' queries; and a JSON path must be fixed.
            if not re.search("cannot be read|not supported in a query|a JSON path stands in", str(error)):
                refused.append((name, str(error)))
    assert not refused


# ── what does not load ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-- nothing",
        ";",
        "true) FROM claim --",
        "true FROM claim",
        "true FROM claim --",
        "1, 2",
        "true, false",
        "true WHERE true",
        "true GROUP BY 1",
        "true HAVING true",
        "true ORDER BY 1",
        "true LIMIT 1",
        "true OFFSET 1",
        "true QUALIFY true",
        "true USING SAMPLE 1",
        "true UNION SELECT true",
        "true UNION ALL SELECT true",
        "true EXCEPT SELECT true",
        "true INTO x",
        "DISTINCT true",
        "DISTINCT ON (region) true",
        "true; SELECT 1",
        "true; DROP TABLE claim",
        ";true; true",
        "true AS x",
        "true x",
        "x: true",
        "x := true",
        "*",
        "claim.*",
        "* EXCLUDE (id)",
        "COLUMNS(*) > 1",
        "COLUMNS('a') = 1",
        "#1 = 1",
        "region = 'EU",
        'region = "EU',
        "region = 'EU' /* open",
        "region = $$EU",
        "(region = 'EU'",
        "region = 'EU')",
        "region = 'EU' OR",
        "SELECT true",
        "EXPLAIN SELECT 1",
        "DROP TABLE claim",
        "region = ?",
        "region = $1",
        "region = $name",
        "id IN (SELECT id FROM crm.customer WHERE agent = ?)",
        "region\x00 = 'EU'",
        "EXISTS (DELETE FROM crm.customer RETURNING 1)",
        "EXISTS (WITH x AS (DELETE FROM crm.customer RETURNING *) SELECT 1)",
        "EXISTS (SHOW TABLES)",
        "EXISTS (DESCRIBE crm.customer)",
        "EXISTS (FROM 'secrets.csv')",
    ],
)
def test_what_is_not_one_expression_does_not_load(text: str) -> None:
    for read in (read_condition, read_value):
        with pytest.raises(ValueError, match=r"\w"):
            read(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # one value of one row
        ("sum(amount) > 1", r"sum\(\) belongs into a subquery"),
        ("count(*) > 1", r"count\(\) belongs into a subquery"),
        ("count(DISTINCT id) > 1", r"count\(\) belongs into a subquery"),
        ("any_value(id) = 1", r"any_value\(\) belongs"),
        ("string_agg(region, ',') = 'x'", r"\(\) belongs into a subquery"),
        ("list(id) = [1]", r"\(\) belongs into a subquery"),
        ("quantile_cont(amount, 0.5) > 1", r"\(\) belongs into a subquery"),
        ("sum(amount) FILTER (WHERE true) > 1", r"sum\(\) belongs into a subquery"),
        ('"sum"(amount) > 1', r"sum\(\) belongs into a subquery"),
        ("SuM(amount) > 1", r"sum\(\) belongs into a subquery"),
        ("1 + max(id) > (SELECT max(id) FROM crm.customer)", r"max\(\) belongs"),
        ("wavg(amount, id) > 1", r"wavg\(\) belongs into a subquery"),
        ("TRY(sum(amount)) > 1", r"sum\(\) belongs into a subquery"),
        ("row_number() OVER () = 1", "a window belongs into a subquery"),
        ("sum(amount) OVER (PARTITION BY region) > 1", "a window belongs into a subquery"),
        ("lag(id) > 1", r"lag\(\) belongs"),
        ("unnest([true])", r"unnest\(\) belongs"),
        ("generate_subscripts(tags, 1) = 1", r"generate_subscripts\(\) belongs"),
        ("regexp_split_to_table(region, 'x') = 'E'", r"regexp_split_to_table\(\) belongs"),
        # the same each time
        ("random() < 0.5", "random cannot stand in a row rule"),
        ('"random"() < 0.5', "random cannot stand"),
        ("uuid() = region", "uuid cannot stand"),
        ("gen_random_uuid() = region", "cannot stand"),
        ("uuidv7() = region", "uuidv7 cannot stand"),
        ("id IN (SELECT id FROM crm.customer WHERE random() < 0.5)", "random cannot stand"),
        ("id IN (SELECT id FROM crm.customer USING SAMPLE 1)", "a sample is another one each time"),
        ("id IN (SELECT id FROM crm.customer TABLESAMPLE 10%)", "a sample is another one each time"),
        ("ago(INTERVAL 1 DAY) < seen", "ago cannot stand"),
        ("age(seen) > INTERVAL 1 DAY", r"write age\(current_date, x\)"),
        ("now(1) > seen", "now cannot stand"),
        ("current_timestamp(3) > seen", "current_timestamp cannot stand"),
        ("utc_timestamp() > seen", "current_timestamp cannot stand"),
        ("nextval('s') = 1", "'nextval' is not available"),
        # functions off the list
        ("foo(region)", "function 'foo' is not available"),
        ("lowr(region) = 'eu'", "did you mean 'lower'"),
        ("getvariable('x') = 1", "function 'getvariable' is not available$"),
        ("current_setting('x') = 'y'", "not available"),
        ("query('SELECT 1')", "not available"),
        ("pg_sleep(1)", "not available"),
        ("error('x')", "not available"),
        ('"and"(region = 1)', "."),
        ("region.lower() = 'eu'", r"a function is written f\(x\)"),
        ("main.lower(region) = 'eu'", r"a function is written f\(x\)"),
        ("system.main.lower(region) = 'eu'", "."),
        ("crm.attr('region') = region", r"a function is written f\(x\)"),
        ("current_user = region", r"the one who asks is user\(\)"),
        ("current_user() = region", r"the one who asks is user\(\)"),
        ("session_user = region", "session_user cannot stand"),
        ("current_catalog = region", "current_catalog cannot stand"),
        ("current_role = region", r"'current_role' is a column only in quotes"),
        ("user = region", r"'user' is a column only in quotes; the one who asks is user\(\)"),
        # our own
        ("attr() = region", r"attr\(\) takes 1 or 2 arguments"),
        ("attr('a', 'BIGINT', 'c') = region", r"attr\(\) takes 1 or 2 arguments"),
        ("attrs() = region", r"attrs\(\) takes 1 or 2 arguments"),
        ("user('ana') = region", r"user\(\) takes no argument"),
        ("has_role()", r"has_role\(\) takes one argument"),
        ("has_role('a', 'b')", r"has_role\(\) takes one argument"),
        ("attr(region) = region", r"attr\(\) takes text in single quotes"),
        ("attr('a' || 'b') = region", r"attr\(\) takes text in single quotes"),
        ("attr(1) = region", r"attr\(\) takes text in single quotes"),
        ("attr(NULL) = region", r"attr\(\) takes text in single quotes"),
        ("attr('') = region", r"attr\(\) takes text in single quotes"),
        ("attr((SELECT agent FROM crm.customer)) = region", r"attr\(\) takes text in single quotes"),
        ('attr("region") = region', r"attr\(\) takes text in single quotes"),
        ("has_role(region)", r"has_role\(\) takes text in single quotes"),
        ("attr('a', 'INET') = region", "an attribute cannot be had as 'INET'"),
        ("attr('a', 'VARCHAR); --') = region", "an attribute cannot be had as"),
        ("region IN attrs('a', 'BLOB')", "an attribute cannot be had as 'BLOB'"),
        ("id IN (SELECT id FROM crm.customer WHERE attr(agent) = 'x')", r"attr\(\) takes text"),
        # objects by their full names
        ("id IN (SELECT id FROM customer)", "'customer' is not the full name of an object"),
        ("id IN (SELECT id FROM a.b.c.d)", "is not the full name of an object"),
        ("id IN (FROM customer)", "'customer' is not the full name"),
        ("EXISTS (WITH c AS (SELECT * FROM c) SELECT * FROM c)", "'c' is not the full name"),
        ("EXISTS (SELECT 1 FROM c, (WITH c AS (SELECT 1) SELECT * FROM c))", "'c' is not the full name"),
        ("EXISTS (WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a)", "'b' is not the full name"),
        ("id IN (SELECT * FROM read_csv('x'))", "table function 'read_csv' is not available"),
        ("id IN (SELECT * FROM query('SELECT 1'))", "table function 'query' is not available"),
        ("id IN (SELECT * FROM lower('x'))", "table function 'lower' is not available"),
        ("id IN (SELECT * FROM duckdb_settings())", "table function 'duckdb_settings' is not available"),
    ],
)
def test_what_a_rule_may_not_say(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read_condition(text)
    assert "the statement" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "amount > (SELECT sum(amount) FROM crm.a)",
        "amount > (SELECT max(rank) FROM (SELECT row_number() OVER () AS rank FROM crm.a))",
        "id IN (SELECT unnest([1, 2]))",
        "id IN (SELECT * FROM range(3))",
        "id IN (SELECT * FROM unnest([1, 2]))",
        "EXISTS (SELECT * FROM a.b AS t(x, y) WHERE x = 1)",
        "EXISTS (WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT * FROM t)",
        'EXISTS (WITH "T" AS (SELECT 1) SELECT * FROM t)',
        "id IN (VALUES (1), (2))",
        "list_sum([1, 2]) = 3 AND list_aggregate(tags, 'max') = 'a'",
        "\"current_date\" = DATE '2026-01-01'",
        "\"user\" = 'x' AND t.\"user\" = 'y' AND t.user = 'z'",
        "region = 'random() now() user attr(1) ; -- /* '",
        "region = 'EU';",
        "greatest(amount, 1) > 2 AND ifnull(region, 'x') = 'x' AND try_cast(region AS INTEGER) IS NULL",
        "TRY(CAST(region AS INTEGER)) = 1",
        "region ~ '^E' OR regexp_matches(region, 'E') OR region SIMILAR TO 'E.*'",
        "struct_pack(a := 1).a = 1 AND {'a': 1}['a'] = 1 AND (ROW(1, 2))[1] = 1",
        "MAP {'a': 1}['a'] = 1",
        "[x FOR x IN tags IF x = 'a'] = ['a']",
        "position('a' IN region) > 0 AND substring(region FROM 1 FOR 1) = 'E' AND trim(BOTH 'x' FROM region) = 'y'",
        "INTERVAL (id) DAY > INTERVAL '1 day' AND CAST(amount AS DECIMAL(5, 2)) > 1",
        "region COLLATE NOCASE = 'eu' AND seen AT TIME ZONE 'UTC' > TIMESTAMP '2026-01-01'",
        "ünï = 'é' AND \"ü \"\"x\" = '\U0001f600'",
        " AND ".join(f"id <> {number}" for number in range(240)),
    ],
)
def test_what_a_rule_may_say(text: str) -> None:
    assert read_condition(text).sql(dialect="duckdb")


@pytest.mark.parametrize(
    "nested",
    [
        lambda n: "(" * n + "true" + ")" * n,
        lambda n: "NOT " * n + "true",
        lambda n: "lower(" * n + "region" + ")" * n,
        lambda n: "CASE WHEN a THEN " * n + "true" + " END" * n,
        lambda n: "(SELECT " * n + "true" + ")" * n,
        lambda n: "[" * n + "1" + "]" * n + " = []",
        lambda n: "- " * n + "1 = 1",
        lambda n: " OR ".join(["a"] * (n + MAX_DEPTH)),
        lambda n: "(" * n,
    ],
)
def test_nesting_without_end_is_refused(nested: Callable[[int], str]) -> None:
    for depth in (MAX_NESTING + 1, 200, 3_000, 30_000):
        for read in (read_condition, read_value):
            with pytest.raises(ValueError, match=r"\w"):
                read(nested(depth))
