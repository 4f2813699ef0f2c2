"""CREATE VIEW, DROP VIEW and COMMENT ON: what defines products, read word by word.

The SELECT of a view is kept as it was written, since it goes into a file that people read; it is parsed like every
other statement, now and whenever the file is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from fabric.errors import NotSupported, SyntaxProblem
from fabric.types import Definition, Parsed

CREATE = "CREATE [OR REPLACE] VIEW domain.name [COMMENT '…'] AS SELECT …"
DROP = "DROP VIEW [IF EXISTS] domain.name"
COMMENT = "COMMENT ON VIEW domain.name IS '…', or COMMENT ON COLUMN domain.name.column IS '…'"

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FIRST = ("CREATE", "DROP", "COMMENT")

_BEGINS = re.compile(rf"(?:\s|/\*[\s\S]*?\*/|--[^\n]*\n)*(?:{'|'.join(_FIRST)})\b", re.IGNORECASE)

ParseQuery = Callable[[str, list[Token]], Parsed]


def begins_as_definition(text: str) -> bool:
    """Whether a statement can be nothing but a definition, by its first word."""
    return _BEGINS.match(text) is not None


def is_definition(tokens: Sequence[Token]) -> bool:
    """Whether a statement defines something, be it nothing that can be defined."""
    return tokens[0].token_type != TokenType.IDENTIFIER and tokens[0].text.upper() in _FIRST


def read_definition(text: str, tokens: list[Token], query: ParseQuery) -> Parsed:
    """Read a statement that defines a product.

    Args:
        text: the statement.
        tokens: of it.
        query: reads the tokens of a SELECT.

    Raises:
        SyntaxProblem: it is none of them, or cannot be read.
        NotSupported: it defines anything but a view.
    """
    while tokens[-1].token_type == TokenType.SEMICOLON:
        tokens = tokens[:-1]
    words = _Words(tokens)
    first = words.word()
    if first == "CREATE":
        return _create(text, words, query)
    defines = _drop(words) if first == "DROP" else _comment(words)
    return Parsed(text=text, tree=exp.Select(), kind="define", about=f"{first} VIEW", defines=defines)


class _Words:
    """The tokens of a statement, taken one by one."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def rest(self) -> list[Token]:
        """Those that were not taken."""
        return self._tokens[self._at :]

    def word(self) -> str:
        """The next token in capitals, taken; empty at the end."""
        if not self.rest:
            return ""
        self._at += 1
        return self._tokens[self._at - 1].text.upper()

    def takes(self, *words: str) -> bool:
        """Take these words, if they are the next ones."""
        found = [token.text.upper() for token in self.rest[: len(words)]]
        if found != list(words) or any(
            token.token_type in (TokenType.STRING, TokenType.IDENTIFIER) for token in self.rest[: len(words)]
        ):
            return False
        self._at += len(words)
        return True

    def name(self, form: str) -> tuple[str, ...]:
        """A name of parts with dots between.

        Raises:
            SyntaxProblem: the next tokens are none.
        """
        parts: list[str] = []
        while self.rest:
            token = self.rest[0]
            if token.token_type == TokenType.STRING:
                break
            if token.token_type != TokenType.IDENTIFIER and not _WORD.fullmatch(token.text):
                break
            parts.append(token.text)
            self._at += 1
            if not self.rest or self.rest[0].token_type != TokenType.DOT:
                return tuple(parts)
            self._at += 1
        raise SyntaxProblem("a name was expected", hint=f"it is {form}")

    def text(self, form: str) -> str:
        """A text in quotes."""
        if not self.rest or self.rest[0].token_type != TokenType.STRING:
            raise SyntaxProblem("a text in quotes was expected", hint=f"it is {form}")
        self._at += 1
        return str(self._tokens[self._at - 1].text)

    def end(self, form: str) -> None:
        """Nothing may follow."""
        if self.rest:
            raise SyntaxProblem(f"'{self.rest[0].text[:40]}' was not expected", hint=f"it is {form}")


def _create(text: str, words: _Words, query: ParseQuery) -> Parsed:
    replaces = words.takes("OR", "REPLACE")
    if not words.takes("VIEW"):
        raise NotSupported(
            "nothing but views can be created", hint=f"{CREATE}; ADBC's ingest creates tables from data"
        )
    name = words.name(CREATE)
    if words.rest and words.rest[0].token_type == TokenType.L_PAREN:
        raise NotSupported("a view takes its columns' names from its SELECT", hint=f"it is {CREATE}")
    comment = words.text(CREATE) if words.takes("COMMENT") else None
    if not words.takes("AS") or not words.rest:
        raise SyntaxProblem("AS and a SELECT were expected", hint=f"it is {CREATE}")
    body = words.rest
    sql = text[body[0].start : body[-1].end + 1]
    defines = Definition("create", name, sql, lenient=replaces, comment=comment)
    return replace(query(text, body), kind="define", about="CREATE VIEW", defines=defines)


def _drop(words: _Words) -> Definition:
    if not words.takes("VIEW"):
        raise NotSupported("nothing but views can be dropped", hint=f"it is {DROP}")
    lenient = words.takes("IF", "EXISTS")
    name = words.name(DROP)
    words.end(DROP)
    return Definition("drop", name, lenient=lenient)


def _comment(words: _Words) -> Definition:
    is_column = words.takes("ON", "COLUMN")
    if not is_column and not words.takes("ON", "VIEW"):
        raise NotSupported("comments are on views and their columns", hint=f"it is {COMMENT}")
    name = words.name(COMMENT)
    column = ""
    if is_column:
        *front, column = name
        name = tuple(front)
    if not name or not words.takes("IS"):
        raise SyntaxProblem("the comment cannot be read", hint=f"it is {COMMENT}")
    comment = "" if words.takes("NULL") else words.text(COMMENT)
    words.end(COMMENT)
    return Definition("comment", name, column=column, comment=comment)
