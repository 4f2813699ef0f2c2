"""system.policies: the rules in force, to those whose objects they are about; not a word of them to others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fabric.errors import AccessDenied, NotFound
from fabric.spi import Rule
from fabric.types import Principal
from policies.scope import ScopedGovernor, ScopedPrincipal
from tests.policies.governed import ANA, BO, EVE, OPEN, App, ask, company

CRM_OWNER = Principal("cora", frozenset({"role:crm-owner"}))
CLAIMS_OWNER = Principal("carl", frozenset({"role:claims-owner"}))
STEWARD = Principal("sue")
AUDITOR = Principal("aud", frozenset({"role:auditor"}))

LINE = OPEN.count("\n") + 1
RULES = {
    "federation": """p, role:auditor, system.policies, read, allow
p2, role:*, *, tag:zqtag, hash
p3, role:*, system.queries, state = 'zqstate'
p4, role:analyst, crm.customer, fraud.score, never, zqreason
g, zqana, role:zqrole
p, sue, crm.customer, admin, allow
p, sue, crm.*, discover, allow
""",
    "crm": "# first\np3, role:analyst, crm.customer, region = 'zqregion'\np2, role:*, *, email, email\n"
    "p4, role:analyst, crm.customer, claims.claim, never, zqown\np3, role:lead, crm_db.territory, keeper = 'zqterritory'\n",
    "claims": "p3, role:analyst, claims.claim, note = 'zqnote'\n",
    "fraud": "p, role:analyst, fraud.score, read, deny\n",
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with company(tmp_path_factory.mktemp("company"), RULES) as app:
        yield app


def told(app: App, who: Principal) -> set[tuple[object, ...]]:
    return {tuple(row.values()) for row in ask(app, "FROM system.policies", who).to_pylist()}


def text(app: App, who: Principal) -> str:
    return repr(sorted(told(app, who), key=repr))


def test_who_may_read_the_table_sees_every_rule_in_force(app: App) -> None:
    found = told(app, AUDITOR)
    file = "policies/federation.csv"
    assert {
        (file, 1, "p", "role:analyst", "claims.*", "allow", "read"),
        (file, LINE + 1, "p2", "role:*", "*", "hash", "tag:zqtag"),
        (file, LINE + 2, "p3", "role:*", "system.queries", "state = 'zqstate'", ""),
        (file, LINE + 3, "p4", "role:analyst", "crm.customer", "never fraud.score", "zqreason"),
        (file, LINE + 4, "g", "zqana", "", "role:zqrole", ""),
        ("policies/crm.csv", 3, "p2", "role:*", "crm.*", "email", "email"),
        ("policies/crm.csv", 3, "p2", "role:*", "crm_db.*", "email", "email"),
        ("policies/fraud.csv", 1, "p", "role:analyst", "fraud.score", "deny", "read"),
        ("fabric.yaml", None, "p", "role:crm-owner", "crm.*", "allow", "*"),
    } <= found
    written = sum(file.count("\n") for file in RULES.values()) + OPEN.count("\n") - 1  # without the comment
    assert len({row[:2] for row in found if row[1] is not None}) == written


@pytest.mark.parametrize("who", [ANA, BO, EVE], ids=lambda who: who.user)
def test_who_owns_and_administers_nothing_sees_no_rule(app: App, who: Principal) -> None:
    assert told(app, who) == set()


def test_an_owner_sees_the_rules_on_what_is_the_domains(app: App) -> None:
    found = text(app, CRM_OWNER)
    for word in ("zqregion", "zqown", "zqterritory", "zqtag", "'email'"):
        assert word in found
    for word in ("zqnote", "zqreason", "zqstate", "zqana", "zqrole", "claims.*", "fraud.*", "lake"):
        assert word not in found


def test_a_rule_on_two_objects_is_told_to_who_has_both(app: App) -> None:
    both = Principal("dora", frozenset({"role:crm-owner", "role:fraud-owner"}))
    assert "zqreason" in text(app, both)
    assert "zqreason" not in text(app, CRM_OWNER)
    assert "zqown" not in text(app, CLAIMS_OWNER)


def test_admin_on_an_object_shows_its_rules_and_no_others(app: App) -> None:
    found = text(app, STEWARD)
    for word in ("zqregion", "zqtag", "'email'"):  # on it, on everything, on all of its domain
        assert word in found
    for word in ("zqterritory", "zqown", "zqreason", "zqnote", "zqstate", "crm_db", "zqrole"):
        assert word not in found


def test_a_denied_admin_shows_nothing(tmp_path: Path) -> None:
    rules = {
        "crm": "p, role:lead, crm.*, admin, allow\np, bo, crm.*, admin, deny\np3, role:*, crm.*, customer_id > 0\n"
        "p3, role:*, crm.customer, customer_id > 1\n"
    }
    with company(tmp_path, rules) as app:
        assert told(app, BO) == set()
        assert len(told(app, Principal("lea", frozenset({"role:lead"})))) > 2


@pytest.mark.parametrize("action", ["admin", "*"])
def test_an_owner_to_whom_admin_is_denied_is_shown_nothing_of_it(tmp_path: Path, action: str) -> None:
    """The owner may do everything with what is the domain's, *unless a rule denies*: an object, or all of it."""
    rules = {
        "federation": f"p, role:crm-owner, crm.customer, {action}, deny\np, carl, claims.*, {action}, deny\n"
        f"p, carl, lake.*, {action}, deny\np, carl, claims_uploads.*, {action}, deny\np3, role:*, claims.*, true\np, domain:crm, claims.claim, read, allow\n",
        "crm": "p3, role:*, crm.customer, 'zqdenied' <> name\np3, role:*, crm_db.customer, 'zqown' <> name\n"
        "p4, role:*, crm.customer, claims.claim, never, zqdenied\n",
        "claims": "p3, role:*, claims.claim, 'zqcarl' <> note\np3, role:*, lake.claim, 'zqcarl' <> note\n",
    }
    with company(tmp_path, rules) as app:
        assert "zqown" in text(app, CRM_OWNER)
        assert "zqdenied" not in text(app, CRM_OWNER)
        assert told(app, CLAIMS_OWNER) == set()
        report = "EXPLAIN POLICY FOR ana FROM {}"
        for name, who in (("crm.customer", CRM_OWNER), ("claims.claim", CLAIMS_OWNER)):
            with pytest.raises((AccessDenied, NotFound)):
                ask(app, report.format(name), who)
        assert "zqown" in repr(ask(app, report.format("crm_db.customer"), CRM_OWNER).to_pylist())


def test_admin_of_everything_is_not_admin_of_the_fabrics_own_tables(tmp_path: Path) -> None:
    rules = {"federation": "p, sue, *, admin, allow\np3, role:*, system.*, true\n"}
    with company(tmp_path, rules) as app:
        found = told(app, STEWARD)
    assert found
    assert not [row for row in found if str(row[4]).startswith("system")]


def test_a_token_shows_the_rules_only_where_its_roles_would(app: App) -> None:
    roles = frozenset({"role:crm-owner", "role:auditor"})
    for scope, wanted in (("role:crm-owner", CRM_OWNER), ("role:auditor", AUDITOR), ("role:analyst", EVE)):
        assert told(app, ScopedPrincipal("cora", roles, {}, frozenset({scope}))) == told(app, wanted)


def test_a_rule_of_a_users_own_name_is_no_right_to_see_it(tmp_path: Path) -> None:
    rules = {"claims": "p, ana, claims.claim, read, deny\np3, ana, claims.claim, region = 'EU'\n"}
    with company(tmp_path, rules) as app:
        assert told(app, ANA) == set()


def test_a_changed_file_shows_as_it_is_in_force(tmp_path: Path) -> None:
    with company(tmp_path, {}) as app:
        before = app.governor.rules(None)
        (tmp_path / "policies" / "crm.csv").write_text("p3, role:*, crm.customer\n", encoding="utf-8")
        assert app.governor.rules(None) == before  # it does not load: the last good one is in force
        scoped = ScopedGovernor(app.governor, "acme")
        assert scoped.rules(CRM_OWNER) == app.governor.rules(CRM_OWNER)
        assert all(isinstance(rule, Rule) for rule in before)
