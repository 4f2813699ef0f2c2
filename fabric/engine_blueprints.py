"""DuckDB's logical plan of a statement, made where there is no data and only filters are moved."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence

import duckdb

from fabric.dialect_macros import definitions
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
        self._root: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()

    def logical_plan(self, sql: str, relations: Mapping[str, Sequence[tuple[str, str]]]) -> str | None:
        """The plan as JSON; None when there is none, or it does not serialize.

        Args:
            sql: the statement.
            relations: by name, the columns, each with its DuckDB type.
        """
        with self._started().cursor() as cursor:
            return serialized(cursor, sql, relations, optimize=True)

    def close(self) -> None:
        """Shut it down."""
        with self._lock:
            if self._root is not None:
                self._root.close()

    def _started(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._root is None:
                root = duckdb.connect(":memory:", config={"threads": 1, "memory_limit": "256MB"})
                for statement in (*definitions(), f"SET GLOBAL TimeZone = {literal(self._zone).sql()}"):
                    root.execute(statement)
                known = [name for (name,) in root.execute("FROM duckdb_optimizers()").fetchall()]
                off = ",".join(name for name in known if name not in _OPTIMIZERS)
                root.execute(f"SET GLOBAL disabled_optimizers = '{off}'")
                root.execute("SET GLOBAL python_enable_replacements = false")
                root.execute("SET enable_external_access = false")
                root.execute("SET lock_configuration = true")
                self._root = root
            return self._root


def serialized(
    cursor: duckdb.DuckDBPyConnection,
    sql: str,
    relations: Mapping[str, Sequence[tuple[str, str]]],
    *,
    optimize: bool,
) -> str | None:
    """DuckDB's plan of a statement as JSON; None when there is none, or it does not serialize.

    The relations are empty tables for this statement alone: a plan over registered Arrow data does not serialize.
    """
    try:
        for name, columns in relations.items():
            listed = ", ".join(f"{_quoted(column)} {kind}" for column, kind in columns)
            cursor.execute(f"CREATE TEMP TABLE {_quoted(name)} ({listed})")
        serialize = f"SELECT json_serialize_plan(?::VARCHAR, optimize := {str(optimize).lower()})"
        ((plan,),) = cursor.execute(serialize, [sql]).fetchall()
        return None if json.loads(plan)["error"] else str(plan)
    except (duckdb.Error, ValueError):  # a plan with NaN in it is no JSON
        return None


def _quoted(identifier: str) -> str:
    escaped = identifier.replace('"', '""')
    return f'"{escaped}"'
