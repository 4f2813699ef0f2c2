"""Semi-joins: which scans are worth reducing by the keys of another table of the same source.

What is chosen changes no answer, whatever the estimates say: ``join_graph`` knows that no other row matters.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from fabric.estimates import distinct, groups, part_among, rows_left
from fabric.join_graph import Edge
from fabric.types import Scan, SemiJoin

_DEEPEST = 4
_MOST = 3
_FEW_ROWS = 2_000
# A source takes about as long to count a row as to send a twentieth of one.
_MANY_ROWS, _FEW_DIFFERENT, _SOME_DIFFERENT = 20_000, 0.05, 0.25
# What planning may take: chains of edges are tried, each up to the deepest.
MOST_SCANS, _MOST_EDGES = 50, 5
_LARGEST_PART = 0.7
# Microseconds, on the machine of notes/federation.md: a row and each of its columns sent, a row looked at.
SENT_ROW, SENT_COLUMN, LOOKED_AT = 0.2, 0.1, 0.03


@dataclass(frozen=True, slots=True)
class Reducible:
    """A scan that may be reduced, and reduce others: of which source, and what it would ask without.

    One that is to be ``unpushed`` is reduced only where its source does not answer otherwise.
    """

    source: str
    scan: Scan
    unpushed: bool = False

    @property
    def rows(self) -> float | None:
        """Rows that it would give, if its source takes what it is asked."""
        known, limit = rows_left(self.scan.table, self.scan.predicates), self.scan.limit
        return known if limit is None else min(float(limit), known if known is not None else math.inf)


@dataclass(frozen=True, slots=True)
class Reduced:
    """A scan with its semi-joins, the rows that it will give, and the relations whose keys it holds.

    ``awaits`` are edges whose keys it waits for.
    """

    scan: Scan
    rows: float | None
    by: frozenset[str]
    awaits: tuple[Edge, ...] = ()


def sent_once(
    scan: Scan,
    rows: float | None,
    *,
    a_set: bool,
    summed: Collection[str] = (),
    truncated: Mapping[str, str] = MappingProxyType({}),
) -> Scan:
    """The scan, with equal rows asked for once where there are few different ones among many.

    Args:
        scan: what would be asked.
        rows: that it would give.
        a_set: it is the same how often each row is there, so that nobody needs their number.
        summed: columns of which sums are enough; rows that are equal but for them count as equal, where their number is sent.
        truncated: by column, the unit of its date that is enough; it is truncated only if the rows are not few without.
    """
    if rows is None or rows < _MANY_ROWS or scan.limit is not None or scan.order:
        return scan
    most, summed = (_SOME_DIFFERENT, ()) if a_set else (_FEW_DIFFERENT, summed)
    kept = [column for column in scan.columns if column not in summed]
    for units in _ways(truncated):
        if groups(scan.table, kept, rows, units) / rows <= most:
            sums = tuple(each for each in scan.columns if each in summed)
            return replace(
                scan, distinct=a_set, counts=not a_set, summed=sums, truncated=tuple(units.items())
            )
    return scan


def _ways(truncated: Mapping[str, str]) -> tuple[Mapping[str, str], ...]:
    # A source takes longer to truncate a date than to send some more of them.
    return {}, truncated


def reduced(relation: str, scans: Mapping[str, Reducible], edges: Sequence[Edge]) -> Reduced:
    """A relation's scan with the semi-joins that are worth their while.

    Args:
        relation: its id.
        scans: the live scans of the statement, by relation id; only these give keys.
        edges: of the statement, by relation ids and positions in the tables.
    """
    towards: dict[str, list[Edge]] = {}
    for edge in edges:
        found = towards.setdefault(edge.target.relation, [])
        source, target = scans.get(edge.source.relation), scans.get(edge.target.relation)
        if source and target and source.source == target.source and len(found) < _MOST_EDGES:
            found.append(edge)
    return _reduced(relation, scans, towards, frozenset({relation}))


def _reduced(
    relation: str,
    scans: Mapping[str, Reducible],
    towards: Mapping[str, Sequence[Edge]],
    path: frozenset[str],
) -> Reduced:
    own = scans[relation]
    rows, chosen, by = own.rows, list[SemiJoin](), set[str]()
    asked = len(path) == 1
    if rows is None or (asked and rows < _FEW_ROWS) or own.scan.limit is not None or len(path) > _DEEPEST:
        return Reduced(own.scan, rows, frozenset())
    for edge in towards.get(relation, ()):
        other = edge.source.relation
        if other in path or len(chosen) == _MOST:
            continue
        known = scans[other]
        inner = _reduced(other, scans, towards, path | {other})
        column = own.scan.table.columns[edge.target.column]
        key = known.scan.table.columns[edge.source.column]
        part = _part(own.scan, column.name, inner, key.name)
        if part is None or part > _LARGEST_PART:
            continue
        saved = rows * (1 - part) * (SENT_ROW + SENT_COLUMN * len(own.scan.columns))
        if asked and saved < _cost(inner.scan):
            continue
        chosen.append(
            SemiJoin(column.name, known.scan.table, key.name, known.scan.predicates, inner.scan.semi_joins)
        )
        by |= {other, *inner.by}
        rows = max(1.0, rows * part)
    return Reduced(replace(own.scan, semi_joins=tuple(chosen)), rows, frozenset(by))


def _part(scan: Scan, column: str, inner: Reduced, key: str) -> float | None:
    """The part of a scan's rows whose key is among the inner one's; None when nobody can tell."""
    if inner.rows is None:
        return None
    return part_among(scan.table, column, distinct(inner.scan.table, key, inner.rows))


def _cost(scan: Scan) -> float:
    """Microseconds that it takes a source to find the keys."""
    inner = sum(float(each.table.rows or 0) for each in scan.semi_joins)
    return (float(scan.table.rows or 0) + inner) * LOOKED_AT
