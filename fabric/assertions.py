"""``ASSERT PUSHED``: a statement that would read a large table whole is refused before it runs.

Whether it fails must tell nothing that the one who asks may not know. So of what EXPLAIN does not tell them neither
sizes count nor what row filters have a source do, but their own conditions alone: those of the statement and of
the products in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fabric.borrowed import unruled
from fabric.demand import Demand
from fabric.discretion import Discretion
from fabric.engine import Engine
from fabric.errors import NotPushed, UserError
from fabric.plan import Plan
from fabric.reads import FileRead, LiveRead
from fabric.types import Scan

LARGE_ROWS = 100_000
"""A live scan of fewer rows is not large; one of which nobody knows how many it has is."""

LARGE_BYTES = 10_000_000
"""Files of fewer bytes are not large."""

_HINT = "EXPLAIN shows what each source is asked; add a condition that it takes, or leave ASSERT PUSHED out"


def require_pushed(plan: Plan, discretion: Discretion, engine: Engine) -> None:
    """Refuse a plan in which a large scan is not reduced at its source.

    Args:
        plan: what would run.
        discretion: what may be said of each part to the one who asks.
        engine: knows what the statement demands without row filters.

    Raises:
        NotPushed: names the scan, and why it is not reduced.
    """
    unknown: dict[str, list[LiveRead | FileRead]] = {}
    for read in plan.reads:
        if not isinstance(read, LiveRead | FileRead):
            continue
        if not discretion.shows_read(read.relation, read.reduced_by):
            unknown.setdefault(discretion.named(read.relation).written, []).append(read)
        elif _is_large(read) and not _is_reduced(read):
            raise NotPushed(f"the scan of '{read.relation.name}' is not reduced: {_why(read)}", hint=_HINT)
    demands = unruled(plan.governed, engine) if unknown else {}
    for written, reads in unknown.items():
        if not any(_would_reduce(read, demands) for read in reads):
            raise NotPushed(f"no scan for '{written}' is reduced by a condition of the statement", hint=_HINT)


def _is_large(read: LiveRead | FileRead) -> bool:
    if isinstance(read, FileRead):
        return sum(file.size for file in read.scan.files) >= LARGE_BYTES
    return read.rows is None or read.rows >= LARGE_ROWS


def _is_reduced(read: LiveRead | FileRead) -> bool:
    if isinstance(read, LiveRead):
        return bool(
            read.offer.taken
            or read.offer.limit_taken
            or read.offer.semi_joins
            or read.offer.counts
            or read.offer.distinct
            or read.awaits
        )
    return bool(read.scan.pruned_by) or _skips(read, read.demand)


def _would_reduce(read: LiveRead | FileRead, demands: Mapping[str, Demand]) -> bool:
    """Whether what the statement itself demands reduces a scan, whatever the rules and the data."""
    demand = demands.get(read.relation.id)
    if demand is None or read.unpushed:
        return False
    if isinstance(read, FileRead):
        return _skips(read, demand) or any(each in read.scan.pruned_by for each in demand.predicates)
    scan = Scan(
        read.offer.scan.table, read.offer.scan.columns, tuple(demand.predicates), demand.order, demand.limit
    )
    try:
        offer = read.connector.offer(scan)
    except UserError:
        return False
    return bool(offer.taken or offer.limit_taken)


def _skips(read: FileRead, demand: Demand) -> bool:
    """Whether DuckDB's reader may skip parts of files: of Parquet it knows what lies where."""
    return read.scan.layout.format == "parquet" and bool(demand.predicates or demand.limit is not None)


def _why(read: LiveRead | FileRead) -> str:
    if read.unpushed:
        return "pushdown is off"
    if isinstance(read, FileRead):
        if read.demand.predicates:
            return f"a {read.scan.layout.format} file is read whole, and no condition is on a partition"
        return _listed([f"{text} has no form that a reader could take" for text in read.demand.kept])
    refused = [f"{each.what}: {each.why}" for each in read.offer.refused]
    return _listed([*refused, *(f"{text} has no form that a source could take" for text in read.kept)])


def _listed(reasons: Iterable[str]) -> str:
    return "; ".join(reasons) or "no condition of the statement is on it alone"
