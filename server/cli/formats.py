"""How ``ripstop sql`` writes an answer: a table, CSV, JSON, JSON lines, Parquet or an Arrow stream."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any, Protocol

from fabric.errors import NotSupported
from server.cli.options import Format
from server.cli.render import is_number, jsons, texts

if TYPE_CHECKING:
    import pyarrow as pa


class Batches(Protocol):
    """What is written: a schema and its batches."""

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns."""
        ...

    def __iter__(self) -> Iterator[pa.RecordBatch]: ...


# A terminal gets at most this many rows of a table; whoever wants all asks for another format.
SHOWN_ROWS = 200
_WIDEST = 60
_QUOTED = re.compile(r'[",\r\n]|^\s|\s$')
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def write(reader: Batches, form: Format, out: IO[str]) -> int:
    """Write the whole answer and return its number of rows.

    Raises:
        NotSupported: a binary format would go to a terminal.
    """
    return _WRITERS[form](reader, out)


def _table(reader: Batches, out: IO[str]) -> int:
    shown = SHOWN_ROWS if out.isatty() else sys.maxsize
    header = [_visible(name) for name in reader.schema.names]
    rows: list[tuple[str | None, ...]] = []
    count = 0
    for batch in reader:
        count += batch.num_rows
        if len(rows) < shown:
            part = batch.slice(0, shown - len(rows))
            rows += zip(*(texts(column) for column in part.columns), strict=True)
    _print_table(header, rows, [is_number(field.type) for field in reader.schema], out)
    if count > len(rows):
        out.write(f"{len(rows)} of {count} rows are shown; --format csv or jsonl writes all\n")
    return count


def _print_table(
    header: list[str], rows: list[tuple[str | None, ...]], right: list[bool], out: IO[str]
) -> None:
    from rich.cells import cell_len

    terminal = out.isatty()
    cells = [["NULL" if text is None else _visible(text) for text in row] for row in rows]
    if terminal:
        cells = [[_short(text) for text in row] for row in cells]
    widths = [max([cell_len(name), *(cell_len(row[i]) for row in cells)]) for i, name in enumerate(header)]

    def line(row: list[str], missing: tuple[bool, ...]) -> str:
        parts = []
        for text, width, to_right, null in zip(row, widths, right, missing, strict=True):
            space = " " * (width - cell_len(text))
            shown = f"\x1b[2m{text}\x1b[0m" if null and terminal else text
            parts.append(space + shown if to_right else shown + space)
        return "| " + " | ".join(parts) + " |\n"

    never = (False,) * len(header)
    out.write(line(header, never))
    out.write("|" + "|".join("-" * (width + 2) for width in widths) + "|\n")
    for row, raw in zip(cells, rows, strict=True):
        out.write(line(row, tuple(text is None for text in raw)))


def _csv(reader: Batches, out: IO[str]) -> int:
    """RFC 4180 with plain line ends; NULL is nothing, an empty text is ``""``."""
    out.write(",".join(map(_field, reader.schema.names)) + "\n")
    count = 0
    for batch in reader:
        count += batch.num_rows
        columns = [_fields(column) for column in batch.columns]
        out.writelines(",".join(row) + "\n" for row in zip(*columns, strict=True))
    return count


def _jsonl(reader: Batches, out: IO[str]) -> int:
    count = 0
    for line in _objects(reader):
        out.write(line + "\n")
        count += 1
    return count


def _json(reader: Batches, out: IO[str]) -> int:
    count = 0
    for line in _objects(reader):
        out.write(("[\n" if count == 0 else ",\n") + line)
        count += 1
    out.write("\n]\n" if count else "[]\n")
    return count


def _objects(reader: Batches) -> Iterator[str]:
    import pyarrow as pa

    for batch in reader:
        rows = pa.StructArray.from_arrays(batch.columns, fields=list(batch.schema))
        yield from jsons(rows)


def _arrow(reader: Batches, out: IO[str]) -> int:
    import pyarrow as pa

    with pa.ipc.new_stream(_Bytes(out), reader.schema) as writer:
        return _copy(reader, writer.write_batch)


def _parquet(reader: Batches, out: IO[str]) -> int:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(_Bytes(out), reader.schema, compression="zstd") as writer:
        return _copy(reader, writer.write_batch)


def _copy(reader: Batches, put: Callable[[Any], None]) -> int:
    count = 0
    for batch in reader:
        put(batch)
        count += batch.num_rows
    return count


class _Bytes:
    """The bytes beneath a text stream, with a position even where that is a pipe."""

    closed = False

    def __init__(self, out: IO[str]) -> None:
        if out.isatty():
            raise NotSupported(
                "this format is bytes, and a terminal shows text", hint="write it to a file: > FILE"
            )
        out.flush()
        self._out: IO[bytes] = out.buffer  # type: ignore[attr-defined]
        self._position = 0

    def write(self, data: bytes) -> int:
        self._out.write(data)
        self._position += len(data)
        return len(data)

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        self._out.flush()

    def close(self) -> None:
        self._out.flush()

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False


def _fields(column: pa.Array) -> list[str]:
    if is_number(column.type):
        return [text or "" for text in texts(column)]
    return ["" if text is None else _field(text) for text in texts(column)]


def _field(text: str) -> str:
    if not text or _QUOTED.search(text):
        return '"' + text.replace('"', '""') + '"'
    return text


def _visible(text: str) -> str:
    """The text with what would move a terminal's cursor written out."""
    return _CONTROL.sub(lambda m: m[0].encode("unicode_escape").decode(), text)


def _short(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


_WRITERS: dict[Format, Callable[[Any, IO[str]], int]] = {
    Format.table: _table,
    Format.csv: _csv,
    Format.json: _json,
    Format.jsonl: _jsonl,
    Format.parquet: _parquet,
    Format.arrow: _arrow,
}
