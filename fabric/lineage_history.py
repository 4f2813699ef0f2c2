"""The lineage of the queries that were asked, in the state store.

Many queries have the same one: it is kept once, by its digest. What row rules chose by is not kept: no asker may be told.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from fabric.lineage_rows import plain_name
from fabric.product_types import Edge
from fabric.state import Part, State

if TYPE_CHECKING:
    from fabric.lineage_feed import Run
    from fabric.outcome import Outcome

MOST_SHOWN = 1_000
"""Of how many of the newest queries ``system.lineage`` tells."""

_KEPT = 10_000
_FORGETS_EVERY = 1_000
_PART = Part(
    "lineage",
    (
        """
        CREATE TABLE query_lineage (
            number {number}, query_id TEXT UNIQUE NOT NULL, "user" TEXT NOT NULL, at {real} NOT NULL,
            digest TEXT NOT NULL
        );
        CREATE INDEX query_lineage_user ON query_lineage ("user");
        CREATE TABLE lineages (digest TEXT PRIMARY KEY, edges TEXT NOT NULL)
        """,
    ),
)
_LINEAGE = "INSERT INTO lineages (digest, edges) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING"
_QUERY = (
    'INSERT INTO query_lineage (query_id, "user", at, digest) VALUES ($1, $2, $3, $4) '
    "ON CONFLICT (query_id) DO NOTHING"
)
_FORGET_MANY = "DELETE FROM query_lineage WHERE number <= (SELECT max(number) FROM query_lineage) - $1"
_FORGET_OLD = "DELETE FROM query_lineage WHERE at < $1"
_FORGET_UNUSED = (
    "DELETE FROM lineages WHERE digest NOT IN (SELECT digest FROM query_lineage) AND digest <> $1"
)

Row = tuple[Any, ...]


class LineageHistory:
    """The newest queries' lineage; implements ``fabric.lineage_feed.Sink``.

    Args:
        state: where it is kept.
        fabric: the fabric's name.
        seconds: how long.

    Raises:
        InvalidConfig: the state is of a later version.
    """

    def __init__(self, state: State, fabric: str, seconds: float) -> None:
        self._state = state
        self._fabric = fabric
        self._seconds = seconds
        self._told = 0
        state.prepare(_PART)

    def started(self, run: Run) -> None:
        """Nothing is kept of what has not ended."""

    def ended(self, run: Run, outcome: Outcome) -> None:
        """Keep the lineage of a query; never waits."""
        edges = json.dumps(list(self._edges(run)))
        digest = hashlib.sha256(edges.encode()).hexdigest()
        query = (run.asked.query_id, run.asked.principal.user, run.asked.at, digest)
        forgets = self._told % _FORGETS_EVERY == 0
        self._told += 1
        self._state.later(
            (_LINEAGE, [(digest, edges)]),
            (_QUERY, [query]),
            (_FORGET_OLD, [(time.time() - self._seconds,)] if forgets else []),
            (_FORGET_MANY, [(_KEPT,)] if forgets else []),
            (_FORGET_UNUSED, [(digest,)] if forgets else []),
        )

    def _edges(self, run: Run) -> Iterable[Sequence[object]]:
        found = run.lineage
        names = [plain_name(part, self._fabric) for part, _ in found.inputs]

        def told(column: str | None, edge: Edge) -> Sequence[object]:
            return [column, names[edge.part], edge.column, edge.kind, edge.masked]

        for column, edges in zip(found.columns, found.lineage.columns, strict=False):
            yield from (told(column.name, edge) for edge in edges)
        yield from (told(None, edge) for edge in found.lineage.rows)
        yield from ([None, name, None, "rows", False] for name in dict.fromkeys(names))

    def close(self) -> None:
        """What waits is the state's."""

    def rows(self, user: str | None) -> list[Row]:
        """The rows of ``system.lineage`` for the newest queries of one user, or of everyone.

        Raises:
            StateUnavailable: they cannot be read.
        """
        self._state.flush()
        found = self._state.read(
            "SELECT q.query_id, l.edges FROM query_lineage q JOIN lineages l ON l.digest = q.digest "
            'WHERE q.at >= $2 AND (CAST($1 AS TEXT) IS NULL OR q."user" = $1) '
            f"ORDER BY q.number DESC LIMIT {MOST_SHOWN}",
            (user, time.time() - self._seconds),
        )
        return [(None, *edge, query_id) for query_id, edges in found for edge in json.loads(edges)]
