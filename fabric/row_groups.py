"""Batches as a Parquet file, a row group at a time: in memory is never more than one of them."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
from pyarrow import parquet

_ROWS = 122_880  # DuckDB's row group
_BYTES = 64 * 2**20


def write_parquet(
    where: str | pa.NativeFile, schema: pa.Schema, batches: Iterable[pa.Table | pa.RecordBatch]
) -> None:
    """Write the batches, which have this schema, to a path or a stream."""
    with parquet.ParquetWriter(where, schema, compression="zstd") as writer:
        waiting: list[pa.Table] = []
        rows = size = 0
        for batch in batches:
            waiting.append(batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch], schema))
            rows, size = rows + batch.num_rows, size + batch.nbytes
            if rows >= _ROWS or size >= _BYTES:
                writer.write_table(pa.concat_tables(waiting), row_group_size=_ROWS)
                waiting, rows, size = [], 0, 0
        if waiting:
            writer.write_table(pa.concat_tables(waiting), row_group_size=_ROWS)
