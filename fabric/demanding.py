"""What a statement demands of each relation: what DuckDB's plan says, and what follows from conditions over expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlglot import exp

from fabric.compose import column_id, empty_relations, inline, probe, raw_name, table_relations
from fabric.demand import Demand, demands, leaves_conditions
from fabric.engine import Engine, Probe
from fabric.predicates import Predicate, renamed
from fabric.types import Decision, Governed, OrderKey, Relation, Resolved


def demanded(
    resolved: Resolved,
    decisions: Mapping[str, Decision],
    engine: Engine,
    probed: Probe,
    text: Callable[[], str],
    orders: Mapping[str, tuple[OrderKey, ...]],
) -> dict[str, Demand]:
    """The demand on each relation, by its id; one that the statement does not read is absent.

    Args:
        resolved: the statement.
        decisions: on its relations.
        engine: knows its logical plan.
        probed: what it binds to.
        text: gives its meaning, as ``compose.inline`` does.
        orders: as for ``demand.demands``.
    """
    tables = table_relations(resolved, decisions)
    found = demands(probed.plan, {relation.id: table.columns for relation, table in tables}, orders)
    if not leaves_conditions(probed.plan, found):
        return found
    follows = engine.implied(text(), empty_relations(tables))
    for relation, table in tables:
        demand = found.get(relation.id)
        implied = follows.get(raw_name(relation), ())
        if implied and demand is not None and not demand.repeated and demand.limit is None:
            names = {column_id(relation, n): column.name for n, column in enumerate(table.columns)}
            demand.imply(renamed(each, names.__getitem__) for each in implied)
    return found


def demanded_by_rules(relation: Relation, governed: Governed, engine: Engine) -> list[Predicate]:
    """What of a relation's row filters a source could take, whatever the statement asks."""
    alone = Resolved(exp.select("*").from_(exp.to_identifier(relation.id, quoted=True)), (relation,))
    decisions = governed.decisions
    probed = probe(alone, engine, decisions)
    found = demanded(alone, decisions, engine, probed, lambda: inline(alone, decisions), {})
    return found[relation.id].predicates if relation.id in found else []
