"""What a scan of files surely reads, asked for before DuckDB does.

``begin``: the footers of Parquet files with their bloom filters, and files that are read whole. DuckDB reads these one after the other,
and not before the live scans that it waits for.

``follow``: the row groups that may have the keys of a live scan, as soon as these are known. DuckDB's readers ask for one after the
other, each thread by itself: far away, a lookup in ten of them takes five times as long.

``prefetch``: all column chunks that a Parquet scan needs, in one call. For a source where a call costs and ranges do not
(SFTP), DuckDB's reads one by one took six times as long (notes/federation.md, section 5).
"""

from __future__ import annotations

import logging

import pyarrow as pa

from fabric.engine import Engine
from fabric.errors import FabricError
from fabric.file_errors import blame
from fabric.file_shapes import text
from fabric.filesystem import Mount
from fabric.footers import Footer, read_footers
from fabric.predicates import Comparison, Membership
from fabric.pushdown import leaves
from fabric.reads import FileRead

log = logging.getLogger("ripstop.prefetch")

MOST_BYTES = 256 * 10**6
_MOST_FOLLOWED = 16 << 20
_MOST_FILES = 8
_MOST_BLOOMS = 2 << 20
SMALL_FILE = 256 << 10
_MOST_WHOLE = 8 << 20  # of CSV and JSON, of which DuckDB reads every byte
# Measured: DuckDB 2.0 first reads as many bytes as the next power of two of a thousandth, between 16 kB and 256 kB.
_FOOTER_PART, _LEAST_FOOTER, _MOST_FOOTER = 1 << 10, 64 << 10, 256 << 10


def begin(read: FileRead, mount: Mount) -> None:
    """Start what can be started at once; of many files, with the first ones.

    Of partitions only the first is sure to be read: DuckDB leaves out those whose keys a join does not have.
    """
    most = 1 if read.scan.layout.hive else _MOST_FILES
    parquet, left = read.scan.layout.format == "parquet", _MOST_WHOLE
    for number, file in enumerate(mount.files[:most]):
        if file.size <= (SMALL_FILE if parquet else left):
            left -= file.size
            mount.begin(number, 0, file.size)
        elif parquet:
            first = 1 << (file.size // _FOOTER_PART).bit_length()
            start = file.size - max(_LEAST_FOOTER, min(first, _MOST_FOOTER))
            footer = read.scan.footers.get(file.path)
            if footer is not None:
                known = [footer.starts]
                if footer.blooms_at is not None and _looks_up(read):
                    known.append(footer.blooms_at)
                start = min([start, *(at for at in known if file.size - at <= _MOST_BLOOMS)])
            mount.begin(number, start, file.size - start)


def follow(read: FileRead, mount: Mount, column: str, keys: pa.ChunkedArray) -> None:
    """Start reading the row groups in which rows may have one of these keys, with the first ones.

    Args:
        read: of Parquet files.
        mount: its files.
        column: that of the keys.
        keys: whole numbers.
    """
    ordered = sorted(keys.unique().drop_null().to_pylist())
    columns = {read.scan.table.columns[position].name.lower() for position in read.demand.columns}
    types = {each.name.lower(): each.type for each in read.scan.table.columns}
    left = _MOST_FOLLOWED
    for number, file in enumerate(mount.files):
        footer = read.scan.footers.get(file.path)
        if footer is None or file.size <= SMALL_FILE:
            continue
        row_groups = footer.row_groups(read.demand.predicates, types, column, ordered)
        for offset, length in footer.ranges(columns, row_groups):
            left -= length
            if left < 0:
                return
            mount.begin(number, offset, length)


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
            footer = read.scan.footers.get(mount.files[number].path)
            if footer is None or not footer.chunks:  # of many files, only where they begin is known
                footer = _footer(engine, mount, path)
            ranges = sorted(footer.ranges(columns))
            left -= sum(length for _, length in ranges)
            if left < 0:
                return
            mount.fetch(number, ranges)
        except FabricError as error:
            log.info("nothing was fetched beforehand: %s", error.code)
            return


def _footer(engine: Engine, mount: Mount, path: str) -> Footer:
    (found,) = read_footers(
        lambda sql: engine.rows(sql, lambda said: blame(said, mount)), text(path)
    ).values()
    return found
