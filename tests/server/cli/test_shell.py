"""The shell as a person types into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from server.cli.options import Format
from server.cli.shell import Shell
from server.cli.shell_commands import COMMANDS
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


def test_psqls_and_duckdbs_commands_are_the_same(typed: Callable[[str], tuple[str, str]]) -> None:
    out, _ = typed("\\dt\n.tables cla*\n\\d claim\n\\dn\n\\x\nSELECT 1 AS a;\n\\timing off\nSELECT 2;\n\\q\n")
    assert out.count("memory,main,claim,BASE TABLE") == 2
    assert "format: line" in out
    assert "-- 1 --\na = 1\n" in out
    assert "timer: off" in out
    assert out.endswith("1 row\n")


def test_every_command_answers_or_says_why_not(typed: Callable[[str], tuple[str, str]]) -> None:
    for command in COMMANDS:
        if command.names[0] in (".quit", ".edit"):
            continue
        for name in command.names:
            out, err = typed(f"{name}\n.output\n.quit\n")
            assert "no command" not in err
            assert len(out + err) > len("output: here")


def test_output_writes_by_the_files_suffix_and_a_binary_file_only_when_it_is_whole(
    typed: Callable[[str], tuple[str, str]], tmp_path: Path
) -> None:
    lines, whole, broken = (tmp_path / name for name in ("a.jsonl", "b.parquet", "c.arrow"))
    out, err = typed(
        f".output {lines}\nSELECT 1 AS a;\nSELECT 2 AS a;\n.output '{whole}'\nSELECT 3 AS a;\nSELECT 4 AS b;\n"
        f".output {broken}\nFAIL;\n.output {tmp_path}/none/x.csv\n.quit\n"
    )
    assert lines.read_text() == '{"a": 1}\n{"a": 2}\n'
    assert pq.read_table(whole).to_pydict() == {"a": [3]}
    assert "b\n4\n" in out
    assert f"in {whole}" in out
    assert not broken.exists()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.jsonl", "b.parquet", "ripstop"]
    assert "error: SOURCE_UNREACHABLE" in err
    assert f"cannot write '{tmp_path}/none/x.csv': No such file or directory" in err


def test_read_runs_a_file_until_something_fails_and_no_file_reads_itself_for_ever(
    typed: Callable[[str], tuple[str, str]], tmp_path: Path
) -> None:
    script, loop = tmp_path / "script.sql", tmp_path / "loop.sql"
    script.write_text(".format jsonl\nSELECT 1\n  AS a; SELECT 2 AS a;\nSELECT x;\nSELECT 3 AS a;\n")
    loop.write_text(f".read {loop}\n")
    out, err = typed(f".read {script}\n\\i {loop}\n\\i {tmp_path}/none\n.quit\n")
    assert '{"a": 1}\n' in out
    assert '{"a": 2}\n' in out
    assert '{"a": 3}' not in out
    assert err.count("16 deep") == 1
    assert f"the file '{tmp_path}/none' is not there" in err


def test_what_an_editor_saves_stands_at_the_prompt(
    typed: Callable[[str], tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", "sed -i s/5/6/")
    out, _ = typed("SELECT 5 AS a;\n\\e\n\n.quit\n")
    assert "a\n5\n" in out
    assert "a\n6\n" in out


def test_a_pattern_is_a_text_and_nothing_else(typed: Callable[[str], tuple[str, str]]) -> None:
    out, err = typed(".tables x' OR 'a'='a\n.quit\n")
    assert "0 rows" in out
    assert not err
