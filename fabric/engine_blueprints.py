"""DuckDB's logical plan of a statement, made where there is no data and only filters are moved."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from fabric.dialect_macros import definitions
from fabric.engine_planning import PlanningConnections
from fabric.pushdown import literal
from fabric.remembered import EmptyRelations

# What makes joins of conditions, reckons with constants, and moves filters to where they belong. Everything else is switched off: some
# optimizers reckon with the statistics of tables, which are empty here, and some leave a plan that does not serialize. Without aggregate_reuse,
# which resolves the types of a plan anew, DuckDB 2.0 fails over a WITH entry that has IN or EXISTS ("inequal num bindings/types").
_OPTIMIZERS = frozenset(
    (
        "expression_rewriter", "filter_pullup", "filter_pushdown", "deliminator", "cte_inlining",
        "outer_join_simplification", "aggregate_reuse",
    )
)  # fmt: skip


class Blueprints:
    """A DuckDB that only plans; any thread may ask.

    Args:
        zone: the time zone that statements are read in.
    """

    def __init__(self, zone: str) -> None:
        self._zone = zone
        self._connections = PlanningConnections(self._started, _create)

    def logical_plan(self, sql: str, over: EmptyRelations, *, optimize: bool = True) -> str | None:
        """The plan as JSON, or what DuckDB says instead in JSON; None when it says nothing.

        Args:
            sql: the statement.
            over: what it names: empty tables, since a plan over registered Arrow data does not serialize.
            optimize: whether filters are moved; else it is what the binder makes of the statement.
        """
        serialize = f"SELECT json_serialize_plan(?::VARCHAR, optimize := {str(optimize).lower()})"
        try:
            with self._connections.over(over) as cursor:
                ((plan,),) = cursor.execute(serialize, [sql]).fetchall()
        except duckdb.Error:
            return None
        return str(plan)

    def close(self) -> None:
        """Shut it down."""
        self._connections.close()

    def _started(self) -> duckdb.DuckDBPyConnection:
        root = duckdb.connect(":memory:", config={"threads": 1, "memory_limit": "256MB"})
        for statement in (*definitions(), f"SET GLOBAL TimeZone = {literal(self._zone).sql()}"):
            root.execute(statement)
        known = [name for (name,) in root.execute("FROM duckdb_optimizers()").fetchall()]
        off = ",".join(name for name in known if name not in _OPTIMIZERS)
        root.execute(f"SET GLOBAL disabled_optimizers = '{off}'")
        root.execute("SET GLOBAL python_enable_replacements = false")
        root.execute("SET enable_external_access = false")
        root.execute("SET lock_configuration = true")
        return root


def _create(cursor: duckdb.DuckDBPyConnection, name: str, columns: Sequence[tuple[str, str]]) -> None:
    listed = ", ".join(f"{_quoted(column)} {kind}" for column, kind in columns)
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_quoted(name)} ({listed})")


def _quoted(identifier: str) -> str:
    escaped = identifier.replace('"', '""')
    return f'"{escaped}"'
