"""A shell's statements: asked with progress, written to a screen, a pager or a file, timed; errors with a caret."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from fabric.errors import FabricError
from server.cli.caret import excerpt
from server.cli.failure import show
from server.cli.formats import SHOWN_ROWS, Batches, write
from server.cli.options import Format
from server.cli.output import Output
from server.cli.paging import Screen, pager
from server.cli.progress import Progress, size
from server.client import Client


@dataclass
class Settings:
    """How answers are shown; the shell's commands change it."""

    form: Format
    timed: bool = True
    paged: bool = True
    most_rows: int = SHOWN_ROWS
    output: Output | None = None


class Asker:
    """Asks statements one after the other.

    Args:
        client: the connection that answers.
        settings: how answers are shown.
    """

    def __init__(self, client: Client, settings: Settings) -> None:
        self.client = client
        self.settings = settings

    def ask(self, statement: str) -> bool:
        """Ask, show the answer or the error, and say whether there was an answer.

        Raises:
            KeyboardInterrupt: Ctrl-C, when the query is cancelled.
        """
        progress = Progress(self.client.again, statement, shown=sys.stdout.isatty() and sys.stderr.isatty())
        output = self.settings.output
        try:
            with progress, self.client.query(statement) as answer:
                count = self._write(progress.watched(answer), progress)
        except BrokenPipeError:
            print("the rest was not read")  # the person left the pager
            return True
        except FabricError as error:
            show(error.code, error.message, error.hint, excerpt(statement, error.message))
            return False
        said = "1 row" if count == 1 else f"{count:,} rows"
        if output is not None:
            said += f", {size(output.path.stat().st_size)} in {output.path}"
        if self.settings.timed:
            said += f" in {progress.seconds:.3f} s"
        print(said, flush=True)
        return True

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """The rows of a question that the shell itself has; none when it is refused."""
        try:
            with self.client.query(statement) as answer:
                return answer.read_all().to_pylist()  # type: ignore[no-any-return]
        except FabricError:
            return []

    def _write(self, answer: Batches, progress: Progress) -> int:
        settings = self.settings
        output = settings.output
        if output is not None:
            with output.opened() as file:
                count = write(answer, output.form or settings.form, file)
            if output.binary:
                settings.output = None
            return count
        if not sys.stdout.isatty():
            return write(answer, settings.form, sys.stdout)
        command, whole = pager() if settings.paged else [], settings.form is Format.table
        with Screen(sys.stdout, command, progress.hide, whole=whole) as screen:
            return write(answer, settings.form, screen, settings.most_rows)  # type: ignore[arg-type]
