"""EXPLAIN POLICY FOR: what is told to oneself, to an owner of others, and to those whom it does not concern."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fabric.errors import AccessDenied, NotFound
from fabric.pipeline import Session
from fabric.types import Principal
from policies.scope import ScopedPrincipal
from tests.policies.governed import ANA, App, ask, company

_RULES = {
    "federation": """
p, role:claims-owner, claims.*, read, allow
p, role:steward, *, admin, allow
p, role:steward, *, read, allow
p, role:clerk, claims.contacts, read, allow
p, role:clerk, claims.contacts, admin, allow
p, role:shut, fraud.score, read, deny
p4, role:apart, lake.claim, fraud.score, never, "privacy board 12"
p2, role:analyst, crm.customer, tag:pii, null
p, role:apart, *, read, allow
""",
    "claims": """
p, domain:crm, claims.claim, read, allow
p3, role:analyst, lake.claim, "region = 'EU'"
p2, role:analyst, claims.claim, ssn, hide
p2, role:*, claims.claim, ssn, first(1)
p2, role:analyst, claims.claim, note, clear
p2, role:*, claims.claim, note, hash
p2, role:gone, claims.claim, nothing, hide
p3, role:odd, lake.claim, amount
p3, role:odd, claims.claim, gone = 1
p2, role:odd, claims.claim, amount, hash
""",
    "crm": """
p3, role:secret, crm_db.customer, "code = attr('clearance')"
p2, role:analyst, crm.customer, email, email
""",
    "fraud": "p3, role:analyst, scores.score, score > 0.25\n",
}
OWNER = Principal("cora", frozenset({"role:claims-owner"}))
STEWARD = Principal("stu", frozenset({"role:steward"}))
CLERK = Principal("clem", frozenset({"role:clerk"}))

Line = tuple[str, str, str, str, str]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with company(tmp_path_factory.mktemp("acme"), _RULES) as made:
        assert made.governor.errors() == ()
        yield made


def told(app: App, about: str, sql: str, teller: Principal) -> list[Line]:
    """The findings, each as object, reader, effect, rule and detail; the last is the verdict."""
    return [tuple(row.values()) for row in ask(app, f"EXPLAIN POLICY FOR {about} {sql}", teller).to_pylist()]


def text(found: list[Line]) -> str:
    return "\n".join(" | ".join(line) for line in found)


# ── the plain path ───────────────────────────────────────────────────────────────────────────


def test_an_owner_is_told_of_their_own_domain_in_full(app: App) -> None:
    assert told(app, "'role:analyst'", "FROM claims.claim", OWNER) == [
        ("claims.claim", "somebody", "allowed", "policies/federation.csv:1", "read"),
        ("claims.claim", "somebody", "column", "policies/claims.csv:4", "ssn: hide"),
        ("claims.claim", "somebody", "overruled", "policies/claims.csv:5", "ssn: first(1)"),
        ("claims.claim", "somebody", "overruled", "policies/claims.csv:6", "note: clear"),
        ("claims.claim", "somebody", "overruled", "policies/claims.csv:7", "note: hash"),
        ("lake.main.claim", "domain:claims", "allowed", "fabric.yaml: domains.claims", "read"),
        ("lake.main.claim", "somebody", "rows", "policies/claims.csv:3", "region = 'EU'"),
        ("the query", "somebody", "answers", "", ""),
    ]


def test_an_owner_is_told_of_other_domains_only_that_they_restrict(app: App) -> None:
    found = told(app, "'role:analyst'", "FROM claims.open", OWNER)
    assert ("a part of claims.open", "", "restricted", "", "restricted by crm") in found
    for hidden in ("crm.customer", "crm_db", "email", "pii", "crm.csv", "federation.csv:14"):
        assert hidden not in text(found)


def test_who_administers_everything_is_told_everything(app: App) -> None:
    found = told(app, "'role:analyst'", "FROM claims.open", STEWARD)
    columns = [line for line in found if line[0] == "crm.customer" and line[2] in ("column", "overruled")]
    assert columns == [
        ("crm.customer", "somebody", "column", "policies/federation.csv:14", "email: null"),
        ("crm.customer", "somebody", "overruled", "policies/crm.csv:3", "email: email"),
    ]


def test_what_falls_beneath_a_product_that_reads_as_its_domain_is_told_as_lifted(app: App) -> None:
    found = told(app, "'role:analyst'", "FROM claims.totals", OWNER)
    assert ("lake.main.claim", "somebody", "lifted", "policies/claims.csv:3", "region = 'EU'") in found
    assert "restricted by" not in text(
        told(app, "ana", "FROM claims.totals", ANA)
    )  # nothing of it restricts her


def test_a_combination_is_told_with_its_reason_to_who_administers_both(app: App) -> None:
    full = told(app, "'role:apart'", "FROM claims.risk", STEWARD)
    assert "combination | policies/federation.csv:13 | privacy board 12" in text(full)
    part = told(app, "'role:apart'", "FROM claims.risk", OWNER)
    assert ("the query", "", "denied", "", "it combines what may not be combined") in part
    assert "privacy" not in text(part)


def test_a_rule_on_a_column_that_is_gone_is_told(app: App) -> None:
    found = told(app, "'role:gone'", "FROM claims.claim", OWNER)
    assert (
        "claims.claim",
        "somebody",
        "misfit",
        "policies/claims.csv:8",
        "there is no column 'nothing'",
    ) in found


def test_a_rule_that_does_not_fit_is_told_with_its_reason_to_who_administers_its_object(app: App) -> None:
    found = told(app, "'role:odd'", "FROM claims.claim", OWNER)
    assert [line[3:] for line in found if line[2] == "misfit"] == [
        ("policies/claims.csv:10", "no column 'gone'"),
        ("policies/claims.csv:11", "the mask 'hash' does not fit column 'amount'"),
        ("policies/claims.csv:9", "it is a BIGINT, and must be true or false"),
    ]
    assert "misfit" not in text(told(app, "ana", "FROM claims.claim", ANA))
    own = Principal("odo", frozenset({"role:analyst", "role:odd"}), {})
    assert "claims.csv" not in text(told(app, "odo", "FROM claims.claim", own))
    assert "gone" not in text(told(app, "odo", "FROM claims.claim", own))


def test_the_fabrics_own_tables_are_open(app: App) -> None:
    found = told(app, "ana", "FROM system.products", ANA)
    assert found == [("system.products", "", "allowed", "", ""), ("the query", "ana", "answers", "", "")]


def test_the_description_is_the_one_that_streams_and_asks_no_source(app: App) -> None:
    described = app.line.describe("EXPLAIN POLICY FOR ana FROM claims.claim", ANA, Session())
    assert described.schema.names == ["object", "reader", "effect", "rule", "detail"]
    assert described.policy_version == ""


# ── about oneself ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name", ["claims.claim", "claims.open", "claims.risk", "crm.customer", "fraud.score"]
)
def test_of_oneself_no_rule_and_no_hidden_name_is_told(app: App, name: str) -> None:
    found = told(app, "ana", f"FROM {name}", ANA)
    assert found[-1] == ("the query", "ana", "answers", "", "")
    for hidden in (
        "policies/",
        ".csv",
        "lake",
        "crm_db",
        "scores",
        "main",
        "EU",
        "0.25",
        "ssn",
        "first",
        "hash",
        "email",
    ):
        assert hidden not in text(found), hidden


def test_a_denied_part_is_told_without_its_name(app: App) -> None:
    shut = Principal("shu", frozenset({"role:analyst", "role:shut"}))
    found = told(app, "shu", "FROM claims.risk", shut)
    assert found[-1][2:] == (
        "refused",
        "",
        "ACCESS_DENIED: 'claims.risk': not allowed; ask role:claims-owner",
    )
    assert ("a part of claims.risk", "", "denied", "", "restricted by fraud") in found
    assert "score" not in text(found)


def test_what_a_missing_attribute_is_called_is_told_to_its_user(app: App) -> None:
    secret = Principal("sec", frozenset({"role:analyst", "role:secret"}))
    assert "'clearance'" in told(app, "sec", "FROM claims.open", secret)[-1][4]


# ── attacks ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "about", ["bo", "Ana", "nobody", "'role:analyst'", "'role:claims-owner'", "'domain:claims'", "''"]
)
def test_without_admin_nothing_is_told_of_others(app: App, about: str) -> None:
    """Whether the user exists makes no difference."""
    with pytest.raises(AccessDenied) as refused:
        told(app, about, "FROM claims.claim", ANA)
    assert refused.value.message == "what others may see of 'claims.claim' is told to its owner only"


def test_admin_of_one_relation_is_not_enough_for_a_statement_of_two(app: App) -> None:
    for sql in (
        "FROM claims.claim JOIN fraud.score USING (claim_id)",
        "SELECT (SELECT max(score) FROM fraud.score) FROM claims.claim",
        "WITH x AS (FROM fraud.score) FROM claims.claim",
    ):
        with pytest.raises((AccessDenied, NotFound), match=r"fraud\.score"):
            told(app, "ana", sql, OWNER)


def test_an_object_that_the_asker_may_not_know_of_is_not_there(app: App) -> None:
    """Nor does admin on one object tell of another; the answers differ in the written name alone."""
    for teller in (CLERK, Principal("eve")):
        answers = []
        for name in ("fraud.score", "fraud.nothing", "crm_db.customer", "crm_db.nothing"):
            for about in (teller.user, "ana"):
                with pytest.raises(NotFound) as refused:
                    told(app, about, f"FROM {name}", teller)
                answers.append(str(refused.value).replace(name, "X"))
        assert len(set(answers)) == 1


def test_a_user_who_is_called_as_a_hypothetical_one_is_told_nothing_more(app: App) -> None:
    somebody = Principal("somebody", frozenset({"role:analyst"}))
    with pytest.raises(AccessDenied, match="told to its owner only"):
        told(app, "'role:claims-owner'", "FROM claims.claim", somebody)
    assert told(app, "somebody", "FROM claims.claim", somebody)[-1][2] == "answers"


def test_the_verdict_on_another_repeats_no_message_that_is_for_them(app: App) -> None:
    """Who may read the parts is told their names and the reason; the product's owner, who may not, is not."""
    sql = "FROM claims.risk"
    message = "ACCESS_DENIED: 'fraud.score' and 'lake.main.claim' may not be combined: privacy board 12"
    assert told(app, "'role:apart'", sql, STEWARD)[-1][4] == message
    found = told(app, "'role:apart'", sql, OWNER)
    assert found[-1] == ("the query", "somebody", "refused", "", "ACCESS_DENIED")
    assert "fraud.score" not in text(found)


@pytest.mark.parametrize("about", ["'domain:claims'", "'a*'", "''", "'role:*'"])
def test_a_name_that_nobody_can_bear_is_granted_nothing(app: App, about: str) -> None:
    found = told(app, about, "FROM claims.claim", OWNER)
    assert found[0][2] == "not granted"
    assert found[-1][2] == "refused"


def test_a_statement_that_reads_nothing_tells_nothing(app: App) -> None:
    assert told(app, "bo", "SELECT 1", ANA) == [("the query", "bo", "answers", "", "")]


def test_a_token_that_does_not_administer_is_told_as_one_who_does_not(app: App) -> None:
    """An owner's token that is limited to another role of theirs shows no rule, of the owner neither."""
    whole = frozenset({"role:claims-owner", "role:analyst"})
    assert "policies/claims.csv:3" in text(told(app, "cora", "FROM claims.claim", Principal("cora", whole)))
    limited = ScopedPrincipal("cora", whole, {}, frozenset({"role:analyst"}))
    with pytest.raises(AccessDenied):
        told(app, "ana", "FROM claims.claim", limited)
    assert "policies/" not in text(told(app, "cora", "FROM claims.claim", limited))
