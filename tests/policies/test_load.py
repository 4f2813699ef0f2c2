import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.errors import InvalidConfig
from policies.load import ACTIONS, Rules, _fields, read_rules
from tests.policies.estate import ESTATE


def read(text: str, domain: str | None = None) -> Rules:
    return read_rules(text, "policies/x.csv", domain, ESTATE)


def refusal(text: str, domain: str | None = None) -> str:
    with pytest.raises(InvalidConfig) as caught:
        read(text, domain)
    return caught.value.message


def test_a_rule_is_read_with_its_file_and_line() -> None:
    (rule,) = read("\n# kind, subject\np, role:Analyst, Claims.Open_Claims, read, allow\n").access
    assert (rule.subject, rule.pattern, rule.action, rule.effect, rule.at) == (
        "role:analyst",
        "claims.open_claims",
        "read",
        "allow",
        "policies/x.csv:3",
    )


def test_a_comment_may_stand_behind_a_rule() -> None:
    (rule,) = read("p, role:a, claims.*, read, allow   # access: object pattern, allow|deny\n").access
    assert rule.effect == "allow"


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ('p,"a, b" , c', ["p", "a, b", "c"]),
        ('p, "say ""no""", c # "x"', ["p", 'say "no"', "c"]),
        ('p, "a # b", c', ["p", "a # b", "c"]),
        ("p, role:c#1, d", ["p", "role:c#1", "d"]),
        ('p, o"b, c', ["p", 'o"b', "c"]),
        ('p, "x" # y, z', ["p", "x"]),
        ("   # only a comment, with a comma", []),
        ("", []),
        ("p,,", ["p", "", ""]),
    ],
)
def test_fields_are_those_of_csv_with_comments(line: str, fields: list[str]) -> None:
    assert _fields(line) == fields


TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="\x85"), min_size=1
)


@given(st.lists(TEXT, min_size=1, max_size=6))
def test_what_pythons_csv_writes_is_read_back(fields: list[str]) -> None:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="").writerow(fields)
    assert _fields(out.getvalue()) == [each.strip() for each in fields]


def test_every_action_and_every_action_at_once_can_be_named() -> None:
    rules = read("".join(f"p, ana, claims.*, {action}, deny\n" for action in [*sorted(ACTIONS), "*"]))
    assert len(rules.access) == len(ACTIONS) + 1


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("q, ana, claims.*, read, allow", "unknown kind 'q'"),
        ("P, ana, claims.*, read, allow", "unknown kind 'P'"),
        ("p, ana, claims.*, read", "4 fields, where 5 belong"),
        ("p, ana, claims.*, read, allow,", "6 fields, where 5 belong"),
        ("p, , claims.*, read, allow", "an empty field"),
        ("p, ana, claims.*, reed, allow", "unknown action 'reed'; did you mean 'read'?"),
        ("p, ana, claims.*, Read, allow", "unknown action 'Read'"),
        ("p, ana, claims.*, read, Deny", "the effect is 'Deny', and must be allow or deny"),
        ("p, ana, claims.*, read, allow# x", "the effect is 'allow# x'"),
        ('p, "ana, claims.*, read, allow', "a quote that is not closed"),
        ('p, "ana" x, claims.*, read, allow', "text behind a closing quote"),
        ("p, *, claims.*, read, deny", "everyone is role:*"),
        ("p, role:a*, claims.*, read, deny", "everyone is role:*"),
        ("p, group:a, claims.*, read, deny", "one is a user, role:<name> or domain:<name>"),
        ("p, role:, claims.*, read, deny", "one is a user, role:<name> or domain:<name>"),
        ("p, ana, claims, read, deny", "did you mean 'claims.*'?"),
        ("p, ana, *.customer, read, deny", "with * nowhere else"),
        ("p, ana, claims.open*, read, deny", "with * nowhere else"),
        ("p, ana, claims..x, read, deny", "with * nowhere else"),
        ("p, ana, claims.a.b, read, deny", "too many parts"),
        ("p, ana, claims.a.*, read, deny", "too many parts"),
        ("p, ana, policy_db.public.t.*, read, deny", "too many parts"),
        ("p, ana, claims.open_claims@1, read, deny", "leave the version out"),
        ("p, ana, acme.*, read, deny", "the fabric itself; everything in it is written *"),
        ("g, ana", "2 fields, where 3 belong: g, user or role, role:<name>"),
        ("g, ana, bo", "'bo' cannot be held"),
        ("g, ana, role:*", "'role:*' cannot be held"),
        ("p2, ana, claims.claim, ssn, hide", "row, column and combination rules are not in this version"),
        ('p3, ana, claims.claim, "true"', "row, column and combination rules are not in this version"),
        ("p4, ana, claims.a, crm.b, never, x", "row, column and combination rules are not in this version"),
    ],
)
def test_a_line_that_is_not_understood_keeps_the_file_from_loading(line: str, told: str) -> None:
    message = refusal(f"p, ana, claims.*, read, allow\n{line}\n")
    assert message.startswith("policies/x.csv:2: ")
    assert told in message


def test_all_wrong_lines_are_told_at_once() -> None:
    assert [line[:17] for line in refusal("x\np, a\n").splitlines()] == [
        "policies/x.csv:1:",
        "policies/x.csv:2:",
    ]


def test_a_domain_file_speaks_of_its_domains_objects_only() -> None:
    read("p, ana, claims.x, read, allow\np, ana, claims_lake.claim, read, allow\n", "claims")
    assert "'crm.customer' is not of the domain 'claims'" in refusal(
        "p, a, crm.customer, read, allow", "claims"
    )
    assert "'policy_db.*' is not of the domain" in refusal("p, a, policy_db.*, read, deny", "claims")
    assert "'system.*' is not of the domain" in refusal("p, a, system.*, read, allow", "claims")


def test_a_star_in_a_domain_file_means_what_the_domain_owns() -> None:
    rules = read("p, ana, *, read, deny\n", "claims").access
    assert {rule.pattern for rule in rules} == {"claims.*", "claims_lake.*"}


def test_memberships_stand_only_in_the_federations_file() -> None:
    assert read("g, ana, role:analyst\n").groups == (("ana", "role:analyst"),)
    assert "'g' may stand only in federation.csv" in refusal("g, ana, role:analyst\n", "claims")


def test_names_that_nothing_bears_load_with_a_warning_that_names_the_nearest() -> None:
    rules = read("p, domain:claim, clams.*, read, deny\n")
    assert rules.warnings == (
        "policies/x.csv:1: there is no domain 'claim'; did you mean 'claims'?",
        "policies/x.csv:1: there is no domain or source 'clams'; did you mean 'claims'?",
    )


def test_the_fabrics_name_in_front_of_a_product_changes_nothing() -> None:
    (rule,) = read("p, ana, acme.claims.open_claims, read, deny\n").access
    assert rule.pattern == "claims.open_claims"
