"""Policy expressions: what loads and what does not, and that their trees mean in DuckDB what was written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from fabric.errors import AccessDenied
from policies.expressions import (
    Asker,
    at_instant,
    read_condition,
    read_value,
    tables_in,
    value_for,
    with_values,
)
from policies.vocabulary import MAX_DEPTH, MAX_NESTING

NOW = datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)
ANA = Asker(
    user="ana",
    roles=frozenset({"role:*", "role:analyst", "role:claims-owner"}),
    attributes={
        "region": "EU",
        "regions": ["EU", "US"],
        "nothing": [],
        "one": "EU",
        "ids": [1, "3"],
        "limit": 1500,
        "since": date(2025, 1, 1),
        "unset": None,
        "quoted": "o'x\\'; DROP TABLE claim; --",
        "mixed": ["EU", ["US"]],
    },
)

CLAIMS = """
    CREATE SCHEMA crm;
    CREATE TABLE crm.customer AS
        SELECT * FROM (VALUES (1, 'ana', 'gold'), (2, 'bob', 'base'), (3, 'ana', 'base')) t(id, agent, tier);
    CREATE TABLE claim AS SELECT * FROM (VALUES
        (1, 'EU', 1000.50::DECIMAL(10,2), DATE '2026-02-01', TIMESTAMPTZ '2026-03-04 05:00:00+00', 'ana', 1, ['a']),
        (2, 'US', 2000.00, DATE '2024-02-01', TIMESTAMPTZ '2026-03-04 09:00:00+00', 'bob', 2, ['a', 'b']),
        (3, NULL, 10.00, DATE '2026-03-04', NULL, 'ana', 3, []),
        (4, 'eu', -5.00, NULL, TIMESTAMPTZ '2020-01-01 00:00:00+00', NULL, 9, NULL),
        (5, 'APAC', 1500.00, DATE '2025-01-01', TIMESTAMPTZ '2026-03-03 23:59:59+00', 'Ana', NULL, ['c'])
    ) t(id, region, amount, day, seen, "user", customer_id, tags);
"""

# What the functions of policies mean, said in DuckDB itself: the oracle for the trees.
MACROS = """
    CREATE MACRO attr(n) AS CASE n WHEN 'region' THEN 'EU' WHEN 'one' THEN 'EU' END,
                 (n, t) AS CASE n WHEN 'limit' THEN 1500::BIGINT END;
    CREATE MACRO attrs(n) AS CASE n WHEN 'regions' THEN ['EU', 'US'] WHEN 'one' THEN ['EU'] ELSE []::VARCHAR[] END;
    CREATE MACRO who() AS 'ana';
    CREATE MACRO has_role(r) AS replace(r, 'role:', '') IN ('analyst', 'claims-owner');
"""


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(CLAIMS)
        connection.execute(MACROS)
        yield connection


def text_of(condition: str, asker: Asker = ANA) -> str:
    """The condition as DuckDB is given it."""
    return at_instant(with_values(read_condition(condition), asker), NOW).sql(dialect="duckdb")


# ── rules of real life, against DuckDB ───────────────────────────────────────────────────────

REAL = [
    ("true", {1, 2, 3, 4, 5}),
    ("false", set()),
    ("NULL", set()),
    ("region = attr('region')", {1}),
    ("lower(region) = lower(attr('region'))", {1, 4}),
    ("region IN attrs('regions')", {1, 2}),
    ("region IN (attrs('regions'))", {1, 2}),
    ("region IN attrs('one') OR amount < 0", {1, 4}),
    ("region NOT IN attrs('regions')", {4, 5}),
    ("NOT region IN attrs('regions')", {4, 5}),
    ("list_contains(attrs('regions'), region)", {1, 2}),
    ("region = ANY(attrs('regions'))", {1, 2}),
    ("region IN attrs('nothing')", set()),
    ("region NOT IN attrs('nothing')", {1, 2, 4, 5}),
    ("list_contains(attrs('nothing'), region)", set()),
    ("amount < attr('limit', 'BIGINT') AND amount >= 0", {1, 3}),
    ("has_role('analyst') AND amount > 1000", {1, 2, 5}),
    ("has_role('role:claims-owner') AND region IS NULL", {3}),
    ("has_role('auditor') OR region = 'US'", {2}),
    ("CASE WHEN has_role('auditor') THEN true ELSE region = attr('region') END", {1}),
    ('"user" = user()', {1, 3}),
    ("lower(claim.user) = USER()", {1, 3, 5}),
    ("coalesce(region, 'EU') ILIKE 'e_'", {1, 3, 4}),
    ("region LIKE 'E%' AND amount BETWEEN 1 AND 1e4", {1}),
    ("extract(year FROM day) = 2026 AND tags[1] = 'a'", {1}),
    ("day > DATE '2025-12-31' AND len(tags) < 2", {1, 3}),
    ("(region, amount > 0) IN (('EU', true), ('US', true))", {1, 2}),
    ("customer_id IN (SELECT id FROM crm.customer WHERE agent = user())", {1, 3}),
    ("EXISTS (SELECT 1 FROM crm.customer c WHERE c.id = claim.customer_id AND c.tier = 'gold')", {1}),
    ("amount > (SELECT avg(amount) FROM main.claim)", {1, 2, 5}),
    (
        "customer_id IN (WITH mine(n) AS (SELECT id FROM crm.customer WHERE agent = 'ana') SELECT n FROM mine)",
        {1, 3},
    ),
    ("id = (SELECT max(id) OVER () FROM crm.customer LIMIT 1)", {3}),
    ("amount::DECIMAL(10,1) % 2 = 0 AND region = 'US'", {2}),
    ("list_transform(tags, lambda t: upper(t))[1] = 'C'", {5}),
    ("-- a comment\n region = 'EU' /* and another */", {1}),
]


@pytest.mark.parametrize(("condition", "expected"), REAL)
def test_a_rule_keeps_the_rows_that_it_means(
    duck: duckdb.DuckDBPyConnection, condition: str, expected: set[int]
) -> None:
    found = duck.execute(f"SELECT id FROM claim WHERE {text_of(condition)}").fetchall()
    assert {row[0] for row in found} == expected


@pytest.mark.parametrize("condition", [condition for condition, _ in REAL])
def test_a_rules_tree_means_what_was_written(duck: duckdb.DuckDBPyConnection, condition: str) -> None:
    """The same answer, NULL and false apart, as DuckDB gives to the rule's own text."""
    written = condition.replace("user()", "who()").replace("USER()", "who()")
    written = written.replace("IN (attrs('regions'))", "IN attrs('regions')")
    ours = duck.execute(f"SELECT id, {text_of(condition)} FROM claim ORDER BY id").fetchall()
    assert ours == duck.execute(f"SELECT id, (\n{written}\n) FROM claim ORDER BY id").fetchall()


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("seen <= now()", {1, 4, 5}),
        ("seen > current_timestamp - INTERVAL 1 DAY", {1, 2, 5}),
        ("seen::DATE = today()", {1, 2}),
        ("day >= current_date - 31", {1, 3}),
        ("year(day) = year(current_date)", {1, 3}),
        ("date_diff('day', day, current_date) > 31", {2, 5}),
        ("age(current_date, day) > INTERVAL 1 YEAR", {2, 5}),
    ],
)
def test_a_rule_of_the_moment(duck: duckdb.DuckDBPyConnection, condition: str, expected: set[int]) -> None:
    found = duck.execute(f"SELECT id FROM claim WHERE {text_of(condition)}").fetchall()
    assert {row[0] for row in found} == expected


# ── the asker's values ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("attr('region') = 'x'", "CAST('EU' AS TEXT) = 'x'"),
        ("ATTR('limit') = 'x'", "CAST('1500' AS TEXT) = 'x'"),
        ("\"attr\"('limit', 'bigint') = 1", "CAST('1500' AS BIGINT) = 1"),
        ("day > attr('since', 'DATE')", "day > CAST('2025-01-01' AS DATE)"),
        ("amount < attr('limit', 'DECIMAL(10,2)')", "amount < CAST('1500.00' AS DECIMAL(10, 2))"),
        ("region IN attrs('one')", "region IN (CAST('EU' AS TEXT))"),
        ("region = ANY(attrs('one')) AND x", "region IN (CAST('EU' AS TEXT)) AND x"),
        ("region <> ALL(attrs('one'))", "region <> ALL(CAST([CAST('EU' AS TEXT)] AS TEXT[]))"),
        ("region IN (attrs('regions'), 'DE')", "region IN (CAST('EU' AS TEXT), CAST('US' AS TEXT), 'DE')"),
        ("region IN (attrs('nothing'), 'DE')", "region IN ('DE')"),
        ("region IN attrs('nothing')", "(region <> region)"),
        ("id IN attrs('ids', 'BIGINT')", "id IN (CAST('1' AS BIGINT), CAST('3' AS BIGINT))"),
        ("attrs('nothing', 'BIGINT') = tags", "CAST([] AS BIGINT[]) = tags"),
        ("user() = x", "CAST('ana' AS TEXT) = x"),
        ("has_role('Analyst')", "TRUE"),
        ("has_role('ROLE:analyst')", "TRUE"),
        ("has_role('*')", "TRUE"),
        ("has_role('role:role:analyst')", "FALSE"),
        ("has_role('ana')", "FALSE"),
        ("attr('quoted') = x", "CAST('o''x\\''; DROP TABLE claim; --' AS TEXT) = x"),
        ("lower(attr('region')) IN attrs('one')", "LOWER(CAST('EU' AS TEXT)) IN (CAST('EU' AS TEXT))"),
        (
            "id IN (SELECT id FROM a.b WHERE agent = user() AND r IN attrs('one'))",
            "id IN (SELECT id FROM a.b WHERE agent = CAST('ana' AS TEXT) AND r IN (CAST('EU' AS TEXT)))",
        ),
    ],
)
def test_values_are_typed_literals(condition: str, expected: str) -> None:
    assert with_values(read_condition(condition), ANA).sql(dialect="duckdb") == expected


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("region = attr('missing')", "a policy needs your attribute 'missing', which is not set"),
        ("region = attr('unset')", "a policy needs your attribute 'unset', which is not set"),
        ("region = attr('Region')", "a policy needs your attribute 'Region', which is not set"),
        ("region IN attrs('missing')", "a policy needs your attribute 'missing', which is not set"),
        ("list_contains(attrs('missing'), region)", "your attribute 'missing', which is not set"),
        (
            "id = attr('region', 'BIGINT')",
            "your attribute 'region' as BIGINT, and it is not to be read as one",
        ),
        ("region = attr('regions')", "your attribute 'regions' as VARCHAR, and it is a list"),
        ("region IN attrs('mixed')", "your attribute 'mixed' as VARCHAR, and it is a list"),
        ("id IN attrs('regions', 'BIGINT')", "your attribute 'regions' as BIGINT, and it is not to be read"),
        ("false AND region = attr('missing')", "your attribute 'missing', which is not set"),
        (
            "EXISTS (SELECT 1 FROM a.b WHERE c = attr('missing'))",
            "your attribute 'missing', which is not set",
        ),
    ],
)
def test_a_missing_or_unfit_attribute_is_a_refusal_that_names_it(condition: str, message: str) -> None:
    with pytest.raises(AccessDenied) as caught:
        with_values(read_condition(condition), ANA)
    assert message in caught.value.message
    assert "EU" not in str(caught.value)


def test_a_tree_serves_everyone_unchanged() -> None:
    condition = (
        "region IN attrs('regions') AND x = attr('region') AND has_role('analyst') AND day < current_date"
    )
    tree = read_condition(condition)
    before = tree.sql(dialect="duckdb")
    bob = Asker("bob", frozenset(), {"regions": ["DE"], "region": "DE"})
    first, second = with_values(tree, ANA), with_values(tree, bob)
    at_instant(first, NOW)
    assert tree.sql(dialect="duckdb") == before
    assert "TRUE" in first.sql(dialect="duckdb")
    assert second.sql(dialect="duckdb").startswith(
        "region IN (CAST('DE' AS TEXT)) AND x = CAST('DE' AS TEXT) AND FALSE"
    )
    assert first.parent is None


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1),
)
@settings(max_examples=100, deadline=None)
def test_no_value_can_become_syntax(
    duck: duckdb.DuckDBPyConnection, text: str, texts: list[str], user: str
) -> None:
    asker = Asker(user, frozenset(), {"text": text, "texts": texts})
    made = text_of("[attr('text'), user(), list_contains(attrs('texts'), user())::VARCHAR] = x", asker)
    row = duck.execute(f"SELECT {made.removesuffix(' = x')}").fetchone()
    assert row == ([text, user, "true" if user in texts else "false"],)
    member = with_values(read_condition("x IN attrs('texts')"), asker).sql(dialect="duckdb")
    found = duck.execute(f"SELECT {member} FROM (SELECT ? AS x)", [text]).fetchone()
    assert found == (text in texts,)


def test_what_loads_can_be_written_deep_in_a_call() -> None:
    """A rule is read with an empty stack and used with a full one: the nesting that loads leaves room."""
    chain = " OR ".join(["region = 'x'"] * (MAX_DEPTH - MAX_NESTING))
    trees = [
        read_condition("(" * (MAX_NESTING - 6) + f"{chain}" + ")" * (MAX_NESTING - 6)),
        read_condition("lower(" * (MAX_NESTING - 6) + "region" + ")" * (MAX_NESTING - 6) + " = 'x'"),
        read_condition("(SELECT " * (MAX_NESTING // 2 - 2) + "true" + ")" * (MAX_NESTING // 2 - 2)),
    ]

    def deep(level: int) -> None:
        if level:
            deep(level - 1)
        else:
            for tree in trees:
                at_instant(with_values(tree, ANA), NOW).sql(dialect="duckdb")
                tables_in(tree)

    deep(400)


# ── the moment ───────────────────────────────────────────────────────────────────────────────

MOMENTS: list[tuple[str, object]] = [
    ("now()", NOW),
    ("NOW()", NOW),
    ("current_timestamp", NOW),
    ("get_current_timestamp()", NOW),
    ("transaction_timestamp()", NOW),
    ("localtimestamp", NOW.replace(tzinfo=None)),
    ("current_localtimestamp()", NOW.replace(tzinfo=None)),
    ("current_date", date(2026, 3, 4)),
    ("current_date()", date(2026, 3, 4)),
    ("today()", date(2026, 3, 4)),
    ("current_time", time(5, 6, 7, 890123, tzinfo=UTC)),
    ("get_current_time()", time(5, 6, 7, 890123, tzinfo=UTC)),
    ("localtime", time(5, 6, 7, 890123)),
    ("current_localtime()", time(5, 6, 7, 890123)),
]


@pytest.mark.parametrize(("word", "expected"), MOMENTS)
def test_a_word_for_the_moment_is_a_literal_of_its_type(
    duck: duckdb.DuckDBPyConnection, word: str, expected: object
) -> None:
    literal = text_of(f"{word} = x").removesuffix(" = x")
    assert literal.startswith("CAST('")
    row = duck.execute(f"SELECT {literal}, typeof({literal}) = typeof({word})").fetchone()
    assert row == (expected, True)


def test_the_moment_is_one_and_in_utc() -> None:
    tree = read_condition("seen < now() AND day < (SELECT max(d) FROM a.b WHERE d < current_date)")
    elsewhere = NOW.astimezone(timezone(timedelta(hours=-11)))
    expected = (
        "seen < CAST('2026-03-04 05:06:07.890123+00:00' AS TIMESTAMPTZ) AND "
        "day < (SELECT MAX(d) FROM a.b WHERE d < CAST('2026-03-04' AS DATE))"
    )
    assert at_instant(tree, NOW).sql(dialect="duckdb") == expected
    assert at_instant(tree, elsewhere).sql(dialect="duckdb") == expected
    assert at_instant(tree, NOW.replace(tzinfo=None)).sql(dialect="duckdb") == expected


def test_an_early_year_has_four_digits(duck: duckdb.DuckDBPyConnection) -> None:
    made = at_instant(read_condition("current_date = x"), datetime(33, 4, 3, tzinfo=UTC)).sql(
        dialect="duckdb"
    )
    assert duck.execute(f"SELECT {made.removesuffix(' = x')}").fetchone() == (date(33, 4, 3),)


def test_a_tree_without_the_moment_is_itself() -> None:
    for text in ("region = 'now()'", '"current_date" = x', "t.current_date = x", "now = x"):
        tree = read_condition(text)
        assert at_instant(tree, NOW) is tree
    whole = exp.select(read_condition("day < current_date"))
    assert at_instant(whole, NOW).sql(dialect="duckdb") == "SELECT day < CAST('2026-03-04' AS DATE)"


# ── what subqueries read ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("condition", "tables"),
    [
        ("true", []),
        ("a.b = 1", []),
        ("id IN (SELECT id FROM crm.customer)", [("crm", "customer")]),
        ('id IN (FROM Policy_DB.public."My Table")', [("Policy_DB", "public", "My Table")]),
        ("EXISTS (SELECT 1 FROM a.b JOIN c.d USING (x))", [("a", "b"), ("c", "d")]),
        ("EXISTS (WITH w AS (SELECT * FROM a.b) SELECT * FROM w, c.w)", [("a", "b"), ("c", "w")]),
        ("EXISTS (SELECT 1 FROM a.b UNION SELECT 1 FROM c.d)", [("a", "b"), ("c", "d")]),
        ("EXISTS (SELECT (SELECT max(x) FROM a.b) FROM range(3))", [("a", "b")]),
        ("x = 1 AND EXISTS (FROM a.b) OR EXISTS (FROM a.b)", [("a", "b"), ("a", "b")]),
        ("EXISTS (SELECT 1 FROM a.b, LATERAL (SELECT * FROM c.d))", [("a", "b"), ("c", "d")]),
    ],
)
def test_the_objects_that_subqueries_read(condition: str, tables: list[tuple[str, ...]]) -> None:
    assert sorted(tables_in(read_condition(condition))) == sorted(tables)


# ── masks ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("upper(value)", "email", 'UPPER("email")'),
        ("upper(VALUE)", "email", 'UPPER("email")'),
        ('upper("value")', "email", 'UPPER("email")'),
        ("upper(EMAIL)", "Email", 'UPPER("Email")'),
        ("value || email", "email", '"email" || "email"'),
        ("value", 'a"b', '"a""b"'),
        ("value.city", "address", '("address").city'),
        ("address.city.name", "address", '(("address").city).name'),
        ("'x'", "email", "'x'"),
        (
            "list_transform(value, lambda value: value + 1)",
            "ids",
            'LIST_TRANSFORM("ids", LAMBDA value : value + 1)',
        ),
        (
            "list_transform(value, lambda v: v + len(value))",
            "ids",
            'LIST_TRANSFORM("ids", LAMBDA v : v + LENGTH("ids"))',
        ),
    ],
)
def test_value_stands_for_the_column(text: str, column: str, expected: str) -> None:
    tree = read_value(text)
    before = tree.sql(dialect="duckdb")
    assert value_for(tree, column).sql(dialect="duckdb") == expected
    assert tree.sql(dialect="duckdb") == before


def test_a_mask_may_depend_on_who_asks_and_when() -> None:
    tree = read_value("CASE WHEN has_role('analyst') THEN value ELSE attr('region') || current_date END")
    made = value_for(at_instant(with_values(tree, ANA), NOW), "email").sql(dialect="duckdb")
    assert made == "CASE WHEN TRUE THEN \"email\" ELSE CAST('EU' AS TEXT) || CAST('2026-03-04' AS DATE) END"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(SELECT 1)", "cannot hold a subquery"),
        ("value IN (SELECT x FROM a.b)", "cannot hold a subquery"),
        ("EXISTS (FROM a.b)", "cannot hold a subquery"),
        ("value IN (VALUES (1))", "cannot hold a subquery"),
        ("ARRAY(SELECT 1)", "cannot hold a subquery"),
        ("ssn || email", "names email and ssn"),
        ("value || ssn || email", "names email and ssn"),
        ("a.x || b.x", "names a and b"),
        ("[x FOR x IN value]", "list_transform does the same"),
        ("max(value)", r"max\(\) belongs into a subquery"),
        ("random()", "random cannot stand in a mask"),
        ("user", r"the one who asks is user\(\)"),
        ("value, value", "one expression"),
    ],
)
def test_what_a_mask_may_not_say(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_value(text)


@pytest.mark.parametrize(
    "text", ["ssn", "value || ssn", "ssn.value", "lower(ssn) = 'x'", "CASE WHEN ssn THEN value END"]
)
def test_a_mask_may_not_name_another_column(text: str) -> None:
    with pytest.raises(ValueError, match="the mask names 'ssn', and stands on the column 'email'"):
        value_for(read_value(text), "email")
