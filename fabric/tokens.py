"""Text to sqlglot's tokens: no comments, and every parameter as ``$n``.

Tokens of a dialect keep their places in the user's own text, since errors point at them.
"""

from __future__ import annotations

import re

from sqlglot import Dialect
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType

from fabric.errors import NotSupported, SyntaxProblem

MAX_TEXT = 1_000_000

# What an operand ends with: behind it ``:``, ``%`` and the like are operators, elsewhere parameters.
_OPERANDS = frozenset(
    [
        TokenType.VAR,
        TokenType.IDENTIFIER,
        TokenType.NUMBER,
        TokenType.STRING,
        TokenType.R_PAREN,
        TokenType.R_BRACKET,
        TokenType.R_BRACE,
        TokenType.PARAMETER,
    ]
)
_NOT_BEFORE_PARAMETERS = _OPERANDS | {TokenType.L_BRACKET, TokenType.COLON}
_ESCAPES = {
    "d": "DATE",
    "t": "TIME",
    "ts": "TIMESTAMP",
    "fn": "",
    "oj": "",
    "escape": "ESCAPE",
    "guid": "UUID",
}
_KINDS = {
    "DATE": TokenType.DATE,
    "TIME": TokenType.TIME,
    "TIMESTAMP": TokenType.TIMESTAMP,
    "UUID": TokenType.UUID,
    "ESCAPE": TokenType.ESCAPE,
}
# ODBC's scalar functions under the names that dialects have for them, and its types within CONVERT.
_FUNCTIONS = {
    "ucase": "upper",
    "lcase": "lower",
    "log": "ln",
    "char": "chr",
    "truncate": "trunc",
    "dayofmonth": "day",
    "ifnull": "coalesce",
    "week": "weekofyear",
    "curdate": "current_date",
    "curtime": "current_time",
    "current_timestamp": "now",
    # Their arguments stand in another order than in any dialect.
    "timestampadd": "odbc_timestampadd",
    "timestampdiff": "odbc_timestampdiff",
}
_TYPES = {
    "SQL_BIGINT": TokenType.BIGINT,
    "SQL_INTEGER": TokenType.INT,
    "SQL_SMALLINT": TokenType.SMALLINT,
    "SQL_DOUBLE": TokenType.DOUBLE,
    "SQL_FLOAT": TokenType.DOUBLE,
    "SQL_REAL": TokenType.FLOAT,
    "SQL_DECIMAL": TokenType.DECIMAL,
    "SQL_NUMERIC": TokenType.DECIMAL,
    "SQL_VARCHAR": TokenType.VARCHAR,
    "SQL_WVARCHAR": TokenType.VARCHAR,
    "SQL_LONGVARCHAR": TokenType.VARCHAR,
    "SQL_BIT": TokenType.BOOLEAN,
    "SQL_DATE": TokenType.DATE,
    "SQL_TYPE_DATE": TokenType.DATE,
    "SQL_TIMESTAMP": TokenType.TIMESTAMP,
    "SQL_TYPE_TIMESTAMP": TokenType.TIMESTAMP,
}


def tokens(text: str, dialect: Dialect) -> list[Token]:
    """The tokens of DuckDB's own dialect, without comments, parameters numbered in the order of the text.

    Raises:
        SyntaxProblem: a quote or comment is not closed, or parameters are written in several ways.
        NotSupported: it is too long.
    """
    return _numbered(_plain(text, dialect)[1])


def foreign_tokens(text: str, dialect: Dialect) -> list[Token]:
    """The same of another dialect: also ``:1``, ``:name``, ``@name`` and ``%s``, and ODBC's ``{fn …}``, ``{d …}``.

    Raises:
        SyntaxProblem: see ``tokens``.
        NotSupported: see ``tokens``.
    """
    return _numbered(_markers(_unescaped(_plain(text, dialect)[1])))


def without_comments(text: str, dialect: Dialect) -> str:
    """The text with blanks for comments, every other character at its place.

    Raises:
        SyntaxProblem: see ``tokens``.
        NotSupported: see ``tokens``.
    """
    return _plain(text, dialect)[0]


def _plain(text: str, dialect: Dialect) -> tuple[str, list[Token]]:
    if len(text) > MAX_TEXT:
        raise NotSupported(f"the statement is longer than {MAX_TEXT:,} characters")
    if "\x00" in text:
        raise SyntaxProblem("the statement holds a NUL character")
    try:
        found = list(dialect.tokenize(text))
        plain = _blanked(text, found)
        # sqlglot reads ORDER BY and its like as one word, and not with a comment within.
        found = found if plain == text else list(dialect.tokenize(plain))
    except TokenError:
        raise SyntaxProblem(
            "the statement cannot be read", hint="look for a quote or a comment that is not closed"
        ) from None
    for token in found:
        # A comment can change how sqlglot normalises names ("sqlglot.meta"), so none is kept.
        token.comments = []
    return plain, found


def _blanked(text: str, found: list[Token]) -> str:
    """The text with blanks for comments: what else stands between tokens."""
    pieces, end = [], 0
    for token in found:
        pieces += [re.sub(r"\S", " ", text[end : token.start]), text[token.start : token.end + 1]]
        end = token.end + 1
    return "".join(pieces) + re.sub(r"\S", " ", text[end:])


def _numbered(found: list[Token]) -> list[Token]:
    """Every ``?`` and ``$name`` as ``$n``, in the order of the text: a tree has an order of its own."""
    numbered: list[Token] = []
    names: dict[str, int] = {}
    styles: set[str] = set()
    count = 0
    for token, before in zip(found, [None, *found], strict=False):
        named = before is not None and before.token_type == TokenType.PARAMETER
        if token.token_type in (TokenType.PLACEHOLDER, TokenType.QDCOLON):
            count += 1
            styles.add("?")
            numbered += [
                _at(token, TokenType.PARAMETER, "$"),
                _at(token, TokenType.NUMBER, str(count)),
            ]
            if token.token_type == TokenType.QDCOLON:  # ``?::``, an operator of another dialect
                numbered.append(_at(token, TokenType.DCOLON, "::"))
        elif named and token.token_type == TokenType.NUMBER:
            styles.add("$1")
            numbered.append(token)
        elif named:
            styles.add("$name")
            number = names.setdefault(token.text.lower(), len(names) + 1)
            numbered.append(_at(token, TokenType.NUMBER, str(number)))
        else:
            numbered.append(token)
    if len(styles) > 1:
        raise SyntaxProblem("parameters are written in one way: all ?, all $1 or all $name")
    return numbered


def _at(place: Token, kind: TokenType, text: str) -> Token:
    return Token(kind, text, place.line, place.col, place.start, place.end)


# ── other dialects ───────────────────────────────────────────────────────────────────────────


def _markers(found: list[Token]) -> list[Token]:
    """``:1``, ``:name`` as ``$1``, ``$name``; ``%s`` as ``?``; ``@name`` as ``$name``."""
    made: list[Token] = []
    position = 0
    while position < len(found):
        token = found[position]
        behind = found[position + 1] if position + 1 < len(found) else None
        free = not made or made[-1].token_type not in _NOT_BEFORE_PARAMETERS
        adjacent = behind is not None and behind.start == token.end + 1
        if token.token_type == TokenType.COLON and free and adjacent:
            made.append(_at(token, TokenType.PARAMETER, "$"))
        elif token.token_type == TokenType.MOD and free and adjacent and behind and behind.text == "s":
            made.append(_at(token, TokenType.PLACEHOLDER, "?"))
            position += 1
        elif token.token_type == TokenType.PARAMETER:
            made.append(_at(token, TokenType.PARAMETER, "$"))
        else:
            made.append(token)
        position += 1
    return made


def _unescaped(found: list[Token]) -> list[Token]:
    """ODBC's and JDBC's escapes as what stands for them: ``{fn f(x)}`` is ``f(x)``, ``{d '…'}`` a DATE."""
    made: list[Token] = []
    closing: list[bool] = []
    position = 0
    while position < len(found):
        token = found[position]
        if token.token_type == TokenType.L_BRACE:
            escape = _escape(found, position)
            closing.append(escape is not None)
            if escape is not None:
                made += escape
                position += 2 + len([word for word in escape if word.token_type == TokenType.VAR])
                continue
        elif token.token_type == TokenType.R_BRACE and closing and closing.pop():
            position += 1
            continue
        kind = _TYPES.get(token.text.upper()) if any(closing) else None
        made.append(_at(token, kind, kind.name) if kind else token)
        position += 1
    return made


def _escape(found: list[Token], position: int) -> list[Token] | None:
    """What stands for the beginning of an escape: a keyword, a function's name, or nothing; None when it is none."""
    if position + 2 >= len(found):
        return None
    word, behind = found[position + 1], found[position + 2]
    if word.text.lower() not in _ESCAPES or behind.token_type == TokenType.COLON:
        return None
    keyword = _ESCAPES[word.text.lower()]
    if keyword:
        return [_at(word, _KINDS[keyword], keyword)]
    known = _FUNCTIONS.get(behind.text.lower()) if word.text.lower() == "fn" else None
    return [_at(behind, TokenType.VAR, known)] if known else []
