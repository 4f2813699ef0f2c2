"""Where one statement ends and the next begins."""

from __future__ import annotations

import pytest

from server.cli.statements import entries, statements


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


@pytest.mark.parametrize(
    ("text", "whole", "rest"),
    [
        (".tables", [".tables"], ""),
        ("SELECT 1;\n\\d x\nSELECT 2;", ["SELECT 1", "\\d x", "SELECT 2"], ""),
        ("SELECT\n.5;", ["SELECT\n.5"], ""),
        ("SELECT '\n.quit\n';", ["SELECT '\n.quit\n'"], ""),
        ("SELECT 1", [], "SELECT 1"),
        ("\n-- only this\n", [], ""),
    ],
)
def test_commands_stand_on_lines_of_their_own_between_statements(
    text: str, whole: list[str], rest: str
) -> None:
    assert entries(text) == (whole, rest)
