"""Where a caret stands beneath a person's own text."""

from __future__ import annotations

import pytest

from server.cli.caret import excerpt


def under(statement: str, message: str) -> str:
    """What the carets are beneath."""
    drawn = excerpt(statement, message).split("\n")
    return "".join(c for c, mark in zip(*drawn, strict=False) if mark == "^") if len(drawn) == 2 else ""


@pytest.mark.parametrize(
    ("statement", "message", "place"),
    [
        ("SELECT 1 +", "the statement cannot be read at line 1, column 10, near '+'", "+"),
        (
            "SELECT a\nFROM (SELECT",
            "the statement cannot be read at line 2, column 12, near 'SELECT'",
            "SELECT",
        ),
        ("SELECT 1,\n nope FROM t", "no column 'nope' in the relations of this query", "nope"),
        ("SELECT 'nope', nope FROM t -- nope", "no column 'nope' in the relations of this query", "nope"),
        ("SELECT 1 FROM sales.x", "there is no 'sales.x' that you may see", "sales.x"),
        ('SELECT "No pe" FROM t', "no column 'No pe' in the relations of this query", '"No pe"'),
        ("SELECT 1, 'abc", "the statement cannot be read", "'"),
        ("SELECT xnope, nopex", "no column 'nope' in the relations of this query", ""),
        ("SELECT 1", "the query ran longer than 3 seconds", ""),
        ("SELECT 1", "the statement cannot be read at line 9, column 99", ""),
        ("", "the statement cannot be read at line 1, column 1", ""),
    ],
)
def test_the_caret_is_beneath_what_the_message_means(statement: str, message: str, place: str) -> None:
    assert under(statement, message) == place


def test_the_caret_of_a_name_in_a_text_before_it_is_at_the_name() -> None:
    assert excerpt("SELECT 'nope', nope", "no column 'nope'") == (
        "   1 | SELECT 'nope', nope\n     |                ^^^^"
    )


def test_wide_characters_before_it_move_the_caret() -> None:
    assert (
        excerpt("SELECT '佐藤',\tnope", "no column 'nope'").split("\n")[1].index("^")
        == len("   1 | SELECT '') ") + 4
    )
