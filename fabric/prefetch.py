"""What a scan of files surely reads, asked for before DuckDB does.

``begin``: the footers of Parquet files with their bloom filters, and small files. DuckDB reads these one after the other,
and not before the live scans that it waits for.

``prefetch``: all column chunks that a Parquet scan needs, in one call. For a source where a call costs and ranges do not
(SFTP), DuckDB's reads one by one took six times as long (notes/federation.md, section 5).
"""

from __future__ import annotations

import logging

from fabric.engine import Engine
from fabric.errors import FabricError
from fabric.file_errors import blame
from fabric.file_shapes import text
from fabric.filesystem import Mount
from fabric.predicates import Comparison, Membership
from fabric.pushdown import leaves
from fabric.reads import FileRead

log = logging.getLogger("ripstop.prefetch")

MOST_BYTES = 256 * 10**6
_MOST_FILES = 8
_MOST_BLOOMS = 2 << 20
SMALL_FILE = 256 << 10
# A footer has some hundred bytes for each chunk, of which a hundred thousand are a small one.
_FOOTER, _FOOTER_PART = 64 << 10, 1 << 10


def begin(read: FileRead, mount: Mount) -> None:
    """Start what can be started at once; of many files, with the first ones.

    Of partitions only the first is sure to be read: DuckDB leaves out those whose keys a join does not have.
    """
    most = 1 if read.scan.layout.hive else _MOST_FILES
    for number, file in enumerate(mount.files[:most]):
        if file.size <= SMALL_FILE:
            mount.begin(number, 0, file.size)
        elif read.scan.layout.format == "parquet":
            length = min(file.size, max(_FOOTER, file.size // _FOOTER_PART))
            start = file.size - length
            blooms = read.scan.blooms_at.get(file.path, start) if _looks_up(read) else start
            if file.size - blooms <= _MOST_BLOOMS:
                start = min(start, blooms)
            mount.begin(number, start, file.size - start)


def _looks_up(read: FileRead) -> bool:
    """Whether DuckDB asks the bloom filters: that of each row group by itself, before it reads the row group."""
    return any(
        each.op == "=" if isinstance(each, Comparison) else isinstance(each, Membership) and not each.negated
        for predicate in read.demand.predicates
        for each in leaves(predicate)
    )


def wanted(read: FileRead) -> bool:
    """Whether a scan gains: one-call source, Parquet, and no filter by which DuckDB would skip row groups."""
    pruned = set(read.scan.pruned_by)
    filters = [predicate for predicate in read.demand.predicates if predicate not in pruned]
    return read.connector.one_call and read.scan.layout.format == "parquet" and not filters


def prefetch(read: FileRead, mount: Mount, engine: Engine) -> None:
    """Bring the chunks of the demanded columns into the block cache, file by file.

    An error is left to the read that will meet it: this only saves time.
    """
    columns = {read.scan.table.columns[position].name.lower() for position in read.demand.columns}
    left = MOST_BYTES
    for number, path in enumerate(mount.paths):
        try:
            ranges = _chunks(engine, mount, path, columns)
            left -= sum(length for _, length in ranges)
            if left < 0:
                return
            mount.fetch(number, ranges)
        except FabricError as error:
            log.info("nothing was fetched beforehand: %s", error.code)
            return


def _chunks(engine: Engine, mount: Mount, path: str, columns: set[str]) -> list[tuple[int, int]]:
    rows = engine.rows(
        "SELECT path_in_schema, least(dictionary_page_offset, data_page_offset), total_compressed_size "
        f"FROM parquet_metadata({text(path)})",
        lambda said: blame(said, mount),
    )
    # A nested column's path is "a, list, element": its first part is the column.
    return sorted((offset, size) for name, offset, size in rows if name.split(", ")[0].lower() in columns)
