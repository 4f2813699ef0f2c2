"""How rules that bind the same reader and object combine. Pure: of rules that match, the ones that count."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TypeVar

from policies.rules import EVERYONE, ColumnRule, RowRule

_Rule = TypeVar("_Rule", ColumnRule, RowRule)
_Group = tuple[RowRule, ...]


def row_groups(rules: Iterable[RowRule], subjects: Collection[str]) -> tuple[_Group, ...]:
    """The conditions that a reader's rows must meet: of every group one.

    Files are ANDed. Within a file each rule for ``role:*`` is a group of its own, and the rules for the
    reader's name, roles and domain are one group together. What is said twice counts once.

    Args:
        rules: the row rules of one object, in the order in which they were loaded.
        subjects: all that the reader is to the rules; a rule for anybody else is left out.
    """
    groups: dict[frozenset[object], _Group] = {}
    for said in _by_file(rule for rule in rules if rule.subject in subjects):
        others: dict[object, RowRule] = {}
        for rule in said:
            if rule.subject == EVERYONE:
                groups.setdefault(frozenset({_meaning(rule)}), (rule,))
            else:
                others.setdefault(_meaning(rule), rule)
        if others:
            groups.setdefault(frozenset(others), tuple(others.values()))
    return tuple(groups.values())


def lifted(rules: Iterable[ColumnRule]) -> list[ColumnRule]:
    """The rules that mask a column for a reader, without those that their own file overrules.

    Within a file, rules for a user, role or domain beat those for ``role:*``. Then the mask ``clear`` takes
    away what the file says for the same subject; what it says for another subject that the reader is too,
    such as a second role, stays, and so does every other file's.

    Args:
        rules: the column rules that match one column and one reader.
    """
    left: list[ColumnRule] = []
    for said in _by_file(rules):
        nearest = [rule for rule in said if rule.subject != EVERYONE] or said
        cleared = {rule.subject for rule in nearest if not rule.mask.strictness}
        left += [rule for rule in nearest if rule.subject not in cleared]
    return left


def strictest(rules: Iterable[ColumnRule]) -> ColumnRule | None:
    """Of the rules that ``lifted`` leaves the one whose mask the column shows; None where none masks it.

    ``hide`` > ``null`` > every other. Of equally strict ones the federation's, else the first.
    """
    masks = [rule for rule in rules if rule.mask.strictness]
    return max(masks, key=lambda rule: (rule.mask.strictness, rule.file is None), default=None)


def _by_file(rules: Iterable[_Rule]) -> Iterable[list[_Rule]]:
    files: dict[str | None, list[_Rule]] = {}
    for rule in rules:
        files.setdefault(rule.file, []).append(rule)
    return files.values()


def _meaning(rule: RowRule) -> object:
    # A subquery reads with the rights of its file's owner: the same text of two files may find other rows.
    return (rule.text, rule.file if rule.tables else None)
