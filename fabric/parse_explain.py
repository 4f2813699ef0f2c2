"""What stands between EXPLAIN and its query: ``ANALYZE``, and in brackets ``FORMAT`` and ``ANALYZE`` as in DuckDB."""

from __future__ import annotations

from sqlglot.tokenizer_core import Token

from fabric.errors import SyntaxProblem
from fabric.types import Kind

FORMS = ("text", "json", "mermaid")
"""In what an EXPLAIN is answered."""


def explained(tokens: list[Token]) -> tuple[Kind, str, list[Token]]:
    """The kind of an EXPLAIN, the form in which it is answered, and the tokens of its query.

    Args:
        tokens: those behind EXPLAIN.

    Raises:
        SyntaxProblem: there is no such option.
    """
    analyzed, form = _word(tokens, 0) == "ANALYZE", "text"
    tokens = tokens[1:] if analyzed else tokens
    # No query begins so: (FORMAT …), (ANALYZE …).
    if _word(tokens, 0) == "(" and _word(tokens, 1) in ("FORMAT", "ANALYZE"):
        words, tokens = _bracketed(tokens)
        for option in " ".join(words).split(","):
            if option.split() == ["ANALYZE"]:
                analyzed = True
            elif option.split()[:1] == ["FORMAT"] and option[len("FORMAT ") :].strip().lower() in FORMS:
                form = option.split()[1].lower()
            else:
                raise SyntaxProblem(
                    f"EXPLAIN takes no ({option.strip()[:60]})",
                    hint="EXPLAIN (ANALYZE, FORMAT JSON) SELECT …; formats are " + ", ".join(FORMS).upper(),
                )
    return "explain analyze" if analyzed else "explain", form, tokens


def _word(tokens: list[Token], place: int) -> str:
    return tokens[place].text.upper() if place < len(tokens) else ""


def _bracketed(tokens: list[Token]) -> tuple[list[str], list[Token]]:
    words = [token.text.upper() for token in tokens]
    end = words.index(")") if ")" in words else len(words)
    return words[1:end], tokens[end + 1 :]
