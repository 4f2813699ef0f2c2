"""A live scan that starts when the keys of other relations are known, and asks for the rows of these only."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from fabric.arrow_source import ArrowSource
from fabric.dynamic_filters import MOST_KEYS
from fabric.errors import FabricError
from fabric.feed import Feed
from fabric.join_graph import Edge
from fabric.predicates import Comparison, Membership, Predicate, Value
from fabric.reads import LiveRead
from fabric.spi import ScanContext
from fabric.types import Column, Offer

log = logging.getLogger("ripstop.filtering")

# An API is asked once for each few keys: beyond so many requests, all rows are asked for, as without keys.
_MOST_SPLITS = 24
_RANGED = ("SMALLINT", "INTEGER", "BIGINT", "DATE")


Keys = tuple[Edge, ArrowSource, int]
"""An edge, what DuckDB holds of the relation that gives the keys, and their column's place there."""


class DynamicFiltering:
    """One scan that waits, in a thread of its own.

    Args:
        read: what is read.
        feed: its read, not started.
        keys: what it waits for.
        context: the scan's own.
    """

    def __init__(self, read: LiveRead, feed: Feed, keys: Sequence[Keys], context: ScanContext) -> None:
        self._read = read
        self._feed = feed
        self._keys = keys
        self._context = context
        self._told: list[str] = []
        self._thread = threading.Thread(target=self._run, name="ripstop-dynamic-filter", daemon=True)

    @property
    def told(self) -> Sequence[str]:
        """What the source was asked for beyond the planned offer."""
        return self._told

    def start(self) -> None:
        """Wait for the keys, then start the scan."""
        self._thread.start()

    def join(self) -> None:
        """Wait until it started, or never will."""
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            known = [(edge, rows.collected(), place) for edge, rows, place in self._keys]
        except BaseException as error:
            log.debug("no keys are known, for their source failed", exc_info=error)
            self._context.cancel()
            return
        try:
            self._feed.start(
                self._narrowed([(edge, rows, place) for edge, rows, place in known if rows is not None])
            )
        except FabricError as error:
            self._feed.fail(error)

    def _narrowed(self, known: Sequence[tuple[Edge, pa.Table, int]]) -> Offer:
        """The planned offer, narrowed by what is known."""
        planned, told, members = self._read.offer, list[str](), list[Predicate]()
        for edge, rows, place in known:
            column = self._read.relation.object.columns[edge.target.column]
            keys = rows.column(place).unique().drop_null()
            if not len(keys):
                self._told.append(f"{column.name} among no keys")
                return replace(planned, splits=(), request="nothing: there are no keys")
            found = _members(column, keys)
            members += found
            how = "among" if len(found) == 1 else "in the range of"
            told += [f"{column.name} {how} {len(keys):,} keys"] if found else []
        if not members:
            return planned
        scan = replace(planned.scan, predicates=(*planned.scan.predicates, *members))
        offer = self._read.connector.offer(scan)
        if planned.splits and (len(offer.splits) > _MOST_SPLITS or len(offer.taken) == len(planned.taken)):
            return planned
        self._told += told
        return offer


def _members(column: Column, keys: pa.ChunkedArray) -> list[Predicate]:
    """What the keys say of the rows that matter: that theirs is among them, or lies in their range."""
    if len(keys) <= MOST_KEYS:
        return [Membership(column.name, tuple(_value(key, column) for key in keys.to_pylist()))]
    if column.type not in _RANGED:
        return []
    ends = pc.min_max(keys)
    return [
        Comparison(column.name, ">=", ends["min"].as_py()),
        Comparison(column.name, "<=", ends["max"].as_py()),
    ]


def _value(key: Any, column: Column) -> Value:
    return UUID(key) if column.type == "UUID" and isinstance(key, str) else key
