"""Pages with transcripts: every command of a ``console`` block is run in a demo, and says what stands there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(page: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of a page, and the lines that stand beneath each."""
    for block in _BLOCK.findall((DOCS / page).read_text("utf-8")):
        for said in block.split("$ ")[1:]:
            command, *lines = said.rstrip("\n").split("\n")
            yield command, lines


def is_answer(said: list[str], lines: list[str]) -> bool:
    """Whether this is what stands there; ``…`` in a line stands for anything."""
    told = [re.compile(".*".join(map(re.escape, line.split("…")))) for line in lines]
    return len(said) == len(told) and all(one.fullmatch(line) for one, line in zip(told, said, strict=True))


def answered(directory: Path, uri: str, command: str) -> list[str]:
    """What a command says, without its hint."""
    words = shlex.split(command)
    assert words[0] == "ripstop"
    user = words[words.index("--user") + 1]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "server.cli", *words[1:], "--uri", uri],
        cwd=directory, capture_output=True, check=False, text=True,
        env=os.environ | {"RIPSTOP_PASSWORD": f"{user}-demo"},
    )  # fmt: skip
    return [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("hint: ")]
