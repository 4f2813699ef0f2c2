"""Restrictions as a user meets them: every sentence of DESIGN 1.5 on who is asked and what a rule sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabric.errors import AccessDenied, InvalidValue, NotFound
from fabric.pipeline import Session
from tests.policies.governed import ANA, BO, ask, company, lines, rows

EU = "p3, role:analyst, {}, \"region = attr('region')\"\n"


# ── rows ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["claims.claim", "claims.open"])
def test_a_row_rule_leaves_only_the_rows_that_the_asker_may_see(tmp_path: Path, name: str) -> None:
    with company(tmp_path, {"claims": EU.format("lake.claim")}) as app:
        assert rows(app, f"SELECT claim_id FROM {name}") == [(1,), (3,)]
        assert rows(app, f"SELECT claim_id FROM {name}", BO) == [(2,)]


def test_null_is_false(tmp_path: Path) -> None:
    with company(tmp_path, {"claims": "p3, role:*, claims.claim, region <> 'US'\n"}) as app:
        assert rows(app, "SELECT claim_id FROM claims.claim") == [(1,), (3,)]


def test_a_live_source_gives_only_the_rows_of_the_rule(tmp_path: Path) -> None:
    with company(tmp_path, {"crm": EU.format("crm_db.customer")}) as app:
        assert rows(app, "SELECT name FROM crm.customer") == [("Ana",)]
        assert rows(app, "SELECT count(*) FROM crm.customer", BO) == [(1,)]
        assert rows(app, "SELECT claim_id, name FROM claims.open") == [(1, "Ana"), (3, "Ana")]


def test_a_rule_that_raises_counts_as_false(tmp_path: Path) -> None:
    with company(tmp_path, {"crm": "p3, role:*, crm_db.customer, CAST(code AS INTEGER) > 1\n"}) as app:
        assert rows(app, "SELECT name FROM crm.customer") == [("Ana",), ("Cy",)]


def test_a_rule_sees_raw_columns_and_the_query_sees_masked_ones(tmp_path: Path) -> None:
    rules = EU.format("claims.claim") + "p2, role:*, claims.claim, region, null\n"
    with company(tmp_path, {"claims": rules}) as app:
        assert rows(app, "SELECT claim_id, region FROM claims.claim") == [(1, None), (3, None)]
        assert rows(app, "SELECT claim_id FROM claims.claim WHERE region = 'EU'") == []


def test_a_subquery_in_a_rule_reads_with_the_rights_of_the_files_owner(tmp_path: Path) -> None:
    rule = (
        'p3, role:*, crm.customer, "region IN (SELECT region FROM crm_db.territory WHERE keeper = user())"\n'
    )
    with company(tmp_path, {"crm": rule}) as app:
        assert rows(app, "SELECT name FROM crm.customer") == [("Ana",)]
        assert rows(app, "SELECT name FROM crm.customer", BO) == [("Bo",)]
        with pytest.raises(NotFound):  # though the rule reads it, the user may not
            ask(app, "FROM crm_db.territory", ANA)
        assert "territory" not in lines(app, "EXPLAIN SELECT name FROM crm.customer", ANA)


def test_a_subquery_reads_only_what_the_files_owner_may(tmp_path: Path) -> None:
    rule = 'p3, role:*, crm.customer, "customer_id IN (SELECT customer_id FROM lake.claim)"\n'
    with company(tmp_path, {"crm": rule}) as app, pytest.raises(AccessDenied, match="does not fit"):
        ask(app, "SELECT name FROM crm.customer", ANA)
    other = tmp_path / "other"
    other.mkdir()
    with company(other, {"federation": rule}) as app:  # the federation reads everything
        assert len(rows(app, "SELECT name FROM crm.customer")) == 3


def test_a_rule_that_reads_its_own_object_through_a_product_refuses(tmp_path: Path) -> None:
    rule = 'p3, role:*, crm_db.customer, "region IN (SELECT region FROM crm.customer)"\n'
    with company(tmp_path, {"crm": rule}) as app, pytest.raises(AccessDenied, match="does not fit"):
        ask(app, "SELECT name FROM crm.customer", ANA)


def test_a_name_of_the_query_does_not_capture_a_name_of_the_rule(tmp_path: Path) -> None:
    rule = (
        'p3, role:*, crm.customer, "region IN (SELECT region FROM crm_db.territory WHERE keeper = user())"\n'
    )
    attack = "WITH territory AS (SELECT 'US' AS region, 'ana' AS keeper), crm_db AS (SELECT 1) "
    with company(tmp_path, {"crm": rule}) as app:
        assert rows(app, attack + "SELECT name FROM crm.customer") == [("Ana",)]


def test_a_missing_attribute_is_a_refusal_that_names_it(tmp_path: Path) -> None:
    rule = "p3, role:*, claims.claim, region = attr('country')\n"
    with company(tmp_path, {"claims": rule}) as app, pytest.raises(AccessDenied, match="'country'"):
        ask(app, "SELECT * FROM claims.claim", ANA)


def test_a_row_that_a_rule_hides_never_meets_an_expression_that_raises(tmp_path: Path) -> None:
    rules = {"claims": EU.format("claims.claim"), "crm": EU.format("crm_db.customer")}
    with company(tmp_path, rules, {"crm/coded": "SELECT * FROM crm_db.customer"}) as app:
        assert rows(
            app, "SELECT claim_id FROM claims.claim WHERE CAST(note AS INTEGER) IN (12, 34, 5, 6, 7)"
        ) == [
            (1,),
            (3,),
        ]
        assert rows(app, "SELECT CAST(code AS INTEGER) FROM crm.coded WHERE CAST(code AS INTEGER) = 7") == [
            (7,)
        ]
        with pytest.raises(InvalidValue):
            ask(app, "SELECT CAST(code AS INTEGER) FROM crm.coded", BO)


# ── columns ──────────────────────────────────────────────────────────────────────────────────


def test_a_hidden_column_does_not_exist_where_the_user_names_it(tmp_path: Path) -> None:
    with company(tmp_path, {"claims": "p2, role:analyst, claims.claim, ssn, hide\n"}) as app:
        assert "ssn" not in ask(app, "SELECT * FROM claims.claim", ANA).column_names
        with pytest.raises(NotFound, match="no column 'ssn'"):
            ask(app, "SELECT ssn FROM claims.claim", ANA)
        found = rows(app, "SELECT column_name FROM information_schema.columns WHERE table_name = 'claim'")
        assert ("ssn",) not in found
        assert ("note",) in found


def test_a_hidden_column_is_null_inside_a_products_body(tmp_path: Path) -> None:
    with company(tmp_path, {"claims": "p2, role:analyst, lake.claim, ssn, hide\n"}) as app:
        assert rows(app, "SELECT DISTINCT ssn FROM claims.claim") == [(None,)]


def test_every_clause_sees_the_masked_value(tmp_path: Path) -> None:
    with company(tmp_path, {"crm": "p2, role:*, crm.customer, tag:email, email\n"}) as app:
        assert rows(app, "SELECT email FROM crm.customer WHERE email = 'ana@mail.example'") == []
        assert rows(app, "SELECT count(*) FROM crm.customer GROUP BY email ORDER BY email") == [
            (1,),
            (1,),
            (1,),
        ]
        assert rows(app, "SELECT email FROM crm.customer ORDER BY email DESC LIMIT 1") == [
            ("c***@corp.example",)
        ]


def test_a_mask_by_tag_travels_through_products_and_is_not_applied_twice(tmp_path: Path) -> None:
    with company(tmp_path, {"federation": "p2, role:*, *, tag:email, hash\n"}) as app:
        once = rows(app, "SELECT email FROM crm.customer WHERE name = 'Bo'")
        assert rows(app, "SELECT email FROM claims.open WHERE name = 'Bo'") == once
        assert len(str(once[0][0])) == 16


def test_a_mask_that_does_not_fit_its_column_makes_the_object_refuse(tmp_path: Path) -> None:
    with company(tmp_path, {"claims": "p2, role:lead, claims.claim, amount, email\n"}) as app:
        assert len(rows(app, "SELECT * FROM claims.claim")) == 4
        with pytest.raises(AccessDenied, match="does not fit"):
            ask(app, "SELECT claim_id FROM claims.claim", BO)


# ── who is asked ─────────────────────────────────────────────────────────────────────────────


def test_beneath_a_product_the_rules_for_its_domain_hold_too(tmp_path: Path) -> None:
    rules = {
        "crm": "p3, domain:claims, crm.customer, region = 'US'\np2, domain:claims, crm.customer, email, null\n"
    }
    with company(tmp_path, rules) as app:
        assert rows(app, "SELECT claim_id, email FROM claims.open") == [(2, None)]
        assert len(rows(app, "SELECT email FROM crm.customer")) == 3


def test_role_star_means_persons_and_not_domains(tmp_path: Path) -> None:
    rules = {
        "crm": "p3, role:*, crm_db.customer, region = 'EU'\np3, domain:crm, crm_db.customer, customer_id > 0\n"
    }
    with company(tmp_path, rules) as app:
        assert rows(app, "SELECT name FROM crm.customer") == [("Ana",)]
        assert rows(app, "SELECT emails FROM claims.contacts") == [(1,)]


def test_reads_as_domain_drops_the_restrictions_of_its_own_file(tmp_path: Path) -> None:
    with company(tmp_path, {"claims": EU.format("lake.claim")}) as app:
        assert rows(app, "SELECT sum(claims) FROM claims.totals") == [(4,)]
        assert rows(app, "SELECT count(*) FROM claims.claim") == [(2,)]


def test_reads_as_domain_needs_a_grant_for_anothers_file(tmp_path: Path) -> None:
    restricted = EU.format("crm.customer")
    with company(tmp_path, {"crm": restricted}) as app:
        assert rows(app, "SELECT emails FROM claims.contacts") == [(1,)]
    other = tmp_path / "other"
    other.mkdir()
    granted = restricted + "p, domain:claims, crm.customer, declassify, allow\n"
    with company(other, {"crm": granted}) as app:
        assert rows(app, "SELECT emails FROM claims.contacts") == [(3,)]


def test_declassify_reaches_the_leaves(tmp_path: Path) -> None:
    rules = EU.format("crm_db.customer") + "p, domain:claims, crm.customer, declassify, allow\n"
    with company(tmp_path, {"crm": rules}) as app:
        assert rows(app, "SELECT emails FROM claims.contacts") == [(3,)]


def test_a_domains_declassify_never_touches_federation(tmp_path: Path) -> None:
    rules = {
        "federation": "p2, role:*, *, tag:email, null\n",
        "crm": "p, domain:claims, crm.customer, declassify, allow\n",
    }
    with company(tmp_path, rules) as app:
        assert rows(app, "SELECT emails FROM claims.contacts") == [(0,)]
    other = tmp_path / "other"
    other.mkdir()
    rules["federation"] += "p, domain:claims, crm.customer, declassify, allow\n"
    with company(other, rules) as app:
        assert rows(app, "SELECT emails FROM claims.contacts") == [(3,)]


def test_reads_as_domain_never_drops_an_explicit_deny(tmp_path: Path) -> None:
    rules = {"claims": "p, role:analyst, lake.claim, read, deny\n"}
    with company(tmp_path, rules) as app, pytest.raises(AccessDenied):
        ask(app, "SELECT * FROM claims.totals", ANA)


# ── combinations ─────────────────────────────────────────────────────────────────────────────

NEVER = 'p4, role:analyst, claims.claim, fraud.score, never, "re-identification"\n'


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM claims.claim JOIN fraud.score USING (claim_id)",
        "WITH s AS (SELECT * FROM fraud.score) SELECT * FROM claims.claim, s",
        "SELECT claim_id FROM claims.claim UNION SELECT claim_id FROM fraud.score",
        "SELECT * FROM claims.claim WHERE claim_id IN (SELECT claim_id FROM fraud.score)",
        "SELECT (SELECT max(score) FROM fraud.score), * FROM claims.claim",
    ],
)
def test_a_combination_is_refused_wherever_the_two_meet(tmp_path: Path, sql: str) -> None:
    with company(tmp_path, {"federation": NEVER}) as app:
        with pytest.raises(AccessDenied, match="re-identification Hint: the federation decides on that"):
            ask(app, sql, ANA)
        assert len(rows(app, "SELECT * FROM claims.claim")) == 4
        assert len(rows(app, "SELECT * FROM fraud.score")) == 2


def test_a_combination_holds_through_products_and_its_reason_is_for_those_who_may_read_both(
    tmp_path: Path,
) -> None:
    rule = 'p4, role:analyst, lake.claim, fraud.score, never, "re-identification"\n'
    with company(tmp_path, {"federation": rule}) as app:
        with pytest.raises(AccessDenied) as refused:
            ask(app, "SELECT * FROM claims.risk", ANA)
        assert "re-identification" not in str(refused.value)
        assert "lake" not in str(refused.value)


def test_a_domains_own_rule_says_who_decides(tmp_path: Path) -> None:
    rule = 'p4, role:analyst, claims.claim, crm.customer, never, "marketing may not"\n'
    with company(tmp_path, {"claims": rule}) as app, pytest.raises(AccessDenied) as refused:
        ask(app, "SELECT * FROM claims.claim JOIN crm.customer USING (customer_id)", ANA)
    assert str(refused.value) == (
        "ACCESS_DENIED: 'claims.claim' and 'crm.customer' may not be combined: marketing may not "
        "Hint: role:claims-owner decides on that"
    )


def test_a_combination_binds_a_domain_too(tmp_path: Path) -> None:
    with (
        company(
            tmp_path,
            {
                "federation": NEVER.replace("role:analyst", "domain:claims").replace(
                    "claims.claim", "lake.claim"
                )
            },
        ) as app,
        pytest.raises(AccessDenied),
    ):
        ask(app, "SELECT * FROM claims.risk", ANA)


# ── what may be told ─────────────────────────────────────────────────────────────────────────


def test_the_receipt_says_what_is_restricted(tmp_path: Path) -> None:
    rules = {"claims": EU.format("lake.claim"), "crm": "p2, role:*, crm.customer, email, email\n"}
    with company(tmp_path, rules) as app:
        told = {
            name: app.line.describe(f"SELECT * FROM {name}", ANA, Session()).receipt["restricted"][name]
            for name in ("claims.claim", "crm.customer", "claims.open", "fraud.score")
        }
    assert told == {
        "claims.claim": "rows",
        "crm.customer": "columns",
        "claims.open": "both",
        "fraud.score": "none",
    }


def test_explain_shows_no_rule_and_only_governed_counts(tmp_path: Path) -> None:
    rules = {"crm": EU.format("crm_db.customer") + "p, role:analyst, crm_db.*, read, allow\n"}
    with company(tmp_path, rules) as app:
        text = lines(app, "EXPLAIN ANALYZE SELECT name FROM crm_db.customer", ANA)
        assert "EU" not in text
        assert "region" not in text
        assert "1 rows" in text
        assert "restricted for you: crm_db.customer (rows)" in text
        seen = rows(app, "SELECT pushed, rows, bytes FROM system.scans")
        assert seen == [(None, 1, None)]
