"""The rules of the policy files as values: access, columns, rows and combinations, in canonical spelling.

In each, ``subject`` is a user, ``role:<name>``, ``role:*`` or ``domain:<name>``, a pattern is as
``policies.objects`` spells it, ``at`` is the rule's ``file:line``, and ``file`` the domain whose file it
stands in, None for federation.csv.
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from policies.masks import MaskKind
from policies.shapes import tree_of

EVERYONE = "role:*"
"""Every person; not domains."""

NEVER = "never"
"""The one thing that a combination rule says."""

TAG = "tag:"
"""What stands in front of a tag where a column rule does not name columns."""


class RulesFailed(Exception):
    """The rules could not be asked: nothing is known of what they say, and what rests on them is refused."""


@dataclass(frozen=True, slots=True)
class AccessRule:
    """Who may do what with which objects; ``effect`` is ``allow`` or ``deny``."""

    kind: ClassVar = "p"
    subject: str
    pattern: str
    action: str
    effect: str
    at: str

    def fields(self) -> list[str]:
        """What casbin is given, as ``model.conf`` orders it."""
        return [self.subject, self.pattern, self.action, self.effect, self.at]


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """How columns show; ``column`` is a name, a name pattern with ``*``, or ``tag:<tag>``, in lower case."""

    kind: ClassVar = "p2"
    subject: str
    pattern: str
    column: str
    mask: MaskKind
    at: str
    file: str | None

    @property
    def names_one(self) -> bool:
        """Whether it names one column of one object, which is then expected to be there."""
        return not self.column.startswith(TAG) and "*" not in self.column + self.pattern

    def fields(self) -> list[str]:
        """What casbin is given, as ``model.conf`` orders it."""
        return [self.subject, self.pattern, self.column, self.mask.text, self.at]


@dataclass(frozen=True, slots=True)
class RowRule:
    """Which rows show: those for which ``text`` is true; ``tables`` are what its subqueries read, as written."""

    kind: ClassVar = "p3"
    subject: str
    pattern: str
    text: str
    tables: tuple[tuple[str, ...], ...]
    at: str
    file: str | None

    @property
    def condition(self) -> exp.Expr:
        """The tree of ``text``, read at the first use; others hold it too: copy it before a change.

        Raises:
            RulesFailed: it cannot be read after all.
        """
        try:
            return tree_of(self.text)
        except ValueError as error:
            raise RulesFailed(f"{self.at}: {error}") from None

    def fields(self) -> list[str]:
        """What casbin is given, as ``model.conf`` orders it."""
        return [self.subject, self.pattern, self.text, self.at]


@dataclass(frozen=True, slots=True)
class CombinationRule:
    """Two objects that may never meet in one query, in whichever order; ``reason`` is the owner's text."""

    kind: ClassVar = "p4"
    subject: str
    left: str
    right: str
    reason: str
    at: str
    file: str | None

    def fields(self) -> list[str]:
        """What casbin is given, as ``model.conf`` orders it."""
        return [self.subject, self.left, self.right, NEVER, self.reason, self.at]


def selects(pattern: str, column: str, tags: Collection[str]) -> bool:
    """Whether a column rule's ``pattern`` means the column of that lower-cased name and those tags."""
    if pattern.startswith(TAG):
        return pattern.removeprefix(TAG) in tags
    return pattern == column if "*" not in pattern else _matcher(pattern)(column) is not None


@functools.lru_cache(maxsize=10_000)
def _matcher(pattern: str) -> Callable[[str], re.Match[str] | None]:
    # fnmatch never backtracks from one star into another; of its signs only the star is one here.
    literal = re.sub(r"[\[?]", r"[\g<0>]", pattern)
    return re.compile(fnmatch.translate(literal)).match
