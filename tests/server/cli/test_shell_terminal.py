"""``ripstop sql`` at a real (pseudo) terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server.cli.terminal import Terminal
from tests.server.tiny import USERS, Served, serving, until

ENDLESS = "SELECT count(*) AS n FROM range(1000000000) a, range(1000000) b"


@pytest.fixture
def served() -> Iterator[Served]:
    with serving() as served:
        yield served


@pytest.fixture
def shell(served: Served, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*arguments: str, **environment: str) -> Terminal:
        login = {"RIPSTOP_USER": "ana", "RIPSTOP_PASSWORD": USERS["ana"]}
        terminal = Terminal(["sql", "--uri", served.uri, *arguments], tmp_path, **login, **environment)
        opened.append(terminal)
        terminal.expect("ripstop>")
        return terminal

    yield start
    for terminal in opened:
        terminal.close()


def test_ctrl_c_ends_the_query_at_the_server_and_the_shell_goes_on(
    shell: Callable[..., Terminal], served: Served
) -> None:
    terminal = shell()
    terminal.type(f"{ENDLESS};\r")
    terminal.expect(r"0 rows · 0 B · \d\.\d s · Ctrl-C ends it")
    (answer,) = [each for each in served.app.line.answers if each._text == ENDLESS]
    assert not answer.ended_at
    terminal.type("\x03")
    terminal.expect("error: CANCELLED: the query was ended")
    until(lambda: bool(answer.ended_at))
    until(answer.closed.is_set)
    terminal.type("SELECT 40 + 2 AS n;\r")
    terminal.expect(r"\| 42 \|")
    terminal.expect("ripstop>")
    terminal.type("\x04")
    assert terminal.process.wait(10) == 0


def test_tab_completes_from_the_servers_metadata(shell: Callable[..., Terminal], served: Served) -> None:
    terminal = shell()
    until(
        lambda: any("information_schema" in each._text and each.ended_at for each in served.app.line.answers)
    )
    time.sleep(0.5)
    terminal.type("SELECT max(c.name) AS last FROM cla\t")
    terminal.expect("memory.claim")
    terminal.type(" c;\r")
    terminal.expect(r"\| c9   \|")


@pytest.mark.parametrize("form", ["table", "line", "markdown", "csv", "json", "jsonl"])
def test_no_text_of_an_answer_reaches_the_terminal_as_an_escape(
    shell: Callable[..., Terminal], form: str
) -> None:
    terminal = shell("--format", form)
    terminal.type("SELECT 'x' || chr(27) || ']52;c;aGk=' || chr(7) || chr(157) || chr(8238) || 'é' AS a;\r")
    terminal.expect("aGk=.*é.*")
    terminal.expect("1 row in")
    for escape in (b"\x1b]52", b"\x07", "\x9d".encode(), "\u202e".encode()):
        assert escape not in terminal.raw


def test_an_answer_longer_than_the_screen_goes_to_the_pager(shell: Callable[..., Terminal]) -> None:
    terminal = shell(PAGER="sed s/^/PAGED:/")
    terminal.type("SELECT * FROM range(5);\r")
    assert "PAGED" not in terminal.expect("5 rows in")
    terminal.type("SELECT * FROM range(50);\r")
    assert "PAGED:|    49 |" in terminal.expect("50 rows in")
    terminal.type(".pager off\r")
    terminal.expect("pager: off")
    terminal.type("SELECT * FROM range(50);\r")
    assert "PAGED" not in terminal.expect("50 rows in")


def test_leaving_the_pager_ends_the_query_at_the_server(
    shell: Callable[..., Terminal], served: Served
) -> None:
    terminal = shell("--format", "csv", PAGER="head -n 3")
    terminal.type("SELECT * FROM range(100000000000);\r")
    terminal.expect("the rest was not read")
    answer = next(each for each in served.app.line.answers if "100000000000" in each._text)
    until(lambda: bool(answer.ended_at))


def test_ctrl_c_ends_all_that_was_typed_at_once(shell: Callable[..., Terminal], served: Served) -> None:
    terminal = shell()
    terminal.type(f"{ENDLESS}; SELECT 'nev' || 'er' AS n;\r")
    until(lambda: any(each._text == ENDLESS for each in served.app.line.answers))
    terminal.type("\x03")
    terminal.expect("error: CANCELLED: the query was ended")
    terminal.type("SELECT 1 + 1 AS two;\r")
    assert "never" not in terminal.expect(r"\|   2 \|")
