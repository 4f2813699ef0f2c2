"""When an answer goes to the pager, and when it does not."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from server.cli.paging import Screen, pager


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((20, 10)))


def paged(tmp_path: Path, *texts: str, whole: bool = False) -> tuple[str, str]:
    """What the terminal and what the pager got."""
    out, file = io.StringIO(), tmp_path / "paged"
    file.write_text("")
    with Screen(out, ["dd", f"of={file}", "status=none"], whole=whole) as screen:
        screen.writelines(texts)
    return out.getvalue(), file.read_text()


@pytest.mark.parametrize(
    ("texts", "whole", "to_pager"),
    [
        (["a\n"] * 8, False, False),
        (["a\n"] * 9, False, True),
        (["a\n" * 9], False, True),
        (["x" * 100 + "\n"], False, False),
        (["x" * 200 + "\n"], False, True),
        (["x" * 20 + "\n"], True, False),
        (["x" * 21 + "\n"], True, True),
        (["佐" * 11 + "\n"], True, True),
        (["\x1b[2mNULL\x1b[0m" + "x" * 16 + "\n"], True, False),
    ],
)
def test_what_is_longer_than_the_screen_is_paged(
    tmp_path: Path, texts: list[str], whole: bool, to_pager: bool
) -> None:
    text = "".join(texts)
    assert paged(tmp_path, *texts, whole=whole) == (("", text) if to_pager else (text, ""))


def test_pager_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGER", "cat -n")
    assert pager() == ["cat", "-n"]
    for nothing in ("", "no-such-pager --x"):
        monkeypatch.setenv("PAGER", nothing)
        assert pager() == []
