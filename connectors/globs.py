"""Globs as DuckDB means them, over paths with ``/``."""

from __future__ import annotations

import re

_MAGIC = re.compile(r"[*?\[]")


def is_glob(pattern: str) -> bool:
    """Whether the pattern may match more than its own text."""
    return _MAGIC.search(pattern) is not None


def fixed_folder(pattern: str) -> tuple[str, bool]:
    """The folder under which all matches of a glob lie, and whether they may lie in folders beneath."""
    segments = pattern.split("/")
    fixed = next(i for i, segment in enumerate(segments) if is_glob(segment))
    return "/".join(segments[:fixed]), len(segments) - fixed > 1 or segments[-1] == "**"


def compile_glob(pattern: str) -> re.Pattern[str]:
    """A glob as DuckDB means it: ``*``, ``?`` and ``[..]`` stay in a folder, ``**`` spans folders.

    As in DuckDB, names with a leading dot match like any other, and case counts.
    """
    parts: list[str] = []
    segments = pattern.split("/")
    for position, segment in enumerate(segments):
        last = position == len(segments) - 1
        if segment == "**":
            parts.append(".*" if last else "(?:[^/]+/)*")
        else:
            parts.append(_segment(segment) + ("" if last else "/"))
    return re.compile("".join(parts), re.DOTALL)


def _segment(text: str) -> str:
    out: list[str] = []
    for part in re.findall(r"\[!?[^\]/]+\]|.", text, re.DOTALL):
        if part == "*":
            out.append("[^/]*")
        elif part == "?":
            out.append("[^/]")
        elif len(part) > 1:
            negated = part.startswith("[!") and part != "[!]"
            body = re.sub(r"([\\\[\]^&~|])", r"\\\1", part[2 if negated else 1 : -1])
            out.append(f"(?!/)[{'^' if negated else ''}{body}]")
        else:
            out.append(re.escape(part))
    return "".join(out)
