"""A screen that hands over to a pager when an answer does not fit on it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import IO

_STYLE = re.compile(r"\x1b\[\d*m")


def pager() -> list[str]:
    """The command that pages: what PAGER says, else less; empty when there is none, or PAGER is empty."""
    command = shlex.split(os.environ.get("PAGER", "less -S"))
    return command if command and shutil.which(command[0]) else []


class Screen:
    """Holds back what is written until it is more than a screen; then a pager shows it, and all that follows.

    Args:
        out: the terminal.
        command: the pager; none, and nothing is held back.
        first: called before the first text is shown or held back.
        whole: lines are not to be wrapped, so that one that is too long is for the pager too.

    Raises:
        BrokenPipeError: by ``write``, when the person has left the pager.
    """

    def __init__(
        self,
        out: IO[str],
        command: list[str],
        first: Callable[[], None] = lambda: None,
        *,
        whole: bool = False,
    ) -> None:
        self._out = out
        self._first = first
        self._whole = whole
        self._command = command
        self._held: list[str] = []
        self._lines = 0
        self._process: subprocess.Popen[str] | None = None
        self._columns, self._rows = shutil.get_terminal_size()

    def isatty(self) -> bool:
        """A screen is a terminal to whoever writes on it."""
        return True

    def write(self, text: str) -> None:
        """Show the text, now or when more has come."""
        self._first()
        if not self._command:
            self._out.write(text)
            return
        if self._process is None:
            self._held.append(text)
            # Two lines are the timing's and the next prompt's.
            if self._fits(text) and self._lines <= self._rows - 2:
                return
            self._start()
            text = "".join(self._held)
        self._pipe.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write them one by one."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Called by whoever writes; nothing is held longer than ``write`` means it to be."""

    def _fits(self, text: str) -> bool:
        from rich.cells import cell_len

        lines = [cell_len(line) // (self._columns + 1) for line in _STYLE.sub("", text).split("\n")]
        self._lines += len(lines) - 1 + sum(lines)
        return not (self._whole and any(lines))

    def _start(self) -> None:
        # -F would leave at once, -X clear nothing: what was read stays on the screen; R lets NULL be dim.
        environment = {"LESS": "RSX"} | dict(os.environ)
        self._process = subprocess.Popen(  # noqa: S603 - the person's own pager
            self._command, stdin=subprocess.PIPE, text=True, encoding="utf-8", env=environment
        )

    @property
    def _pipe(self) -> IO[str]:
        assert self._process is not None  # noqa: S101
        assert self._process.stdin is not None  # noqa: S101
        return self._process.stdin

    def __enter__(self) -> Screen:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:
            self._out.write("".join(self._held))
            self._out.flush()
            return
        with suppress(BrokenPipeError):
            self._pipe.close()
        while True:
            try:  # Ctrl-C is the pager's own while it shows.
                self._process.wait()
                return
            except KeyboardInterrupt:
                continue
