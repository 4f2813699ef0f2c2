"""The columns of an operator's result, and what an expression of a bound plan makes of them.

The plan is what DuckDB 2.0's ``json_serialize_plan(…, optimize := false)`` writes: an expression has an
``expression_class``, and a reference is the position of a column in what the operators beneath hand on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fabric.lineage_ways import Sources, Way, by, carried, deciding, joined, through, within

Node = Mapping[str, Any]

BOOLEAN = {"id": "BOOLEAN", "type_info": None}
_COUNTS = ("count", "count_star")
_COUNTED_PARTS = ("children", "filter", "filters", "order_bys", "arg_orders")
_HASHES = ("hash", "md5", "md5_number", "sha1", "sha256")
_PARTS = {
    "when_expr": Way.CONDITIONAL,
    "filter": Way.CONDITIONAL,
    "filters": Way.CONDITIONAL,
    "order_bys": Way.SORT,
    "arg_orders": Way.SORT,
    "partitions": Way.WINDOW,
    "orders": Way.WINDOW,
    "start_expr": Way.WINDOW,
    "end_expr": Way.WINDOW,
}
"""What parts of an expression do, by their keys, where they are no part of its value."""
_EXPRESSIONS = frozenset(
    f"BOUND_{name}"
    for name in ("AGGREGATE", "CASE", "CONJUNCTION", "FUNCTION", "OPERATOR", "UNNEST", "WINDOW")
)
# What is in an expression and none itself. A lambda refers to its parameters; the columns that it captures
# stand among its function's arguments as well.
_NO_EXPRESSION = frozenset(("return_type", "function_data", "arguments", "qname", "sql_range_order_type"))


class Unread(Exception):
    """The plan holds something that is not known here."""


@dataclass(frozen=True, slots=True)
class Made:
    """A column of an operator's result.

    ``sources`` are the columns that its value is made of or depends on, those too that are only counted in it;
    ``count`` says that it is nothing but a count. ``kind`` is its type as the plan writes it, None where the plan
    does not say.
    """

    kind: object
    sources: Sources = field(default_factory=dict)
    count: bool = False


@dataclass(slots=True)
class Gathered:
    """What some expressions refer to."""

    sources: Sources = field(default_factory=dict)
    counts: bool = False

    def add(self, node: Any, columns: Sequence[Made], use: Way = Way.TRANSFORMATION) -> None:
        """Go through a plan's JSON; ``use`` is what comes of what is found."""
        if isinstance(node, list):
            for item in node:
                self.add(item, columns, use)
        if not isinstance(node, dict):
            return
        kind = node.get("expression_class")
        if kind == "BOUND_REF":
            made = column_of(node, columns)
            self.sources = joined((self.sources, through(made.sources, use)))
            self.counts = self.counts or made.count
        elif kind is None or kind in _EXPRESSIONS:
            counts = kind in ("BOUND_AGGREGATE", "BOUND_WINDOW") and function_of(node) in _COUNTS
            self.counts = self.counts or counts
            for key, child in node.items():
                if key not in _NO_EXPRESSION:
                    counted = counts and key in _COUNTED_PARTS
                    self.add(child, columns, within(use, Way.COUNT if counted else _use(node, key)))
        elif kind not in ("BOUND_CONSTANT", "BOUND_LAMBDA"):
            raise Unread(f"expression {kind}")


def _use(node: Node, key: str) -> Way:
    """What comes of a part of an expression."""
    if key in _PARTS:
        return _PARTS[key]
    if "BOUND_AGGREGATE" in (kind := (node.get("expression_class"), node.get("type"))) or (
        "WINDOW_AGGREGATE" in kind
    ):
        return Way.AGGREGATION
    return Way.HASH if "BOUND_FUNCTION" in kind and function_of(node) in _HASHES else Way.TRANSFORMATION


def reads(node: Any, columns: Sequence[Made], way: Way) -> Sources:
    """Every source that expressions depend on, the counted ones too, all by one way."""
    gathered = Gathered()
    gathered.add(node, columns)
    return deciding(gathered.sources, way)


def column_of(reference: Node, columns: Sequence[Made]) -> Made:
    """The column that a reference means."""
    made = columns[position(reference["index"], len(columns))]
    kind = without_collation(reference["return_type"])
    if made.kind not in (None, kind):
        raise Unread("a reference to a column of another type")
    return made if made.kind else replace(made, kind=kind)


def without_collation(kind: Any) -> object:
    """A type as it is of columns: COLLATE stands in the type of a reference alone."""
    collated = kind["id"] == "VARCHAR" and (kind["type_info"] or {}).get("type") == "STRING_TYPE_INFO"
    return {"id": "VARCHAR", "type_info": None} if collated else kind


def position(index: int, length: int) -> int:
    """A position among so many columns; Python's own would take a negative one."""
    if not 0 <= index < length:
        raise Unread("a reference to no column")
    return index


def function_of(node: Node) -> str:
    """The name of the function that an expression or an operator calls."""
    name = node.get("qname")
    return str(name["path"][-1]) if name else ""


def kind_of(expression: Node) -> object:
    """An expression's type."""
    if expression["expression_class"] == "BOUND_CONSTANT":
        return without_collation(expression["value"]["type"])
    if expression["expression_class"] == "BOUND_CONJUNCTION":
        return BOOLEAN
    return without_collation(expression["return_type"])


def merged(made: Iterable[Made]) -> Made:
    """One column that holds values of several."""
    columns = list(made)
    sources = joined(column.sources for column in columns)
    count = any(column.count for column in columns) and not carried(sources)
    return Made(columns[0].kind, sources, count)


def chosen_by(columns: Sequence[Made], chosen: Sources) -> tuple[Made, ...]:
    """Columns whose value depends on other columns besides; a count's does not."""
    return tuple(
        replace(
            column,
            sources=joined((column.sources, by(chosen, Way.COUNT) if column.count else chosen)),
        )
        for column in columns
    )


def picked(columns: Sequence[Made], kept: Sequence[int]) -> tuple[Made, ...]:
    """The columns that an operator keeps; no positions are all of them."""
    if not kept:
        return tuple(columns)
    return tuple(columns[position(index, len(columns))] for index in kept)


def references(node: Any) -> list[Node]:
    """The references in an expression."""
    if isinstance(node, list):
        return [reference for item in node for reference in references(item)]
    if not isinstance(node, dict):
        return []
    if node.get("expression_class") == "BOUND_REF":
        return [node]
    return [r for key, child in node.items() if key not in _NO_EXPRESSION for r in references(child)]
