"""How often sqlglot would read a statement's tokens: what it tries first as something else, it reads twice.

It takes ``INT(`` for a type before it takes it for a call, an argument up to a LIMIT for a lambda, and what follows a
JOIN without ON for joins within that one. Within one another each doubles the time, and nobody can interrupt its
parser: thirty levels are a hundred characters, and take an hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot.tokenizer_core import Token, TokenType

MOST_AGAIN = 50_000
"""How many tokens may be read again, those not counted that are read but twice."""

_TYPES = sqlglot.Dialect.get_or_raise("duckdb").parser_class.TYPE_TOKENS
_OPENING = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE})
_CLOSING = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE})
_JOINS = frozenset({TokenType.JOIN, TokenType.STRAIGHT_JOIN})
_WITHOUT_ON = frozenset({"CROSS", "NATURAL", "POSITIONAL", "ASOF"})


@dataclass(slots=True)
class _Level:
    """What stands between two brackets: how often its next token's time is doubled, and JOINs that wait for ON."""

    doublings: int = 0
    joins: int = 0


def is_bearable(tokens: Sequence[Token]) -> bool:
    """Whether sqlglot reads the tokens in a time that goes by their number."""
    again, levels = 0, [_Level()]
    for place, token in enumerate(tokens):
        level, kind = levels[-1], token.token_type
        if kind in _OPENING:
            tried = place > 0 and tokens[place - 1].token_type in _TYPES
            levels.append(_Level(level.doublings + tried))
        elif kind in _CLOSING and len(levels) > 1:
            levels.pop()
        elif kind in _JOINS:
            waits = not any(
                before.text.upper() in _WITHOUT_ON for before in tokens[max(0, place - 2) : place]
            )
            level.doublings += waits
            level.joins += waits
        elif kind in (TokenType.ON, TokenType.USING) and level.joins:
            level.doublings -= 1
            level.joins -= 1
        elif kind == TokenType.LIMIT or _is_condition(tokens, place):
            level.doublings += 1
        again += max(0, 2 ** min(levels[-1].doublings, 20) - 2)
        if again > MOST_AGAIN:
            return False
    return True


def _is_condition(tokens: Sequence[Token], place: int) -> bool:
    """Whether sqlglot takes a name for the beginning of IF … THEN."""
    token, after = tokens[place], tokens[place + 1 : place + 2]
    called = bool(after) and after[0].token_type == TokenType.L_PAREN
    return token.token_type == TokenType.VAR and token.text.upper() == "IF" and not called
