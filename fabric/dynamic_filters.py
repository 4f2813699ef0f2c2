"""Dynamic filters: which live scans wait for the keys of another relation, and ask for the rows of these only.

Both directions of a join are edges; the side that is expected to give fewer rows is read first. What is chosen
changes no answer: ``join_graph`` knows that no other row matters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from types import MappingProxyType

from fabric.estimates import distinct, selectivity
from fabric.join_graph import Edge
from fabric.predicates import Comparison, Membership
from fabric.semi_joins import LOOKED_AT, MOST_SCANS, SENT_COLUMN, SENT_ROW, Reduced, Reducible, reduced
from fabric.types import Capabilities, Column, Scan

MOST_KEYS = 50_000
"""Beyond them a range is asked for: Postgres is then no faster by keys (notes/federation.md, section 3)."""

_MOST_EXPECTED = 2 * MOST_KEYS  # estimates are no better than that
KEY_TYPES = frozenset(("SMALLINT", "INTEGER", "BIGINT", "VARCHAR", "DATE", "UUID"))
_MOST = 2
# Rows of a table of which its source tells nothing; microseconds a row of such a one, and of an API, page by page.
_UNKNOWN_ROWS, _SLOWLY_SENT = 5_000.0, 50.0
# Microseconds: the round trip by which a scan starts later.
_TURN = 3_000.0
_LARGEST_PART = 0.5
_HOPED_PART = 0.01
# Of these: the answer may be one slow page, for which it would have been waited twice.
_LARGEST_SLOW_PART = 0.1

Able = Callable[[str], Capabilities]


def semi_joins(
    scans: Mapping[str, Reducible],
    files: Mapping[str, Reducible],
    edges: Sequence[Edge],
    able: Able,
    given: Mapping[str, Edge] = MappingProxyType({}),
) -> dict[str, Reduced]:
    """Each scan with what reduces it: keys that it waits for, or the semi-joins that its source can do itself.

    Args:
        scans: the live scans of the statement, by relation id.
        files: those of files, which only give keys.
        edges: of the statement, by relation ids and positions in the tables.
        able: what the source of a live scan takes.
        given: by relation id, an edge whose keys, few as is hoped, will be known for certain.
    """
    if len(scans) > MOST_SCANS:
        edges = ()
    every = {**scans, **files}
    rows = {id: expected(each) * (_HOPED_PART if id in given else 1.0) for id, each in every.items()}
    slow = {id for id, each in every.items() if each.scan.table.rows is None}
    slow |= {id for id, each in scans.items() if not able(id).projection}
    lacking = {id: lacks for id, each in scans.items() if (lacks := _lacks(each.scan, able(id)))}
    # The smallest first: who comes later may wait for who came before, and so nobody for itself.
    ordered = sorted(every, key=lambda id: (id in lacking, rows[id]))
    waiting: dict[str, tuple[Edge, ...]] = {}
    for place, target in enumerate(ordered):
        if target in files:
            continue
        if target in given and target not in lacking and _takes(given[target], every, able):
            waiting[target] = (given[target],)
            continue
        towards = _towards(target, edges, ordered[:place])
        usable = [edge for edge in towards if gives(edge, every) and _takes(edge, every, able)]
        if target in lacking:
            chosen = _each_once(usable, lacking[target], every)
        else:
            chosen = () if scans[target].unpushed else _worthwhile(usable, every, rows, slow)
        if chosen:
            waiting[target] = chosen
            rows[target] *= math.prod(part_left(edge, every, rows) for edge in chosen)
    fixed = [edge for edge in edges if edge.target.relation not in waiting]
    found: dict[str, Reduced] = {}
    for id in ordered:
        if id in waiting:
            sources = {edge.source.relation for edge in waiting[id]}
            by = sources.union(*(found[source].by for source in sources if source in found))
            known = None if scans[id].rows is None else max(1.0, rows[id])
            found[id] = Reduced(scans[id].scan, known, frozenset(by), waiting[id])
        elif id in scans and not scans[id].unpushed:
            found[id] = reduced(id, scans, fixed)
    return found


def _lacks(scan: Scan, able: Capabilities) -> frozenset[str]:
    """The columns without whose values the source does not answer, and of which the scan has none."""
    given = {
        each.column.lower()
        for each in scan.predicates
        if (isinstance(each, Membership) and not each.negated)
        or (isinstance(each, Comparison) and each.op == "=")
    }
    return able.required - given


def _each_once(
    edges: Sequence[Edge], columns: frozenset[str], scans: Mapping[str, Reducible]
) -> tuple[Edge, ...]:
    """The first edge towards each column; none when a column has none."""
    found: dict[str, Edge] = {}
    for edge in edges:
        found.setdefault(_target_column(edge, scans).name.lower(), edge)
    return tuple(found[column] for column in columns) if columns <= found.keys() else ()


def _worthwhile(
    edges: Sequence[Edge], scans: Mapping[str, Reducible], rows: Mapping[str, float], slow: Set[str]
) -> tuple[Edge, ...]:
    chosen, part = list[Edge](), 1.0
    for edge in edges:
        left = part_left(edge, scans, rows)
        if scans[edge.target.relation].scan.limit is not None or len(chosen) == _MOST:
            break
        most = _LARGEST_SLOW_PART if edge.target.relation in slow else _LARGEST_PART
        few = rows[edge.source.relation] <= _MOST_EXPECTED and left <= most
        if few and _wins(edge, scans, rows, part, left, slow):
            chosen.append(edge)
            part *= left
    return tuple(chosen)


def _towards(target: str, edges: Sequence[Edge], earlier: Sequence[str]) -> list[Edge]:
    """The edges towards a scan from those before it, the smallest of these first."""
    found = [edge for edge in edges if edge.target.relation == target and edge.source.relation in earlier]
    return sorted(found, key=lambda edge: earlier.index(edge.source.relation))


def gives(edge: Edge, scans: Mapping[str, Reducible]) -> bool:
    """Whether the key is fetched, which the optimized plan may do without, and means the same on both sides."""
    if _source_column(edge, scans).name not in scans[edge.source.relation].scan.columns:
        return False
    return {_target_column(edge, scans).type, _source_column(edge, scans).type} <= KEY_TYPES


def _takes(edge: Edge, scans: Mapping[str, Reducible], able: Able) -> bool:
    words = able(edge.target.relation).predicates
    return "in" in words.get(_target_column(edge, scans).name.lower(), ())


def _target_column(edge: Edge, scans: Mapping[str, Reducible]) -> Column:
    return scans[edge.target.relation].scan.table.columns[edge.target.column]


def _source_column(edge: Edge, scans: Mapping[str, Reducible]) -> Column:
    return scans[edge.source.relation].scan.table.columns[edge.source.column]


def part_left(edge: Edge, scans: Mapping[str, Reducible], rows: Mapping[str, float]) -> float:
    """The part of the target's rows whose key is among the source's, as far as anybody can tell."""
    source, target = scans[edge.source.relation].scan.table, scans[edge.target.relation].scan.table
    keys = distinct(source, _source_column(edge, scans).name, rows[edge.source.relation])
    of = distinct(target, _target_column(edge, scans).name, float(target.rows or _UNKNOWN_ROWS))
    return min(1.0, keys / of)


def _wins(
    edge: Edge,
    scans: Mapping[str, Reducible],
    rows: Mapping[str, float],
    part: float,
    left: float,
    slow: Set[str],
) -> bool:
    """Whether the rows that are not sent save more than waiting costs."""
    target, source = edge.target.relation, edge.source.relation
    saved = rows[target] * part * (1 - left) * _row_sent(target, scans, slow)
    looked_at = float(scans[source].scan.table.rows or 0) * LOOKED_AT
    return saved > rows[source] * _row_sent(source, scans, slow) + looked_at + _TURN


def _row_sent(id: str, scans: Mapping[str, Reducible], slow: Set[str]) -> float:
    """Microseconds that it takes to get a row of a scan."""
    return _SLOWLY_SENT if id in slow else SENT_ROW + SENT_COLUMN * len(scans[id].scan.columns)


def expected(reducible: Reducible) -> float:
    """Rows that a scan would give, though nobody may know how many the table has."""
    if reducible.rows is not None:
        return reducible.rows
    return _UNKNOWN_ROWS * selectivity(reducible.scan.table, reducible.scan.predicates)
