"""DuckDB's logical plan of a statement, made where there is no data and only filters are moved."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import duckdb

from fabric.dialect_macros import definitions
from fabric.engine_planning import PlanningConnections
from fabric.pushdown import literal

# What makes joins of conditions, reckons with constants, and moves filters to where they belong. Everything else is switched off: some
# optimizers reckon with the statistics of tables, which are empty here, and some leave a plan that does not serialize.
_OPTIMIZERS = frozenset(
    (
        "expression_rewriter", "filter_pullup", "filter_pushdown", "deliminator", "cte_inlining",
        "outer_join_simplification",
    )
)  # fmt: skip


class Blueprints:
    """A DuckDB that only plans; any thread may ask.

    Args:
        zone: the time zone that statements are read in.
    """

    def __init__(self, zone: str) -> None:
        self._zone = zone
        self._connections = PlanningConnections(self._started, _create, len)

    def logical_plan(self, sql: str, relations: Mapping[str, Sequence[tuple[str, str]]]) -> str | None:
        """What ``json_serialize_plan`` says, that there is no plan included; None when it says nothing.

        Args:
            sql: the statement.
            relations: by name, the columns, each with its DuckDB type.
        """
        try:
            with self._connections.over(relations) as cursor:
                return _serialized(cursor, sql, optimize=True)
        except duckdb.Error:
            return None

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


def bound(
    cursor: duckdb.DuckDBPyConnection, sql: str, relations: Mapping[str, Sequence[tuple[str, str]]]
) -> str | None:
    """DuckDB's bound plan of a statement as JSON; None when there is none, or it does not serialize.

    The relations are empty tables of this cursor: a plan over registered Arrow data does not serialize.
    """
    try:
        for name, columns in relations.items():
            _create(cursor, name, columns)
        plan = _serialized(cursor, sql, optimize=False)
        return None if json.loads(plan)["error"] else plan
    except (duckdb.Error, ValueError):  # a plan with NaN in it is no JSON
        return None


def _create(cursor: duckdb.DuckDBPyConnection, name: str, columns: Sequence[tuple[str, str]]) -> None:
    listed = ", ".join(f"{_quoted(column)} {kind}" for column, kind in columns)
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_quoted(name)} ({listed})")


def _serialized(cursor: duckdb.DuckDBPyConnection, sql: str, *, optimize: bool) -> str:
    serialize = f"SELECT json_serialize_plan(?::VARCHAR, optimize := {str(optimize).lower()})"
    ((plan,),) = cursor.execute(serialize, [sql]).fetchall()
    return str(plan)


def _quoted(identifier: str) -> str:
    escaped = identifier.replace('"', '""')
    return f'"{escaped}"'
