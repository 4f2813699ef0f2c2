"""A shell's statements: asked with progress, written to a screen, a pager or a file, timed; errors with a caret."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from fabric.errors import FabricError, InvalidValue
from server.cli.caret import excerpt
from server.cli.failure import show
from server.cli.formats import SHOWN_ROWS, Batches, write
from server.cli.options import Format
from server.cli.paging import Screen, pager
from server.cli.progress import Progress, size
from server.client import Client

_BY_SUFFIX = {
    ".csv": Format.csv,
    ".json": Format.json,
    ".jsonl": Format.jsonl,
    ".ndjson": Format.jsonl,
    ".md": Format.markdown,
    ".parquet": Format.parquet,
    ".arrow": Format.arrow,
    ".arrows": Format.arrow,
}


@dataclass
class Settings:
    """How answers are shown; the shell's commands change it."""

    form: Format
    timed: bool = True
    paged: bool = True
    most_rows: int = SHOWN_ROWS
    output: Output | None = None


class Output:
    """A file that answers are written to, in the format of its suffix, or else in the shell's.

    A binary format holds one answer; such a file is there when its answer is whole, and not before.

    Raises:
        InvalidValue: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.form = _BY_SUFFIX.get(path.suffix.lower())
        self.binary = self.form is not None and self.form.binary
        self._file: IO[str] | None = None if self.binary else _opened(path, path)

    @contextmanager
    def opened(self) -> Iterator[IO[str]]:
        """The file for one answer."""
        if self._file is not None:
            yield self._file
            self._file.flush()
            return
        part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        try:
            with _opened(part, self.path) as file:
                yield file
            part.replace(self.path)
        finally:
            part.unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing more is written to it."""
        if self._file is not None:
            self._file.close()


class _File(io.FileIO):
    """A file whose failure is no failure of the server's."""

    shown: Path

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise _unwritable(self.shown, error) from None


def _opened(path: Path, shown: Path) -> IO[str]:
    try:
        file = _File(path, "w")
    except OSError as error:
        raise _unwritable(shown, error) from None
    file.shown = shown
    return io.TextIOWrapper(io.BufferedWriter(file), encoding="utf-8", newline="")


def _unwritable(path: Path, error: OSError) -> InvalidValue:
    return InvalidValue(f"cannot write '{path}': {error.strerror}", hint="name another file: .output FILE")


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
