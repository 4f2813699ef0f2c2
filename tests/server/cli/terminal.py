"""``ripstop`` at a pseudo-terminal, as a person would sit before it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path

from tests.patience import PATIENCE
from tests.server.tiny import until


class Terminal:
    """A terminal of 24 lines and 100 columns that runs one command.

    Args:
        arguments: of ``ripstop``.
        home: where it keeps its history.
        environment: more than that of this process.
    """

    def __init__(self, arguments: list[str], home: Path, **environment: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        fixed = {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", "XDG_STATE_HOME": str(home), "PAGER": ""}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, **fixed, **environment},
            preexec_fn=_own_terminal,
        )
        os.close(slave)
        self.raw = b""
        self._seen = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while part := os.read(self._master, 65536):
                self.raw += part
        except OSError:
            return  # the command has ended

    def type(self, text: str) -> None:
        """Press these keys."""
        os.write(self._master, text.encode())

    def expect(self, pattern: str) -> str:
        """Wait for what a regular expression says, behind what was expected before; the text until there."""
        found: list[re.Match[str]] = []

        def there() -> bool:
            match = re.compile(pattern).search(self.shown(), self._seen)
            found.extend([match] if match else [])
            return bool(found)

        try:
            until(there, seconds=10 * PATIENCE)
        except AssertionError:
            raise AssertionError(f"no {pattern} in: {self.shown()[self._seen :]!r}") from None
        text = self.shown()[self._seen : found[0].end()]
        self._seen = found[0].end()
        return text

    def shown(self) -> str:
        """All that was written, without the escapes that colour and place it."""
        return re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", self.raw.decode(errors="replace"))

    def close(self) -> None:
        """End the command."""
        self.process.kill()
        self.process.wait()
        os.close(self._master)


def _own_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
