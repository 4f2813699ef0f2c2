"""Materialized products are refreshed here: when their time has come, or when their owner says so.

A refresh asks for the whole product as its domain, through the same line as every query, and of several processes one does it: who has
the product's lease.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

import pyarrow as pa
from cronsim import CronSim

from fabric.catalog import Catalog
from fabric.domains import DomainPrincipal
from fabric.errors import Cancelled, FabricError, InternalError, InvalidValue, LimitError
from fabric.file_shapes import name as quoted
from fabric.lake import Lake
from fabric.product_types import key_of
from fabric.questions import MAX_STALENESS, Session
from fabric.replies import Reply
from fabric.row_groups import write_parquet
from fabric.run_pool import governed_of, require_storable
from fabric.snapshots import Snapshots, SnapshotTables, has_columns, types_of
from fabric.stop import Stop
from fabric.stored import beneath_ruled
from fabric.sweeping import sweep
from fabric.types import Decision, Principal, Product

log = logging.getLogger("ripstop.snapshots")

FOLDER = "snapshots"
LEASE_SECONDS = 60.0
"""How long after a process has died its refresh is done by another."""

_ANEW = {MAX_STALENESS: "0"}
"""A snapshot is as old as it says: nothing that was kept goes into it."""

_TICK_SECONDS = 1.0
_SWEEP_SECONDS = 60.0

RunQuery = Callable[[str, Principal, Session], Reply]


class Refresher:
    """Keeps the snapshots of a project's products.

    Args:
        catalog: has the products, and hears of new snapshots.
        snapshots: where they are written down.
        tables: the same, as tables.
        lake: where they go.
        run: the line's.
    """

    def __init__(
        self, catalog: Catalog, snapshots: Snapshots, tables: SnapshotTables, lake: Lake, run: RunQuery
    ) -> None:
        self._catalog = catalog
        self._snapshots = snapshots
        self._tables = tables
        self._lake = lake
        self._run = run
        self._active: dict[str, Stop] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._swept = -_SWEEP_SECONDS
        self._refreshing: Future[None] | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ripstop-refresh")
        self._clock = threading.Thread(target=self._tick, name="ripstop-snapshots", daemon=True)

    def start(self) -> None:
        """Look what there is, and refresh from now on."""
        try:
            self._look()
        except FabricError as error:
            log.warning("snapshots are not known yet: %s", error)
        self._clock.start()

    def close(self) -> None:
        """Stop what is under way; the last snapshots stay."""
        self._closed.set()
        with self._lock:
            stops = list(self._active.values())
        for stop in stops:
            stop(Cancelled("the server ends"))
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._clock.is_alive():
            self._clock.join()

    def refresh(self, product: Product) -> int:
        """Make a snapshot now, and have it served; the number of its rows.

        Raises:
            LimitError: it is being refreshed already.
            FabricError: it could not be made; the one before is served.
        """
        rows = self._refresh(product, lambda product: True)
        if rows is None:
            raise LimitError("it is being refreshed already", hint="wait until that is done", retryable=True)
        return rows

    def _refresh(self, product: Product, wanted: Callable[[Product], bool]) -> int | None:
        """The same if it is still wanted once nobody else can do it; None when it is not, or another does it."""
        key, stop = key_of(product), Stop()
        with self._lock:
            if key in self._active or not self._snapshots.state.lease(_lease_of(key), LEASE_SECONDS):
                return None
            self._active[key] = stop
        try:
            if not wanted(product):
                return None
            self._snapshots.abandon(product)
            return self._made(product, stop)
        finally:
            with self._lock:
                del self._active[key]
            self._snapshots.state.release(_lease_of(key))

    def _made(self, product: Product, stop: Stop) -> int:
        file = f"{FOLDER}/{product.domain}/{product.name.name}/{uuid.uuid4().hex}.parquet".lower()
        made = self._snapshots.begin(self._catalog.shaped(product), file)
        try:
            rows = self._written(product, made, file, stop)
        except FabricError as error:
            self._snapshots.fail(made, str(error))
            raise
        except Exception as error:
            fault = InternalError()
            log.error("reference %s: %s", fault.reference, type(error).__name__, exc_info=error)
            self._snapshots.fail(made, str(fault))
            raise fault from None
        self._look()
        return rows

    def _written(self, product: Product, made: str, file: str, stop: Stop) -> int:
        shape = self._catalog.shaped(product)
        keep = product.stored.keep if product.stored is not None else 1
        asked = f"SELECT * FROM {quoted(product.domain)}.{quoted(product.name.name)}"
        rows = 0

        def counted(reply: Reply) -> Iterator[pa.RecordBatch]:
            nonlocal rows
            for batch in reply.batches():
                rows += batch.num_rows
                yield batch

        domain = DomainPrincipal(f"domain:{product.domain}")
        with self._run(asked, domain, Session(options=_ANEW, stop=stop)) as reply:
            governed = governed_of(reply)
            (named,) = governed.resolved.relations
            if governed.decisions[named.id] != Decision(True, rules=governed.decisions[named.id].rules):
                raise InvalidValue("a rule restricts the product for its own domain, which stores it whole")
            require_storable(reply.schema)
            with self._lake.writing(file) as stream:
                write_parquet(stream, reply.schema, counted(reply))
            under = beneath_ruled(named.body, governed.decisions) if named.body else []
        if not has_columns(self._tables.columns(file, types_of(shape)), shape.columns):
            raise InvalidValue("the columns have changed meanwhile, or Parquet does not hold their types")
        if not self._snapshots.publish(made, rows, self._lake.size(file) or 0, under, keep):
            raise Cancelled("another process took the refresh over")
        return rows

    # ── when ────────────────────────────────────────────────────────────────────────────────

    def _tick(self) -> None:
        while not self._closed.wait(_TICK_SECONDS):
            try:
                self._look()
                self._look_after()
            except FabricError as error:
                log.warning("snapshots are not looked after: %s", error)
            except Exception:
                log.exception("snapshots are not looked after")

    def _look(self) -> None:
        if self._tables.look():
            self._catalog.serve_snapshots(self._tables.current)

    def _look_after(self) -> None:
        with self._lock:
            active = set(self._active)
        for key in active:
            self._snapshots.state.lease(_lease_of(key), LEASE_SECONDS)
        if self._refreshing is None or self._refreshing.done():
            products = {id(each): each for each in self._catalog.products.current().values()}
            due = next((each for each in products.values() if self._is_due(each)), None)
            if due is not None:
                self._refreshing = self._pool.submit(self._refresh_due, due)
        if time.monotonic() - self._swept >= _SWEEP_SECONDS:
            self._swept = time.monotonic()
            if self._snapshots.state.lease("sweep snapshots", _SWEEP_SECONDS):
                self._snapshots.forget()
                sweep(self._lake, FOLDER, self._snapshots.files, ("failed", "died"), ("dropped",))

    def _is_due(self, product: Product) -> bool:
        if product.stored is None or product.broken or product.stopped:
            return False
        last = self._snapshots.last(product)
        if last is None or last.sql != product.sql:
            return True
        return next(CronSim(product.stored.refresh, datetime.fromtimestamp(last.as_of, UTC))) <= datetime.now(
            UTC
        )

    def _refresh_due(self, product: Product) -> None:
        """Refresh it, unless another process does, or has done so since it was found to be due."""
        try:
            rows = self._refresh(product, self._is_due)
        except FabricError as error:
            log.warning("%s is not refreshed: %s", product.written, error)
        else:
            if rows is not None:
                log.info("%s is refreshed, %d rows", product.written, rows)


def _lease_of(key: str) -> str:
    return f"refresh {key}"
