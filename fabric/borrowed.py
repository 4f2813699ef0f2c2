"""What of a scan's demand comes from the row filters of other relations: DuckDB carries them over joins.

``a JOIN b USING (region)`` with a row filter ``region = 'EU'`` on ``b`` has ``a`` asked for EU only. That changes no
answer, but whoever is shown what ``a`` is asked, or how many rows it sent, is shown the filter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fabric.compose import inline, probe, table_relations
from fabric.demand import Demand
from fabric.demanding import demanded
from fabric.engine import Engine
from fabric.types import Decision, Governed, OrderKey


def lenders(
    governed: Governed,
    engine: Engine,
    wanted: Mapping[str, Demand],
    orders: Mapping[str, tuple[OrderKey, ...]],
) -> dict[str, frozenset[str]]:
    """For each table's relation whose demand would be another without the row filters of others: whose they are.

    Args:
        governed: the statement.
        engine: is asked again, without those filters.
        wanted: what the statement demands of each relation, by id.
        orders: as for ``demands``.
    """
    ruled = frozenset(id for id, decision in governed.decisions.items() if decision.rows)
    if not ruled or len(wanted) < 2:
        return {}
    found: dict[str, frozenset[str]] = {}
    files = {
        each.id for each, table in table_relations(governed.resolved, governed.decisions) if table.layout
    }
    free = _demands(governed, engine, orders, frozenset())
    for id, demand in wanted.items():
        others = ruled - {id}
        if not others or (id in ruled and id in files):  # of which nothing is told anyway
            continue
        own = free if id not in ruled else _demands(governed, engine, orders, frozenset({id}))
        if _told(demand) != _told(own.get(id)):
            found[id] = others
    return found


def unruled(governed: Governed, engine: Engine) -> dict[str, Demand]:
    """What the statement would demand of each relation, by id, if there were no row filters."""
    return _demands(governed, engine, {}, frozenset())


def _demands(
    governed: Governed, engine: Engine, orders: Mapping[str, tuple[OrderKey, ...]], kept: frozenset[str]
) -> dict[str, Demand]:
    """What the statement would demand if only these relations had row filters."""
    decisions: dict[str, Decision] = {
        id: decision if id in kept else replace(decision, rows=())
        for id, decision in governed.decisions.items()
    }
    resolved = governed.resolved
    probed = probe(resolved, engine, decisions)
    return demanded(resolved, decisions, engine, probed, lambda: inline(resolved, decisions), orders)


def _told(demand: Demand | None) -> object:
    """Of a demand, what shows in what a source is asked, whatever the order."""
    if demand is None:
        return None
    return sorted(map(repr, (*demand.predicates, *demand.kept))), demand.order, demand.limit
