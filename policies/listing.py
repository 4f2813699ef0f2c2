"""The rules as they are in force, told to those whose objects they are about and to nobody else.

A rule over many objects is about each of them. One on two objects is told to who administers both, and to the
owner of the domain in whose file it stands.
"""

from __future__ import annotations

from collections.abc import Iterator

from fabric.spi import Rule
from policies.case import Case
from policies.files import Snapshot
from policies.objects import EVERYTHING, SYSTEM_SCHEMAS, covers
from policies.rules import NEVER

_ADMINISTERING = ("admin", "*")


def every_rule(snapshot: Snapshot) -> list[Rule]:
    """Every rule that is in force: what follows from fabric.yaml, federation.csv's, the domains' own."""
    return [rule for rule, _, _ in _rules(snapshot)]


def rules_for(case: Case) -> list[Rule]:
    """Those of them that are about what the principal administers."""
    mine = _Administered(case)
    return [
        rule
        for rule, patterns, file in _rules(case.snapshot)
        if (file and file in mine.domains and not any(mine.denies(each) for each in patterns))
        or (patterns and all(mine.meets(each) for each in patterns))
    ]


def _rules(snapshot: Snapshot) -> Iterator[tuple[Rule, tuple[str, ...], str | None]]:
    """Each rule, the patterns that it is about, and the domain in whose file it stands, where it is known."""
    for said in snapshot.loaded:
        for p in said.access:
            yield _rule(p.at, p.kind, p.subject, p.pattern, p.effect, p.action), (p.pattern,), None
        for p2 in said.columns:
            yield (
                _rule(p2.at, p2.kind, p2.subject, p2.pattern, p2.mask.text, p2.column),
                (p2.pattern,),
                p2.file,
            )
        for p3 in said.rows:
            yield _rule(p3.at, p3.kind, p3.subject, p3.pattern, p3.text, ""), (p3.pattern,), p3.file
        for p4 in said.combinations:
            both = (p4.left, p4.right)
            yield _rule(p4.at, p4.kind, p4.subject, p4.left, f"{NEVER} {p4.right}", p4.reason), both, p4.file
        for (member, role), at in zip(said.groups, said.held_at, strict=True):
            yield _rule(at, "g", member, "", role, ""), (), None


def _rule(at: str, kind: str, subject: str, pattern: str, rule: str, detail: str) -> Rule:
    file, _, line = at.rpartition(":")
    return Rule(file, int(line) if line.isdigit() else None, kind, subject, pattern, rule, detail)


class _Administered:
    """What a principal administers: ``domains`` that they own, and objects that they have ``admin`` on."""

    def __init__(self, case: Case) -> None:
        self._case = case
        owners, sources = case.estate.owners, case.estate.sources
        said = [
            rule
            for rules in case.snapshot.loaded
            for rule in rules.access
            if rule.action in _ADMINISTERING and rule.subject in case.person
        ]
        self._denied = [rule.pattern for rule in said if rule.effect == "deny"]
        owned = {domain for domain, owner in owners.items() if owner.lower() in case.person}
        self.domains = {domain for domain in owned if not self.denies(f"{domain}.*")}
        own = [*self.domains, *(name for name, domain in sources.items() if domain in owned)]
        granted = {rule.pattern for rule in said if rule.effect == "allow"} | {f"{name}.*" for name in own}
        self._patterns = {pattern for pattern in granted if not self.denies(pattern)}

    def denies(self, pattern: str) -> bool:
        """Whether a rule takes from them all that is under the pattern."""
        return any(covers(deny, pattern) for deny in self._denied)

    def meets(self, pattern: str) -> bool:
        """Whether a rule with this pattern is about something of theirs."""
        if not pattern.endswith("*"):
            return self._case.administers(tuple(pattern.split(".")))
        return any(_meet(pattern, other) for other in self._patterns)


def _meet(one: str, other: str) -> bool:
    """Whether an object may be under both patterns, of which the first ends in a star."""
    if one == EVERYTHING or other == EVERYTHING:
        narrower = other if one == EVERYTHING else one
        return narrower.partition(".")[0] not in SYSTEM_SCHEMAS
    stem, wanted = one[:-1], other.removesuffix("*")
    return stem.startswith(wanted) or wanted.startswith(stem)
