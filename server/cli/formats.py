"""How ``ripstop sql`` writes an answer: a table, lines, Markdown, CSV, JSON, JSON lines, Parquet or an Arrow stream."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
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
# What is held of an answer while it is written as Parquet.
_GROUP_ROWS, _GROUP_BYTES = 250_000, 32_000_000
_WIDEST = 60
_QUOTED = re.compile(r'[",\r\n]|^\s|\s$')
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_MOVING = re.compile(
    _CONTROL.pattern.replace(r"\x00-\x1f", r"\x00-\x08\x0b-\x1f")
)  # all but line ends and tabs


def write(reader: Batches, form: Format, out: IO[str], shown: int = SHOWN_ROWS) -> int:
    """Write the whole answer and return its number of rows.

    Args:
        reader: the answer.
        form: how it is written.
        out: where to.
        shown: rows of a table that a terminal gets; 0, all.

    Raises:
        NotSupported: a binary format would go to a terminal.
    """
    if form is Format.table:
        return _table(reader, out, shown if shown and out.isatty() else sys.maxsize)
    # What a table shows is written out cell by cell, since it has escapes of its own.
    safe: Any = _Harmless(out) if out.isatty() and not form.binary else out
    return _WRITERS[form](reader, safe)


def visible(text: str) -> str:
    """The text with what would move a terminal's cursor written out."""
    return _CONTROL.sub(lambda m: m[0].encode("unicode_escape").decode(), text)


class _Harmless:
    """A terminal to which no text of an answer can send an escape; in a file the bytes are the answer's own."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def write(self, text: str) -> None:
        self._out.write(_MOVING.sub(lambda m: visible(m[0]), text))

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)


def _table(reader: Batches, out: IO[str], shown: int) -> int:
    header = [visible(name) for name in reader.schema.names]
    rows: list[tuple[str | None, ...]] = []
    count = 0
    for batch in reader:
        count += batch.num_rows
        if len(rows) < shown:
            part = batch.slice(0, shown - len(rows))
            rows += zip(*(texts(column) for column in part.columns), strict=True)
    _print_table(header, rows, [is_number(field.type) for field in reader.schema], out)
    if count > len(rows):
        out.write(
            f"{len(rows)} of {count} rows are shown; --format csv or jsonl writes all, .maxrows in the shell shows more\n"
        )
    return count


def _print_table(
    header: list[str], rows: list[tuple[str | None, ...]], right: list[bool], out: IO[str]
) -> None:
    from rich.cells import cell_len

    terminal = out.isatty()
    cells = [["NULL" if text is None else visible(text) for text in row] for row in rows]
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


def _line(reader: Batches, out: IO[str]) -> int:
    """One line a column, for rows that are wider than a screen."""
    from rich.cells import cell_len

    names = [visible(name) for name in reader.schema.names]
    widest = max(map(cell_len, names), default=0)
    count = 0
    for row in _rows(reader):
        count += 1
        out.write(f"-- {count} --\n")
        for name, text in zip(names, row, strict=True):
            shown = "NULL" if text is None else visible(text)
            out.write(f"{' ' * (widest - cell_len(name))}{name} = {shown}\n")
    return count


def _markdown(reader: Batches, out: IO[str]) -> int:
    out.write(_cells(reader.schema.names))
    out.write(_marks(is_number(field.type) for field in reader.schema))
    count = 0
    for row in _rows(reader):
        count += 1
        out.write(_cells(row))
    return count


def _marks(right: Iterable[bool]) -> str:
    return "|" + "|".join("--:" if number else "---" for number in right) + "|\n"


def _cells(row: Iterable[str | None]) -> str:
    """A row of Markdown, in which no cell can end its cell or its row; NULL is nothing, as in CSV."""
    texts = ("" if text is None else visible(text.replace("\\", "\\\\")) for text in row)
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |\n"


def _rows(reader: Batches) -> Iterator[tuple[str | None, ...]]:
    for batch in reader:
        if not batch.num_columns:
            continue
        yield from zip(*(texts(column) for column in batch.columns), strict=True)


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

    for field in reader.schema:
        _storable(field)
    with pq.ParquetWriter(_Bytes(out), reader.schema, compression="zstd") as writer:
        return _copy(_row_groups(reader), writer.write_table)


def _row_groups(reader: Batches) -> Iterator[pa.Table]:
    """Batches put together, since a group for each would make a file that is slow to read."""
    import pyarrow as pa

    group: list[pa.RecordBatch] = []
    for batch in reader:
        group.append(batch)
        if (
            sum(each.num_rows for each in group) >= _GROUP_ROWS
            or sum(each.nbytes for each in group) >= _GROUP_BYTES
        ):
            yield pa.Table.from_batches(group)
            group = []
    if group:
        yield pa.Table.from_batches(group)


def _storable(field: pa.Field) -> None:
    """Asked of the writer itself, before a query's rows are on their way.

    Raises:
        NotSupported: Parquet has no such type.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([field])
    try:
        pq.write_table(schema.empty_table(), pa.BufferOutputStream())
    except pa.ArrowException:
        raise NotSupported(
            f"Parquet has no type for the column '{field.name}' ({field.type})",
            hint="CAST it, to VARCHAR for instance, or write --format arrow",
        ) from None


def _copy(reader: Iterable[Any], put: Callable[[Any], None]) -> int:
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


def _short(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


_WRITERS: dict[Format, Callable[[Any, IO[str]], int]] = {
    Format.line: _line,
    Format.markdown: _markdown,
    Format.csv: _csv,
    Format.json: _json,
    Format.jsonl: _jsonl,
    Format.parquet: _parquet,
    Format.arrow: _arrow,
}
