"""Cut a text into statements at its semicolons, as a shell must before it asks."""

from __future__ import annotations

import re
from collections.abc import Iterator

# What may hold a semicolon that ends nothing; the unclosed form of each runs to the end of the text.
_PIECES = re.compile(
    r"""
      (?P<comment> --[^\n]* | /\*.*?\*/ )
    | (?P<text> [eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*"
              | \$(?P<tag>[A-Za-z_]\w*)?\$.*?\$(?(tag)(?P=tag))\$ )
    | (?P<unclosed> /\*.* | '.* | ".* | \$(?:[A-Za-z_]\w*)?\$.* )
    | (?P<end> ; )
    | (?P<other> \w+ | . )
    """,
    re.S | re.X,
)


def statements(text: str) -> tuple[list[str], str]:
    """The statements that a semicolon ends, and the rest behind the last one (empty when blank)."""
    whole: list[str] = []
    start, spoken = 0, False
    for kind, position in _pieces(text):
        if kind == "end":
            if spoken:
                whole.append(text[start:position].strip())
            start, spoken = position + 1, False
        elif kind != "comment" and not text[position].isspace():
            spoken = True
    return whole, text[start:].lstrip() if spoken else ""


def entries(text: str) -> tuple[list[str], str]:
    """The same of what a shell is given: a command on a line of its own between statements is one whole entry."""
    whole: list[str] = []
    rest = ""
    for line in text.splitlines(keepends=True):
        if not rest and is_command(line):
            whole.append(line.strip())
            continue
        if rest and ";" not in line:
            rest += line  # it ends nothing, and long statements are not read again for each of their lines
            continue
        ended, rest = statements(rest + line)
        whole += ended
    return whole, rest


def is_command(entry: str) -> bool:
    """Whether it is one for the shell and not for the server: no statement begins so."""
    return entry.lstrip()[:1] in (".", "\\")


def _pieces(text: str) -> Iterator[tuple[str, int]]:
    for match in _PIECES.finditer(text):
        yield (
            next(k for k in ("comment", "text", "unclosed", "end", "other") if match[k] is not None),
            match.start(),
        )
