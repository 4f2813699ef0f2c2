"""A token limited to some roles narrows what its user may do, and takes nothing off that restricts them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fabric.errors import AccessDenied, InvalidConfig, NotFound
from fabric.types import Principal, Relation, TableName
from policies.load import read_rules
from policies.scope import ScopedGovernor, ScopedPrincipal
from tests.policies.estate import ESTATE, Plain, governor, person, product, statement, table

POLICY = "policy_db.public.policy"
RULES = """p, role:analyst, policy_db.public.policy, read, allow
p, role:analyst, claims.open_claims, discover, allow
p, role:auditor, *, read, allow
p, role:contractor, claims.open_claims, read, deny
p, role:contractor, claims_lake.*, read, deny
p, ana, claims_lake.main.claim, read, allow
g, ana, role:auditor
g, role:analyst, role:junior
p, role:junior, policy_db.public.note, read, allow
p, role:*, policy_db.public.open, read, allow
"""


def scoped(user: str, roles: tuple[str, ...], *scope: str) -> ScopedPrincipal:
    return ScopedPrincipal(user, frozenset(roles), {}, frozenset(scope))


def judge(directory: Path) -> ScopedGovernor:
    return ScopedGovernor(governor(directory, RULES), "acme")


def govern(by: ScopedGovernor, who: Principal, *relations: Relation) -> Any:
    return by.govern(statement(*relations), who, Plain())


ANA = ("role:analyst", "role:contractor")


def test_who_has_no_scope_is_judged_as_ever(tmp_path: Path) -> None:
    by, inner = judge(tmp_path), governor(tmp_path, RULES)
    for who in (person("ana", *ANA), person("bo"), person("ana")):
        for name in (
            POLICY,
            "policy_db.public.note",
            "claims_lake.main.claim",
            "claims.open_claims",
            "system.queries",
        ):
            for action in ("discover", "read", "publish", "admin"):
                assert by.may(who, action, name) == inner.may(who, action, name)
    assert by.version == inner.version


def test_what_the_scope_grants_may_be_read_and_nothing_else(tmp_path: Path) -> None:
    by, who = judge(tmp_path), scoped("ana", ANA, "role:analyst")
    assert govern(by, who, table(POLICY, "ana")).principal == who
    # ana holds role:auditor, which may read everything: by a g line of her name, not by the scope.
    assert govern(by, person("ana", *ANA), table("policy_db.public.other", "ana"))
    with pytest.raises(NotFound):
        govern(by, who, table("policy_db.public.other", "ana"))


def test_roles_that_a_role_of_the_scope_holds_are_in_it_and_what_everyone_may_too(tmp_path: Path) -> None:
    by, who = judge(tmp_path), scoped("ana", ANA, "role:analyst")
    assert govern(by, who, table("policy_db.public.note", "ana"))
    assert govern(by, who, table("policy_db.public.open", "ana"))


def test_a_grant_to_the_user_by_name_is_out_of_every_scope(tmp_path: Path) -> None:
    by = judge(tmp_path)
    bare = scoped("ana", (), "role:analyst")
    assert govern(by, person("ana"), table("claims_lake.main.claim", "ana"))
    assert not by.may(bare, "read", "claims_lake.main.claim")


def test_a_denial_by_a_role_that_the_scope_leaves_out_still_holds(tmp_path: Path) -> None:
    by, who = judge(tmp_path), scoped("ana", (*ANA, "role:auditor"), "role:auditor")
    assert by.may(scoped("ana", ("role:auditor",), "role:auditor"), "read", "claims_lake.main.other")
    assert not by.may(who, "read", "claims_lake.main.other")
    with pytest.raises(NotFound):
        govern(by, who, table("claims_lake.main.other", "ana"))


def test_a_denial_inside_the_scope_holds_for_the_token(tmp_path: Path) -> None:
    who = scoped("ana", ("role:auditor", "role:contractor"), "role:auditor", "role:contractor")
    assert not judge(tmp_path).may(who, "read", "claims_lake.main.other")


def test_a_scope_of_a_role_that_the_user_does_not_hold_grants_nothing(tmp_path: Path) -> None:
    by = judge(tmp_path)
    assert not by.may(scoped("bo", (), "role:auditor"), "read", POLICY)
    assert not by.may(scoped("bo", ()), "read", POLICY)


def test_what_may_only_be_discovered_is_told_as_not_allowed(tmp_path: Path) -> None:
    by, who = judge(tmp_path), scoped("bo", ("role:analyst", "role:auditor"), "role:analyst")
    with pytest.raises(AccessDenied, match="not allowed with this token"):
        govern(by, who, product("claims.open_claims", "bo"))


def test_a_product_of_any_version_is_in_the_scope_of_its_name(tmp_path: Path) -> None:
    by, who = judge(tmp_path), scoped("bo", ("role:auditor",), "role:auditor")
    assert by.may(who, "read", TableName("acme", "claims", "open_claims@2"))
    assert not by.may(
        scoped("bo", ("role:auditor",), "role:x"), "read", TableName("acme", "claims", "open_claims@2")
    )


def test_every_relation_is_looked_for_before_any_is_refused(tmp_path: Path) -> None:
    """Else the order of two errors would tell what exists."""
    by, who = judge(tmp_path), scoped("bo", ("role:analyst", "role:auditor"), "role:analyst")
    shown, hidden = product("claims.open_claims", "bo"), table("policy_db.public.other", "bo")
    for relations in ((shown, hidden), (hidden, shown)):
        with pytest.raises(NotFound):
            govern(by, who, *relations)


def test_the_system_tables_are_there_and_the_rows_of_everyone_need_the_scope(tmp_path: Path) -> None:
    rules = RULES + "p, role:operator, system.*, read, allow\n"
    by = ScopedGovernor(governor(tmp_path, rules), "acme")
    roles = ("role:analyst", "role:operator")
    within, without = scoped("bo", roles, "role:operator"), scoped("bo", roles, "role:analyst")
    assert govern(by, without, table("acme.system.queries", "bo"))
    assert by.may(within, "read", "system.queries")
    assert not by.may(without, "read", "system.queries")


@pytest.mark.parametrize("line", ['p, " ", *, read, allow', "p, , *, read, allow", 'g, " ", role:admin'])
def test_no_rule_can_name_the_nobody_that_a_scope_is_asked_as(line: str) -> None:
    with pytest.raises(InvalidConfig):
        read_rules(line, "federation.csv", None, ESTATE)
