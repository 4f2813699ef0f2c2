"""Materialized products are refreshed here: when their time has come, their sources have changed, or their owner says so.

A refresh asks for the product as its domain, through the same line as every query, and of several processes one does it: who has
the product's lease.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

from cronsim import CronSim

from fabric.catalog import Catalog
from fabric.errors import Cancelled, FabricError, LimitError
from fabric.inputs import Inputs, inputs, steady
from fabric.lake import Lake
from fabric.product_types import ON_CHANGE, Materialization, key_of
from fabric.snapshot_maker import FOLDER, SnapshotMaker
from fabric.snapshots import Kept, Snapshots, SnapshotTables
from fabric.stop import Stop
from fabric.sweeping import sweep
from fabric.types import Product

log = logging.getLogger("ripstop.snapshots")

LEASE_SECONDS = 15.0
"""How long after a process has died its refresh is done by another."""

_TICK_SECONDS = 1.0
_SWEEP_SECONDS = 60.0


class Refresher:
    """Keeps the snapshots of a project's products.

    Args:
        catalog: has the products, and hears of new snapshots.
        snapshots: where they are written down.
        tables: the same, as tables.
        lake: where they go.
        maker: makes them.
        policy_version: of the rules that decide now.
    """

    def __init__(
        self,
        catalog: Catalog,
        snapshots: Snapshots,
        tables: SnapshotTables,
        lake: Lake,
        maker: SnapshotMaker,
        policy_version: Callable[[], str],
    ) -> None:
        self._catalog = catalog
        self._snapshots = snapshots
        self._tables = tables
        self._lake = lake
        self._maker = maker
        self._policy_version = policy_version
        self._looked: dict[str, float] = {}
        self._active: dict[str, Stop] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._swept = -_SWEEP_SECONDS
        self._refreshing: Future[bool] | None = None
        self._turn = threading.Event()
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
        self._turn.set()
        with self._lock:
            stops = list(self._active.values())
        for stop in stops:
            stop(Cancelled("the server ends"))
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._clock.is_alive():
            self._clock.join()

    def refresh(self, product: Product) -> int:
        """Store all rows now, and have them served; how many they are.

        Raises:
            LimitError: it is being refreshed already.
            FabricError: it could not be made; the one before is served.
        """
        with self._alone(key_of(product)) as stop:
            if stop is None:
                raise LimitError(
                    "it is being refreshed already", hint="wait until that is done", retryable=True
                )
            inputs = self._inputs(product)
            return self._made(product, stop, inputs, whole=True)

    @contextmanager
    def _alone(self, key: str) -> Iterator[Stop | None]:
        """Nobody else refreshes the product of this ``key_of`` within the block; None when somebody does already."""
        stop = Stop()
        with self._lock:
            free = key not in self._active and not self._closed.is_set()
            mine = free and self._snapshots.state.lease(_lease_of(key), LEASE_SECONDS)
            if mine:
                self._active[key] = stop
        if not mine:
            yield None
            return
        try:
            yield stop
        finally:
            with self._lock:
                del self._active[key]
            self._snapshots.state.release(_lease_of(key))

    def _made(self, product: Product, stop: Stop, inputs: Inputs | None, *, whole: bool) -> int:
        self._snapshots.abandon(key_of(product))
        rows = self._maker.make(product, stop, inputs.digest if inputs else None, whole=whole)
        self._look()
        return rows

    def _inputs(self, product: Product) -> Inputs | None:
        find = self._catalog.find
        return inputs(product, find, self._catalog.connectors, self._policy_version())

    # ── when ────────────────────────────────────────────────────────────────────────────────

    def _tick(self) -> None:
        while not self._closed.is_set():
            try:
                self._look()
                self._look_after()
            except FabricError as error:
                log.warning("snapshots are not looked after: %s", error)
            except Exception:
                log.exception("snapshots are not looked after")
            self._turn.wait(_TICK_SECONDS)
            self._turn.clear()

    def _look(self) -> None:
        if self._tables.look():
            self._catalog.serve_snapshots(self._tables.current)
        else:
            self._catalog.snapshots = self._tables.current  # the same, as of later: every plan still holds

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
                self._refreshing.add_done_callback(self._go_on)
        if time.monotonic() - self._swept >= _SWEEP_SECONDS:
            self._swept = time.monotonic()
            if self._snapshots.state.lease("sweep snapshots", _SWEEP_SECONDS):
                self._give_up()
                self._snapshots.forget()
                sweep(self._lake, FOLDER, self._snapshots.files, ("failed", "died"), ("dropped",))

    def _give_up(self) -> None:
        """Give up what processes that died left under way, of products too that nobody refreshes again."""
        for key in self._snapshots.running():
            with self._alone(key) as stop:
                if stop is not None:
                    self._snapshots.abandon(key)

    def _is_due(self, product: Product) -> bool:
        """Whether it is to be looked at: never stored, changed in its SELECT, or its time has come."""
        stored = product.stored
        if stored is None or product.broken or product.stopped:
            return False
        last = self._snapshots.last(product)
        if last is None or last.sql != product.sql or self._is_due_whole(product, stored):
            return True
        if stored.refresh != ON_CHANGE:
            return _is_past(stored.refresh, last.as_of)
        key, now = key_of(product), time.monotonic()
        if now - self._looked.get(key, -stored.every) < stored.every:
            return False
        # Of several processes one looks, and who comes after it when it has died.
        if not self._snapshots.state.lease(f"look {key}", 2 * stored.every):
            self._looked[key] = now
            return False
        return True

    def _is_due_whole(self, product: Product, stored: Materialization) -> bool:
        kept = self._snapshots.newest_of(product) if stored.full else None
        return kept is not None and _is_past(stored.full, kept.whole_at)

    def _go_on(self, ended: Future[bool]) -> None:
        """Look at once for the next that is due; one that is not refreshed now is looked at again a turn later."""
        if not ended.cancelled() and ended.exception() is None and ended.result():
            self._turn.set()

    def _refresh_due(self, product: Product) -> bool:
        """Refresh it, unless nothing has changed, another process does it, or has done so since it was found to be due.

        Whether its snapshot is a new one.
        """
        stored = product.stored
        try:
            with self._alone(key_of(product)) as stop:
                if stored is None or stop is None or not self._is_due(product):
                    return False
                self._looked[key_of(product)] = time.monotonic()
                began, found = time.time(), self._inputs(product)
                whole = self._is_due_whole(product, stored)
                kept = None if whole else self._unchanged(product, stored, found, stop)
                if kept is not None:
                    self._snapshots.confirm(kept.snapshot_id, began)
                    self._look()
                    return False
                rows = self._made(product, stop, found, whole=whole)
        except FabricError as error:
            log.warning("%s is not refreshed: %s", product.written, error)
            return False
        log.info("%s is refreshed, %d rows", product.written, rows)
        return True

    def _unchanged(
        self, product: Product, stored: Materialization, found: Inputs | None, stop: Stop
    ) -> Kept | None:
        """The newest snapshot, if another one would be the same; None where that cannot be told.

        What has a watermark is taken to be the same while no row is above the last one, which is asked on change only.
        """
        last, kept = self._snapshots.last(product), self._snapshots.newest_of(product)
        if found is None or kept is None or last is None or last.state != "good":
            return None
        if kept.sql != product.sql or kept.inputs != found.digest or not steady(json.loads(kept.made_under)):
            return None
        if found.whole:
            return kept
        if stored.refresh != ON_CHANGE or self._maker.has_more(product, kept, stop):
            return None
        return kept


def _is_past(cron: str, since: float) -> bool:
    """Whether a moment that cron says has come since a time, in seconds since 1970."""
    return next(CronSim(cron, datetime.fromtimestamp(since, UTC))) <= datetime.now(UTC)


def _lease_of(key: str) -> str:
    return f"refresh {key}"
