import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from fabric.errors import InvalidConfig
from policies.load import ACTIONS, Rules, _fields, read_rules
from policies.objects import Estate
from policies.rules import selects
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
        ("p, ana, claims.*, read, ", "an empty field"),
        ('p, ana, claims.*, read, "  "', "an empty field"),
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
        ("p5, ana, claims.claim, ssn, hide", "unknown kind 'p5'"),
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


# ── columns ───────────────────────────────────────────────────────────────────────────────────


def test_a_column_rule_is_read_with_its_file_and_line() -> None:
    (rule,) = read("\np2, role:Analyst, Claims_Lake.Claim, Claimant_SSN, hide   # for all\n").columns
    assert (rule.subject, rule.pattern, rule.column) == (
        "role:analyst",
        "claims_lake.main.claim",
        "claimant_ssn",
    )
    assert (rule.mask.name, rule.mask.strictness) == ("hide", 3)
    assert (rule.at, rule.file) == ("policies/x.csv:2", None)


def test_a_column_is_a_name_a_name_pattern_or_a_tag() -> None:
    rules = read("".join(f"p2, ana, claims.x, {column}, null\n" for column in ("SSN", "*_SSN", "Tag: PII ")))
    assert [rule.column for rule in rules.columns] == ["ssn", "*_ssn", "tag:pii"]


@pytest.mark.parametrize(
    ("pattern", "column", "tags", "selected"),
    [
        ("ssn", "ssn", (), True),
        ("ssn", "ssn2", (), False),
        ("*", "anything", (), True),
        ("*_ssn", "claimant_ssn", (), True),
        ("*_ssn", "claimant_ssn_", (), False),
        ("ssn*", "ssn", (), True),
        ("a*b*c", "a-b-b-c", (), True),
        ("a*b*c", "a-c-b", (), False),
        ("a?c", "abc", (), False),
        ("a?c", "a?c", (), True),
        ("a?*", "a?c", (), True),
        ("a?*", "abc", (), False),
        ("[ab]*", "a1", (), False),
        ("[ab]*", "[ab]1", (), True),
        ("a.*", "abc", (), False),
        ("line*", "line\nbreak", (), True),
        ("*a" * 30 + "b", "a" * 200, (), False),
        ("tag:pii", "ssn", ("pii",), True),
        ("tag:pii", "ssn", ("email", "pii"), True),
        ("tag:pii", "pii", (), False),
        ("tag:pii", "tag:pii", (), False),
        ("tag:pii", "ssn", ("pii2",), False),
    ],
)
def test_a_column_pattern_selects_its_columns_and_no_other(
    pattern: str, column: str, tags: tuple[str, ...], selected: bool
) -> None:
    assert selects(pattern, column, tags) is selected


@given(st.text("ab?[]!-^\\\\.*", max_size=8), st.text("ab?[]!-^\\\\.", max_size=8))
def test_in_a_column_pattern_only_the_star_is_special(pattern: str, column: str) -> None:
    def matches(left: str, name: str) -> bool:
        if not left:
            return not name
        if left[0] == "*":
            return any(matches(left[1:], name[cut:]) for cut in range(len(name) + 1))
        return name[:1] == left[0] and matches(left[1:], name[1:])

    assert selects(pattern, column, ()) is matches(pattern, column)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("p2, ana, claims.x, ssn", "4 fields, where 5 belong: p2, subject, object, column"),
        ("p2, ana, claims.x, ssn, hide, now", "6 fields, where 5 belong"),
        ("p2, ana, claims.x, ssn, sql:left(ssn, 2)", "quote what holds a comma"),
        ("p2, ana, claims.x, , hide", "an empty field"),
        ("p2, ana, claims.x, ssn, ", "an empty field"),
        ("p2, ana, claims.x, tag:, hide", "'tag:' is no tag"),
        ("p2, ana, claims.x, tag:p*, hide", "'tag:p*' is no tag"),
        ("p2, ana, claims, ssn, hide", "did you mean 'claims.*'?"),
        ("p2, *, claims.x, ssn, hide", "everyone is role:*"),
    ],
)
def test_a_column_rule_that_is_not_understood_keeps_the_file_from_loading(line: str, told: str) -> None:
    message = refusal(f"# first\n{line}\n")
    assert message.startswith("policies/x.csv:2: ")
    assert told in message


@pytest.mark.parametrize(
    "mask", ["hid", "Hide", "last", "last(x)", "hide(2)", "sql:", "sql:1 +", "sql:sum(x)"]
)
def test_an_unknown_mask_is_refused_with_file_and_line(mask: str) -> None:
    assert refusal(f"\n\np2, ana, claims.x, ssn, {mask}\n").startswith("policies/x.csv:3: ")


def test_the_expression_of_a_mask_is_over_the_rules_own_column() -> None:
    assert read("p2, ana, claims.x, ssn, sql:upper(SSN)\np2, ana, claims.x, ssn, sql:upper(value)\n").columns
    assert refusal("p2, ana, claims.x, ssn, sql:upper(name)\n").startswith("policies/x.csv:1: ")


# ── rows ──────────────────────────────────────────────────────────────────────────────────────


def test_a_row_rule_is_read_with_its_file_and_line() -> None:
    (rule,) = read("p3, role:analyst, claims_lake.claim, \"region = attr('region')\" # theirs\n").rows
    assert (rule.subject, rule.pattern, rule.text) == (
        "role:analyst",
        "claims_lake.main.claim",
        "region = attr('region')",
    )
    assert rule.condition.find(exp.Column)
    assert (rule.at, rule.file) == ("policies/x.csv:1", None)


def test_a_row_rule_without_a_comma_needs_no_quotes() -> None:
    (rule,) = read("p3, ana, claims.x, amount > 5 # dear ones\n").rows
    assert rule.text == "amount > 5"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("p3, ana, claims.x", "3 fields, where 4 belong: p3, subject, object, expression"),
        ("p3, ana, claims.x, a in (1, 2)", "quote what holds a comma"),
        ("p3, ana, claims.x, ", "an empty field"),
    ],
)
def test_a_row_rule_of_another_form_is_refused_with_file_and_line(line: str, told: str) -> None:
    message = refusal(f"{line}\n")
    assert message.startswith("policies/x.csv:1: ")
    assert told in message


@pytest.mark.parametrize(
    "expression",
    [
        "region =",
        "(region = 'EU'",
        "region = 'EU') OR (true",
        "true; DROP TABLE x",
        "1 = 1, 2 = 2",
        "(" * 3000 + "true" + ")" * 3000,
    ],
)
def test_an_expression_that_does_not_parse_is_refused_with_file_and_line(expression: str) -> None:
    assert refusal(f'\np3, ana, claims.x, "{expression}"\n').startswith("policies/x.csv:2: ")


def test_an_unquoted_expression_that_a_comment_cuts_does_not_load() -> None:
    assert read("p3, ana, claims.x, a = '#1'\n").rows
    assert refusal("p3, ana, claims.x, a = 'x # y'\n").startswith("policies/x.csv:1: ")


@pytest.mark.parametrize(
    "expression",
    ["amount > avg(amount)", "row_number() OVER () < 5", "random() < 0.5", "uuid() IS NULL"],
)
def test_aggregates_windows_and_volatile_functions_are_refused(expression: str) -> None:
    assert refusal(f'\np3, ana, claims.x, "{expression}"\n').startswith("policies/x.csv:2: ")


@pytest.mark.parametrize(
    ("pattern", "table"),
    [
        ("claims.x", "claims.x"),
        ("claims.x", "CLAIMS.X"),
        ("claims.x", '""claims"".""x""'),
        ("claims.x", "acme.claims.x"),
        ("claims.x", '""Acme"".claims.x'),
        ("claims.x", 'claims.""x@2""'),
        ("acme.claims.x", "claims.x"),
        ("claims.*", "claims.y"),
        ("*", "crm.customer"),
        ("*", "policy_db.public.policy"),
        ("policy_db.policy", "policy_db.public.policy"),
        ("policy_db.public.policy", "policy_db.policy"),
        ("policy_db.*", "policy_db.private.other"),
        ("policy_db.public.*", "policy_db.policy"),
        ("claims_lake.claim", "claims_lake.main.claim"),
        ("claims_lake.main.claim", "claims_lake.claim"),
    ],
)
def test_an_expression_over_the_rules_own_object_is_refused(pattern: str, table: str) -> None:
    message = refusal(f'p3, ana, {pattern}, "id IN (SELECT id FROM {table})"\n')
    assert message.startswith("policies/x.csv:1: ")
    assert "which the rule itself restricts" in message


def test_its_own_object_is_found_however_deep_it_stands() -> None:
    deep = "EXISTS (SELECT 1 FROM crm.a JOIN (SELECT id FROM claims.x) b USING (id))"
    assert "which the rule itself restricts" in refusal(f'p3, ana, claims.x, "{deep}"\n')
    named = "id IN (WITH mine AS (SELECT id FROM claims.x) SELECT id FROM mine)"
    assert refusal(f'p3, ana, claims.x, "{named}"\n').startswith("policies/x.csv:1: ")


def test_a_star_in_a_domain_file_has_own_objects_too() -> None:
    for own in ("claims.x", "claims_lake.claim"):
        line = f'p3, ana, *, "id IN (SELECT id FROM {own})"\n'
        assert "which the rule itself restricts" in refusal(line, "claims")
    assert len(read('p3, ana, *, "id IN (SELECT id FROM crm.customer)"\n', "claims").rows) == 2


@pytest.mark.parametrize("table", ["crm.customer", "acme.crm.customer", "policy_db.policy", "claims.y"])
def test_an_expression_may_read_other_objects(table: str) -> None:
    assert read(f'p3, ana, claims.x, "id IN (SELECT id FROM {table})"\n').rows


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("customer", "domain.product or source.schema.table"),
        ("crm.main.customer", "a rule names a table as"),
        ("acme.customer", "a rule names a table as"),
        ("crn.customer", "there is no domain or source 'crn'; did you mean 'crm'?"),
        ("system.queries", "a rule cannot read the fabric's own tables"),
        ("acme.information_schema.tables", "a rule cannot read the fabric's own tables"),
    ],
)
def test_names_in_an_expression_are_bound_at_load(table: str, told: str) -> None:
    message = refusal(f'p3, ana, claims.x, "id IN (SELECT id FROM {table})"\n')
    assert message.startswith("policies/x.csv:1: ")
    assert told in message


def test_where_a_source_has_several_schemas_an_expression_must_say_which() -> None:
    several = Estate("acme", {"claims": "o", "crm": "carla"}, {"db": "crm"}, {"db": ""})
    with pytest.raises(InvalidConfig, match=r"f:1: 'db' has several schemas; write db\.<schema>\.t"):
        read_rules('p3, ana, claims.x, "id IN (SELECT id FROM db.t)"', "f", None, several)
    assert read_rules('p3, ana, claims.x, "id IN (SELECT id FROM db.a.t)"', "f", None, several).rows


def test_a_bad_expression_is_refused_each_time_it_is_read() -> None:
    # expressions that were read are remembered by their text
    for _ in range(2):
        assert refusal('p3, ana, claims.x, "region ="\n').startswith("policies/x.csv:1: ")
    assert read('p3, ana, claims.x, "a IN (SELECT a FROM crm.y)"\n').rows
    assert "restricts" in refusal('p3, ana, crm.y, "a IN (SELECT a FROM crm.y)"\n')


# ── combinations ──────────────────────────────────────────────────────────────────────────────


def test_a_combination_rule_is_read_with_its_file_and_line() -> None:
    line = 'p4, role:analyst, claims_lake.claim, scores.Score, never, "re-identification (board 12, a)"\n'
    (rule,) = read(line).combinations
    assert (rule.subject, rule.left, rule.right) == (
        "role:analyst",
        "claims_lake.main.claim",
        "scores.main.score",
    )
    assert rule.reason == "re-identification (board 12, a)"
    assert (rule.at, rule.file) == ("policies/x.csv:1", None)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("p4, ana, claims.x, crm.y, never", "5 fields, where 6 belong: p4, subject, object, object, never"),
        ("p4, ana, claims.x, crm.y, never, because, so", "quote what holds a comma"),
        ("p4, ana, claims.x, crm.y, never, ", "an empty field"),
        ('p4, ana, claims.x, crm.y, never, ""', "an empty field"),
        ("p4, ana, claims.x, , never, why", "an empty field"),
        ("p4, ana, claims.x, crm.y, Never, why", "'Never', and must be never"),
        ("p4, ana, claims.x, crm.y, always, why", "'always', and must be never"),
        ("p4, ana, claims.x, crm, never, why", "did you mean 'crm.*'?"),
    ],
)
def test_a_combination_rule_of_another_form_is_refused_with_file_and_line(line: str, told: str) -> None:
    message = refusal(f"\n{line}\n")
    assert message.startswith("policies/x.csv:2: ")
    assert told in message


# ── a domain's file ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "line",
    [
        "p, a, crm.y, read, allow",
        "p2, a, crm.y, ssn, hide",
        "p3, a, crm.y, true",
        "p2, a, policy_db.*, ssn, hide",
        "p3, a, system.*, true",
        "p3, a, nowhere.x, true",
        "p2, a, crm.y, ssn, clear",
    ],
)
def test_a_foreign_object_in_a_domains_file_is_refused_with_file_and_line(line: str) -> None:
    message = refusal(f"\n{line}\n", "claims")
    assert message.startswith("policies/x.csv:2: ")
    assert "is not of the domain 'claims', whose file this is" in message


def test_in_a_combination_one_of_the_two_must_be_the_domains_own() -> None:
    for pair in ("claims.x, crm.y", "crm.y, claims.x", "claims_lake.*, *", "crm.y, *", "claims.x, claims.z"):
        assert read(f"p4, a, {pair}, never, why\n", "claims").combinations
    message = refusal("p4, a, crm.y, scores.score, never, why\n", "claims")
    assert message.startswith(
        "policies/x.csv:1: neither 'crm.y' nor 'scores.score' is of the domain 'claims'"
    )


def test_a_rule_of_a_domains_file_is_known_as_its() -> None:
    lines = "p2, a, claims.x, ssn, hide\np3, a, claims.x, true\np4, a, claims.x, crm.y, never, why\n"
    rules = read(lines, "claims")
    assert {rule.file for rule in (*rules.columns, *rules.rows, *rules.combinations)} == {"claims"}


def test_a_star_in_a_domains_file_means_its_own_objects_for_every_kind() -> None:
    lines = "p2, a, *, ssn, hide\np3, a, *, true\np4, a, *, crm.y, never, why\np4, a, crm.y, *, never, w\n"
    rules = read(lines, "claims")
    assert [rule.pattern for rule in rules.columns] == ["claims.*", "claims_lake.*"]
    assert [rule.pattern for rule in rules.rows] == ["claims.*", "claims_lake.*"]
    assert [(rule.left, rule.right) for rule in rules.combinations] == [
        ("claims.*", "crm.y"),
        ("claims_lake.*", "crm.y"),
        ("crm.y", "claims.*"),
        ("crm.y", "claims_lake.*"),
    ]


def test_a_combination_with_a_name_that_nothing_bears_loads_with_a_warning() -> None:
    assert read("p4, a, claims.x, crn.y, never, why\n", "claims").warnings == (
        "policies/x.csv:1: there is no domain or source 'crn'; did you mean 'crm'?",
    )


# ── subjects and objects ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["p2, {}, claims.x, c, hide", "p3, {}, claims.x, true"])
@pytest.mark.parametrize("subject", ["ana", "role:analyst", "role:*", "domain:claims"])
def test_a_user_a_role_everyone_and_a_domain_are_subjects(kind: str, subject: str) -> None:
    rules = read(kind.format(subject.upper().replace("ROLE:", "Role:")))
    assert [rule.subject for rule in (*rules.columns, *rules.rows)] == [subject]


@pytest.mark.parametrize(
    ("written", "pattern"),
    [
        ("claims.Open_Claims", "claims.open_claims"),
        ("policy_db.policy", "policy_db.public.policy"),
        ("claims_lake.claim", "claims_lake.main.claim"),
        ("policy_db.public.*", "policy_db.public.*"),
        ("policy_db.*", "policy_db.*"),
        ("*", "*"),
    ],
)
def test_objects_of_every_kind_are_those_of_access_rules(written: str, pattern: str) -> None:
    rules = read(
        f"p, a, {written}, read, allow\np2, a, {written}, c, hide\np3, a, {written}, true\n"
        f"p4, a, {written}, {written}, never, why\n"
    )
    assert [rule.pattern for rule in (*rules.access, *rules.columns, *rules.rows)] == [pattern] * 3
    assert [(rule.left, rule.right) for rule in rules.combinations] == [(pattern, pattern)]


def test_the_rules_of_the_design_load() -> None:
    rules = read(
        """# kind, subject, object, …                                   a comment may also stand behind a rule
p,  role:analyst, claims.*,      read, allow               # access: object pattern, action, allow|deny
p,  domain:claims, crm.customer, read, allow               # a domain needs access to what it builds on
p2, role:analyst, claims.claim,  claimant_ssn, hide        # columns: name, name pattern or tag:x → mask
p2, role:*,       *,             tag:email, email
p3, role:analyst, claims.claim,  "region = attr('region')" # rows
p4, role:analyst, claims.claim,  fraud.score, never, "re-identification (privacy board 12)"   # combination
g,  ana, role:analyst                                      # only in federation.csv
"""
    )
    assert [len(each) for each in (rules.access, rules.columns, rules.rows, rules.combinations)] == [
        2,
        2,
        1,
        1,
    ]
    assert rules.groups == (("ana", "role:analyst"),)
    assert rules.warnings == ()
