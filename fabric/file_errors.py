"""DuckDB's complaints about a mounted file, as a BadData that names source, file, line and column."""

from __future__ import annotations

import re

from fabric.errors import BadData, FabricError
from fabric.filesystem import Mount

_LINE = re.compile(r"(?:on Line|in line|at line|line):? ?(\d+)", re.IGNORECASE)
_RECORD = re.compile(r"in record/value (\d+)")
_COLUMN = re.compile(r'converting column "([^"]+)"[^\n]*? to \'([A-Z][^\']*)\'')


# What DuckDB 2.0 says of a Parquet file with wrong bytes within, without naming the file.
_DAMAGE = re.compile(r"don't know what type|TProtocol|Out of buffer|GZIP (block|stream)")


def blame(text: str, mount: Mount, *, alone: bool = False) -> FabricError | None:
    """The error for a text of DuckDB's that names a file of this mount; None when it names none.

    Args:
        text: DuckDB's own message, which may hold values and never leaves this function.
        mount: the files that were being read.
        alone: no other files were read, so that a complaint about damage must be about these.
    """
    if mount.error is not None:
        return mount.error
    match = re.search(rf"{mount.token}/(\d+)/", text)
    if match is None:
        return _damaged(mount) if alone and _DAMAGE.search(text) else None
    file = mount.files[int(match[1])]
    where = f"file '{file.path}'"
    line, record = _LINE.search(text), _RECORD.search(text)
    if line:
        where += f", line {line[1]}"
    elif record:
        where += f", record {record[1]}"
    column = _COLUMN.search(text)
    if column:
        what = f"a value does not fit column '{column[1]}' of type {column[2]}"
        hint = f"declare the column under the table's `columns:`, e.g. {column[1]}: VARCHAR, or mend the file"
    else:
        what = "it cannot be read in the table's format and with its columns"
        hint = "look at the file; `columns:` and `options:` of the table say how it is read"
    return BadData(mount.connector.name, f"{where}: {what}", hint=hint)


def _damaged(mount: Mount) -> BadData:
    files = mount.files
    where = f"file '{files[0].path}'" if len(files) == 1 else f"one of the {len(files)} files of a table"
    return BadData(
        mount.connector.name, f"{where}: it is damaged", hint="have it written again, or move it away"
    )
