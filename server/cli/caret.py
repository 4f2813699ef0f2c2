"""Where in a person's own text an error is, for a caret beneath it."""

from __future__ import annotations

import re

from server.cli.words import words

_PLACE = re.compile(r" at line (\d+), column (\d+)(?:, near '(.*)')?$", re.DOTALL)
_NAMED = re.compile(r"'([^']+)'")


def excerpt(statement: str, message: str) -> str:
    """The line that the message is about with a caret beneath it; empty when it cannot be told.

    Args:
        statement: what was asked.
        message: of the error; it says a place, or names something in quotes.
    """
    found = _said(statement, message) or _named(statement, message) or _unclosed(statement, message)
    if found is None:
        return ""
    start, length = found
    line = statement[:start].count("\n")
    begin = statement.rfind("\n", 0, start) + 1
    text = statement[begin:].split("\n", 1)[0]
    return _drawn(text, start - begin, min(length, len(text) - (start - begin)), line + 1)


def _drawn(text: str, column: int, length: int, line: int) -> str:
    from rich.cells import cell_len

    text = text.replace("\t", " ")
    before = " " * cell_len(text[:column])
    marks = "^" * max(1, cell_len(text[column : column + length]))
    number = f"{line:>4}"
    return f"{number} | {text}\n{' ' * len(number)} | {before}{marks}"


def _said(statement: str, message: str) -> tuple[int, int] | None:
    place = _PLACE.search(message)
    if place is None:
        return None
    lines = statement.split("\n")
    line, last, near = int(place[1]), int(place[2]), len(place[3] or " ")
    if not 1 <= line <= len(lines):
        return None
    # The column is that of the last character.
    start = sum(len(each) + 1 for each in lines[: line - 1]) + max(0, last - near)
    return min(start, len(statement)), near


def _named(statement: str, message: str) -> tuple[int, int] | None:
    """The first place where a name of the message stands, as a name and not within a text or a comment."""
    starts = {word.start for word in words(statement) if word.kind in ("name", "quoted")}
    for name in _NAMED.findall(message):
        for found in re.finditer(rf'(?<!\w){re.escape(name)}(?!\w)|"{re.escape(name)}"', statement, re.I):
            if found.start() in starts:
                return found.start(), len(found[0])
    return None


def _unclosed(statement: str, message: str) -> tuple[int, int] | None:
    if "cannot be read" not in message:
        return None
    return next(((word.start, 1) for word in words(statement) if word.kind == "open"), None)
