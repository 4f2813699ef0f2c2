import ast
import contextlib
import logging
import sys
import threading
from collections.abc import Iterator

import pytest

from policies.enforcer import RuleSet
from policies.load import Rule
from tests.policies.estate import person


def rule(subject: str, pattern: str, action: str, effect: str, line: int) -> Rule:
    return Rule(subject, pattern, action, effect, f"f.csv:{line}")


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
