"""A snapshot is made: of all rows of its product, or of those that changed and the snapshot before."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pyarrow as pa

from fabric import incremental
from fabric.catalog import Catalog
from fabric.domains import DomainPrincipal
from fabric.errors import Cancelled, FabricError, InternalError, InvalidValue
from fabric.file_shapes import name as quoted
from fabric.lake import Lake
from fabric.product_types import Materialization, key_of
from fabric.questions import MAX_STALENESS, Session
from fabric.replies import Reply
from fabric.row_groups import write_parquet
from fabric.run_pool import RunQuery, governed_of, require_storable
from fabric.snapshots import Kept, Made, Snapshots, SnapshotTables, delta_of, has_columns, types_of
from fabric.stop import Stop
from fabric.stored import beneath_ruled
from fabric.stored_files import StoredFiles
from fabric.types import Decision, Product, StoredTable

log = logging.getLogger("ripstop.snapshots")

FOLDER = "snapshots"
_ANEW = {MAX_STALENESS: "0"}
"""A snapshot is as old as it says: nothing that was kept goes into it."""


class _Base(NamedTuple):
    """What changed rows are put into, and the watermark from which on they are asked."""

    kept: Kept
    table: StoredTable
    mark: str


class SnapshotMaker:
    """Makes snapshots, each in a file of its own, that count when they are whole.

    Args:
        catalog: shapes products.
        snapshots: where they are written down.
        tables: the same, as tables.
        lake: where they go.
        stored: reads what is there.
        run: the line's.
    """

    def __init__(
        self,
        catalog: Catalog,
        snapshots: Snapshots,
        tables: SnapshotTables,
        lake: Lake,
        stored: StoredFiles,
        run: RunQuery,
    ) -> None:
        self._catalog = catalog
        self._snapshots = snapshots
        self._tables = tables
        self._lake = lake
        self._stored = stored
        self._run = run

    def make(self, product: Product, stop: Stop, inputs: str | None, *, whole: bool) -> int:
        """Make a snapshot and have it count; the number of its rows.

        Args:
            product: must be stored; whoever calls has its lease.
            stop: ends it, as if its process had died: the product is due as before.
            inputs: the digest of what it is made of, from before.
            whole: all rows are asked, though those that changed were enough.

        Raises:
            FabricError: it could not be made; the one before counts.
        """
        file = f"{FOLDER}/{product.domain}/{product.name.name}/{uuid.uuid4().hex}.parquet".lower()
        shape = self._catalog.shaped(product)
        if shape.broken:
            raise InvalidValue(f"'{product.written}' is broken", hint="system.products says why")
        how = product.stored or Materialization("")
        began = time.time()
        id = self._snapshots.begin(shape, file)
        try:
            base = None if whole else self._base(shape, how)
            made = self._from_changes(shape, how, base, file, stop, inputs) if base is not None else None
            made = made or self._from_all(shape, how, file, stop, inputs, began)
            if not self._snapshots.publish(id, made, how.keep):
                raise Cancelled("another process took the refresh over")
        except FabricError as error:
            if stop.reason is not None:
                self._snapshots.abandon(key_of(shape))
            else:
                self._snapshots.fail(id, str(error))
            raise
        except Exception as error:
            fault = InternalError()
            log.error("reference %s: %s", fault.reference, type(error).__name__, exc_info=error)
            self._snapshots.fail(id, str(fault))
            raise fault from None
        return made.rows

    def has_more(self, product: Product, kept: Kept, stop: Stop) -> bool:
        """Whether a live table beneath has a row above the last watermark."""
        shape = self._catalog.shaped(product)
        mark = incremental.mark_of(product.stored or Materialization(""), kept.mark)
        with self._asked(incremental.has_more(shape, mark), product, stop) as reply:
            return any(batch.num_rows for batch in reply.batches())

    # ── all rows ────────────────────────────────────────────────────────────────────────────

    def _from_all(
        self, shape: Product, how: Materialization, file: str, stop: Stop, inputs: str | None, began: float
    ) -> Made:
        asked = f"SELECT * FROM {quoted(shape.domain)}.{quoted(shape.name.name)}"
        with self._asked(asked, shape, stop) as reply:
            governed = governed_of(reply)
            (named,) = governed.resolved.relations
            if not _is_whole(governed.decisions[named.id]):
                raise InvalidValue("a rule restricts the product for its own domain, which stores it whole")
            rows = self._written(file, reply.schema, reply.batches())
            under = beneath_ruled(named.body, governed.decisions) if named.body else []
        table = self._table(shape, file)
        mark = None
        if how.key:
            found = self._stored.rows(lambda t: incremental.key_faults(how, t), t=table)
            incremental.require_keys(how, found)
        if how.watermark:
            ((value,),) = self._stored.rows(lambda t: incremental.newest(how, t), t=table)
            mark = incremental.said(how, value)
        return Made(rows, self._lake.size(file) or 0, under, inputs, mark, began)

    # ── changed rows ────────────────────────────────────────────────────────────────────────

    def _base(self, shape: Product, how: Materialization) -> _Base | None:
        """The snapshot before, if what changed can be put into it: then every rule beneath left all rows as they are."""
        kept = self._snapshots.newest_of(shape) if how.key else None
        mark = incremental.mark_of(how, kept.mark) if kept is not None else None
        if kept is None or mark is None or kept.sql != shape.sql:
            return None
        if any(ruled["rows"] or ruled["masks"] or ruled["hidden"] for ruled in json.loads(kept.made_under)):
            return None
        table = self._tables.table(kept)
        return _Base(kept, table, mark) if has_columns(table.columns, shape.columns) else None

    def _from_changes(
        self, shape: Product, how: Materialization, base: _Base, file: str, stop: Stop, inputs: str | None
    ) -> Made | None:
        """None where a rule beneath takes something away by now, so that all rows have to be asked."""
        delta = delta_of(file)
        try:
            with self._asked(incremental.changed(shape, base.mark), shape, stop) as reply:
                governed = governed_of(reply)
                if not all(_is_whole(governed.decisions[each.id]) for each in governed.resolved.relations):
                    return None
                self._written(delta, reply.schema, reply.batches())
            types = {incremental.SERVES: "BOOLEAN"} | types_of(shape)
            changes = self._tables.lake_table(delta, types)
            serving = f"(SELECT * FROM {{}} WHERE {incremental.SERVES}) AS serving"
            found = self._stored.rows(lambda t: incremental.key_faults(how, serving.format(t)), t=changes)
            incremental.require_keys(how, found)
            ((value,),) = self._stored.rows(lambda t: incremental.newest(how, t), t=changes)

            def merged(before: str, delta: str) -> str:
                return incremental.merged(shape, before, delta)

            with self._stored.batches(merged, stop, before=base.table, delta=changes) as (schema, batches):
                rows = self._written(file, schema, batches)
        finally:
            self._lake.remove(delta)
        self._table(shape, file)
        under = json.loads(base.kept.made_under)
        mark = incremental.said(how, base.mark if value is None else value)
        return Made(rows, self._lake.size(file) or 0, under, inputs, mark, base.kept.whole_at)

    # ── both ────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _asked(self, text: str, product: Product, stop: Stop) -> Iterator[Reply]:
        domain = DomainPrincipal(f"domain:{product.domain}")
        with self._run(text, domain, Session(options=_ANEW, stop=stop)) as reply:
            yield reply

    def _written(self, file: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> int:
        """Write a file; the number of its rows."""
        rows = 0

        def counted() -> Iterator[pa.RecordBatch]:
            nonlocal rows
            for batch in batches:
                rows += batch.num_rows
                yield batch

        require_storable(schema)
        with self._lake.writing(file) as stream:
            write_parquet(stream, schema, counted())
        return rows

    def _table(self, shape: Product, file: str) -> StoredTable:
        """A file that was written, which must have the product's columns.

        Raises:
            InvalidValue: it has others.
        """
        table = self._tables.lake_table(file, types_of(shape))
        if not has_columns(table.columns, shape.columns):
            raise InvalidValue("the columns have changed meanwhile, or Parquet does not hold their types")
        return table


def _is_whole(decision: Decision) -> bool:
    """Whether a decision takes nothing away."""
    return decision == Decision(True, rules=decision.rules)
