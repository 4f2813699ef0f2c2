"""Session time zones: what answers otherwise in another one.

A query is evaluated in its session's zone, what others wrote beneath it in UTC: row rules, masks, bodies of
products, and how texts in files are read. One DuckDB statement has one zone, so what is beneath must be found not
to depend on any; where it does, the query is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sqlglot import exp

from fabric.compose import empty_relations, inline, table_relations
from fabric.engine import Engine
from fabric.errors import NotSupported
from fabric.types import Decision, Governed, Relation, Resolved, Table

_UTC = frozenset(["UTC", "ETC/UTC"])
_ZONED = "WITH TIME ZONE"

# Functions that look at the clock, whatever type they have; those over moments have one with a zone.
_CLOCK = frozenset(
    [
        "current_date",
        "today",
        "current_time",
        "get_current_time",
        "localtime",
        "localtimestamp",
        "current_localtime",
        "current_localtimestamp",
        "age",
        "now",
        "current_timestamp",
        "get_current_timestamp",
        "transaction_timestamp",
    ]
)
_LOOKS = re.compile(
    r"\b(current_(date|time|timestamp)\b|localtime(stamp)?\b|(now|today|age|\w*_timestamp)\s*\()",
    re.IGNORECASE,
)
_SAME = frozenset(["BOUND_REF", "BOUND_COLUMN_REF", "BOUND_CONSTANT"])
_COMPARED = ("COMPARE_", "OPERATOR_IS_", "OPERATOR_COALESCE", "CONJUNCTION_")


def is_utc(zone: str) -> bool:
    """Whether it is the zone that everything is in when nothing is said."""
    return zone.upper() in _UTC


def check(governed: Governed, engine: Engine, zone: str) -> None:
    """Refuse a statement that reads what would be another thing in the session's zone.

    Args:
        governed: the statement.
        engine: the one in UTC.
        zone: the session's.

    Raises:
        NotSupported: see above; the message names what the statement itself names.
    """
    for relation in governed.resolved.relations:
        if not _is_free(relation, governed.decisions, engine):
            raise NotSupported(
                f"'{relation.written}' cannot be read under session time zone '{zone}'",
                hint="it works with times of its own; use UTC, and AT TIME ZONE in the query",
            )


def _is_free(relation: Relation, decisions: Mapping[str, Decision], engine: Engine) -> bool:
    alone = Resolved(exp.select("*").from_(exp.to_identifier(relation.id, quoted=True)), (relation,))
    tables = table_relations(alone, decisions)
    if any(_reads_moments(table) for _, table in tables):
        return False
    decision = decisions[relation.id]
    if relation.body is None and not decision.rows and not decision.masks:
        return True
    text = inline(alone, decisions)
    # A subquery in LIMIT is in no plan.
    return _LOOKS.search(text) is None and is_zone_free(engine.bound_plan(text, empty_relations(tables)))


def _reads_moments(table: Table) -> bool:
    """Whether moments are read from texts, which may not say their zone."""
    if table.layout is None:
        return False
    texts = table.layout.format != "parquet" or bool(table.layout.declared)
    return texts and any(
        _ZONED in column.type.upper() or "TIMESTAMPTZ" in column.type.upper() for column in table.columns
    )


def is_zone_free(plan: str | None) -> bool:
    """Whether a bound plan (``Engine.bound_plan``) answers the same in every zone; what is not known does not."""
    if plan is None:
        return False
    return not any(_depends(node) for node in _expressions(json.loads(plan)))


def _depends(node: dict[str, Any]) -> bool:
    if node["expression_class"] in _SAME:
        return False
    path = (node.get("qname") or {}).get("path") or [""]
    if str(path[-1]).lower() in _CLOCK:
        return True
    if str(node.get("type")).startswith(_COMPARED):
        # Moments compare as instants; a cast in front of it is a node of its own.
        return False
    return _is_zoned(node) or any(_is_zoned(part) for part in _parts(node))


def _is_zoned(node: dict[str, Any]) -> bool:
    return _ZONED in json.dumps(node.get("return_type"))


def _parts(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The expressions right beneath one."""
    stack: list[Any] = list(node.values())
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            if "expression_class" in value:
                yield value
            else:
                stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)


def _expressions(plan: Any) -> Iterator[dict[str, Any]]:
    stack = [plan]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            if "expression_class" in value:
                yield value
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
