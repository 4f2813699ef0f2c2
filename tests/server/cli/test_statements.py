"""Where one statement ends and the next begins."""

from __future__ import annotations

import pytest

from server.cli.statements import statements


@pytest.mark.parametrize(
    ("text", "whole", "rest"),
    [
        ("", [], ""),
        ("  \n ", [], ""),
        (";;", [], ""),
        ("SELECT 1", [], "SELECT 1"),
        ("SELECT 1;", ["SELECT 1"], ""),
        ("SELECT 1; SELECT 2", ["SELECT 1"], "SELECT 2"),
        ("SELECT ';' AS x; SELECT 2;", ["SELECT ';' AS x", "SELECT 2"], ""),
        ("SELECT 'it''s;' ;", ["SELECT 'it''s;'"], ""),
        ('SELECT 1 AS "a;b""c;";', ['SELECT 1 AS "a;b""c;"'], ""),
        (r"SELECT e'a\';b';", [r"SELECT e'a\';b'"], ""),
        ("SELECT $$a;b$$;", ["SELECT $$a;b$$"], ""),
        ("SELECT $t$a;$$;b$t$;", ["SELECT $t$a;$$;b$t$"], ""),
        ("SELECT $1;", ["SELECT $1"], ""),
        ("-- a; comment\nSELECT 1;", ["-- a; comment\nSELECT 1"], ""),
        ("/* a; b */ SELECT 1;", ["/* a; b */ SELECT 1"], ""),
        ("-- only a comment;", [], ""),
        ("SELECT 'open ;", [], "SELECT 'open ;"),
        ("SELECT /* open ;", [], "SELECT /* open ;"),
        ("SELECT 2-1; SELECT 4/2;", ["SELECT 2-1", "SELECT 4/2"], ""),
    ],
)
def test_a_semicolon_ends_a_statement_where_it_stands_bare(text: str, whole: list[str], rest: str) -> None:
    assert statements(text) == (whole, rest)
