"""Other dialects than DuckDB's: a statement becomes DuckDB's text, which is then read like any other.

A translation gains nothing: what it makes goes through the same allow-lists, resolver, governor and second
parser. What cannot be translated to the same meaning is refused, at its place in the user's own text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import ClassVar

import sqlglot
from sqlglot import ErrorLevel, exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ParseError, SqlglotError, UnsupportedError
from sqlglot.tokenizer_core import Token, TokenType

from fabric.dialect_review import Place, review
from fabric.dialect_rewrites import rewrite
from fabric.dialect_rules import ALSO, RULES, Rules
from fabric.errors import FabricError, InvalidValue, NotFound, NotSupported, SyntaxProblem
from fabric.parse_steps import is_bearable
from fabric.tokens import foreign_tokens, without_comments

DUCKDB = "duckdb"
NAMES = (DUCKDB, *RULES, *ALSO)
"""Every name that the session option ``dialect`` takes."""

# What sqlglot raises of itself where a text is not as it expects.
_FAULTS = (SqlglotError, ValueError, TypeError, AttributeError, KeyError, IndexError, AssertionError)
# Dialects read what stands behind EXPLAIN as one word, so its words are found without them.
_GAP = r"(?:\s|/\*[\s\S]*?\*/|--[^\n]*\n)"
_ABOUT = re.compile(
    rf"{_GAP}*(?:(EXPLAIN){_GAP}+(POLICY){_GAP}+(FOR){_GAP}+(\"[^\"]*\"|[^\s/]+){_GAP}"
    rf"|(EXPLAIN)(?:{_GAP}+(ANALYZE))?{_GAP}*(\({_GAP}*(?:FORMAT|ANALYZE)\b[^()]*\))"
    rf"|(?:(EXPLAIN){_GAP}+(ANALYZE)|(EXPLAIN|DESCRIBE|DESC)|(ASSERT){_GAP}+(PUSHED)){_GAP})",
    re.IGNORECASE,
)
_OURS = re.compile(rf"{_GAP}*(?:SHOW|CALL|DROP|COMMENT)\b", re.IGNORECASE)
_CREATE = re.compile(rf"{_GAP}*CREATE\b", re.IGNORECASE)
_SHORT = 10_000  # characters of a text whose translation is remembered
_NAME = re.compile("'([^']+)'")
_QUERY = re.compile(r"\s*(?:SELECT|WITH|FROM|VALUES|\()", re.IGNORECASE)


class _Ansi(DuckDB):
    """What Tableau, Power BI and others write for a database that they do not know."""

    class Tokenizer(DuckDB.Tokenizer):
        KEYWORDS: ClassVar = {**DuckDB.Tokenizer.KEYWORDS, "TOP": TokenType.TOP}


def canonical(name: str) -> str:
    """The one name of a dialect that has several.

    Raises:
        InvalidValue: there is no such dialect.
    """
    lowered = name.strip().lower()
    found = ALSO.get(lowered, lowered)
    if found != DUCKDB and found not in RULES:
        raise InvalidValue(f"there is no dialect '{name[:40]}'", hint="one of " + ", ".join(NAMES))
    return found


@contextmanager
def pointing(text: str, dialect: str) -> Iterator[None]:
    """Say of a name that is not there, or not clear, where it stands in a text of another dialect.

    DuckDB only knows the translation. A name that stands in the text several times has no one place.
    """
    try:
        yield
    except (SyntaxProblem, NotFound) as error:
        if dialect != DUCKDB and " at line " not in error.message:
            error.message += _place_of(error.message, text)
        raise


def _place_of(message: str, text: str) -> str:
    name = _NAME.search(message)
    found = list(re.finditer(rf"(?<!\w){re.escape(name[1])}(?!\w)", text, re.IGNORECASE)) if name else []
    if len(found) != 1:
        return ""
    start = found[0].start()
    return f" at line {text.count(chr(10), 0, start) + 1}, column {start - text.rfind(chr(10), 0, start)}"


def translated(text: str, dialect: str) -> str:
    """DuckDB's text for a statement in another dialect; EXPLAIN, DESCRIBE, SHOW, CALL, DROP VIEW and
    COMMENT ON are Ripstop's own.

    Args:
        text: one statement.
        dialect: one of ``NAMES``.

    Raises:
        SyntaxProblem: it cannot be read in that dialect; the message says where.
        NotSupported: it can be, and has no translation that means the same.
        InvalidValue: there is no such dialect.
    """
    name = canonical(dialect)
    if name == DUCKDB:
        return text
    # A statement is described, and then run: the second time it is known.
    return _known(text, name) if len(text) <= _SHORT else _anew(text, name)


@lru_cache(maxsize=1_000)
def _known(text: str, name: str) -> str:
    return _anew(text, name)


def _anew(text: str, name: str) -> str:
    rules = RULES[name]
    reader = _Ansi() if name == "ansi" else sqlglot.Dialect.get_or_raise(rules.reads)
    if _OURS.match(text):
        return text
    if _CREATE.match(text):
        raise NotSupported("a view is written in DuckDB's dialect", hint="unset the session option dialect")
    about = _ABOUT.match(text)
    words = [word for word in about.groups() if word] if about else []
    behind = about.end() if about else 0
    # Blanks stand for what was read, so that places are those in the user's text.
    rest = re.sub(r"\S", " ", text[:behind]) + text[behind:]
    if (
        words
        and words[0].upper() in ("DESCRIBE", "DESC")
        and not _QUERY.match(without_comments(rest, reader))
    ):
        return f"DESCRIBE {_named(rest, reader)}"
    return " ".join([*words, _translated(rest, rules, reader)])


def _named(text: str, reader: sqlglot.Dialect) -> str:
    tree = _tree([*_words(text, "SELECT", "*", "FROM"), *foreign_tokens(text, reader)], text, reader)
    table = tree.find(exp.Table)
    if table is None:
        raise SyntaxProblem("DESCRIBE needs a table or a query")
    return _out(table)


def _words(text: str, *words: str) -> list[Token]:
    kinds = {"SELECT": TokenType.SELECT, "*": TokenType.STAR, "FROM": TokenType.FROM}
    return [Token(kinds[word], word, 1, 1, 0, 0) for word in words]


def _translated(text: str, rules: Rules, reader: sqlglot.Dialect) -> str:
    found = foreign_tokens(text, reader)
    if not found:
        raise SyntaxProblem("the statement is empty", hint="send one SELECT statement")
    place = Place(text)
    try:
        tree = _tree(found, text, reader)
        review(tree, rules, place)
        return _out(rewrite(tree, rules, place))
    except RecursionError:
        raise NotSupported("the statement is nested too deeply") from None
    except _FAULTS:
        raise _untranslated() from None


def _tree(found: list[Token], text: str, reader: sqlglot.Dialect) -> exp.Expr:
    if not is_bearable(found):
        raise NotSupported("the statement is nested too deeply", hint="write it in simpler parts")
    try:
        trees = [tree for tree in reader.parser().parse(found, text) if tree is not None]
        trees = [tree for tree in trees if not isinstance(tree, exp.Semicolon)]
    except ParseError as error:
        raise misread(error) from None
    except FabricError:
        raise
    except _FAULTS:
        raise SyntaxProblem("the statement cannot be read") from None
    if len(trees) != 1:
        raise SyntaxProblem(
            f"one statement at a time, {len(trees)} were given", hint="send each statement by itself"
        )
    return trees[0]


def _out(tree: exp.Expr) -> str:
    try:
        return tree.sql(dialect="duckdb", unsupported_level=ErrorLevel.RAISE, comments=False)
    except UnsupportedError as error:
        said = str(error).split("\n")[0].split(" when targeting")[0].rstrip(".")
        raise NotSupported(
            f"the statement cannot be translated: {said[:160]}", hint="write that part in DuckDB's dialect"
        ) from None


def _untranslated() -> NotSupported:
    return NotSupported("the statement cannot be translated", hint="write it in DuckDB's dialect")


def misread(error: ParseError) -> SyntaxProblem:
    """The error for a text that cannot be parsed, with the place in it."""
    details = error.errors[0] if error.errors else {}
    line, column, near = details.get("line"), details.get("col"), details.get("highlight")
    where = f" at line {line}, column {column}" if line else ""
    near_text = f", near '{near}'" if near else ""
    return SyntaxProblem(f"the statement cannot be read{where}{near_text}")
