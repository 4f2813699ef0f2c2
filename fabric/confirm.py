"""The second reader: DuckDB's own parser says what the text that will run names and calls."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Collection, Iterator
from functools import cache
from importlib import resources

from fabric.dialect_macros import MACROS
from fabric.errors import NotSupported, SyntaxProblem
from fabric.remembered import Numbered, Remembered


@cache
def functions() -> dict[tuple[str, str], bool]:
    """The reviewed list: ``(lower-cased name, "scalar" | "table")`` → whether users may call it.

    ``functions.csv`` was generated from DuckDB 2.0.0's ``duckdb_functions()`` and reviewed; a test
    fails when the installed DuckDB has one that is not listed.
    """
    with resources.files("fabric").joinpath("functions.csv").open(encoding="utf-8") as file:
        return {(row["name"], row["kind"]): row["verdict"] == "allow" for row in csv.DictReader(file)}


_MOST_CONFIRMED = 2_000
_confirmed: Remembered[bool] = Remembered(_MOST_CONFIRMED)


def confirm(sql: str, serialize: Callable[[str], str], relations: Collection[str]) -> None:
    """Refuse a text that names a table which is not in ``relations`` or calls a function off the list.

    Args:
        sql: the re-serialised statement, in which every relation stands by its unguessable id.
        serialize: DuckDB's ``json_serialize_sql``.
        relations: the ids that may be named.

    Raises:
        SyntaxProblem: DuckDB does not read it.
        NotSupported: it holds something that users may not call or name.
    """
    numbered = Numbered(sql)
    named = sorted(numbered.number(id) for id in relations if id in sql)
    # The answer depends on nothing else, and a product's body is the same in every statement over it.
    _confirmed.get(f"{numbered.text}\n{named}", lambda: _confirm(sql, serialize, relations))


def _confirm(sql: str, serialize: Callable[[str], str], relations: Collection[str]) -> bool:
    answer = json.loads(serialize(sql))
    if answer.get("error"):
        if "Only SELECT" in str(answer.get("error_message")):
            raise NotSupported(
                "PIVOT needs its values named",
                hint="write PIVOT … ON column IN ('a', 'b') USING …, so that the columns are known beforehand",
            )
        raise SyntaxProblem("the statement cannot be read as DuckDB SQL")
    nodes = list(_nodes(answer["statements"]))
    named = set(relations) | {
        str(entry["key"]).lower() for node in nodes for entry in _entries(node.get("cte_map"))
    }
    for node in nodes:
        _confirm_node(node, named)
    return True


def _confirm_node(node: dict[str, object], named: set[str]) -> None:
    kind = node.get("type")
    if kind == "BASE_TABLE":
        if (
            str(node.get("table_name")).lower() not in named
            or node.get("schema_name")
            or node.get("catalog_name")
        ):
            raise NotSupported("the statement names something that is not a relation of this fabric")
    elif kind == "SHOW_REF":
        raise NotSupported("SHOW, DESCRIBE and SUMMARIZE cannot stand inside a query")
    elif kind == "TABLE_FUNCTION":
        function = node.get("function")
        name = str(function.get("function_name") if isinstance(function, dict) else None).lower()
        if not functions().get((name, "table"), False):
            raise NotSupported(f"table function '{name}' is not available")
        return
    if "function_name" in node:
        name = str(node["function_name"]).lower()
        plain = not node.get("schema") and not node.get("catalog")
        known = functions().get((name, "scalar"), False) or functions().get((name, "table"), False)
        if not plain or not (known or name in MACROS):
            raise NotSupported(f"function '{name}' is not available")


def _entries(cte_map: object) -> Iterator[dict[str, object]]:
    if isinstance(cte_map, dict):
        for entry in cte_map.get("map", []):
            if isinstance(entry, dict):
                yield entry


def _nodes(value: object) -> Iterator[dict[str, object]]:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            yield item
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
