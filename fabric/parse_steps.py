"""How often sqlglot would read a statement's tokens: what it tries first as something else, it reads twice.

It takes ``INT(`` for a type before it takes it for a call, and an argument up to a LIMIT for a lambda; within one
another each doubles the time, and nobody can interrupt its parser: thirty levels are a hundred characters, and take
an hour.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlglot
from sqlglot.tokenizer_core import Token, TokenType

MOST_AGAIN = 100_000
"""How many tokens may be read again, those not counted that are read but twice."""

_TYPES = sqlglot.Dialect.get_or_raise("duckdb").parser_class.TYPE_TOKENS
_OPENING = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE})
_CLOSING = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE})


def is_bearable(tokens: Sequence[Token]) -> bool:
    """Whether sqlglot reads the tokens in a time that goes by their number."""
    again, doublings = 0, [0]
    for before, token, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        kind = token.token_type
        if kind in _OPENING:
            doublings.append(doublings[-1] + (before is not None and before.token_type in _TYPES))
        elif kind in _CLOSING and len(doublings) > 1:
            doublings.pop()
        elif kind == TokenType.LIMIT or _is_condition(token, after):
            doublings[-1] += 1
        again += max(0, 2 ** min(doublings[-1], 20) - 2)
        if again > MOST_AGAIN:
            return False
    return True


def _is_condition(token: Token, after: Token | None) -> bool:
    """Whether sqlglot takes a name for the beginning of IF … THEN."""
    called = after is not None and after.token_type == TokenType.L_PAREN
    return token.token_type == TokenType.VAR and token.text.upper() == "IF" and not called
