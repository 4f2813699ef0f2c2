"""A policy file's text to rules: every line is understood, or the file does not load.

A line is CSV; ``#`` at its start or behind a blank begins a comment, unless it stands in quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from fabric.config_problems import Problems
from fabric.naming import suggest
from policies.objects import EVERYTHING, SYSTEM_SCHEMAS, Estate

ACTIONS = frozenset({"discover", "read", "publish", "refresh", "emit", "share", "declassify", "admin"})
EFFECTS = frozenset({"allow", "deny"})
EVERYONE = "role:*"
"""Every person; not domains."""

_FIELDS = {"p": "p, subject, object, action, allow|deny", "g": "g, user or role, role:<name>"}
_LATER = frozenset({"p2", "p3", "p4"})

# RFC 4180, and what it lacks: comments, and blanks around quotes. Python's csv knows neither, and casbin's
# own reader keeps quotes and drops lines that it does not know.
_FIELD = re.compile(
    r"""\s*+(?: "(?P<quoted>(?:[^"]|"")*+)"\s*+ | (?!")(?P<plain>(?:[^,#]|(?<!\s)\#)*+) )(?P<end>,|\#|$)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """An access rule in canonical spelling; ``at`` is its ``file:line``."""

    subject: str
    pattern: str
    action: str
    effect: str
    at: str


@dataclass(frozen=True, slots=True)
class Rules:
    """What one file says; ``groups`` are pairs of a member and the role that it holds."""

    access: tuple[Rule, ...] = ()
    groups: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()


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
    return Rules(tuple(reader.access), tuple(reader.groups), tuple(reader.warnings))


@dataclass
class _Reader:
    file: str
    domain: str | None
    estate: Estate
    access: list[Rule] = field(default_factory=list)
    groups: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)

    def take(self, fields: Sequence[str], line: int) -> None:
        """One rule.

        Raises:
            ValueError: what is wrong with it.
        """
        kind = fields[0]
        if kind in _LATER:
            raise ValueError(f"'{kind}': row, column and combination rules are not in this version")
        if kind not in _FIELDS:
            raise ValueError(f"unknown kind '{kind}'; {suggest(kind, _FIELDS, 'known kinds')}")
        if len(fields) != _FIELDS[kind].count(",") + 1:
            raise ValueError(
                f"{len(fields)} fields, where {_FIELDS[kind].count(',') + 1} belong: {_FIELDS[kind]}"
            )
        if not all(fields):
            raise ValueError(f"an empty field; a rule is {_FIELDS[kind]}")
        if kind == "g":
            self._group(fields[1], fields[2], line)
        else:
            self._access(fields[1:], line)

    def _access(self, fields: Sequence[str], line: int) -> None:
        subject, written, action, effect = fields
        if action not in ACTIONS and action != "*":
            raise ValueError(f"unknown action '{action}'; {suggest(action, ACTIONS, 'known actions')}")
        if effect not in EFFECTS:
            raise ValueError(f"the effect is '{effect}', and must be allow or deny")
        subject = self._subject(subject, line)
        for pattern in self._patterns(written, line):
            self.access.append(Rule(subject, pattern, action, effect, f"{self.file}:{line}"))

    def _group(self, member: str, role: str, line: int) -> None:
        if self.domain is not None:
            raise ValueError("'g' may stand only in federation.csv")
        role = self._subject(role, line)
        if not role.startswith("role:") or role == EVERYONE:
            raise ValueError(f"'{role}' cannot be held; a role is written role:<name>")
        self.groups.append((self._subject(member, line), role))

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

    def _patterns(self, written: str, line: int) -> Iterator[str]:
        pattern = self.estate.parse_pattern(written)
        if self.domain is None:
            first = pattern.partition(".")[0]
            known = {EVERYTHING, *SYSTEM_SCHEMAS, *self.estate.owners, *self.estate.sources}
            if first not in known:
                names = known - {EVERYTHING}
                self._warn(line, f"there is no domain or source '{first}'; {suggest(first, names, 'known')}")
            yield pattern
            return
        own = [self.domain, *(name for name, owner in self.estate.sources.items() if owner == self.domain)]
        if pattern == EVERYTHING:
            yield from (f"{name}.*" for name in own)
        elif pattern.partition(".")[0] in own:
            yield pattern
        else:
            raise ValueError(f"'{written}' is not of the domain '{self.domain}', whose file this is")

    def _warn(self, line: int, message: str) -> None:
        self.warnings.append(f"{self.file}:{line}: {message}")


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
