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
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from fabric.file_scan import FileTables
from fabric.lake import RESULTS, LakeTables
from fabric.product_types import key_of
from fabric.state import Part, State
from fabric.state_databases import Row
from fabric.stored import Ruled, StoredTable
from fabric.types import DEFAULT_SCHEMA, Column, FileLayout, Product, TableName

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
        """
        ALTER TABLE snapshots ADD COLUMN inputs TEXT;
        ALTER TABLE snapshots ADD COLUMN mark TEXT;
        ALTER TABLE snapshots ADD COLUMN whole_at {real}
        """,
    ),
)

_KEPT_SECONDS = 30 * 86_400.0
"""How long a refresh is told of whose file is gone."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot that counts.

    Args:
        product: its ``key_of``.
        snapshot_id: names it.
        sql: the SELECT that made it.
        as_of: the last time at which it was what the sources held, in seconds since 1970.
        rows: how many.
        bytes: of its file.
        file: in the lake.
        types: of its columns, as JSON.
        made_under: what was decided, as JSON.
        inputs: the digest of what it was made of; None where nothing tells that.
        mark: the last watermark in it (``fabric.incremental.said``).
        whole_at: when all rows were asked.
    """

    product: str
    snapshot_id: str
    sql: str
    as_of: float
    rows: int
    bytes: int
    file: str
    types: str
    made_under: str
    inputs: str | None
    mark: str | None
    whole_at: float


@dataclass(frozen=True, slots=True)
class Made:
    """What came of a refresh: as in ``Kept``."""

    rows: int
    bytes: int
    made_under: Sequence[Ruled]
    inputs: str | None
    mark: str | None
    whole_at: float


_KEPT = "product, snapshot_id, sql, as_of, rows, bytes, file, types, made_under, inputs, mark, coalesce(whole_at, as_of)"


def _kept(row: Row) -> Kept:
    product, snapshot_id, sql, as_of, rows, size, file, types, made_under, inputs, mark, whole_at = row
    return Kept(
        product=str(product),
        snapshot_id=str(snapshot_id),
        sql=str(sql),
        as_of=float(as_of),
        rows=int(rows),
        bytes=int(size),
        file=str(file),
        types=str(types),
        made_under=str(made_under),
        inputs=None if inputs is None else str(inputs),
        mark=None if mark is None else str(mark),
        whole_at=float(whole_at),
    )


@dataclass(frozen=True, slots=True)
class Attempt:
    """The last refresh of a product, of which SELECT: when it began (seconds since 1970), ``good`` or ``failed``, and why."""

    as_of: float
    sql: str
    state: str
    error: str


def delta_of(file: str) -> str:
    """The file in which changed rows stand while a snapshot's own is made of them."""
    return f"{file}.delta"


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

    def publish(self, snapshot_id: str, made: Made, keep: int | timedelta) -> bool:
        """Have a snapshot count, and of those before it only what shall be kept; false when it was given up meanwhile.

        Args:
            snapshot_id: of a refresh that is done.
            made: what came of it.
            keep: so many of the newest count, or all as of so long ago, and the newest.
        """
        now = time.time()
        most = keep if isinstance(keep, int) else 1
        since = now - keep.total_seconds() if isinstance(keep, timedelta) else math.inf
        told = json.dumps(made.made_under), made.inputs, made.mark, made.whole_at
        with self.state.transaction() as run:
            found = run(
                "UPDATE snapshots SET state = 'good', ended_at = $2, rows = $3, bytes = $4, made_under = $5, inputs = $6, "
                "mark = $7, whole_at = $8 WHERE snapshot_id = $1 AND state = 'running' RETURNING product",
                (snapshot_id, now, made.rows, made.bytes, *told),
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

    def confirm(self, snapshot_id: str, as_of: float) -> None:
        """Say that a snapshot is what the sources held at a later time too."""
        with self.state.transaction() as run:
            run(
                "UPDATE snapshots SET as_of = $2 WHERE snapshot_id = $1 AND state = 'good' AND as_of < $2",
                (snapshot_id, as_of),
            )

    def fail(self, snapshot_id: str, error: str) -> None:
        """Say that a refresh failed, and why."""
        with self.state.transaction() as run:
            run(
                "UPDATE snapshots SET state = 'failed', ended_at = $2, error = $3 "
                "WHERE snapshot_id = $1 AND state = 'running'",
                (snapshot_id, time.time(), self._redact(error)),
            )

    def running(self) -> set[str]:
        """The products that are being refreshed, be it by a process that died."""
        found = self.state.read("SELECT DISTINCT product FROM snapshots WHERE state = 'running'")
        return {str(row[0]) for row in found}

    def abandon(self, product: str) -> None:
        """Give up what a process that died or ended left under way of a product; whoever calls has its lease."""
        with self.state.transaction() as run:
            run(
                "UPDATE snapshots SET state = 'died', ended_at = $2 WHERE product = $1 AND state = 'running'",
                (product, time.time()),
            )

    def last(self, product: Product) -> Attempt | None:
        """The last refresh that ended in any way but with its process."""
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

    def newest_of(self, product: Product) -> Kept | None:
        """The newest one of a product."""
        found = self.state.read(
            f"SELECT {_KEPT} FROM snapshots WHERE product = $1 AND state = 'good' ORDER BY number DESC LIMIT 1",
            (key_of(product),),
        )
        return _kept(found[0]) if found else None

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
        named = {str(file): (str(state), float(at)) for file, state, at in rows}
        # What changed is read by nobody but the refresh itself.
        deltas = {delta_of(file): (s if s == "running" else "died", at) for file, (s, at) in named.items()}
        return named | deltas


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
        self._known: dict[str, tuple[Kept, StoredTable]] = {}
        self._lock = threading.Lock()
        self.current: Mapping[str, StoredTable] = {}
        """By ``key_of`` and the SELECT that made them: of another SELECT there is none."""

    def look(self) -> bool:
        """Read what there is now; whether there are others than before, and not only the same as of later.

        Raises:
            FabricError: the state or a file cannot be read; what was known stays.
        """
        with self._lock:
            found: dict[str, tuple[Kept, StoredTable]] = {}
            for kept in self._snapshots.newest():
                before = self._known.get(kept.product)
                if before is None or before[0].snapshot_id != kept.snapshot_id:
                    found[kept.product] = kept, self.table(kept)
                else:
                    at = datetime.fromtimestamp(kept.as_of, UTC)
                    found[kept.product] = kept, replace(before[1], as_of=at)
            changed = {p: k.snapshot_id for p, (k, _) in found.items()} != {
                p: k.snapshot_id for p, (k, _) in self._known.items()
            }
            if changed or found != self._known:
                self._known = found
                self.current = {f"{kept.product}\0{kept.sql}": table for kept, table in found.values()}
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
        if found is None or found.sql != product.sql:
            return None
        return replace(self.table(found), is_snapshot=False)  # it may be dropped while plans hold

    def lake_table(self, file: str, types: Mapping[str, str]) -> StoredTable:
        """A file in the lake, which Parquet may hold as other types than its columns have."""
        layout = FileLayout(file, "parquet", declared=types)
        table = StoredTable(TableName(RESULTS, DEFAULT_SCHEMA, file), (), layout=layout)
        return replace(table, columns=self._files.columns(self._lake, table))

    def table(self, kept: Kept) -> StoredTable:
        """A snapshot as a table."""
        made_under: tuple[Ruled, ...] = tuple(json.loads(kept.made_under))
        return replace(
            self.lake_table(kept.file, json.loads(kept.types)),
            name=TableName(RESULTS, DEFAULT_SCHEMA, kept.product),
            rows=kept.rows,
            made_under=made_under,
            as_of=datetime.fromtimestamp(kept.as_of, UTC),
            is_snapshot=True,
        )
