"""Which files are read ahead of the statement, so that DuckDB orders its joins by what their filters leave.

Files tell how many rows they have, not how many a filter leaves: DuckDB takes a fifth. Where a small table decides what of a
large one matters, that guess decides the order of all joins; to read the small one first costs little, for its rows
are needed before the large one's anyway. No answer depends on it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from fabric.dynamic_filters import expected, part_left
from fabric.estimates import row_bytes
from fabric.join_graph import Edge
from fabric.reductions import Reducible

_FEWEST_RELATIONS = 3  # of two, there is no order to choose
_MANY_TIMES = 2.0
_MOST_BYTES = 32 * 10**6


def read_ahead(
    every: Mapping[str, Reducible], edges: Sequence[Edge], files: Collection[str]
) -> frozenset[str]:
    """The ids of files that are read ahead.

    Args:
        every: the scans of the statement, by relation id.
        edges: of the statement, by relation ids and positions in the tables.
        files: the ids of those that may be read ahead.
    """
    if len(every) < _FEWEST_RELATIONS:
        return frozenset()
    rows = {id: expected(each) for id, each in every.items()}
    return frozenset(id for id in files if _decides(id, every, edges, rows))


def _decides(
    id: str, every: Mapping[str, Reducible], edges: Sequence[Edge], rows: Mapping[str, float]
) -> bool:
    """Whether a filtered table's keys reduce one that stays many times as large after all else that reduces it."""
    scan = every[id].scan
    size = scan.table.rows
    if not scan.predicates or size is None or size * row_bytes(scan.table, scan.columns) > _MOST_BYTES:
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
