"""Trino's published column-mask cases (core/trino-main, TestColumnMask), asked of Ripstop in our own words.

Each test names the Trino case in its first line, and says where Ripstop deliberately answers otherwise. The one rule
behind most of those: a mask is made of its own column's value and of who asks, never of other columns or of other
tables, so that nothing unmasked can come in by its way. What Trino tests of INSERT, UPDATE and DELETE has no
counterpart, and materialized views are not in this version.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fabric.errors import AccessDenied, InvalidConfig, NotFound
from fabric.types import Principal
from policies.load import read_rules
from policies.objects import Estate
from tests.policies.governed import App, ask, company, rows

# One case a role: a rule binds nobody but those who hold it.
_CLAIMS = """
p2, role:simple,   claims.claim,  amount,   sql:-amount
p2, role:value,    claims.claim,  AMOUNT,   sql:-value
p2, role:null,     claims.claim,  amount,   null
p2, role:by_role,  claims.claim,  amount,   sql:CASE WHEN has_role('lead') THEN amount ELSE -amount END
p2, role:by_attr,  claims.claim,  amount,   "sql:amount % attr('base', 'BIGINT')"
p2, role:several,  claims.claim,  amount,   bucket(200)
p2, role:several,  claims.claim,  region,   sql:lower(region)
p2, role:several,  claims.claim,  opened,   year
p2, role:using,    claims.claim,  claim_id, sql:CASE WHEN claim_id = 1 THEN -claim_id END
p2, role:narrow,   claims.claim,  amount,   sql:CAST(amount AS SMALLINT)
p2, role:narrow,   claims.claim,  region,   sql:region LIKE 'E%'
p2, role:foo,      claims.claim,  amount,   sql:'foo'
p2, role:raises,   claims.claim,  note,     "sql:CAST(CAST(note AS INTEGER) AS VARCHAR)"
p2, role:seven,    claims.claim,  amount,   sql:7
p2, role:plus,     claims.claim,  claim_id, sql:claim_id + 1
p2, role:hidden,   claims.claim,  ssn,      hide
p2, role:hidden,   claims.claim,  amount,   sql:7
p2, role:beneath,  lake.claim,    amount,   sql:-amount
p2, role:pattern,  claims.claim,  *,        sql:region
p2, role:upper,    claims.shout,  region,   sql:lower(region)
p2, role:nested,   claims.nested, pair,     "sql:{'x': pair.x, 'y': 0}"
p2, role:strict,   claims.claim,  amount,   bucket(200)
p2, role:strict,   claims.claim,  amount,   null
p2, role:both,     claims.claim,  amount,   sql:1
"""
_CRM = """
p2, domain:fraud,  crm.customer,  name,     first(1)
p2, role:asker,    crm.customer,  name,     sql:upper(name)
p2, role:first,    crm.customer,  email,    first(1)
p2, role:first,    crm.customer,  email,    email
"""
_FRAUD = "p2, role:using, fraud.score, claim_id, sql:CASE WHEN claim_id = 1 THEN -claim_id END\n"
_FEDERATION = """
p, domain:fraud, crm.*, read, allow
p2, role:both, claims.claim, amount, sql:2
"""
_PRODUCTS = {
    "claims/shout": 'SELECT claim_id AS "CLAIM_ID", region AS "REGION" FROM lake.claim',
    "claims/nested": "SELECT claim_id, {'x': claim_id, 'y': amount} AS pair FROM lake.claim",
    "fraud/clients": "SELECT customer_id, name FROM crm.customer",
}
_ESTATE = Estate(fabric="acme", owners={"claims": "role:claims-owner"}, sources={"lake": "claims"})


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    rules = {"federation": _FEDERATION, "claims": _CLAIMS, "crm": _CRM, "fraud": _FRAUD}
    with company(tmp_path_factory.mktemp("acme"), rules, _PRODUCTS) as made:
        assert made.governor.errors() == ()
        yield made


def who(*roles: str, **attributes: object) -> Principal:
    return Principal("ana", frozenset({"role:analyst", *(f"role:{role}" for role in roles)}), attributes)


def amounts(app: App, *roles: str) -> list[object]:
    return column(app, "SELECT amount FROM claims.claim ORDER BY claim_id", *roles)


def column(app: App, sql: str, *roles: str) -> list[object]:
    """The first column of a statement's answer, in its order."""
    return list(ask(app, sql, who(*roles)).column(0).to_pylist())


# ── one mask, several masks ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("case", ["simple", "value"])
def test_a_simple_mask(app: App, case: str) -> None:
    """testSimpleMask: the column by its own name, and by the word ``value``; names compare without case."""
    assert amounts(app) == [100, 200, 300, 400]
    assert amounts(app, case) == [-100, -200, -300, -400]


def test_a_null_mask(app: App) -> None:
    """testSimpleMask, NULL: of the column's own type."""
    found = ask(app, "SELECT amount, amount IS NULL FROM claims.claim", who("null"))
    assert found.column(0).to_pylist() == [None] * 4
    assert found.schema.types == ask(app, "SELECT amount, true FROM claims.claim", who()).schema.types


def test_a_conditional_mask_depends_on_who_asks(app: App) -> None:
    """testConditionalMask: by a role, and by an attribute."""
    assert amounts(app, "by_role") == [-100, -200, -300, -400]
    assert amounts(app, "by_role", "lead") == [100, 200, 300, 400]
    found = ask(app, "SELECT amount FROM claims.claim ORDER BY claim_id", who("by_attr", base=150))
    assert found["amount"].to_pylist() == [100, 50, 0, 100]
    with pytest.raises(AccessDenied, match="'base'"):
        amounts(app, "by_attr")


@pytest.mark.parametrize(
    "mask",
    [
        "CASE WHEN claim_id < 2 THEN NULL ELSE -amount END",
        "region",
        "amount + claim_id",
        "claim.region",
        "if(regexp_matches(note, 'x'), 0, amount)",
    ],
)
def test_a_mask_over_another_column_does_not_load(mask: str) -> None:
    """testConditionalMask, testColumnMaskingUsingRestrictedColumn, testMultipleMasksUsingOtherMaskedColumns.

    Deliberately otherwise: Trino lets a mask read other columns of the row, and needs rules about which of them are
    masked themselves. Here a mask stands on its own column alone.
    """
    with pytest.raises(InvalidConfig, match=r"claims\.csv:1: .*column"):
        load(f'p2, role:x, claims.claim, amount, "sql:{mask}"')


def test_several_masks_on_several_columns(app: App) -> None:
    """testMultipleMasksOnDifferentColumns."""
    found = rows(
        app, "SELECT claim_id, amount, region, CAST(opened AS VARCHAR) FROM claims.claim", who("several")
    )
    assert found == [
        (1, 0, "eu", "2024-01-01"),
        (2, 200, "us", "2024-01-01"),
        (3, 200, "eu", "2024-01-01"),
        (4, 400, None, "2025-01-01"),
    ]


def test_of_several_masks_on_one_column_the_strictest_counts(app: App) -> None:
    """Several masks on one column, which Trino refused in early versions and its interface no longer can say.

    ``null`` beats others; of two others in one file the first; of two files the federation's.
    """
    assert amounts(app, "strict") == [None] * 4
    assert amounts(app, "both") == [2, 2, 2, 2]
    assert column(app, "SELECT email FROM crm.customer WHERE name = 'Ana'", "first") == ["a***"]


# ── types ────────────────────────────────────────────────────────────────────────────────────


def test_a_mask_of_another_type_is_cast_to_the_columns(app: App) -> None:
    """testCoercibleType."""
    raw, masked = (
        ask(app, "SELECT amount, region FROM claims.claim ORDER BY claim_id", who(*r))
        for r in ((), ("narrow",))
    )
    assert masked.schema == raw.schema
    assert masked["amount"].to_pylist() == raw["amount"].to_pylist()
    assert masked["region"].to_pylist() == ["true", "false", "true", None]


def test_a_mask_that_cannot_be_cast_is_null(app: App) -> None:
    """testInvalidMasks, a wrong type: Trino fails the query; here what a mask cannot give is NULL, value by value."""
    assert amounts(app, "foo") == [None] * 4
    assert column(app, "SELECT note FROM claims.claim ORDER BY claim_id", "raises") == [
        "12",
        None,
        "34",
        "56",
    ]


# ── where a masked column may stand ──────────────────────────────────────────────────────────


def test_a_masked_column_in_using(app: App) -> None:
    """testReferenceInUsingClause: both sides join by what their masks show."""
    sql = "SELECT count(*), min(claim_id) FROM claims.claim JOIN fraud.score USING (claim_id)"
    assert rows(app, sql, who()) == [(2, 1)]
    assert rows(app, sql, who("using")) == [(1, -1)]


def test_a_join_of_a_masked_column_with_itself_and_with_another(app: App) -> None:
    """testJoin."""
    itself = "SELECT count(*) FROM claims.claim a JOIN claims.claim b USING (claim_id)"
    assert column(app, itself, "plus") == [4]
    other = "SELECT c.claim_id FROM claims.claim c JOIN fraud.score s ON s.claim_id = c.claim_id"
    assert column(app, other, "plus") == [2]  # claim 1 shows as 2


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT claim_id FROM claims.claim ORDER BY amount LIMIT 1", [4]),
        ("SELECT claim_id FROM claims.claim ORDER BY claims.claim.amount DESC LIMIT 1", [1]),
        ("SELECT DISTINCT amount < 0 FROM claims.claim", [True]),
        ("SELECT count(*) FROM claims.claim GROUP BY amount > 0", [4]),
        ("SELECT count(*) FROM claims.claim WHERE amount = 100", [0]),
        ("SELECT count(*) FROM claims.claim WHERE amount IN (-100, 200)", [1]),
        ("SELECT sum(amount) FROM claims.claim HAVING sum(amount) < 0", [-1000]),
        ("SELECT sum(amount) FILTER (WHERE amount < -250) FROM claims.claim", [-700]),
        ("SELECT first_value(claim_id) OVER (ORDER BY amount) FROM claims.claim LIMIT 1", [4]),
        ("SELECT claim_id FROM claims.claim QUALIFY row_number() OVER (ORDER BY amount) = 1", [4]),
        ("SELECT DISTINCT ON (amount < 0) amount < 0 FROM claims.claim", [True]),
        ("SELECT max(-COLUMNS('amou.*')) FROM claims.claim", [400]),
        ("SELECT max(c.amount) FROM claims.claim AS c(a, b, d, amount)", [-100]),
        ("SELECT to_json(claim)->>'amount' FROM claims.claim WHERE claim_id = 1", ["-100"]),
        ("SELECT * EXCLUDE (claim_id) FROM (SELECT amount, claim_id FROM claims.claim) WHERE claim_id = 1", [-100]),
        ("SELECT value FROM (UNPIVOT (SELECT amount FROM claims.claim) ON amount) ORDER BY 1", [-400, -300, -200, -100]),
    ],
)  # fmt: skip
def test_every_clause_sees_the_masked_value(app: App, sql: str, expected: list[object]) -> None:
    """Trino shows this by plans; the cases of ORDER BY, GROUP BY and their like."""
    assert column(app, sql, "simple") == expected


def test_a_table_reference_in_a_with(app: App) -> None:
    """testTableReferenceInWithClause."""
    sql = "WITH t AS (SELECT amount FROM claims.claim WHERE claim_id = 1) SELECT * FROM t"
    assert column(app, sql, "simple") == [-100]


def test_statistics_are_those_of_the_masked_values(app: App) -> None:
    """testShowStats: no such statement here; aggregates tell the same, and know the mask only."""
    sql = "SELECT count(amount), min(amount), max(amount), approx_count_distinct(amount), mode(amount) FROM claims.claim"
    assert rows(app, sql, who("seven")) == [(4, 7, 7, 1, 7)]


def test_a_masked_column_that_the_query_does_not_name_does_not_matter(app: App) -> None:
    """testNotReferencedAndDeniedColumnMasking."""
    sql = "SELECT claim_id FROM claims.claim WHERE claim_id = 1"
    for case in ("simple", "foo", "raises", "hidden"):
        assert column(app, sql, case) == [1]


def test_a_mask_beside_a_hidden_column(app: App) -> None:
    """testColumnMaskWithHiddenColumns."""
    found = ask(app, "SELECT * FROM claims.claim WHERE claim_id = 1", who("hidden"))
    assert found.column_names == ["claim_id", "customer_id", "region", "amount", "opened", "note"]
    assert found["amount"].to_pylist() == [7]
    assert column(app, "SELECT DISTINCT amount FROM claims.claim", "hidden") == [7]
    with pytest.raises(NotFound, match="no column 'ssn'"):
        column(app, "SELECT ssn FROM claims.claim", "hidden")


def test_a_part_of_a_masked_value_is_of_the_mask(app: App) -> None:
    """testColumnAliasing: a field of a masked struct."""
    assert column(app, "SELECT pair.y FROM claims.nested ORDER BY claim_id", "nested") == [0, 0, 0, 0]
    assert column(app, "SELECT nested.pair['x'] FROM claims.nested ORDER BY claim_id", "nested") == [
        1,
        2,
        3,
        4,
    ]
    assert column(app, "SELECT pair.y FROM claims.nested ORDER BY claim_id") == [100, 200, 300, 400]


# ── views ────────────────────────────────────────────────────────────────────────────────────


def test_a_mask_for_the_reader_of_a_view_holds_whoever_asks(app: App) -> None:
    """testView, on the table beneath for the view's owner: here the domain that reads."""
    assert column(app, "SELECT name FROM fraud.clients ORDER BY customer_id") == ["A***", "B***", "C***"]
    assert column(app, "SELECT name FROM crm.customer ORDER BY customer_id") == ["Ana", "Bo", "Cy"]


def test_a_mask_for_the_asker_holds_beneath_a_view_too(app: App) -> None:
    """testView, for the one who runs the query, deliberately otherwise: Trino shows them the raw column."""
    assert amounts(app, "beneath") == [-100, -200, -300, -400]
    assert column(app, "SELECT DISTINCT name FROM claims.open ORDER BY 1", "asker") == ["ANA", "BO", "CY"]


def test_of_the_readers_and_the_askers_mask_the_first_of_equal_strictness_shows(app: App) -> None:
    """testView, both at once: two masks of one file, of which the first shows."""
    assert column(app, "SELECT name FROM fraud.clients ORDER BY customer_id", "asker") == [
        "A***",
        "B***",
        "C***",
    ]


def test_a_mask_on_the_view_itself(app: App) -> None:
    """testView, a mask on the view; testViewWithUppercaseColumnName: the rule's name is in lower case."""
    found = ask(app, "SELECT * FROM claims.shout ORDER BY claim_id", who("upper"))
    assert found.column_names == ["CLAIM_ID", "REGION"]
    assert found["REGION"].to_pylist() == ["eu", "us", "eu", None]


# ── masks that are none ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "mask",
    [
        "(SELECT max(region) FROM claims.open)",
        "(SELECT region FROM fraud.score s WHERE s.claim_id = claim_id)",
        "(SELECT count(*) FROM crm.customer)",
        "(SELECT amount FROM claims.claim)",
        "(SELECT amount FROM acme.claims.claim)",
        "(SELECT 1)",
        "CASE WHEN EXISTS (FROM crm.customer) THEN amount END",
        "amount IN (FROM crm.customer)",
    ],
)
def test_a_mask_with_a_subquery_does_not_load(mask: str) -> None:
    """testSubquery, testOtherSchema, testDifferentIdentity, testRecursion, testSqlInjection.

    Deliberately otherwise: Trino lets a mask ask other tables, hence its cases of identities, recursion and
    injection. Here a mask holds no subquery, and none of them can arise.
    """
    with pytest.raises(InvalidConfig, match="cannot hold a subquery"):
        load(f'p2, role:x, claims.claim, amount, "sql:{mask}"')


@pytest.mark.parametrize(
    "mask",
    ["$$$", "count(*) > 0", "row_number() OVER () > 0", "grouping(amount) = 0", "", "amount, 1", "random()"],
)
def test_an_invalid_mask_does_not_load(mask: str) -> None:
    """testInvalidMasks: a parse error, an aggregate, a window, a grouping operation."""
    with pytest.raises(InvalidConfig, match=r"claims\.csv:1"):
        load(f'p2, role:x, claims.claim, amount, "sql:{mask}"')


def test_a_mask_whose_column_is_not_its_own_refuses_those_whom_it_covers(app: App) -> None:
    """testInvalidMasks, an unknown column, and testLimitedScope: known at load, unless the rule has a pattern."""
    with pytest.raises(InvalidConfig, match="'unknown_column'"):
        load("p2, role:x, claims.claim, amount, sql:unknown_column")
    with pytest.raises(AccessDenied, match="does not fit"):
        amounts(app, "pattern")
    assert amounts(app, "simple") == [-100, -200, -300, -400]


@pytest.mark.parametrize(
    "names_first",
    ["WITH claim AS (SELECT 5 AS amount)", "WITH amount AS (SELECT 5 AS amount)", "WITH value AS (SELECT 5)"],
)
def test_a_name_of_the_query_is_not_injected_into_a_mask(app: App, names_first: str) -> None:
    """testSqlInjection, as far as it can be tried: WITH entries called like the table, the column and ``value``."""
    assert column(app, f"{names_first} SELECT max(amount) FROM claims.claim", "value") == [-100]


def load(line: str) -> None:
    """Load one line as the claims domain's file."""
    read_rules(line, "policies/claims.csv", "claims", _ESTATE)
