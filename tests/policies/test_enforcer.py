import ast
import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabric.types import Column
from policies import enforcer
from policies.enforcer import RuleSet
from policies.load import read_rules
from policies.objects import covers
from policies.rules import AccessRule, RulesFailed
from tests.policies.estate import ESTATE, person

CLAIM = ("claims", "claim")
CUSTOMER = ("crm", "customer")


def rule(subject: str, pattern: str, action: str, effect: str, line: int) -> AccessRule:
    return AccessRule(subject, pattern, action, effect, f"f.csv:{line}")


def load(federation: str, **domains: str) -> RuleSet:
    files = [read_rules(federation, "f.csv", None, ESTATE)]
    files += [read_rules(text, f"{name}.csv", name, ESTATE) for name, text in domains.items()]
    return RuleSet(
        [each for file in files for each in file.access],
        [each for file in files for each in file.groups],
        [each for file in files for each in file.columns],
        [each for file in files for each in file.rows],
        [each for file in files for each in file.combinations],
    )


def row_texts(rules: RuleSet, subjects: frozenset[str], parts: tuple[str, ...] = CLAIM) -> list[str]:
    return [each.text for each in rules.row_rules(subjects, parts)]


def masks(rules: RuleSet, subjects: frozenset[str], *columns: Column) -> dict[str, list[str]]:
    found = rules.column_rules(subjects, CLAIM, columns)
    return {name: [each.mask.text for each in said] for name, said in found.items()}


def combined(rules: RuleSet, subjects: frozenset[str], one: str, other: str) -> list[str]:
    found = rules.combination_rules(subjects, tuple(one.split(".")), tuple(other.split(".")))
    return [each.reason for each in found]


ALLOW = rule("ana", "claims.*", "read", "allow", 1)
ALSO = rule("role:*", "*", "read", "allow", 2)
DENY = rule("role:*", "claims.secret", "*", "deny", 3)


def test_without_any_rule_the_answer_is_no() -> None:
    # casbin itself evaluates the matcher with empty fields when it has no rules at all
    rules = RuleSet([], [])
    assert not rules.ask(frozenset({"", "ana"}), ("claims", "x"), "read").allow


def test_every_rule_that_allows_is_told() -> None:
    rules = RuleSet([ALLOW, ALSO], [])
    answer = rules.ask(rules.person(person("ana")), ("claims", "x"), "read")
    assert answer.allow
    assert set(answer.rules) == {"f.csv:1", "f.csv:2"}


def test_a_deny_is_told_from_a_lack_of_rules() -> None:
    rules = RuleSet([ALLOW, DENY], [])
    subjects = rules.person(person("ana"))
    denied, missing = (
        rules.ask(subjects, ("claims", "secret"), "read"),
        rules.ask(subjects, ("crm", "x"), "read"),
    )
    assert (denied.allow, denied.denied) == (False, True)
    assert (missing.allow, missing.denied) == (False, False)


def test_an_answer_under_the_same_patterns_is_not_given_to_an_object_that_a_rule_names() -> None:
    rules = RuleSet([ALLOW, DENY], [])
    subjects = rules.person(person("ana"))
    assert rules.ask(subjects, ("claims", "a"), "read").allow
    assert rules.ask(subjects, ("claims", "b"), "read").allow
    assert not rules.ask(subjects, ("claims", "secret"), "read").allow


def test_names_cannot_smuggle_anything_into_the_matcher() -> None:
    evil = 'x" in r.subs || true || "'
    rules = RuleSet([rule(evil, "claims.*", "read", "allow", 1), rule("bo", evil, "read", "allow", 2)], [])
    assert not rules.ask(rules.person(person("ana")), ("claims", "x"), "read").allow
    assert rules.ask(rules.person(person(evil)), ("claims", "x"), "read").allow


def test_an_exception_of_casbins_is_a_denial_and_is_not_remembered(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rules = RuleSet([ALLOW], [])
    subjects = rules.person(person("ana"))

    def fail(*_: object) -> bool:
        raise SystemError("AST constructor recursion depth mismatch")

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(rules._enforcer, "enforce", fail)
        answer = rules.ask(subjects, ("claims", "x"), "read")
    assert (answer.allow, answer.denied) == (False, True)
    assert "the answer is a denial" in caplog.text
    assert rules.ask(subjects, ("claims", "x"), "read").allow


@pytest.fixture
def _hasty_threads() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_hasty_threads")
def test_many_threads_get_the_answers_that_one_would() -> None:
    several = [rule(f"u{n}", f"claims.t{n}", "read", "allow" if n % 3 else "deny", n) for n in range(40)]
    wrong: list[object] = []

    def ask(rules: RuleSet) -> None:
        for n in range(40):
            for user in (n, n + 1):
                answer = rules.ask(rules.person(person(f"u{user}")), ("claims", f"t{n}"), "read")
                if answer.allow != (user == n and n % 3 != 0):
                    wrong.append((user, n, answer))

    for _ in range(3):
        rules = RuleSet(several, [("role:a", "role:b")])
        threads = [threading.Thread(target=ask, args=(rules,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_answers_are_right_while_other_threads_parse_python() -> None:
    # CPython 3.11 counts its parser's depth for all threads together: parsing at each question failed now and then.
    stop = threading.Event()
    wrong: list[int] = []

    def parse() -> None:
        while not stop.is_set():
            with contextlib.suppress(SystemError):  # the fault hits these threads too
                ast.parse("f(" * 40 + "a.b in c and d" + ")" * 40)

    def ask() -> None:
        rules = RuleSet([rule(f"u{n}", f"claims.t{n}", "read", "allow", n) for n in range(1000)], [])
        for n in range(1000):
            if not rules.ask(frozenset({f"u{n}"}), ("claims", f"t{n}"), "read").allow:
                wrong.append(n)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        parsing = [threading.Thread(target=parse) for _ in range(2)]
        asking = [threading.Thread(target=ask) for _ in range(3)]
        for thread in (*parsing, *asking):
            thread.start()
        for thread in asking:
            thread.join()
        stop.set()
        for thread in parsing:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []


# ── which rules match ─────────────────────────────────────────────────────────────────────────


def test_row_rules_for_the_user_a_role_an_inherited_role_and_everyone_are_collected() -> None:
    rules = load(
        "p3, ana, claims.claim, a = 1\np3, role:low, claims.*, a = 2\np3, role:*, *, a = 3\n"
        "p3, role:high, claims.claim, a = 4\np3, bo, claims.claim, a = 5\np3, ana, claims.other, a = 6\n"
        "g, role:mid, role:low\ng, ana, role:mid\n"
    )
    assert row_texts(rules, rules.person(person("ana"))) == ["a = 1", "a = 2", "a = 3"]
    assert row_texts(rules, rules.person(person("bo"))) == ["a = 3", "a = 5"]
    assert row_texts(rules, rules.person(person("carl", "role:high"))) == ["a = 3", "a = 4"]


def test_rules_come_federation_first_and_then_by_line() -> None:
    # one line of each subject and pattern, so that the index holds each in another place
    lines = (
        "p3, role:*, *, a = 1\np3, ana, claims.claim, a = 2\np3, role:x, claims.*, a = 3\np3, ana, *, a = 4\n"
    )
    before = "p3, bo, *, true\n" * 29  # so that their places do not fall into order in a set
    rules = load(before + lines, claims=lines.replace("a =", "b ="))
    expected = [f"{name} = {n}" for name in "ab" for n in (1, 2, 3, 4)]
    assert row_texts(rules, rules.person(person("ana", "role:x"))) == expected


def test_columns_are_matched_by_name_pattern_and_tag_without_case() -> None:
    rules = load(
        "p2, ana, claims.claim, SSN, hide\np2, role:*, *, *_name, hash\np2, role:a, claims.*, tag:PII, null\n"
        "p2, bo, claims.claim, *, hide\n"
    )
    columns = (
        Column("Ssn", "VARCHAR"),
        Column("last_NAME", "VARCHAR", tags=("Pii ", "x")),
        Column("amount", "BIGINT", tags=("x",)),
    )
    assert masks(rules, rules.person(person("ana", "role:a")), *columns) == {
        "ssn": ["hide"],
        "last_name": ["hash", "null"],
    }
    assert masks(rules, rules.person(person("carl")), *columns) == {"last_name": ["hash"]}


def test_an_answer_about_columns_is_not_given_to_an_object_with_others() -> None:
    # both objects lie under the same patterns, and may have the same columns with other tags
    rules = load("p2, ana, claims.*, tag:pii, hide\np2, ana, claims.*, ssn, null\n")
    ana = rules.person(person("ana"))
    assert masks(rules, ana, Column("a", "INT")) == {}
    assert masks(rules, ana, Column("a", "INT", tags=("pii",))) == {"a": ["hide"]}
    assert masks(rules, ana, Column("a", "INT", tags=("pub",))) == {}
    assert masks(rules, ana, Column("b", "INT", tags=("pii",)), Column("ssn", "INT")) == {
        "b": ["hide"],
        "ssn": ["null"],
    }


def test_of_columns_that_differ_by_case_alone_the_rules_of_both_hold() -> None:
    rules = load("p2, ana, claims.claim, tag:pii, hide\np2, ana, claims.claim, a, null\n")
    ana = rules.person(person("ana"))
    tagged, plain = Column("A", "INT", tags=("pii",)), Column("a", "INT")
    assert masks(rules, ana, tagged, plain) == {"a": ["hide", "null"]}
    assert masks(rules, ana, plain, tagged) == {"a": ["null", "hide"]}


def test_a_rule_for_one_object_that_names_a_column_which_is_not_there_is_told() -> None:
    rules = load(
        "p2, ana, claims.claim, ssn, hide\np2, ana, claims.claim, ssn, clear\np2, ana, claims.*, zip, hide\n"
        "p2, ana, claims.claim, x*, hide\np2, ana, claims.claim, tag:pii, hide\np2, bo, claims.claim, age, hide\n"
    )
    ana, bo, carl = (rules.person(person(name)) for name in ("ana", "bo", "carl"))
    gone = (Column("id", "INT"),)
    assert [each.at for each in rules.missing_columns(ana, CLAIM, gone)] == ["f.csv:1", "f.csv:2"]
    assert [each.at for each in rules.missing_columns(bo, CLAIM, gone)] == ["f.csv:6"]
    assert rules.missing_columns(carl, CLAIM, gone) == ()
    assert rules.missing_columns(ana, CLAIM, (Column("SSN", "INT"),)) == ()
    assert rules.missing_columns(ana, ("claims", "other"), gone) == ()


def test_a_combination_is_matched_in_either_order() -> None:
    rules = load(
        "p4, ana, claims.claim, scores.score, never, one\np4, role:*, policy_db.*, claims.*, never, two\n"
        "p4, bo, *, *, never, three\n"
    )
    ana, bo = rules.person(person("ana")), rules.person(person("bo"))
    for one, other in (("claims.claim", "scores.main.score"), ("scores.main.score", "claims.claim")):
        assert combined(rules, ana, one, other) == ["one"]
        assert combined(rules, bo, one, other) == ["three"]
    for one, other in (("claims.x", "policy_db.public.p"), ("policy_db.public.p", "claims.x")):
        assert combined(rules, ana, one, other) == ["two"]
    assert combined(rules, ana, "scores.main.score", "policy_db.public.p") == []
    assert combined(rules, ana, "claims.claim", "claims.other") == []
    assert combined(rules, bo, "claims.claim", "system.queries") == []


def test_a_combination_that_a_star_spells_out_is_told_once() -> None:
    rules = load("", claims="p4, ana, *, *, never, mine\n")
    assert combined(rules, rules.person(person("ana")), "claims.a", "claims_lake.main.b") == ["mine"]
    assert combined(rules, rules.person(person("ana")), "claims.a", "claims.b") == ["mine"]
    assert combined(rules, rules.person(person("ana")), "claims.a", "crm.b") == []


def test_a_star_covers_products_and_sources_and_not_system() -> None:
    rules = load("p2, ana, *, *, hide\np3, ana, *, false\n")
    ana = rules.person(person("ana"))
    for parts in (CLAIM, ("policy_db", "public", "policy")):
        assert row_texts(rules, ana, parts) == ["false"]
        assert rules.column_rules(ana, parts, [Column("a", "INT")])
    assert row_texts(rules, ana, ("system", "queries")) == []
    assert not rules.column_rules(ana, ("system", "queries"), [Column("a", "INT")])


def test_a_prefix_covers_at_any_depth() -> None:
    rules = load("p3, ana, policy_db.*, a = 1\np3, ana, policy_db.public.*, a = 2\n")
    ana = rules.person(person("ana"))
    assert row_texts(rules, ana, ("policy_db", "public", "policy")) == ["a = 1", "a = 2"]
    assert row_texts(rules, ana, ("policy_db", "private", "policy")) == ["a = 1"]


def test_everyone_means_every_person_and_no_domain() -> None:
    every = "p, role:*, *, read, allow\np2, role:*, *, *, hide\np3, role:*, *, false\n"
    rules = load(f"{every}p4, role:*, *, *, never, why\ng, domain:claims, role:all\n")
    for reader in ("domain:claims", "DOMAIN:crm", "domain:nowhere"):
        domain = rules.domain(reader)
        assert not rules.ask(domain, CLAIM, "read").allow
        assert not rules.column_rules(domain, CLAIM, [Column("a", "INT")])
        assert not rules.row_rules(domain, CLAIM)
        assert not rules.combination_rules(domain, CLAIM, CUSTOMER)


def test_rules_for_a_domain_bind_the_domain_and_no_person() -> None:
    rules = load("p2, domain:crm, *, a, hide\np3, domain:crm, *, false\np4, domain:crm, *, *, never, why\n")
    crm, other = rules.domain("domain:CRM"), rules.domain("domain:claims")
    assert masks(rules, crm, Column("a", "INT")) == {"a": ["hide"]}
    assert row_texts(rules, crm) == ["false"]
    assert rules.combination_rules(crm, CLAIM, CUSTOMER)
    for subjects in (other, rules.person(person("crm")), rules.person(person("ana", "domain:crm", "crm"))):
        assert not masks(rules, subjects, Column("a", "INT"))
        assert not row_texts(rules, subjects)
        assert not rules.combination_rules(subjects, CLAIM, CUSTOMER)


def test_a_role_that_a_domain_holds_binds_it() -> None:
    rules = load("p3, role:builder, claims.*, a = 1\ng, domain:crm, role:builder\n")
    assert row_texts(rules, rules.domain("domain:crm")) == ["a = 1"]


# ── casbin ────────────────────────────────────────────────────────────────────────────────────


def three(model: str, monkeypatch: pytest.MonkeyPatch) -> tuple[RuleSet, frozenset[str]]:
    monkeypatch.setattr(enforcer, "_MODEL", model)
    rules = load("p3, ana, *, a = 1\np3, ana, *, a = 2\np3, ana, *, a = 3\n")
    return rules, rules.person(person("ana"))


def test_casbin_collects_several_rules_because_its_effector_does_not_stop_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rules, ana = three(enforcer._MODEL, monkeypatch)
    assert row_texts(rules, ana) == ["a = 1", "a = 2", "a = 3"]
    allow_and_deny = "some(where (p.eft == allow)) && !some(where (p.eft == deny))"
    assert allow_and_deny in enforcer._MODEL
    stopping = enforcer._MODEL.replace(allow_and_deny, "some(where (p.eft == allow))")
    rules, ana = three(stopping, monkeypatch)
    found = rules._rows.find(rules._rows.patterns(CLAIM), ana)
    assert rules._enforcer.judge(found, ana, "claims.claim") == (True, ("f.csv:1",))


def test_a_rule_that_casbin_does_not_collect_is_a_failure_and_never_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stopping = enforcer._MODEL.replace(" && !some(where (p.eft == deny))", "")
    rules, ana = three(stopping, monkeypatch)
    with pytest.raises(RulesFailed), caplog.at_level(logging.ERROR):
        rules.row_rules(ana, CLAIM)
    assert "f.csv:1" in caplog.text


def questions(rules: RuleSet, who: frozenset[str]) -> list[Callable[[], object]]:
    return [
        lambda: rules.column_rules(who, CLAIM, [Column("a", "INT")]),
        lambda: rules.missing_columns(who, CLAIM, [Column("b", "INT")]),
        lambda: rules.row_rules(who, CLAIM),
        lambda: rules.combination_rules(who, CLAIM, CUSTOMER),
    ]


EACH = "p2, ana, claims.claim, a, hide\np3, ana, *, false\np4, ana, *, *, never, why\n"


def test_an_exception_of_casbins_is_never_taken_for_no_rules_and_is_not_remembered(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rules = load(EACH)

    def fail(*_: object) -> bool:
        raise SystemError("AST constructor recursion depth mismatch")

    asked = questions(rules, rules.person(person("ana")))
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(rules._enforcer, "enforce", fail)
        for question in asked:
            with pytest.raises(RulesFailed):
                question()
    assert caplog.text.count("what rests on its answer is refused") == 4
    assert all(question() for question in asked)


def test_nobody_is_not_one_without_rules() -> None:
    rules = load(EACH)
    nobody = rules.person(person("a*"))
    assert nobody == frozenset()
    for question in (each for n, each in enumerate(questions(rules, nobody)) if n != 1):
        with pytest.raises(RulesFailed):
            question()


def test_casbin_is_asked_only_over_the_few_rules_that_can_cover(monkeypatch: pytest.MonkeyPatch) -> None:
    many = "".join(
        f"p2, u{n}, claims.t{n}, c{n % 3}, hide\np3, u{n}, claims.t{n}, a = {n}\n"
        f"p4, u{n}, claims.t{n}, crm.t{n}, never, why\n"
        for n in range(200)
    )
    rules = load(many + "p2, u7, claims.*, tag:pii, hash\n")
    given: list[int] = []
    judge = rules._enforcer.judge

    def counting(found: Sequence[AccessRule], *request: object) -> tuple[bool, tuple[str, ...]]:
        given.append(len(found))
        return judge(found, *request)

    monkeypatch.setattr(rules._enforcer, "judge", counting)
    who, columns = rules.person(person("u7")), [Column(f"c{n}", "INT") for n in range(40)]
    assert rules.column_rules(who, ("claims", "t7"), columns).keys() == {"c1"}
    assert rules.row_rules(who, ("claims", "t7"))
    assert rules.combination_rules(who, ("crm", "t7"), ("claims", "t7"))
    assert given == [1, 1, 1]
    for _ in range(2):
        assert not rules.row_rules(who, ("claims", "t8"))
        assert not rules.column_rules(who, ("claims", "t8"), columns)
        assert not rules.combination_rules(who, ("claims", "t7"), ("crm", "t8"))
        assert rules.row_rules(who, ("claims", "t7"))
    assert given == [1, 1, 1]


SUBJECTS = st.sampled_from(["ana", "role:a", "role:b", "role:*", "domain:crm", "bo"])
PATTERNS = st.sampled_from(
    ["*", "claims.*", "claims.claim", "crm.*", "policy_db.public.*", "policy_db.policy"]
)
OBJECTS = st.sampled_from([CLAIM, CUSTOMER, ("policy_db", "public", "policy"), ("claims", "other")])
ROW = st.tuples(SUBJECTS, PATTERNS)
PAIR = st.tuples(SUBJECTS, PATTERNS, PATTERNS)


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, max_size=8), st.lists(PAIR, max_size=8), OBJECTS, OBJECTS)
def test_the_index_finds_all_that_a_look_at_every_rule_would(
    rows: list[tuple[str, str]],
    pairs: list[tuple[str, str, str]],
    one: tuple[str, ...],
    other: tuple[str, ...],
) -> None:
    text = "".join(f"p3, {subject}, {pattern}, true\n" for subject, pattern in rows)
    text += "".join(f"p4, {subject}, {left}, {right}, never, why\n" for subject, left, right in pairs)
    file = read_rules(text, "f.csv", None, ESTATE)
    rules = RuleSet([], [("ana", "role:a"), ("role:a", "role:b")], [], file.rows, file.combinations)
    for who in (rules.person(person("ana")), rules.person(person("bo")), rules.domain("domain:crm")):
        a, b = ".".join(one), ".".join(other)
        assert rules.row_rules(who, one) == tuple(
            each for each in file.rows if each.subject in who and covers(each.pattern, a)
        )
        assert rules.combination_rules(who, one, other) == tuple(
            each
            for each in file.combinations
            if each.subject in who
            and (
                (covers(each.left, a) and covers(each.right, b))
                or (covers(each.left, b) and covers(each.right, a))
            )
        )


@pytest.mark.usefixtures("_hasty_threads")
def test_many_threads_with_questions_of_every_kind_get_the_answers_that_one_would() -> None:
    lines = "".join(
        f"p, u{n}, claims.t{n}, read, allow\np2, u{n}, claims.*, c{n}, hide\n"
        f"p3, u{n}, claims.*, a = {n}\np4, u{n}, claims.*, crm.t{n}, never, why {n}\n"
        for n in range(30)
    )
    wrong: list[object] = []

    def ask(rules: RuleSet) -> None:
        for n in range(30):
            who, parts = rules.person(person(f"u{n}")), ("claims", f"t{n}")
            answers = (
                rules.ask(who, parts, "read").allow,
                masks(rules, who, *(Column(f"c{m}", "INT") for m in range(n, n + 3))),
                row_texts(rules, who, parts),
                combined(rules, who, f"crm.t{n}", f"claims.t{n}"),
                combined(rules, who, f"crm.t{n + 1}", f"claims.t{n}"),
            )
            if answers != (True, {f"c{n}": ["hide"]}, [f"a = {n}"], [f"why {n}"], []):
                wrong.append((n, answers))

    for _ in range(2):
        rules = load(lines)
        threads = [threading.Thread(target=ask, args=(rules,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
