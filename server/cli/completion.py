"""Completion by what stands before the cursor: relations behind FROM, an alias's columns behind its dot, else words."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from server.cli.vocabulary import Vocabulary
from server.cli.words import RESERVED, Word, quoted, words

KEYWORDS = """
SELECT FROM WHERE GROUP BY ORDER LIMIT OFFSET JOIN LEFT RIGHT FULL INNER OUTER CROSS SEMI ANTI ASOF ON USING HAVING
QUALIFY WITH RECURSIVE UNION ALL EXCEPT INTERSECT DISTINCT AS AND OR NOT IN IS NULL LIKE ILIKE BETWEEN EXISTS CASE
WHEN THEN ELSE END CAST TRY_CAST OVER PARTITION ROWS RANGE ASC DESC NULLS FIRST LAST VALUES PIVOT UNPIVOT FILTER
EXCLUDE REPLACE TRUE FALSE INTERVAL DATE TIMESTAMP
""".split()  # noqa: SIM905
STARTS = """
SELECT FROM WITH VALUES EXPLAIN ANALYZE POLICY DESCRIBE SHOW TABLES SCHEMAS DATABASES CALL PIVOT
""".split()  # noqa: SIM905

_RELATION = frozenset({"FROM", "JOIN", "DESCRIBE", "TABLE", "PIVOT", "UNPIVOT"})
_CLAUSES = _RELATION | {"SELECT", "WHERE", "ON", "USING", "BY", "HAVING", "QUALIFY", "LIMIT", "VALUES", "SET"}
_NO_ALIAS = {word.upper() for word in RESERVED} | set(KEYWORDS)


class SqlCompleter(Completer):
    """Completes statements from a vocabulary, and the shell's commands.

    Args:
        vocabulary: what the user may see.
        commands: the names of the shell's commands.
        arguments: what may stand behind a command; None where that is a relation.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        commands: Iterable[str] = (),
        arguments: Callable[[str], list[str] | None] = lambda command: [],
    ) -> None:
        self._vocabulary = vocabulary
        self._commands = sorted(commands)
        self._arguments = arguments

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """Called by prompt_toolkit."""
        self._vocabulary.refresh()
        before = document.text_before_cursor
        if before.lstrip()[:1] in (".", "\\"):
            yield from self._of_command(before.lstrip())
            return
        spoken, behind = _statement(before, document.text_after_cursor)
        if spoken and (spoken[-1].kind == "open" or before.endswith("'")):
            return
        path, prefix, left = _path(spoken, before)
        offset = -len(prefix.text) if prefix else 0
        typed = prefix.name.lower() if prefix else ""
        if _wants_relation(left):
            yield from self._relations(path, typed, offset)
        elif path:
            yield from self._members(path, _aliases([*left, *behind]), typed, offset)
        else:
            yield from self._expression(left, [*left, *behind], typed, offset)

    def _of_command(self, before: str) -> Iterator[Completion]:
        name, blank, value = before.partition(" ")
        if not blank:
            yield from _matching(((c, c, "") for c in self._commands), name.lower(), -len(name))
            return
        known = self._arguments(name)
        if known is None:
            path, prefix, _ = _path(list(words(value)), value)
            typed = prefix.name.lower() if prefix else ""
            yield from self._relations(path, typed, -len(prefix.text) if prefix else 0)
        else:
            yield from _matching(((w, w, "") for w in known), value.lower(), -len(value))

    def _relations(self, path: tuple[str, ...], typed: str, offset: int) -> Iterator[Completion]:
        """Names below a path; without a path whole names, found by any part of theirs."""
        found: dict[tuple[str, ...], str] = {}
        for relation in self._vocabulary.listed():
            for name in (self._vocabulary.written(relation), relation):
                if path and _starts(name, path):
                    found.setdefault((name[len(path)],), "table" if len(name) == len(path) + 1 else "schema")
            if not path:
                found.setdefault(self._vocabulary.written(relation), "table")
        options = ((".".join(map(quoted, name)), " ".join(name), kind) for name, kind in found.items())
        yield from _matching(options, typed, offset)

    def _members(
        self, path: tuple[str, ...], aliases: dict[str, tuple[str, ...]], typed: str, offset: int
    ) -> Iterator[Completion]:
        named = aliases.get(path[0].lower(), path) if len(path) == 1 else path
        columns = self._vocabulary.find(named)
        if columns:
            yield from _matching(((quoted(c), c, kind) for c, kind in columns), typed, offset)
        else:
            yield from self._relations(path, typed, offset)

    def _expression(
        self, left: list[Word], statement: list[Word], typed: str, offset: int
    ) -> Iterator[Completion]:
        aliases = _aliases(statement)
        columns = {c: kind for parts in aliases.values() for c, kind in self._vocabulary.find(parts)}
        yield from _matching(((quoted(c), c, kind) for c, kind in columns.items()), typed, offset)
        yield from _matching(((quoted(a), a, "alias") for a in aliases), typed, offset)
        if typed or not columns:
            keywords = KEYWORDS if left else STARTS
            yield from _leading(((w, "keyword") for w in keywords), typed, offset)
        if typed and left:
            yield from _leading(((f, "function") for f in _functions()), typed, offset)


@cache
def _functions() -> list[str]:
    """What users may call, by the reviewed list that the server goes by."""
    import fabric

    file = Path(fabric.__file__).with_name("functions.csv")
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return sorted({r["name"] for r in rows if r["verdict"] == "allow" and r["name"][:1].isalpha()})


def _statement(before: str, after: str) -> tuple[list[Word], list[Word]]:
    """The words of the statement that the cursor is in: those before it and those behind it."""
    spoken: list[Word] = []
    for word in words(before):
        spoken = [] if word.text == ";" else [*spoken, word]
    behind: list[Word] = []
    for word in words(after):
        if word.text == ";":
            break
        behind.append(word)
    return spoken, behind


def _path(spoken: list[Word], before: str) -> tuple[tuple[str, ...], Word | None, list[Word]]:
    """What is being typed at the end: the parts before its last dot, the part behind, and all words to its left."""
    left = list(spoken)
    prefix: Word | None = None
    if left and left[-1].kind in ("name", "quoted") and left[-1].start + len(left[-1].text) == len(before):
        prefix = left.pop()
    parts: list[str] = []
    while len(left) > 1 and left[-1].text == "." and left[-2].kind in ("name", "quoted"):
        parts.insert(0, left[-2].name)
        left = left[:-2]
    return tuple(parts), prefix, left


def _wants_relation(left: list[Word]) -> bool:
    if not left:
        return False
    if left[-1].upper in _RELATION:
        return True
    if left[-1].text != ",":
        return False
    depth = 0
    for word in reversed(left):
        depth += {")": 1, "(": -1}.get(word.text, 0)
        if depth < 0:
            return False
        if depth == 0 and word.upper in _CLAUSES:
            return word.upper in ("FROM", "JOIN")
    return False


def _aliases(statement: list[Word]) -> dict[str, tuple[str, ...]]:
    """The relations that a statement reads, by the names under which it speaks of them."""
    found: dict[str, tuple[str, ...]] = {}
    for at, word in enumerate(statement):
        if word.upper in ("FROM", "JOIN") or (word.text == "," and _wants_relation(statement[: at + 1])):
            parts, rest = _named(statement[at + 1 :])
            if parts:
                spoken = [w for w in rest[:2] if w.upper != "AS"][:1]
                aliased = spoken and spoken[0].kind in ("name", "quoted") and spoken[0].upper not in _NO_ALIAS
                found[spoken[0].name.lower() if aliased else parts[-1].lower()] = parts
    return found


def _named(rest: list[Word]) -> tuple[tuple[str, ...], list[Word]]:
    """The dotted name at the beginning, and what follows it."""
    parts: list[str] = []
    while rest and rest[0].kind in ("name", "quoted") and (parts or rest[0].upper not in _NO_ALIAS):
        parts.append(rest[0].name)
        rest = rest[1:]
        if not (rest and rest[0].text == "."):
            break
        rest = rest[1:]
    return tuple(parts), rest


def _starts(name: tuple[str, ...], path: tuple[str, ...]) -> bool:
    return len(name) > len(path) and all(a.lower() == b.lower() for a, b in zip(name, path, strict=False))


def _matching(options: Iterable[tuple[str, str, str]], typed: str, offset: int) -> Iterator[Completion]:
    """Those of (text, name, meta) that hold what is typed; those where a part of the name begins with it first."""
    later = []
    for text, name, meta in options:
        if any(part.startswith(typed) for part in (name.lower(), *name.lower().split())):
            yield Completion(text, offset, display_meta=meta)
        elif typed in name.lower():
            later.append(Completion(text, offset, display_meta=meta))
    yield from later


def _leading(options: Iterable[tuple[str, str]], typed: str, offset: int) -> Iterator[Completion]:
    for text, meta in options:
        if text.lower().startswith(typed):
            yield Completion(text, offset, display_meta=meta)
