"""Snapshots of materialized products: when each was made, under which decisions, and which of them is served now.

A snapshot counts from the transaction that says so; until then, and when a refresh fails, the one before is served.
"""

from __future__ import annotations

import json
import math
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fabric.file_scan import FileTables
from fabric.lake import RESULTS, LakeTables
from fabric.product_types import key_of
from fabric.state import Part, State
from fabric.state_databases import Row
from fabric.stored import Ruled, StoredTable
from fabric.types import DEFAULT_SCHEMA, Column, FileLayout, Product, Table, TableName

_PART = Part(
    "snapshots",
    (
        """
        CREATE TABLE snapshots (
            number {number}, snapshot_id TEXT UNIQUE NOT NULL, product TEXT NOT NULL, sql TEXT NOT NULL, state TEXT NOT NULL,
            as_of {real} NOT NULL, ended_at {real}, rows BIGINT, bytes BIGINT, error TEXT, file TEXT NOT NULL, types TEXT NOT NULL, made_under TEXT
        );
        CREATE INDEX snapshots_product ON snapshots (product)
        """,
    ),
)

_KEPT_SECONDS = 30 * 86_400.0
"""How long a refresh is told of whose file is gone."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot that counts: ``as_of`` in seconds since 1970, ``types`` of its columns and what it was ``made_under`` as JSON."""

    product: str
    snapshot_id: str
    sql: str
    as_of: float
    rows: int
    bytes: int
    file: str
    types: str
    made_under: str


_KEPT = "product, snapshot_id, sql, as_of, rows, bytes, file, types, made_under"


def _kept(row: Row) -> Kept:
    product, snapshot_id, sql, as_of, rows, size, *texts = row
    file, types, made_under = map(str, texts)
    return Kept(
        str(product), str(snapshot_id), str(sql), float(as_of), int(rows), int(size), file, types, made_under
    )


@dataclass(frozen=True, slots=True)
class Attempt:
    """The last refresh of a product, of which SELECT: when it began (seconds since 1970), ``good`` or ``failed``, and why."""

    as_of: float
    sql: str
    state: str
    error: str


def types_of(shape: Product) -> dict[str, str]:
    """The types of a shaped product's columns."""
    return {column.name: column.type for column in shape.columns}


def has_columns(held: Sequence[Column], wanted: Sequence[Column]) -> bool:
    """Whether these are the same columns, in their order and types."""
    return [(c.name, c.type) for c in held] == [(c.name, c.type) for c in wanted]


class Snapshots:
    """Every snapshot, in the state store; any thread may ask.

    Args:
        state: where they are kept.
        redact: takes secrets out of a text.
    """

    def __init__(self, state: State, redact: Callable[[str], str] = lambda text: text) -> None:
        self.state = state
        self._redact = redact
        state.prepare(_PART)

    def begin(self, shape: Product, file: str) -> str:
        """Write down a refresh of a shaped product that begins, and the file that it will write; its id."""
        made = secrets.token_hex(16)
        with self.state.transaction() as run:
            run(
                "INSERT INTO snapshots (snapshot_id, product, sql, state, as_of, file, types) "
                "VALUES ($1, $2, $3, 'running', $4, $5, $6)",
                (made, key_of(shape), shape.sql, time.time(), file, json.dumps(types_of(shape))),
            )
        return made

    def publish(
        self, snapshot_id: str, rows: int, size: int, made_under: Sequence[Ruled], keep: int | timedelta
    ) -> bool:
        """Have a snapshot count, and of those before it only what shall be kept; false when it was given up meanwhile.

        Args:
            snapshot_id: of a refresh that is done.
            rows: of its file.
            size: in bytes.
            made_under: what was decided.
            keep: so many of the newest count, or all as of so long ago, and the newest.
        """
        now = time.time()
        most = keep if isinstance(keep, int) else 1
        since = now - keep.total_seconds() if isinstance(keep, timedelta) else math.inf
        with self.state.transaction() as run:
            found = run(
                "UPDATE snapshots SET state = 'good', ended_at = $2, rows = $3, bytes = $4, made_under = $5 "
                "WHERE snapshot_id = $1 AND state = 'running' RETURNING product",
                (snapshot_id, now, rows, size, json.dumps(made_under)),
            )
            if not found:
                return False
            run(
                "UPDATE snapshots SET state = 'dropped', ended_at = $3 WHERE product = $1 AND state = 'good' "
                "AND number NOT IN (SELECT number FROM snapshots WHERE product = $1 AND state = 'good' "
                "ORDER BY number DESC LIMIT $2) AND as_of < $4",
                (found[0][0], most, now, since),
            )
        return True

    def fail(self, snapshot_id: str, error: str) -> None:
        """Say that a refresh failed, and why."""
        with self.state.transaction() as run:
            run(
                "UPDATE snapshots SET state = 'failed', ended_at = $2, error = $3 "
                "WHERE snapshot_id = $1 AND state = 'running'",
                (snapshot_id, time.time(), self._redact(error)),
            )

    def abandon(self, product: Product) -> None:
        """Give up what a process that died left under way; whoever calls has the lease of the product."""
        with self.state.transaction() as run:
            run(
                "UPDATE snapshots SET state = 'died', ended_at = $2 WHERE product = $1 AND state = 'running'",
                (key_of(product), time.time()),
            )

    def last(self, product: Product) -> Attempt | None:
        """The last refresh that ended in any way but its process's death."""
        found = self.state.read(
            "SELECT as_of, sql, state, coalesce(error, '') FROM snapshots WHERE product = $1 "
            "AND state IN ('good', 'failed') ORDER BY number DESC LIMIT 1",
            (key_of(product),),
        )
        if not found:
            return None
        as_of, sql, state, error = found[0]
        return Attempt(float(as_of), str(sql), str(state), str(error))

    def newest(self) -> list[Kept]:
        """Of each product the newest one."""
        newest = "SELECT max(number) FROM snapshots WHERE state = 'good' GROUP BY product"
        return list(map(_kept, self.state.read(f"SELECT {_KEPT} FROM snapshots WHERE number IN ({newest})")))

    def kept(self, product: Product, snapshot_id: str) -> Kept | None:
        """The product's snapshot with that id."""
        found = self.state.read(
            f"SELECT {_KEPT} FROM snapshots WHERE snapshot_id = $1 AND product = $2 AND state = 'good'",
            (snapshot_id, key_of(product)),
        )
        return _kept(found[0]) if found else None

    def all_kept(self) -> list[Kept]:
        """All that are kept, those of a product from the newest on."""
        found = self.state.read(
            f"SELECT {_KEPT} FROM snapshots WHERE state = 'good' ORDER BY product, number DESC"
        )
        return list(map(_kept, found))

    def told(self) -> dict[str, tuple[datetime | None, str]]:
        """Of each product as of when its newest snapshot is, and why the last refresh failed, if it did."""
        found = self.state.read(
            "SELECT product, max(CASE WHEN state = 'good' THEN as_of END) FROM snapshots GROUP BY product"
        )
        failed = self.state.read(
            "SELECT product, error FROM snapshots WHERE state = 'failed' AND number IN (SELECT max(number) "
            "FROM snapshots WHERE state IN ('good', 'failed') GROUP BY product)"
        )
        why = {str(product): str(error) for product, error in failed}
        return {
            str(product): (datetime.fromtimestamp(at, UTC) if at is not None else None, why.get(product, ""))
            for product, at in found
        }

    def forget(self) -> None:
        """Forget refreshes that ended long ago and have no file."""
        with self.state.transaction() as run:
            run(
                "DELETE FROM snapshots WHERE state IN ('failed', 'died', 'dropped') AND ended_at < $1",
                (time.time() - _KEPT_SECONDS,),
            )

    def files(self) -> dict[str, tuple[str, float]]:
        """Every file that a snapshot has named, with its state and the time at which that ended."""
        rows = self.state.read("SELECT file, state, coalesce(ended_at, 0) FROM snapshots")
        return {str(file): (str(state), float(at)) for file, state, at in rows}


class SnapshotTables:
    """Snapshots as tables: those that are served now, in one mapping for all of a query, and those that are kept.

    Args:
        snapshots: where they are written down.
        lake: has the files.
        files: looks into them.
    """

    def __init__(self, snapshots: Snapshots, lake: LakeTables, files: FileTables) -> None:
        self._snapshots = snapshots
        self._lake = lake
        self._files = files
        self._known: dict[str, tuple[str, StoredTable, str]] = {}
        self._lock = threading.Lock()
        self.current: Mapping[str, StoredTable] = {}
        """By ``key_of`` and the SELECT that made them: of another SELECT there is none."""

    def look(self) -> bool:
        """Read what there is now; whether it is another than before.

        Raises:
            FabricError: the state or a file cannot be read; what was known stays.
        """
        with self._lock:
            found: dict[str, tuple[str, StoredTable, str]] = {}
            for kept in self._snapshots.newest():
                known = self._known.get(kept.product)
                if known is None or known[0] != kept.snapshot_id:
                    known = (kept.snapshot_id, self._table(kept), kept.sql)
                found[kept.product] = known
            changed = {p: k[0] for p, k in found.items()} != {p: k[0] for p, k in self._known.items()}
            if changed:
                self._known = found
                self.current = {f"{product}\0{sql}": table for product, (_, table, sql) in found.items()}
            return changed

    def sql_of(self, product: Product, snapshot_id: str) -> str | None:
        """The SELECT that made the product's snapshot of that id; None where it has none."""
        found = self._snapshots.kept(product, snapshot_id)
        return found.sql if found else None

    def at(self, product: Product) -> StoredTable | None:
        """The snapshot that a product is read at, if it is still kept.

        Raises:
            FabricError: the state or the file cannot be read.
        """
        found = self._snapshots.kept(product, product.at)
        return self._table(found) if found is not None and found.sql == product.sql else None

    def columns(self, file: str, types: Mapping[str, str]) -> tuple[Column, ...]:
        """The columns of a file in the lake, which Parquet may hold as other types than they have."""
        layout = FileLayout(file, "parquet", declared=types)
        table = Table(TableName(RESULTS, DEFAULT_SCHEMA, file), (), layout=layout)
        return self._files.columns(self._lake, table)

    def _table(self, kept: Kept) -> StoredTable:
        types = json.loads(kept.types)
        columns, layout = self.columns(kept.file, types), FileLayout(kept.file, "parquet", declared=types)
        made_under: tuple[Ruled, ...] = tuple(json.loads(kept.made_under))
        name = TableName(RESULTS, DEFAULT_SCHEMA, kept.product)
        at = datetime.fromtimestamp(kept.as_of, UTC)
        return StoredTable(
            name, columns, rows=kept.rows, layout=layout, made_under=made_under, as_of=at, is_snapshot=True
        )
