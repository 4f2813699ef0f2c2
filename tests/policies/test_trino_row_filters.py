"""Trino's published row-filter cases (core/trino-main, TestRowFilter), asked of Ripstop in our own words.

Each test names the Trino case in its first line, and says where Ripstop deliberately answers otherwise. What Trino
tests of INSERT, UPDATE, DELETE and MERGE under a filter has no counterpart: Ripstop changes no source.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fabric.errors import AccessDenied, InvalidConfig, NotFound
from fabric.types import Principal
from policies.load import read_rules
from policies.objects import Estate
from tests.policies.governed import App, ask, company, rows

# One case a role: a rule binds nobody but those who hold it.
_CLAIMS = """
p3, role:simple,     claims.claim, claim_id < 3
p3, role:null,       claims.claim, NULL
p3, role:one,        claims.claim, claim_id < 3
p3, role:other,      claims.claim, claim_id > 1
p3, role:correlated, claims.claim, EXISTS (SELECT 1 FROM fraud.score s WHERE s.claim_id = claim.claim_id)
p3, role:bare,       claims.claim, EXISTS (SELECT 1 FROM crm.customer c WHERE c.name > note)
p3, role:full,       claims.claim, EXISTS (SELECT 1 FROM fraud.score s WHERE s.claim_id = claims.claim.claim_id)
p3, role:gone,       claims.claim, no_such_column
p3, role:untrue,     claims.claim, 1
p3, role:text,       claims.claim, 'true'
p3, role:mixed,      claims.claim, amount < 250.5
p3, role:dated,      claims.claim, "opened < '2024-04-15'"
p3, role:mutual,     claims.claim, claim_id IN (SELECT claim_id FROM fraud.rated)
p3, role:hidden,     claims.claim, ssn = '111-11'
p2, role:hidden,     claims.claim, ssn, hide
p2, role:hidden,     claims.claim, amount, null
"""
_CRM = """
p3, role:part,       crm.customer, region = 'EU'
p3, role:elsewhere,  crm.customer, (SELECT count(*) FROM crm_db.territory) = 2
p3, role:kept,       crm.customer, customer_id IN (SELECT customer_id FROM crm.known)
p3, domain:crm,      crm.known,    customer_id > 10
p3, role:scope,      crm.customer, claim_id = 1
p3, role:injected,   crm.customer, region IN (SELECT region FROM crm_db.territory WHERE keeper = 'ana')
p3, domain:fraud,    crm.customer, region = 'US'
"""
_FRAUD = """
p3, domain:claims,   fraud.rated,  claim_id IN (SELECT claim_id FROM claims.claim)
"""
_FEDERATION = """
p, domain:fraud, crm.*, read, allow
p, domain:fraud, claims.*, read, allow
p3, role:other, claims.claim, amount < 400
"""
_PRODUCTS = {
    "crm/known": "SELECT customer_id FROM crm_db.customer",
    "fraud/rated": "SELECT claim_id FROM scores.score",
    "fraud/clients": "SELECT customer_id, name FROM crm.customer",
}


_ESTATE = Estate(
    fabric="acme",
    owners={"claims": "role:claims-owner", "crm": "role:crm-owner"},
    sources={"lake": "claims", "crm_db": "crm"},
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    rules = {"federation": _FEDERATION, "claims": _CLAIMS, "crm": _CRM, "fraud": _FRAUD}
    with company(tmp_path_factory.mktemp("acme"), rules, _PRODUCTS) as made:
        assert made.governor.errors() == ()
        yield made


def who(*roles: str) -> Principal:
    return Principal("ana", frozenset({"role:analyst", *(f"role:{role}" for role in roles)}))


def ids(app: App, *roles: str) -> list[object]:
    """The claims that somebody with these roles sees."""
    return [claim for (claim,) in rows(app, "SELECT claim_id FROM claims.claim", who(*roles))]


def names(app: App, sql: str, *roles: str) -> list[object]:
    return [name for (name,) in rows(app, sql, who(*roles))]


# ── what a filter leaves ─────────────────────────────────────────────────────────────────────


def test_nobody_elses_rule_binds(app: App) -> None:
    """Ours: the control of the whole file."""
    assert ids(app) == [1, 2, 3, 4]
    assert names(app, "SELECT name FROM crm.customer") == ["Ana", "Bo", "Cy"]


def test_a_simple_filter(app: App) -> None:
    """testSimpleFilter, a comparison."""
    assert ids(app, "simple") == [1, 2]


def test_null_filters_everything(app: App) -> None:
    """testSimpleFilter, NULL.

    Trino coerces a bare NULL to BOOLEAN; here a condition that is not of that type does not fit, and the object
    refuses: ``NULL`` as a rule is likelier a mistake than a wish. ``CAST(NULL AS BOOLEAN)`` is no row.
    """
    with pytest.raises(AccessDenied, match="does not fit"):
        ids(app, "null")


def test_several_filters_of_several_files_must_all_hold(app: App) -> None:
    """testMultipleFilters: Trino ANDs them."""
    assert ids(app, "other") == [2, 3]


def test_filters_of_several_roles_in_one_file_widen(app: App) -> None:
    """testMultipleFilters, deliberately otherwise: in one file the rules of one's roles are ORed (DESIGN 1.5)."""
    assert ids(app, "one", "other") == [1, 2, 3]  # (id < 3 or id > 1), and the federation's amount < 400


@pytest.mark.parametrize("case", ["correlated", "full"])
def test_a_correlated_subquery(app: App, case: str) -> None:
    """testCorrelatedSubquery: the object's own row is seen under its bare and under its full name."""
    assert ids(app, case) == [1, 2]


def test_a_correlated_subquery_whose_column_is_unqualified(app: App) -> None:
    """testCorrelatedSubquery, as Trino writes it: ``note`` is the claim's, for customers have none."""
    assert ids(app, "bare") == [1, 3, 4]


def test_a_type_that_must_be_coerced(app: App) -> None:
    """Trino's coercible type, which it tests of masks only: BIGINT against DECIMAL, DATE against text."""
    assert ids(app, "mixed") == [1, 2]
    assert ids(app, "dated") == [1, 2]


# ── where a filter reaches ───────────────────────────────────────────────────────────────────


def test_a_filter_for_the_reader_of_a_view_holds_whoever_asks(app: App) -> None:
    """testView, on the table beneath for the view's owner: here the domain that reads."""
    assert names(app, "SELECT name FROM fraud.clients") == ["Bo"]
    assert names(app, "SELECT name FROM crm.customer") == ["Ana", "Bo", "Cy"]


def test_a_filter_for_the_asker_holds_beneath_a_view_too(app: App) -> None:
    """testView, for the one who runs the query, deliberately otherwise.

    Trino leaves the filter of the user who asks out beneath another's view. Here restrictions follow the data:
    both filters hold, and no row is of the EU and of the US.
    """
    assert names(app, "SELECT name FROM fraud.clients", "part") == []
    assert names(app, "SELECT name FROM claims.open", "part") == ["Ana", "Ana"]


def test_a_filter_on_the_view_itself(app: App) -> None:
    """testView, a filter on the view."""
    assert names(app, "SELECT name FROM crm.customer", "part") == ["Ana"]


@pytest.mark.parametrize(
    "sql",
    [
        "WITH t AS (SELECT count(*) AS n FROM claims.claim) SELECT * FROM t",
        "WITH claim AS (SELECT * FROM claims.claim) SELECT count(*) FROM claim",
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION SELECT 2 FROM t) SELECT count(*) FROM claims.claim",
        "SELECT (WITH t AS (FROM claims.claim) SELECT count(*) FROM t)",
        "SELECT count(*) FROM (FROM claims.claim) WHERE claim_id IN (SELECT claim_id FROM claims.claim)",
    ],
)
def test_a_table_reference_in_a_with(app: App, sql: str) -> None:
    """testTableReferenceInWithClause, and the same in other places where a table may stand."""
    assert rows(app, sql, who("simple")) == [(2,)]


def test_a_session_schema_does_not_change_what_a_filter_reads(app: App) -> None:
    """testOtherSchema: names in a filter are full names, and never completed by the session of the one who asks."""
    assert names(app, "SELECT name FROM crm.customer", "elsewhere") == ["Ana", "Bo", "Cy"]
    with pytest.raises(NotFound):
        ask(app, "FROM crm_db.territory", who("elsewhere"))


def test_a_filter_reads_with_the_rights_and_the_restrictions_of_its_owner(app: App) -> None:
    """testDifferentIdentity: the subquery runs as the file's owner, whose own filter on what it reads holds."""
    assert names(app, "SELECT name FROM crm.customer", "kept") == ["Bo", "Cy"]
    assert len(rows(app, "FROM crm.known", who("kept"))) == 3


def test_a_filter_never_reads_its_own_object_as_somebody_else_either() -> None:
    """testDifferentIdentity, deliberately otherwise: Trino lets a filter read its table as another identity."""
    with pytest.raises(InvalidConfig, match="which the rule itself restricts"):
        read('p3, role:x, claims.claim, "claim_id IN (SELECT claim_id FROM claims.claim)"')


# ── recursion and scope ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("pattern", "table"),
    [
        ("claims.claim", "claims.claim"),
        ("claims.claim", "acme.claims.claim"),
        ("claims.claim", 'CLAIMS.""Claim""'),
        ("claims.*", "claims.claim"),
        ("lake.claim", "lake.main.claim"),
        ("*", "lake.claim"),
    ],
)
def test_a_recursive_filter_does_not_load(pattern: str, table: str) -> None:
    """testRecursion, direct and by another style of reference: known at load here, and not at each query."""
    with pytest.raises(InvalidConfig, match="which the rule itself restricts"):
        read(f'p3, role:x, {pattern}, "claim_id IN (SELECT claim_id FROM {table})"')


def test_mutual_recursion_refuses(app: App) -> None:
    """testRecursion, mutual: a claim's rule reads fraud.rated as domain:claims, whose rule there reads the claims."""
    with pytest.raises(AccessDenied, match="does not fit"):
        ids(app, "mutual")
    assert len(rows(app, "FROM fraud.rated", who("mutual"))) == 2  # the rule there binds the domain only


def test_a_filter_does_not_see_the_query_around_it(app: App) -> None:
    """testLimitedScope: ``claim_id`` is a column of the query and not of the object."""
    sql = (
        "SELECT (SELECT min(name) FROM crm.customer WHERE customer.customer_id = claim.customer_id) "
        "FROM claims.claim"
    )
    assert len(rows(app, sql, who())) == 4
    with pytest.raises(AccessDenied, match=r"'crm\.customer': a policy on it does not fit") as refused:
        ask(app, sql, who("scope"))
    assert "claim_id" not in str(refused.value)


@pytest.mark.parametrize(
    "names_first",
    [
        "WITH territory(region, keeper) AS (VALUES ('EU', 'ana'), ('US', 'ana'))",
        "WITH RECURSIVE territory AS (SELECT 'US' AS region, 'ana' AS keeper UNION FROM territory)",
        "WITH \"crm_db.territory\" AS (SELECT 'US' AS region, 'ana' AS keeper)",
        "WITH crm_db AS (SELECT {'territory': {'region': 'US', 'keeper': 'ana'}} AS crm_db)",
        "WITH customer AS (SELECT 'US' AS region, 'Bo' AS name)",
    ],
)
def test_a_name_of_the_query_is_not_injected_into_a_filter(app: App, names_first: str) -> None:
    """testSqlInjection: a WITH entry called like the filter's table is not what the filter reads."""
    found = rows(app, f"{names_first} SELECT name FROM crm.customer ORDER BY name", who("injected"))
    assert found == [("Ana",)]


# ── filters that are none ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "expression",
    [
        "$$$",
        "count(*) > 0",
        "row_number() OVER () > 0",
        "grouping(claim_id) = 0",
        "claim_id >",
        "true; DROP TABLE x",
        "claim_id = 1 GROUP BY ALL",
        "random() < 0.5",
    ],
)
def test_an_invalid_filter_does_not_load(expression: str) -> None:
    """testInvalidFilter, what needs no schema: a parse error, an aggregate, a window, a grouping operation."""
    with pytest.raises(InvalidConfig, match=r"claims\.csv:1"):
        read(f'p3, role:x, claims.claim, "{expression}"')


def test_an_invalid_filter_refuses_its_domain_and_no_other(tmp_path: Path) -> None:
    """testInvalidFilter, end to end: Trino fails each query; here the file does not load, and its domain refuses."""
    with company(tmp_path, {"claims": "p3, role:x, claims.claim, count(*) > 0\n"}) as made:
        with pytest.raises(NotFound):
            ask(made, "FROM claims.claim", who())
        assert len(rows(made, "FROM crm.customer", who())) == 3


@pytest.mark.parametrize("case", ["gone", "untrue", "text"])
def test_a_filter_that_does_not_fit_refuses_those_whom_it_covers(app: App, case: str) -> None:
    """testInvalidFilter, what needs a schema: an unknown column, a condition that is no BOOLEAN."""
    with pytest.raises(AccessDenied, match="does not fit") as refused:
        ids(app, case)
    assert "no_such_column" not in str(refused.value)
    assert ids(app, "simple") == [1, 2]


# ── beside a filter ──────────────────────────────────────────────────────────────────────────


def test_a_filter_over_hidden_and_masked_columns(app: App) -> None:
    """testRowFilterWithHiddenColumns and testRowFilterOnHiddenColumn: the filter sees the raw row."""
    found = ask(app, "SELECT * FROM claims.claim ORDER BY claim_id", who("hidden"))
    assert "ssn" not in found.column_names
    assert found["claim_id"].to_pylist() == [1, 3]
    assert found["amount"].to_pylist() == [None, None]


def test_statistics_are_those_of_the_rows_that_are_left(app: App) -> None:
    """testShowStats has no counterpart in SQL here: what tells the same are aggregates and EXPLAIN ANALYZE."""
    sql = (
        "SELECT count(*), approx_count_distinct(region), min(amount), max(amount), "
        "max(claim_id) - min(claim_id) FROM claims.claim"
    )
    assert rows(app, sql, who("simple")) == [(2, 2, 100, 200, 1)]


def read(line: str) -> None:
    """Load one line as the claims domain's file."""
    read_rules(line, "policies/claims.csv", "claims", _ESTATE)
