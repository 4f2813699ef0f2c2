"""Files that answers are written to: what holds one answer is there when it is whole, and not before."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from fabric.errors import InvalidValue
from server.cli.options import Format

BY_SUFFIX = {
    ".csv": Format.csv,
    ".json": Format.json,
    ".jsonl": Format.jsonl,
    ".ndjson": Format.jsonl,
    ".md": Format.markdown,
    ".parquet": Format.parquet,
    ".arrow": Format.arrow,
    ".arrows": Format.arrow,
}


class Output:
    """A file that answers are written to, in the format of its suffix, or else in the shell's.

    A binary format holds one answer; such a file is there when its answer is whole, and not before.

    Raises:
        InvalidValue: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.form = BY_SUFFIX.get(path.suffix.lower())
        self.binary = self.form is not None and self.form.binary
        self._file: IO[str] | None = None if self.binary else _opened(path, path)

    @contextmanager
    def opened(self) -> Iterator[IO[str]]:
        """The file for one answer."""
        if self._file is None:
            with whole(self.path) as file:
                yield file
            return
        yield self._file
        self._file.flush()

    def close(self) -> None:
        """Nothing more is written to it."""
        if self._file is not None:
            self._file.close()


@contextmanager
def whole(path: Path) -> Iterator[IO[str]]:
    """A file for one answer, under another name until the block ends well; what stood there before stays until then.

    What is no file, such as a pipe, is written straight.

    Raises:
        InvalidValue: it cannot be written.
    """
    target = path.resolve()  # of a link, what it leads to is replaced
    if target.exists() and not target.is_file():
        with _opened(target, path) as file:
            yield file
        return
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with _opened(part, path) as file:
            yield file
            _kept(file, path)
        _renamed(part, target, path)
    finally:
        part.unlink(missing_ok=True)


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


def _kept(file: IO[str], shown: Path) -> None:
    file.flush()
    try:
        os.fsync(file.fileno())
    except OSError as error:
        raise _unwritable(shown, error) from None


def _renamed(part: Path, target: Path, shown: Path) -> None:
    try:
        part.replace(target)
    except OSError as error:
        raise _unwritable(shown, error) from None


def _unwritable(path: Path, error: OSError) -> InvalidValue:
    return InvalidValue(f"cannot write '{path}': {error.strerror}", hint="name another file")
