"""The shell as a person types into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from server.cli.options import Format
from server.cli.shell import Shell
from server.client import Client, Login
from tests.server.tiny import USERS, serving


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[[str], tuple[str, str]]]:
    """Types a text into a shell; gives what it wrote to stdout and to stderr."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with serving() as served, Client(Login(served.uri, "ana", USERS["ana"])) as client:

        def run(text: str) -> tuple[str, str]:
            with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
                keys.send_text(text)
                Shell(client, Format.csv, "ana").run()
            said = capsys.readouterr()
            return said.out, said.err

        yield run


def test_a_statement_spans_lines_until_its_semicolon_and_is_timed(
    typed: Callable[[str], tuple[str, str]],
) -> None:
    out, err = typed("SELECT 1 AS a,\n';' AS b\n; SELECT 2 AS c;\n.quit\n")
    assert "a,b\n1,;\n1 row in 0." in out
    assert "c\n2\n1 row in 0." in out
    assert not err


def test_an_error_is_shown_and_the_shell_goes_on(typed: Callable[[str], tuple[str, str]]) -> None:
    out, err = typed("SELECT nothing FROM nowhere;\nSELECT 3 AS a;\n.quit\n")
    assert err.startswith("error: ")
    assert "a\n3\n" in out


def test_dot_commands_help_choose_a_format_and_refuse_the_unknown(
    typed: Callable[[str], tuple[str, str]],
) -> None:
    out, err = typed(".help\n.format jsonl\nSELECT 1 AS a;\n.format parquet\n.nonsense\n.quit\n")
    assert ".tables" in out
    assert '{"a": 1}' in out
    assert "the shell has no format parquet" in err
    assert "there is no command .nonsense" in err


def test_ctrl_c_drops_the_line_and_ctrl_d_leaves(typed: Callable[[str], tuple[str, str]]) -> None:
    out, err = typed("SELECT 'never\n\x03SELECT 4 AS a;\n\x04")
    assert "a\n4\n" in out
    assert not err


def test_history_is_kept_for_its_owner_only(typed: Callable[[str], tuple[str, str]], tmp_path: Path) -> None:
    typed("SELECT 5;\n.quit\n")
    history = tmp_path / "ripstop" / "history"
    assert "SELECT 5;" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0
