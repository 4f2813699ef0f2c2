"""What the rules say, asked of casbin: one immutable set of rules, and its answers.

Rules are indexed by subject and pattern, so that casbin judges only those that can matter; it takes 8 to 51 ms
over 10,000 rules and 0.1 ms over the few of one question. An exception of casbin's is a denial.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import casbin
from casbin.persist import Adapter

from fabric.types import Principal
from policies.load import EVERYONE, Rule
from policies.objects import covers, patterns_over

_LOG = logging.getLogger("ripstop.policies")
_MODEL = (Path(__file__).parent / "model.conf").read_text()
_MOST_ANSWERS = 100_000
_MOST_PARSES = 100


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether an action is allowed, whether a rule denies it by name, and which rules said so."""

    allow: bool
    denied: bool = False
    rules: tuple[str, ...] = ()


class _RuleAdapter(Adapter):  # type: ignore[misc]
    """Hands casbin rules that we have read; it never sees a file."""

    def __init__(self, rules: Iterable[Rule] = (), groups: Iterable[tuple[str, str]] = ()) -> None:
        self.rules = rules
        self.groups = groups

    def load_policy(self, model: casbin.model.Model) -> None:
        model["p"]["p"].policy = [[r.subject, r.pattern, r.action, r.effect, r.at] for r in self.rules]
        model["g"]["g"].policy = [list(pair) for pair in self.groups]


class _Enforcer(casbin.Enforcer):  # type: ignore[misc]
    """An enforcer that reads each matcher once; casbin itself parses it at every question.

    CPython 3.11 counts its parser's depth for all threads together, so that a parse fails now and then while
    another thread parses, whatever it parses ("AST constructor recursion depth mismatch").
    """

    def __init__(self, *arguments: Any) -> None:
        self._expressions: dict[str, Any] = {}
        super().__init__(*arguments)

    def _get_expression(self, expr: str, functions: Any = None) -> Any:
        known = self._expressions.get(expr)
        if known is None:
            known = self._expressions[expr] = self._parsed(expr, functions)
        known.functions = functions
        return known

    def _parsed(self, expr: str, functions: Any) -> Any:
        for _ in range(_MOST_PARSES):
            try:
                return casbin.Enforcer._get_expression(expr, functions)
            except SystemError:
                continue
        return casbin.Enforcer._get_expression(expr, functions)


class RuleSet:
    """Access rules and role memberships of one policy version; any thread may ask."""

    def __init__(self, rules: Iterable[Rule], groups: Iterable[tuple[str, str]]) -> None:
        self._index: dict[str, dict[str, list[Rule]]] = {}
        for rule in rules:
            self._index.setdefault(rule.pattern, {}).setdefault(rule.subject, []).append(rule)
        self._adapter = _RuleAdapter(groups=tuple(groups))
        self._enforcer = _Enforcer(casbin.Enforcer.new_model(text=_MODEL), self._adapter)
        self._seen: list[str] = []
        self._enforcer.add_function("covers", covers)
        self._enforcer.add_function("seen", self._see)
        # The enforcer holds the rules of one question at a time.
        self._lock = threading.Lock()
        self._subjects: dict[tuple[str, frozenset[str]], frozenset[str]] = {}
        self._answers: dict[tuple[frozenset[str], tuple[str, ...], str], Answer] = {}

    def person(self, principal: Principal) -> frozenset[str]:
        """Everything that a person is to the rules: their name, ``role:*``, their roles, and those they imply.

        Empty, so that nothing is allowed, for a name that could pass for another kind of subject.
        """
        user = principal.user.lower()
        if not user or set(user) & set(":*"):
            return frozenset()
        roles = frozenset(role.lower() for role in principal.roles if role.lower().startswith("role:"))
        return self._closure(user, roles | {EVERYONE})

    def domain(self, reader: str) -> frozenset[str]:
        """Everything that ``domain:<d>`` is to the rules; never ``role:*``."""
        return self._closure(reader.lower(), frozenset())

    def ask(self, subjects: frozenset[str], parts: Sequence[str], action: str) -> Answer:
        """Whether any of the subjects may do ``action`` with the object of these canonical parts."""
        patterns = tuple(pattern for pattern in patterns_over(parts) if pattern in self._index)
        # Objects under the same patterns share their answer, but one that a rule names has its own.
        key = (subjects, patterns, action)
        known = self._answers.get(key)
        if known is not None:
            return known
        rules = [
            rule
            for pattern in patterns
            for subject, said in self._index[pattern].items()
            if subject in subjects
            for rule in said
        ]
        try:
            answer = self._enforce(rules, subjects, ".".join(parts), action) if rules else Answer(False)
        except Exception:  # noqa: BLE001 - whatever it is, the answer must be no
            _LOG.exception("casbin failed; the answer is a denial")
            return Answer(False, denied=True)
        if len(self._answers) >= _MOST_ANSWERS:
            self._answers.clear()
        self._answers[key] = answer
        return answer

    def _enforce(self, rules: Sequence[Rule], subjects: frozenset[str], name: str, action: str) -> Answer:
        with self._lock:
            self._seen.clear()
            self._adapter.rules = rules
            self._adapter.load_policy(self._enforcer.model)
            allow = bool(self._enforcer.enforce(subjects, name, action))
            seen = tuple(self._seen)
        effects = {rule.at: rule.effect for rule in rules}
        denied = any(effects[at] == "deny" for at in seen)
        return Answer(allow and not denied, denied, seen)

    def _see(self, at: str) -> bool:
        self._seen.append(at)
        return True

    def _closure(self, name: str, roles: frozenset[str]) -> frozenset[str]:
        known = self._subjects.get((name, roles))
        if known is None:
            with self._lock:
                held = {name, *roles}
                for member in (name, *roles):
                    held.update(self._enforcer.get_implicit_roles_for_user(member))
            known = frozenset(held)
            if len(self._subjects) >= _MOST_ANSWERS:
                self._subjects.clear()
            self._subjects[(name, roles)] = known
        return known
