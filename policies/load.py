"""A policy file's text to rules: every line is understood, or the file does not load.

A line is CSV; ``#`` at its start or behind a blank begins a comment, unless it stands in quotes.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fabric.config_problems import Problems
from fabric.naming import suggest
from policies.expressions import value_for
from policies.masks import MaskKind, read_mask
from policies.objects import EVERYTHING, SYSTEM_SCHEMAS, Estate, covers
from policies.rules import EVERYONE, NEVER, TAG, AccessRule, ColumnRule, CombinationRule, RowRule
from policies.shapes import tables_of

ACTIONS = frozenset({"discover", "read", "publish", "refresh", "emit", "share", "declassify", "admin"})
EFFECTS = frozenset({"allow", "deny"})

_FIELDS = {
    "p": "p, subject, object, action, allow|deny",
    "p2": "p2, subject, object, column|pattern|tag:<tag>, mask",
    "p3": "p3, subject, object, expression",
    "p4": "p4, subject, object, object, never, reason",
    "g": "g, user or role, role:<name>",
}
_MOST_MASKS = 1_000

# RFC 4180, and what it lacks: comments, and blanks around quotes. Python's csv knows neither, and casbin's
# own reader keeps quotes and drops lines that it does not know.
_FIELD = re.compile(
    r"""\s*+(?: "(?P<quoted>(?:[^"]|"")*+)"\s*+ | (?!")(?P<plain>(?:[^,#]|(?<!\s)\#)*+) )(?P<end>,|\#|$)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What one file says; ``groups`` are pairs of a member and the role that it holds, ``held_at`` where each stands."""

    access: tuple[AccessRule, ...] = ()
    groups: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    columns: tuple[ColumnRule, ...] = ()
    rows: tuple[RowRule, ...] = ()
    combinations: tuple[CombinationRule, ...] = ()
    held_at: tuple[str, ...] = ()


def read_rules(text: str, file: str, domain: str | None, estate: Estate) -> Rules:
    """The rules of one file.

    Args:
        text: the file's content.
        file: its name, for messages and for ``at``.
        domain: the domain whose file it is, in lower case; None for federation.csv.
        estate: what there is to govern.

    Raises:
        InvalidConfig: names every line that is wrong; not one rule of the file is then used.
    """
    reader = _Reader(file, domain, estate)
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        try:
            fields = _fields(line)
            if fields:
                reader.take(fields, number)
        except ValueError as error:
            reader.problems.add(file, number, str(error))
    reader.problems.stop()
    return Rules(
        tuple(reader.access),
        tuple(reader.groups),
        tuple(reader.warnings),
        tuple(reader.columns),
        tuple(reader.rows),
        tuple(reader.combinations),
        tuple(reader.held_at),
    )


@dataclass
class _Reader:
    file: str
    domain: str | None
    estate: Estate
    access: list[AccessRule] = field(default_factory=list)
    groups: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    columns: list[ColumnRule] = field(default_factory=list)
    rows: list[RowRule] = field(default_factory=list)
    combinations: list[CombinationRule] = field(default_factory=list)
    held_at: list[str] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)

    def take(self, fields: Sequence[str], line: int) -> None:
        """One rule.

        Raises:
            ValueError: what is wrong with it.
        """
        kind = fields[0]
        if kind not in _FIELDS:
            raise ValueError(f"unknown kind '{kind}'; {suggest(kind, _FIELDS, 'known kinds')}")
        form = _FIELDS[kind]
        count = form.count(",") + 1
        if len(fields) != count:
            hint = "; quote what holds a comma" if len(fields) > count else ""
            raise ValueError(f"{len(fields)} fields, where {count} belong: {form}{hint}")
        if not all(fields):
            raise ValueError(f"an empty field; a rule is {form}")
        if kind == "g":
            self._group(fields[1], fields[2], line)
            return
        take: dict[str, Callable[[str, Sequence[str], int], None]] = {
            "p": self._access,
            "p2": self._column,
            "p3": self._row,
            "p4": self._combination,
        }
        take[kind](self._subject(fields[1], line), fields[2:], line)

    def _access(self, subject: str, fields: Sequence[str], line: int) -> None:
        written, action, effect = fields
        if action not in ACTIONS and action != "*":
            raise ValueError(f"unknown action '{action}'; {suggest(action, ACTIONS, 'known actions')}")
        if effect not in EFFECTS:
            raise ValueError(f"the effect is '{effect}', and must be allow or deny")
        for pattern in self._own_patterns(written, line):
            self.access.append(AccessRule(subject, pattern, action, effect, self._at(line)))

    def _column(self, subject: str, fields: Sequence[str], line: int) -> None:
        written, column, mask_text = fields
        patterns = self._own_patterns(written, line)
        column, mask = _column_pattern(column), _mask(mask_text)
        if mask.value is not None and "*" not in column and not column.startswith(TAG):
            value_for(mask.value, column)
        for pattern in patterns:
            self.columns.append(ColumnRule(subject, pattern, column, mask, self._at(line), self.domain))

    def _row(self, subject: str, fields: Sequence[str], line: int) -> None:
        written, text = fields
        patterns = self._own_patterns(written, line)
        tables = tables_of(text)
        for table in tables:
            name = self._table(table)
            if any(covers(pattern, name) for pattern in patterns):
                raise ValueError(f"the expression reads '{'.'.join(table)}', which the rule itself restricts")
        for pattern in patterns:
            self.rows.append(RowRule(subject, pattern, text, tables, self._at(line), self.domain))

    def _combination(self, subject: str, fields: Sequence[str], line: int) -> None:
        one, other, never, reason = fields
        if never != NEVER:
            raise ValueError(f"the fifth field is '{never}', and must be {NEVER}")
        lefts, is_left_own = self._patterns(one, line)
        rights, is_right_own = self._patterns(other, line)
        if not is_left_own and not is_right_own:
            raise ValueError(f"neither '{one}' nor '{other}' is of {self._whose()}")
        for left in lefts:
            for right in rights:
                rule = CombinationRule(subject, left, right, reason, self._at(line), self.domain)
                self.combinations.append(rule)

    def _group(self, member: str, role: str, line: int) -> None:
        if self.domain is not None:
            raise ValueError("'g' may stand only in federation.csv")
        role = self._subject(role, line)
        if not role.startswith("role:") or role == EVERYONE:
            raise ValueError(f"'{role}' cannot be held; a role is written role:<name>")
        self.groups.append((self._subject(member, line), role))
        self.held_at.append(self._at(line))

    def _subject(self, written: str, line: int) -> str:
        subject = written.lower()
        if subject == EVERYONE:
            return subject
        kind, colon, name = subject.partition(":")
        if "*" in subject:
            raise ValueError(f"'{written}' is no subject; everyone is {EVERYONE}")
        if colon and (kind not in ("role", "domain") or not name):
            raise ValueError(f"'{written}' is no subject; one is a user, role:<name> or domain:<name>")
        if kind == "domain" and colon and name not in self.estate.owners:
            self._warn(line, f"there is no domain '{name}'; {suggest(name, self.estate.owners, 'domains')}")
        return subject

    def _own_patterns(self, written: str, line: int) -> list[str]:
        patterns, is_own = self._patterns(written, line)
        if not is_own:
            raise ValueError(f"'{written}' is not of {self._whose()}")
        return patterns

    def _patterns(self, written: str, line: int) -> tuple[list[str], bool]:
        """The canonical patterns that an object means in this file, and whether the file may speak of them."""
        pattern = self.estate.parse_pattern(written)
        first = pattern.partition(".")[0]
        if self.domain is not None:
            own = [
                self.domain,
                *(name for name, owner in self.estate.sources.items() if owner == self.domain),
            ]
            if pattern == EVERYTHING:
                return [f"{name}.*" for name in own], True
            if first in own:
                return [pattern], True
        names = {*SYSTEM_SCHEMAS, *self.estate.owners, *self.estate.sources}
        if pattern != EVERYTHING and first not in names:
            self._warn(line, f"there is no domain or source '{first}'; {suggest(first, names, 'known')}")
        return [pattern], self.domain is None

    def _table(self, parts: tuple[str, ...]) -> str:
        """The canonical name of a table that an expression reads.

        Raises:
            ValueError: a name that binds to nothing, or to a table of the fabric's own.
        """
        written, known = ".".join(parts), {*self.estate.owners, *self.estate.sources}
        if parts[0].lower() == self.estate.fabric:
            parts = parts[1:]
        first = parts[0].lower() if parts else ""
        if not 2 <= len(parts) <= (2 if first in self.estate.owners else 3):
            raise ValueError(f"'{written}': a rule names a table as domain.product or source.schema.table")
        if first in SYSTEM_SCHEMAS:
            raise ValueError(f"'{written}': a rule cannot read the fabric's own tables")
        if first not in known:
            raise ValueError(f"there is no domain or source '{first}'; {suggest(first, known, 'known')}")
        quoted = ('"' + part.replace('"', '""') + '"' for part in parts)
        return ".".join(self.estate.parse_object(".".join(quoted)))

    def _whose(self) -> str:
        return f"the domain '{self.domain}', whose file this is"

    def _at(self, line: int) -> str:
        return f"{self.file}:{line}"

    def _warn(self, line: int, message: str) -> None:
        self.warnings.append(f"{self.file}:{line}: {message}")


def _column_pattern(written: str) -> str:
    column = written.lower()
    if not column.startswith(TAG):
        return column
    tag = column.removeprefix(TAG).strip()
    if not tag or "*" in tag:
        raise ValueError(f"'{written}' is no tag; one is written {TAG}<name>, without *")
    return f"{TAG}{tag}"


@functools.lru_cache(maxsize=_MOST_MASKS)
def _mask(text: str) -> MaskKind:
    return read_mask(text)


def _fields(line: str) -> list[str]:
    """The fields of a line, blanks around them gone; none for an empty line or a comment.

    Raises:
        ValueError: quotes that do not match.
    """
    if not line.strip() or line.lstrip().startswith("#"):
        return []
    fields: list[str] = []
    position = 0
    while True:
        match = _FIELD.match(line, position)
        if match is None:
            raise ValueError("a quote that is not closed in its line, or text behind a closing quote")
        quoted = match["quoted"]
        fields.append(match["plain"].strip() if quoted is None else quoted.replace('""', '"').strip())
        if match["end"] != ",":
            return fields
        position = match.end()
