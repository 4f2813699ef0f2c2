"""Which files are read ahead of the statement, so that DuckDB orders its joins by what is left of them.

Parquet tells how many rows a file has, not how many a filter leaves: DuckDB takes a fifth. Of other formats it does not know
even that, and guesses far too few. Where a small table decides what of a large one matters, that guess decides the
order of all joins; to read the small one first, reduced by the keys of live scans, costs little, for its rows are needed
before the large one's anyway. And over the joins of NOT EXISTS and NOT IN, DuckDB carries no keys: it reads all rows of a
table to look for a few. A statement of its own, ``key IN (keys)``, it reads by them. No answer depends on it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from fabric.dynamic_filters import expected, gives, part_left
from fabric.estimates import row_bytes
from fabric.join_graph import Edge
from fabric.semi_joins import Reducible

_FEWEST_RELATIONS = 3  # of two, there is no order to choose
_MANY_TIMES = 2.0
_MANY_ROWS = 100_000
_MOST_BYTES = 32 * 10**6
MOST_KEYS = 10_000
"""Beyond them keys leave little of a file unread."""

_LARGEST_PART = 0.5
_SMALL_PART = 0.1
_WHOLE_NUMBERS = frozenset(("SMALLINT", "INTEGER", "BIGINT"))


def read_ahead(
    every: Mapping[str, Reducible],
    edges: Sequence[Edge],
    files: Collection[str],
    givers: Collection[str],
    unfollowed: Collection[Edge] = (),
) -> dict[str, tuple[Edge, ...]]:
    """The ids of files that are read ahead, each with the edges by whose keys it is reduced.

    Args:
        every: the scans of the statement, by relation id.
        edges: of the statement, by relation ids and positions in the tables.
        files: the ids of those that may be read ahead.
        givers: the ids of live scans whose keys may be waited for.
        unfollowed: the edges along which DuckDB carries no keys.
    """
    rows = {id: expected(each) for id, each in every.items()}
    few = [id for id in givers if rows[id] <= MOST_KEYS]
    found: dict[str, tuple[Edge, ...]] = {}
    for edge in sorted(unfollowed, key=lambda edge: rows.get(edge.source.relation, 0.0)):
        if edge.target.relation in files and edge.source.relation in few and _is_kept(edge, every, rows):
            found.setdefault(edge.target.relation, (edge,))
    if len(every) < _FEWEST_RELATIONS:
        return found
    return found | {
        id: tuple(
            edge
            for edge in edges
            if edge.target.relation == id
            and edge.source.relation in few
            and gives(edge, every)
            and part_left(edge, every, rows) <= _LARGEST_PART
        )
        for id in files
        if id not in found and _decides(id, every, edges, rows)
    }


def begun_by(
    every: Mapping[str, Reducible], carried: Sequence[Edge], files: Collection[str], givers: Collection[str]
) -> dict[str, Edge]:
    """By the ids of files the edge by whose keys, the fewest, DuckDB leaves out row groups.

    Args:
        every: the scans of the statement, by relation id.
        carried: the edges along which DuckDB carries keys.
        files: the ids of those that are read once.
        givers: the ids of live scans.
    """
    rows = {id: expected(every[id]) for id in givers}
    usable = [edge for edge in carried if edge.target.relation in files and edge.source.relation in givers]
    found: dict[str, Edge] = {}
    for edge in sorted(usable, key=lambda edge: rows[edge.source.relation]):
        keys = (edge.target, edge.source)
        kinds = {every[key.relation].scan.table.columns[key.column].type for key in keys}
        if rows[edge.source.relation] <= MOST_KEYS and kinds <= _WHOLE_NUMBERS and gives(edge, every):
            found.setdefault(edge.target.relation, edge)
    return found


def _is_kept(edge: Edge, every: Mapping[str, Reducible], rows: Mapping[str, float]) -> bool:
    """Whether an edge's keys leave so little of a large table that it can be held."""
    scan = every[edge.target.relation].scan
    if not gives(edge, every) or (scan.table.rows or 0) < _MANY_ROWS:
        return False
    part = part_left(edge, every, rows)
    left = rows[edge.target.relation] * part * row_bytes(scan.table, scan.columns)
    return part <= _SMALL_PART and left <= _MOST_BYTES


def _decides(
    id: str, every: Mapping[str, Reducible], edges: Sequence[Edge], rows: Mapping[str, float]
) -> bool:
    """Whether a table of unknown rows reduces one that stays many times as large after all else that reduces it."""
    scan = every[id].scan
    size = scan.table.rows
    if size is None or size * row_bytes(scan.table, scan.columns) > _MOST_BYTES:
        return False
    layout = scan.table.layout
    if not scan.predicates and (layout is None or layout.format == "parquet"):
        return False
    for target in {edge.target.relation for edge in edges if edge.source.relation == id} & every.keys():
        parts = {
            edge.source.relation: part_left(edge, every, rows)
            for edge in edges
            if edge.target.relation == target and edge.source.relation in every.keys() - {id}
        }
        if rows[target] * math.prod(parts.values()) > size * _MANY_TIMES:
            return True
    return False
