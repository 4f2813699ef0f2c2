"""Snapshots of materialized products: when each was made, under which decisions, and which of them is served now.

A snapshot counts from the transaction that says so; until then, and when a refresh fails, the one before is served.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from fabric.file_scan import FileTables
from fabric.lake import RESULTS, LakeTables
from fabric.product_types import key_of
from fabric.state import Part, State
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

    def publish(self, snapshot_id: str, rows: int, size: int, made_under: Sequence[Ruled], keep: int) -> bool:
        """Have a snapshot count, and those before the newest ``keep`` no more; false when it was given up meanwhile."""
        now = time.time()
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
                "ORDER BY number DESC LIMIT $2)",
                (found[0][0], keep, now),
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

    def newest(self) -> list[tuple[str, ...]]:
        """Of each product the newest one: product, id, SELECT, as of when, file, its types, and what it was made under."""
        return [
            tuple(map(str, row))
            for row in self.state.read(
                "SELECT product, snapshot_id, sql, as_of, file, types, made_under FROM snapshots WHERE number IN "
                "(SELECT max(number) FROM snapshots WHERE state = 'good' GROUP BY product)"
            )
        ]

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
    """The snapshots that are served now, as tables; one mapping for all of a query.

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
            for product, id, sql, as_of, file, types, made_under in self._snapshots.newest():
                known = self._known.get(product)
                if known is None or known[0] != id:
                    known = (id, self._table(product, float(as_of), file, json.loads(types), made_under), sql)
                found[product] = known
            changed = {p: k[0] for p, k in found.items()} != {p: k[0] for p, k in self._known.items()}
            if changed:
                self._known = found
                self.current = {f"{product}\0{sql}": table for product, (_, table, sql) in found.items()}
            return changed

    def columns(self, file: str, types: Mapping[str, str]) -> tuple[Column, ...]:
        """The columns of a file in the lake, which Parquet may hold as other types than they have."""
        layout = FileLayout(file, "parquet", declared=types)
        table = Table(TableName(RESULTS, DEFAULT_SCHEMA, file), (), layout=layout)
        return self._files.columns(self._lake, table)

    def _table(
        self, product: str, as_of: float, file: str, types: Mapping[str, str], made_under: str
    ) -> StoredTable:
        name = TableName(RESULTS, DEFAULT_SCHEMA, product)
        columns, layout = self.columns(file, types), FileLayout(file, "parquet", declared=types)
        ruled: tuple[Ruled, ...] = tuple(json.loads(made_under))
        at = datetime.fromtimestamp(as_of, UTC)
        return StoredTable(name, columns, layout=layout, made_under=ruled, as_of=at, is_snapshot=True)
