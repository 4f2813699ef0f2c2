"""How rules combine; the tests bear the sentences of DESIGN 1.5."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.combine import lifted, row_groups, strictest
from policies.load import Rules, read_rules
from policies.rules import ColumnRule, RowRule
from tests.policies.estate import ESTATE

ANA = frozenset({"ana", "role:*", "role:a", "role:b"})


def read(text: str, domain: str | None) -> Rules:
    return read_rules(text, f"{domain or 'federation'}.csv", domain, ESTATE)


def rows(federation: str = "", claims: str = "") -> list[RowRule]:
    """Rules on one object, each written ``subject: condition``."""
    found: list[RowRule] = []
    for text, domain in ((federation, None), (claims, "claims")):
        lines = [line.rpartition(": ") for line in text.split("; ") if line]
        written = (f'p3, {subject}, claims.claim, "{condition}"\n' for subject, _, condition in lines)
        found += read("".join(written), domain).rows
    return found


def groups(federation: str = "", claims: str = "", subjects: frozenset[str] = ANA) -> list[list[str]]:
    return [[rule.text for rule in group] for group in row_groups(rows(federation, claims), subjects)]


def columns(federation: str = "", claims: str = "") -> list[ColumnRule]:
    """Rules that match one column, each written ``subject: mask``."""
    found: list[ColumnRule] = []
    for text, domain in ((federation, None), (claims, "claims")):
        lines = [line.rpartition(": ") for line in text.split("; ") if line]
        written = (f"p2, {subject}, claims.claim, ssn, {mask}\n" for subject, _, mask in lines)
        found += read("".join(written), domain).columns
    return found


def shown(federation: str = "", claims: str = "") -> str:
    """``file: mask`` of what the column shows, empty when it shows itself."""
    rule = strictest(lifted(columns(federation, claims)))
    return f"{rule.file or 'federation'}: {rule.mask.text}" if rule else ""


# ── rows ──────────────────────────────────────────────────────────────────────────────────────


def test_without_a_row_rule_there_is_no_condition() -> None:
    assert groups() == []


def test_rules_for_everyone_are_anded() -> None:
    assert groups("role:*: a = 1; role:*: a = 2") == [["a = 1"], ["a = 2"]]


def test_rules_of_a_users_name_and_roles_are_ored_within_a_file() -> None:
    assert groups("ana: a = 1; role:a: a = 2; role:b: a = 3") == [["a = 1", "a = 2", "a = 3"]]


def test_rules_for_everyone_are_not_ored_with_those_of_a_role() -> None:
    assert groups("role:a: a = 1; role:*: a = 2; ana: a = 3") == [["a = 2"], ["a = 1", "a = 3"]]


def test_a_role_that_grants_access_without_a_row_rule_does_not_widen() -> None:
    # role:b has no row rule: it adds nothing to what role:a's rule leaves
    assert groups("role:a: a = 1") == [["a = 1"]]
    # and who writes true widens
    assert groups("role:a: a = 1; role:b: true") == [["a = 1", "true"]]


def test_files_are_anded_so_that_a_domain_tightens_and_never_loosens() -> None:
    assert groups("ana: a = 1", "ana: a = 2; role:a: true") == [["a = 1"], ["a = 2", "true"]]


def test_what_a_domain_is_told_is_ored_as_a_users_is() -> None:
    reader = frozenset({"domain:crm", "role:builder"})
    assert groups("domain:crm: a = 1; role:builder: a = 2", "domain:crm: a = 3", reader) == [
        ["a = 1", "a = 2"],
        ["a = 3"],
    ]


def test_a_rule_for_somebody_else_does_not_count() -> None:
    assert groups("bo: true; role:z: true; ana: a = 1; domain:crm: true") == [["a = 1"]]


def test_a_condition_that_is_said_twice_counts_once() -> None:
    assert groups("role:*: a = 1; role:*: a = 1; ana: a = 2; role:a: a = 2; role:b: a = 3") == [
        ["a = 1"],
        ["a = 2", "a = 3"],
    ]
    assert groups("ana: a = 1", "role:a: a = 1") == [["a = 1"]]
    assert groups("role:*: a = 1; ana: a = 1") == [["a = 1"]]
    assert groups("ana: a = 1; role:a: a = 2", "role:a: a = 2; ana: a = 1") == [["a = 1", "a = 2"]]


def test_of_rules_that_say_the_same_the_first_is_told() -> None:
    (group,) = row_groups(rows("role:a: a = 1; role:b: a = 1", "role:b: a = 1"), ANA)
    assert [rule.at for rule in group] == ["federation.csv:1"]
    (group,) = row_groups(rows("role:*: a = 1; role:*: a = 1"), ANA)
    assert [rule.at for rule in group] == ["federation.csv:1"]


def test_a_subquery_of_two_files_reads_with_two_rights_and_counts_twice() -> None:
    text = "ana: a IN (SELECT a FROM claims.other)"
    assert len(groups(text, text)) == 2
    assert len(groups(f"{text}; role:a: a IN (SELECT a FROM claims.other)")[0]) == 1


CONDITIONS = ["a < 1", "a < 2", "a > 0", "true", "false"]
VALUES = {
    "a < 1": {-1, 0},
    "a < 2": {-1, 0, 1},
    "a > 0": {1, 2},
    "true": {-1, 0, 1, 2},
    "false": set[int](),
}
SAID = st.lists(
    st.tuples(st.sampled_from(["role:*", "ana", "role:a", "role:b", "bo"]), st.sampled_from(CONDITIONS)),
    max_size=5,
)


def visible(found: Sequence[RowRule]) -> set[int]:
    left = set(VALUES["true"])
    for group in row_groups(found, ANA):
        left &= set[int]().union(*(VALUES[rule.text] for rule in group))
    return left


def written(said: list[tuple[str, str]]) -> str:
    return "; ".join(f"{subject}: {condition}" for subject, condition in said)


@given(SAID, SAID)
def test_the_rows_that_show_are_those_of_the_sentence(
    federation: list[tuple[str, str]], claims: list[tuple[str, str]]
) -> None:
    expected = set(VALUES["true"])
    for said in (federation, claims):
        for subject, condition in said:
            if subject == "role:*":
                expected &= VALUES[condition]
        own = [VALUES[condition] for subject, condition in said if subject in ANA - {"role:*"}]
        if own:
            expected &= set[int]().union(*own)
    assert visible(rows(written(federation), written(claims))) == expected


@given(SAID, SAID)
def test_a_domains_file_never_loosens(
    federation: list[tuple[str, str]], claims: list[tuple[str, str]]
) -> None:
    assert visible(rows(written(federation), written(claims))) <= visible(rows(written(federation)))


# ── masks ─────────────────────────────────────────────────────────────────────────────────────


def test_without_a_rule_a_column_shows_itself() -> None:
    assert shown() == ""


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("stricter", "other"),
    [("hide", "null"), ("hide", "hash"), ("null", "hash"), ("null", "last(4)"), ("null", "sql:upper(ssn)")],
)
def test_hide_beats_null_and_null_beats_every_other(stricter: str, other: str, order: int) -> None:
    both = [f"ana: {stricter}", f"ana: {other}"][::order]
    assert shown("; ".join(both)) == f"federation: {stricter}"
    assert shown("; ".join(both).replace("ana", "role:*")) == f"federation: {stricter}"


@pytest.mark.parametrize("order", [1, -1])
def test_across_files_the_stricter_mask_shows(order: int) -> None:
    for stricter, other in (("hide", "null"), ("null", "hash"), ("hide", "last(4)")):
        assert shown(f"ana: {other}", f"ana: {stricter}") == f"claims: {stricter}"
        assert shown(f"ana: {stricter}", f"ana: {other}") == f"federation: {stricter}"


def test_of_two_others_of_two_files_the_federations_shows() -> None:
    assert shown("ana: hash", "ana: last(4)") == "federation: hash"
    assert strictest(columns("ana: hash", "ana: last(4)")[::-1]) == columns("ana: hash")[0]


def test_of_two_masks_of_equal_strictness_from_one_file_the_first_shows() -> None:
    assert shown("role:b: last(4); ana: hash; role:a: email") == "federation: last(4)"
    assert shown("", "role:b: email; ana: hash") == "claims: email"


def test_within_a_file_a_rule_that_names_a_user_or_role_beats_one_for_everyone() -> None:
    for subject in ("ana", "role:a", "domain:crm"):
        assert shown(f"role:*: hide; {subject}: last(4)") == "federation: last(4)"
        assert shown(f"{subject}: last(4); role:*: hide") == "federation: last(4)"


def test_a_rule_that_names_a_user_beats_no_other_files_rule_for_everyone() -> None:
    assert shown("role:*: null", "ana: last(4)") == "federation: null"
    assert shown("ana: last(4)", "role:*: null") == "claims: null"


def test_clear_lifts_that_files_masks_for_its_subject() -> None:
    assert shown("role:*: hide; ana: clear") == ""
    assert shown("role:*: hide; role:a: clear") == ""
    assert shown("role:a: hide; role:a: clear") == ""
    assert shown("role:a: clear; role:a: hash; role:*: null") == ""


def test_clear_lifts_nothing_for_another_subject_that_the_reader_is_too() -> None:
    assert shown("role:a: clear; role:b: hash") == "federation: hash"
    assert shown("ana: clear; role:b: hash; role:*: hide") == "federation: hash"


def test_clear_lifts_no_other_files_masks() -> None:
    assert shown("role:*: email", "ana: clear; role:*: hide") == "federation: email"
    assert shown("ana: clear", "role:*: hide") == "claims: hide"


def test_clear_for_everyone_lifts_what_the_file_says_for_everyone_only() -> None:
    assert shown("role:*: hide; role:*: clear") == ""
    assert shown("role:*: clear; role:a: hash") == "federation: hash"


MASKS = st.sampled_from(["hide", "null", "hash", "last(4)", "clear"])
MASKED = st.lists(st.tuples(st.sampled_from(["role:*", "ana", "role:a", "role:b"]), MASKS), max_size=5)
STRICTNESS = {"": 0, "hash": 1, "last(4)": 1, "null": 2, "hide": 3}


def strictness(federation: list[tuple[str, str]], claims: list[tuple[str, str]]) -> int:
    return STRICTNESS[shown(written(federation), written(claims)).rpartition(" ")[2]]


@given(MASKED, MASKED)
def test_a_file_more_never_unmasks(federation: list[tuple[str, str]], claims: list[tuple[str, str]]) -> None:
    both = strictness(federation, claims)
    assert both == max(strictness(federation, []), strictness([], claims))
