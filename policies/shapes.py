"""The conditions of row rules by their text: each shape of them is judged once, each tree read when it is needed.

Ten thousand rules are rarely ten thousand expressions: most differ in the values that a column is compared with, or
in the role that is asked for. Judging one takes 0.6 ms, finding that another of its shape was judged a tenth of it.
Such a value can change neither whether the rest parses nor what it calls or reads; a test compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from policies.expressions import read_condition, tables_in

Tables = tuple[tuple[str, ...], ...]

_DUCKDB = sqlglot.Dialect.get_or_raise("duckdb")
_MOST = 10_000
_LONGEST = 10_000  # characters
_ANY = "\x02"  # stands in no printable text
_VALUES = frozenset({TokenType.STRING, TokenType.NUMBER})
_COMPARISONS = frozenset(
    {TokenType.EQ, TokenType.NEQ, TokenType.LT, TokenType.LTE, TokenType.GT, TokenType.GTE}
)
_BEFORE = _COMPARISONS | {TokenType.LIKE, TokenType.ILIKE, TokenType.BETWEEN}
_ARITHMETIC = frozenset({TokenType.MOD, TokenType.STAR, TokenType.SLASH, TokenType.PLUS, TokenType.DASH})
_END = TokenType.SEMICOLON
_JOINED = frozenset({TokenType.AND, TokenType.OR, _END})
_ASKERS = frozenset({"attr", "attrs", "has_role"})

_judged: dict[str, Tables] = {}


@lru_cache(maxsize=_MOST)
def tree_of(text: str) -> exp.Expr:
    """A row rule's condition as a tree, which all who ask for it share.

    Raises:
        ValueError: the text is no row rule; says why.
    """
    return read_condition(text)


@lru_cache(maxsize=_MOST)
def tables_of(text: str) -> Tables:
    """The objects that the subqueries of a row rule read, each by its written parts.

    Raises:
        ValueError: the text is no row rule; says why.
    """
    shape = shape_of(text)
    known = _judged.get(shape) if shape else None
    if known is None:
        known = tuple(tables_in(tree_of(text)))
        if len(_judged) >= _MOST:
            _judged.clear()
        if shape:
            _judged[shape] = known
    return known


def shape_of(text: str) -> str | None:
    """What all expressions have in common that differ only in such values.

    None for a text that is judged by itself: with comments, several statements, or unusual signs.
    """
    if len(text) > _LONGEST or not text.isprintable() or "--" in text or "/*" in text or ";" in text:
        return None
    try:
        tokens = list(_DUCKDB.tokenize(f"SELECT {text}"))
    except SqlglotError:
        return None
    kinds = [*(token.token_type for token in tokens), _END]
    listed = {place for start in range(len(tokens)) for place in _listed(kinds, start)}
    return "\x00".join(
        f"{token.token_type.name}\x01{_ANY if at in listed or _is_free(tokens, kinds, at) else token.text}"
        for at, token in enumerate(tokens)
    )


def _is_free(tokens: Sequence[Token], kinds: Sequence[TokenType], at: int) -> bool:
    """Whether a token is a value that stands alone beside a comparison, or the name of a role or attribute."""
    kind, before, after = kinds[at], kinds[at - 1], kinds[at + 1]
    if kind not in _VALUES:
        return False
    if before in _BEFORE or (before is TokenType.AND and kinds[at - 3] is TokenType.BETWEEN):
        return after in _JOINED or after is TokenType.R_PAREN
    if before is TokenType.INTERVAL:
        return kind is TokenType.NUMBER
    if before in _ARITHMETIC:
        return kind is TokenType.NUMBER and (after in _JOINED or after in _COMPARISONS)
    if (before, kind, after) != (TokenType.L_PAREN, TokenType.STRING, TokenType.R_PAREN):
        return False
    # an empty name is refused
    return bool(tokens[at].text) and tokens[at - 2].text.lower() in _ASKERS


def _listed(kinds: Sequence[TokenType], start: int) -> range:
    """The positions of the values behind IN, where a list of nothing else starts with this parenthesis."""
    if kinds[start] is not TokenType.L_PAREN or kinds[start - 1] is not TokenType.IN:
        return range(0)
    at = start + 1
    while at + 1 < len(kinds) and kinds[at] in _VALUES:
        if kinds[at + 1] is TokenType.R_PAREN:
            return range(start + 1, at + 1, 2)
        if kinds[at + 1] is not TokenType.COMMA:
            break
        at += 2
    return range(0)
