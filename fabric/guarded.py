"""A live scan of which rows are hidden: its filters and masks run in a DuckDB statement of their own.

DuckDB may move an expression of the statement above to below a filter, where it would meet hidden rows, and one
that raises prints a value of theirs. Over Arrow scans even its secure views leaked so (notes/governance.md): what
the statement reads is therefore restricted before it reads it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import duckdb
import pyarrow as pa

from fabric.engine import stream

OpenCursor = Callable[[], duckdb.DuckDBPyConnection]


class GuardedSource:
    """What DuckDB holds of a guarded scan: an Arrow stream, made when it is first asked for.

    Args:
        open_cursor: gives the cursor on which everything the statement names is registered.
        sql: the statement; called when the scan is first asked for.
        schema: the names and types under which its columns are handed over.
        repeated: the plan reads the relation more than once, so that all of it is kept.
    """

    def __init__(
        self, open_cursor: OpenCursor, sql: Callable[[], str], schema: pa.Schema, repeated: bool
    ) -> None:
        self._open_cursor = open_cursor
        self._sql = sql
        self._schema = schema
        self._repeated = repeated
        self._lock = threading.Lock()
        self._kept: pa.Table | None = None
        self.rows = 0
        self.error: BaseException | None = None

    def __arrow_c_schema__(self) -> object:
        """The schema, without reading."""
        return self._schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """A stream of the rows that the filters leave."""
        with self._lock:
            if self._kept is None and self._repeated:
                self._kept = pa.Table.from_batches(self._batches(), schema=self._schema)
        if self._kept is not None:
            return self._kept.to_reader().__arrow_c_stream__(requested_schema)
        reader = pa.RecordBatchReader.from_batches(self._schema, self._batches())
        return reader.__arrow_c_stream__(requested_schema)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        try:
            cursor = self._open_cursor()
            with stream(cursor, self._sql()) as reader:
                for batch in reader:
                    self.rows += batch.num_rows
                    yield pa.RecordBatch.from_arrays(batch.columns, schema=self._schema)
        except GeneratorExit:
            raise
        except BaseException as error:
            self.error = error  # Arrow's C stream hands on a text only
            raise
