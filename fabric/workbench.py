"""The locked engine and the file reading of the line, without the line: what proves a connector, or a source.

The conformance suite of ``connectors`` may not import the engine; who runs it hands it a ``Workbench``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace

import duckdb
import pyarrow as pa

from fabric.blocks import BlockCache
from fabric.engine import Engine
from fabric.engine_errors import translate
from fabric.errors import FabricError
from fabric.file_errors import blame
from fabric.file_scan import FileScan, FileTables
from fabric.file_shapes import name
from fabric.filesystem import FileSystem
from fabric.fitting import fitted
from fabric.pushdown import order_expressions, to_expression
from fabric.spi import Connector, FileConnector, ScanConnector, ScanContext
from fabric.types import Column, Offer, Scan, Table

_MEMORY = 64 << 20

Row = tuple[str | None, ...]


class Workbench:
    """An engine, and files read through it as the line reads them."""

    def __init__(self) -> None:
        self._blocks = BlockCache(memory_bytes=_MEMORY)
        self._filesystem = FileSystem(self._blocks)
        self._engine = Engine(self._filesystem, threads=2)
        self._files = FileTables(self._engine, self._filesystem)

    def close(self) -> None:
        """Give the engine back."""
        self._blocks.close()
        self._engine.close()

    def make(self, columns: Sequence[Column], sql: str) -> pa.Table:
        """Rows for a source to hold, from a SELECT of constants, in the Arrow types of the columns."""
        with self._engine.cursor() as cursor:
            made = cursor.sql(sql).to_arrow_table()
        return self._fitted(made, columns)

    def _fitted(self, rows: pa.Table, columns: Sequence[Column]) -> pa.Table:
        schema = self._schema(columns)
        pairs = zip(rows.combine_chunks().columns, schema.types, strict=True)
        return pa.Table.from_arrays(
            [fitted(each.combine_chunks(), kind) for each, kind in pairs], schema=schema
        )

    def tables(self, connector: Connector) -> dict[str, Table]:
        """The connector's tables by name, their columns read from the files where they lie in files."""
        return {table.name.name: self.with_columns(connector, table) for table in connector.tables()}

    def with_columns(self, connector: Connector, table: Table) -> Table:
        """The table with its columns, read from its files where it lies in files.

        Raises:
            FabricError: the files cannot be listed or read, or do not fit together.
        """
        if table.layout is None or not isinstance(connector, FileConnector):
            return table
        return replace(table, columns=self._files.columns(connector, table))

    def read(self, connector: Connector, scan: Scan, context: ScanContext | None = None) -> pa.Table:
        """What the source gives for a scan; files are read by DuckDB, with the scan's predicates.

        Args:
            connector: the source.
            scan: what is read.
            context: counts the read, for which no block of a file is at hand.

        Raises:
            FabricError: as the connector.
        """
        if scan.table.layout is not None and isinstance(connector, FileConnector):
            files = self._files.scan(connector, scan.table, scan.predicates)
            if context is None:
                return self._read_files(connector, scan, files, ScanContext())
            with closing(Workbench()) as fresh:
                return fresh._read_files(connector, scan, files, context)
        assert isinstance(connector, ScanConnector)  # noqa: S101 - there is no third kind
        return self.read_offer(connector, connector.offer(scan), context or ScanContext())

    def read_offer(self, connector: ScanConnector, offer: Offer, context: ScanContext) -> pa.Table:
        """The rows of all splits of an offer, one after another."""
        columns = [self._column(offer.scan.table, each) for each in offer.scan.columns]
        schema = self._schema(columns)
        with closing(connector.open()) as session:
            batches = [
                pa.RecordBatch.from_arrays(
                    [fitted(array, kind) for array, kind in zip(batch.columns, schema.types, strict=True)],
                    schema=schema,
                )
                for split in offer.splits
                for batch in session.read(offer, split, context)
            ]
        return pa.Table.from_batches(batches, schema=schema)

    def _read_files(
        self, connector: FileConnector, scan: Scan, files: FileScan, context: ScanContext
    ) -> pa.Table:
        mount = self._filesystem.mount(connector, files.files, context)
        try:
            paths = dict(zip((file.path for file in files.files), mount.paths, strict=True))
            with self._engine.cursor() as cursor:
                found = cursor.sql(_statement(scan, f"({files.sql(paths)})")).to_arrow_table()
            return self._fitted(found, [self._column(scan.table, each) for each in scan.columns])
        except FabricError:
            raise
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise mount.error or blame(str(error), mount, alone=True) or translate(error) from None
        finally:
            self._filesystem.unmount(mount)

    def answer(self, rows: pa.Table, scan: Scan) -> list[Row]:
        """What DuckDB answers to the scan over rows that are here, as ``texts``."""
        return self.selected(rows, _statement(scan, "here"))

    def selected(self, rows: pa.Table, sql: str) -> list[Row]:
        """What DuckDB answers to a SELECT from ``here``, rows that are here, as ``texts``."""
        with self._engine.cursor() as cursor:
            cursor.register("here", rows)
            found = cursor.sql(sql).to_arrow_table()
            cursor.unregister("here")
        return self.texts(found)

    def texts(self, rows: pa.Table) -> list[Row]:
        """The rows as DuckDB writes their values, which loses no digit and knows NaN and infinite dates."""
        if not rows.num_rows:
            return []
        with self._engine.cursor() as cursor:
            cursor.register("here", rows.rename_columns([f"c{n}" for n in range(rows.num_columns)]))
            found = cursor.sql("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM here").fetchall()
            cursor.unregister("here")
        return found

    def _schema(self, columns: Sequence[Column]) -> pa.Schema:
        return pa.schema([pa.field(each.name, self._engine.input_type(each.type)) for each in columns])

    def _column(self, table: Table, wanted: str) -> Column:
        found: Mapping[str, Column] = {each.name: each for each in table.columns}
        return found[wanted]


def _statement(scan: Scan, source: str) -> str:
    where = " AND ".join(f"({to_expression(each).sql(dialect='duckdb')})" for each in scan.predicates)
    order = ", ".join(term.sql(dialect="duckdb") for term in order_expressions(scan.order))
    return (
        f"SELECT {', '.join(map(name, scan.columns))} FROM {source}"
        + (f" WHERE {where}" if where else "")
        + (f" ORDER BY {order}" if order else "")
        + ("" if scan.limit is None else f" LIMIT {scan.limit}")
    )
