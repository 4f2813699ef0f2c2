"""SQL as a person types it, in pieces: what completion and carets read while no parser would take the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKENS = re.compile(
    r"""
      (?P<skip> \s+ | --[^\n]*\n | /\*.*?\*/ )
    | (?P<string> '(?:[^']|'')*' | \$(?P<tag>[A-Za-z_]\w*)?\$.*?\$(?(tag)(?P=tag))\$ )
    | (?P<quoted> "(?:[^"]|"")*" )
    | (?P<open> --[^\n]*\Z | /\*.* | '.* | \$(?:[A-Za-z_]\w*)?\$.* )
    | (?P<name> "(?:[^"]|"")*\Z | [^\W\d]\w* )
    | (?P<other> \d\w* | . )
    """,
    re.S | re.X,
)
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")

# DuckDB's reserved words: as a name each must be quoted.
RESERVED = frozenset(
    """
    with where variadic unpivot union true using trailing to then table symmetric summarize create as into do
    initially for describe desc window except offset in default column false collate returning constraint all case
    placing cast analyse intersect asc analyze check having fetch when and only asymmetric on any array both group
    pivot_longer primary lambda foreign lateral unique leading null distinct limit not from or order some pivot end
    pivot_wider qualify else references deferrable select show
    """.split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Word:
    """One piece of a text: ``kind`` is name, quoted, string, open (a string or comment without end) or other."""

    kind: str
    text: str
    start: int

    @property
    def upper(self) -> str:
        """A keyword or sign, in capitals; nothing for what is quoted."""
        return self.text.upper() if self.kind in ("name", "other") else ""

    @property
    def name(self) -> str:
        """The name that it is: without its quotes."""
        return unquoted(self.text)


def words(text: str) -> Iterator[Word]:
    """The pieces in order, without blanks and comments."""
    for match in _TOKENS.finditer(text):
        kind = next(k for k in ("skip", "string", "quoted", "open", "name", "other") if match[k] is not None)
        if kind != "skip":
            yield Word(kind, match[0], match.start())


def quoted(name: str) -> str:
    """The name as a statement may write it: in quotes unless it is plain, lower-case and not reserved."""
    if _PLAIN.fullmatch(name) and name not in RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


def unquoted(text: str) -> str:
    """The name that a text writes, also one whose closing quote is still to be typed."""
    if not text.startswith('"'):
        return text
    body = text[1:-1] if len(text) > 1 and text.endswith('"') else text[1:]
    return body.replace('""', '"')
