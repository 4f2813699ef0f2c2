"""A live scan of which rows are hidden: its filters and masks run in a DuckDB statement of their own.

DuckDB may move an expression of the statement above to below a filter, where it would meet hidden rows, and one
that raises prints a value of theirs. Over Arrow scans even its secure views leaked so (notes/governance.md): what
the statement reads is therefore restricted before it reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import duckdb
import pyarrow as pa

from fabric.arrow_source import ArrowSource
from fabric.engine import stream
from fabric.errors import InternalError

OpenCursor = Callable[[], duckdb.DuckDBPyConnection]


class GuardedSource(ArrowSource):
    """The rows of a guarded scan that its filters leave.

    Args:
        open_cursor: gives the cursor on which everything the statement names is registered.
        sql: the statement; called when the scan is first asked for.
        schema: the names and types under which its columns are handed over.
        repeated: the plan reads the relation more than once, so that all of it is kept.
        ahead: as of ``ArrowSource``.
    """

    def __init__(
        self,
        open_cursor: OpenCursor,
        sql: Callable[[], str],
        schema: pa.Schema,
        *,
        repeated: bool,
        ahead: bool = False,
    ) -> None:
        super().__init__(schema, repeated=repeated, ahead=ahead)
        self._open_cursor = open_cursor
        self._sql = sql
        self.rows = 0
        self.error: BaseException | None = None

    def blame(self, error: InternalError) -> None:
        """Keep it as the scan's own."""
        self.error = error

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, in a DuckDB statement of their own."""
        try:
            cursor = self._open_cursor()
            with stream(cursor, self._sql()) as reader:
                for batch in reader:
                    self.rows += batch.num_rows
                    yield pa.RecordBatch.from_arrays(batch.columns, schema=self.schema)
        except GeneratorExit:
            raise
        except BaseException as error:
            self.error = error  # Arrow's C stream hands on a text only
            raise
