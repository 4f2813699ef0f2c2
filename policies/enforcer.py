"""What the rules say, asked of casbin: one immutable set of rules, and its answers.

Rules are indexed by subject and pattern, so that casbin judges only those that can matter; it takes 8 to 51 ms
over 10,000 rules and 0.1 ms over the few of one question. An exception of casbin's is a denial.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import casbin
from casbin.core_enforcer import EnforceContext
from casbin.persist import Adapter

from fabric.types import Column, Principal
from policies.objects import covers, patterns_over
from policies.rules import (
    EVERYONE,
    AccessRule,
    ColumnRule,
    CombinationRule,
    RowRule,
    RulesFailed,
    selects,
)

_LOG = logging.getLogger("ripstop.policies")
_MODEL = (Path(__file__).parent / "model.conf").read_text()
_MOST_ANSWERS = 100_000
_MOST_TABLES = 10_000  # answers that name every column of an object
_MOST_PARSES = 100

Subjects = frozenset[str]
_Rule = TypeVar("_Rule", AccessRule, ColumnRule, RowRule, CombinationRule)
_Restriction = TypeVar("_Restriction", ColumnRule, RowRule, CombinationRule)
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether an action is allowed, whether a rule denies it by name, and which rules said so."""

    allow: bool
    denied: bool = False
    rules: tuple[str, ...] = ()


class _GroupAdapter(Adapter):  # type: ignore[misc]
    """Hands casbin the memberships that we have read; it never sees a file. Rules follow with each question."""

    def __init__(self, groups: Iterable[tuple[str, str]]) -> None:
        self.groups = groups

    def load_policy(self, model: casbin.model.Model) -> None:
        model["g"]["g"].policy = [list(pair) for pair in self.groups]


class _Enforcer(casbin.Enforcer):  # type: ignore[misc]
    """An enforcer that holds the rules of one question at a time, and reads each matcher once.

    Casbin itself parses it at every question. CPython 3.11 counts its parser's depth for all threads together,
    so that a parse fails now and then while another thread parses, whatever it parses ("AST constructor
    recursion depth mismatch").
    """

    def __init__(self, groups: Iterable[tuple[str, str]]) -> None:
        self._expressions: dict[str, Any] = {}
        self._seen: list[str] = []
        self._lock = threading.Lock()
        super().__init__(casbin.Enforcer.new_model(text=_MODEL), _GroupAdapter(groups))
        self.add_function("covers", covers)
        self.add_function("selects", selects)
        self.add_function("seen", self._see)

    def judge(self, rules: Sequence[_Rule], *request: object) -> tuple[bool, tuple[str, ...]]:
        """Casbin's answer by these rules alone, and the ``file:line`` of each that matches."""
        kind = rules[0].kind
        with self._lock:
            self._seen.clear()
            self.model["p"][kind].policy = [rule.fields() for rule in rules]
            number = kind[1:]
            context = EnforceContext(f"r{number}", kind, f"e{number}", f"m{number}")
            return bool(self.enforce(context, *request)), tuple(self._seen)

    def roles(self, members: Iterable[str]) -> frozenset[str]:
        """The members, and every role that they hold."""
        with self._lock:
            held = set(members)
            for member in tuple(held):
                held.update(self.get_implicit_roles_for_user(member))
        return frozenset(held)

    def _see(self, at: str) -> bool:
        self._seen.append(at)
        return True

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


class _Index(Generic[_Rule]):
    """Rules in the order of loading, found by pattern and subject."""

    def __init__(self, rules: Iterable[_Rule], patterns_of: Callable[[_Rule], Iterable[str]]) -> None:
        self._rules: tuple[_Rule, ...] = tuple(rules)
        self._places: dict[str, dict[str, list[int]]] = {}
        for place, rule in enumerate(self._rules):
            for pattern in patterns_of(rule):
                self._places.setdefault(pattern, {}).setdefault(rule.subject, []).append(place)

    def patterns(self, parts: Sequence[str]) -> tuple[str, ...]:
        """The patterns over an object that any rule has.

        Objects under the same ones share their answers; one that a rule names has its own.
        """
        return tuple(pattern for pattern in patterns_over(parts) if pattern in self._places)

    def find(self, patterns: Iterable[str], subjects: Subjects) -> list[_Rule]:
        """The rules with these patterns and subjects, in the order of loading."""
        found: set[int] = set()
        for pattern in patterns:
            said = self._places[pattern]
            for subject in subjects & said.keys():
                found.update(said[subject])
        return [self._rules[place] for place in sorted(found)]


class RuleSet:
    """The rules and role memberships of one policy version; any thread may ask.

    What casbin cannot answer is never taken for silence: ``ask`` says no, the others raise ``RulesFailed``.
    """

    def __init__(
        self,
        access: Iterable[AccessRule],
        groups: Iterable[tuple[str, str]],
        columns: Iterable[ColumnRule] = (),
        rows: Iterable[RowRule] = (),
        combinations: Iterable[CombinationRule] = (),
    ) -> None:
        self._access = _Index(access, lambda rule: (rule.pattern,))
        self._columns = _Index(columns, lambda rule: (rule.pattern,))
        self._rows = _Index(rows, lambda rule: (rule.pattern,))
        self._combinations = _Index(combinations, lambda rule: (rule.left, rule.right))
        self._enforcer = _Enforcer(tuple(groups))
        self._subjects: dict[tuple[str, Subjects], Subjects] = {}
        self._answers: dict[tuple[Subjects, tuple[str, ...], str], Answer] = {}
        self._column_answers: dict[object, dict[str, tuple[ColumnRule, ...]]] = {}
        self._row_answers: dict[object, tuple[RowRule, ...]] = {}
        self._combination_answers: dict[object, tuple[CombinationRule, ...]] = {}

    def person(self, principal: Principal) -> Subjects:
        """Everything that a person is to the rules: their name, ``role:*``, their roles, and those they imply.

        Empty, so that nothing is allowed, for a name that could pass for another kind of subject.
        """
        user = principal.user.lower()
        if not user or set(user) & set(":*"):
            return frozenset()
        roles = frozenset(role.lower() for role in principal.roles if role.lower().startswith("role:"))
        return self._closure(user, roles | {EVERYONE})

    def domain(self, reader: str) -> Subjects:
        """Everything that ``domain:<d>`` is to the rules; never ``role:*``."""
        return self._closure(reader.lower(), frozenset())

    def ask(self, subjects: Subjects, parts: Sequence[str], action: str) -> Answer:
        """Whether any of the subjects may do ``action`` with the object of these canonical parts."""
        key = (subjects, self._access.patterns(parts), action)
        known = self._answers.get(key)
        if known is not None:
            return known
        rules = self._access.find(key[1], subjects)
        try:
            answer = self._allows(rules, subjects, ".".join(parts), action) if rules else Answer(False)
        except Exception:  # noqa: BLE001 - whatever it is, the answer must be no
            _LOG.exception("casbin failed; the answer is a denial")
            return Answer(False, denied=True)
        return _kept(self._answers, key, answer)

    def column_rules(
        self, subjects: Subjects, parts: Sequence[str], columns: Sequence[Column]
    ) -> dict[str, tuple[ColumnRule, ...]]:
        """The column rules that match, by lower-cased name; a column that none matches is left out.

        The answer is remembered: it is not for changing.

        Raises:
            RulesFailed: casbin could not say.
        """
        patterns = self._columns.patterns(parts)
        if not patterns:
            return {}
        asked = tuple((column.name.lower(), column.tags) for column in columns)
        key = (subjects, patterns, asked)
        known = self._column_answers.get(key)
        if known is not None:
            return known
        rules = self._columns.find(patterns, subjects)
        answer: dict[str, tuple[ColumnRule, ...]] = {}
        for name, written_tags in asked:
            tags = frozenset(tag.strip().lower() for tag in written_tags)
            able = [rule for rule in rules if selects(rule.column, name, tags)]
            found = self._matching(able, subjects, ".".join(parts), name, tags)
            if found:
                # Names that differ by case alone are one column to DuckDB: what holds for either holds.
                both = {rule.at: rule for rule in (*answer.get(name, ()), *found)}
                answer[name] = tuple(both.values())
        return _kept(self._column_answers, key, answer, most=_MOST_TABLES)

    def missing_columns(
        self, subjects: Subjects, parts: Sequence[str], columns: Sequence[Column]
    ) -> tuple[ColumnRule, ...]:
        """The rules for this very object that name a column which is not among its columns.

        Raises:
            RulesFailed: casbin could not say.
        """
        there = {column.name.lower() for column in columns}
        named = [
            Column(rule.column, "")
            for rule in self._columns.find(self._columns.patterns(parts), subjects)
            if rule.names_one and rule.column not in there
        ]
        answer = self.column_rules(subjects, parts, named) if named else {}
        return tuple(rule for rules in answer.values() for rule in rules if rule.names_one)

    def row_rules(self, subjects: Subjects, parts: Sequence[str]) -> tuple[RowRule, ...]:
        """The row rules that match, in the order of loading: federation.csv, then the domains' files.

        Raises:
            RulesFailed: casbin could not say.
        """
        patterns = self._rows.patterns(parts)
        if not patterns:
            return ()
        key = (subjects, patterns)
        known = self._row_answers.get(key)
        if known is not None:
            return known
        rules = self._rows.find(patterns, subjects)
        return _kept(self._row_answers, key, self._matching(rules, subjects, ".".join(parts)))

    def is_combined(self, parts: Sequence[str]) -> bool:
        """Whether any combination rule is about the object, whoever asks."""
        return bool(self._combinations.patterns(parts))

    def apart(self, subjects: Subjects, parts: Sequence[str]) -> list[CombinationRule]:
        """The combination rules of these subjects that name the object, with whatever other."""
        return self._combinations.find(self._combinations.patterns(parts), subjects)

    def combination_rules(
        self, subjects: Subjects, one: Sequence[str], other: Sequence[str]
    ) -> tuple[CombinationRule, ...]:
        """The combination rules that forbid the two objects in one query, whichever is named first.

        Raises:
            RulesFailed: casbin could not say.
        """
        ones, others = self._combinations.patterns(one), self._combinations.patterns(other)
        if not ones or not others:
            return ()
        key = (subjects, ones, others)
        known = self._combination_answers.get(key)
        if known is not None:
            return known
        rules = [
            rule
            for rule in self._combinations.find(ones, subjects)
            if (rule.left in ones and rule.right in others) or (rule.right in ones and rule.left in others)
        ]
        found = self._matching(rules, subjects, ".".join(one), ".".join(other))
        return _kept(self._combination_answers, key, found)

    def _allows(self, rules: Sequence[AccessRule], subjects: Subjects, name: str, action: str) -> Answer:
        allow, seen = self._enforcer.judge(rules, subjects, name, action)
        effects = {rule.at: rule.effect for rule in rules}
        denied = any(effects[at] == "deny" for at in seen)
        return Answer(allow and not denied, denied, seen)

    def _matching(
        self, rules: Sequence[_Restriction], subjects: Subjects, *request: object
    ) -> tuple[_Restriction, ...]:
        """The rules that casbin says match; it must agree with the index, which found them too.

        Casbin collects them only because its effector does not stop at the first.
        """
        if not subjects:
            raise RulesFailed("nobody asks: no rule can be matched")
        if not rules:
            return ()
        named = {rule.at: rule for rule in rules}
        try:
            _, seen = self._enforcer.judge(rules, subjects, *request)
        except Exception as error:
            _LOG.exception("casbin failed; what rests on its answer is refused")
            raise RulesFailed("the rules could not be asked") from error
        if set(seen) != named.keys():
            _LOG.error("casbin matched %s, where the index has %s; refused", sorted(seen), sorted(named))
            raise RulesFailed("the rules could not be asked")
        return tuple(named.values())

    def _closure(self, name: str, roles: Subjects) -> Subjects:
        key = (name, roles)
        known = self._subjects.get(key)
        return (
            known if known is not None else _kept(self._subjects, key, self._enforcer.roles({name, *roles}))
        )


def _kept(answers: dict[_Key, _Value], key: _Key, answer: _Value, *, most: int = _MOST_ANSWERS) -> _Value:
    if len(answers) >= most:
        answers.clear()
    answers[key] = answer
    return answer
