"""Whether anything in a statement can raise, read from DuckDB's own bound plan.

DuckDB may move an expression of the statement to below a row filter. One that raises on a hidden row then tells of
that row, so a filter stands in one plan with the statement only if the statement is total: no operator and no
expression in it can raise, for any value of the types of its columns. What is not known here is not total: a wrong
"total" is a leak, a wrong "not total" costs time.

The plan is the one that ``json_serialize_plan(…, optimize := false)`` of DuckDB 2.0 gives. Every field of what is
read is named here; a plan that has one more is not total, so that no expression is passed over unseen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from fabric.totality_constants import known
from fabric.totality_functions import calls
from fabric.totality_types import SIZED, UNKNOWN, Node, fits, kind, tried, type_of

_MOST_GROWTH = 256
"""How many times longer than its inputs a value may get, over the whole plan: a text of 16 MB stays below 4 GB."""

_COMPARISONS = frozenset(
    "EQUAL NOTEQUAL LESSTHAN GREATERTHAN LESSTHANOREQUALTO GREATERTHANOREQUALTO "  # noqa: SIM905
    "DISTINCT_FROM NOT_DISTINCT_FROM".split()
)
# Not SINGLE: it raises when a subquery gives more than one row.
_JOINS = frozenset("INNER LEFT RIGHT FULL SEMI ANTI MARK RIGHT_SEMI RIGHT_ANTI".split())  # noqa: SIM905
_FRAMES = frozenset(
    "UNBOUNDED_PRECEDING UNBOUNDED_FOLLOWING CURRENT_ROW_RANGE CURRENT_ROW_ROWS CURRENT_ROW_GROUPS "  # noqa: SIM905
    "EXPR_PRECEDING_ROWS EXPR_FOLLOWING_ROWS".split()
)
_OPERATIONS = frozenset("OPERATOR_NOT OPERATOR_IS_NULL OPERATOR_IS_NOT_NULL OPERATOR_COALESCE".split())  # noqa: SIM905
_POSITIONS = 2**31


class MayRaise(Exception):
    """Something in the plan may raise, or is not known."""


Growth = Callable[[Any], int]
"""By how much a part's values may be longer than what it reads; raises ``MayRaise`` when it is not total."""


def is_total(plan: str | None) -> bool:
    """Whether no expression of a plan, as ``Engine.bound_plan`` gives it, can raise for any row."""
    if plan is None:
        return False
    try:
        answer = json.loads(plan)
        growth = 1
        for operator in _operators(answer["plans"]):
            growth *= _operator(operator)
            if growth > _MOST_GROWTH:
                return False
    except (MayRaise, LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError):
        return False  # a plan of another shape is not known either
    return answer["error"] is False


def _operators(plans: Iterable[Node]) -> Iterator[Node]:
    stack = list(plans)
    while stack:
        operator = stack.pop()
        yield operator
        stack.extend(operator["children"])


def _operator(operator: Node) -> int:
    fields = _OPERATORS[operator["type"]]
    _only(operator, {"type", "children", *fields})
    return max([1, *(growth(operator[field]) for field, growth in fields.items())])


def _only(node: Node, fields: Collection[str]) -> None:
    if not node.keys() <= set(fields):
        raise MayRaise(f"{node['type']} with {sorted(node.keys() - set(fields))}")


def _must(holds: bool, what: str) -> None:
    if not holds:
        raise MayRaise(what)


# ── expressions ──────────────────────────────────────────────────────────────────────────────


def _value(node: Node) -> int:
    """The growth of an expression."""
    fields, growth = _EXPRESSIONS[node["expression_class"]]
    _only(node, _COMMON | fields)
    if known(node) is not None:
        return 1
    grown = growth(node)
    return grown if kind(node) in SIZED else 1


def _maybe(node: Node | None) -> int:
    return 1 if node is None else _value(node)


def _values(nodes: Iterable[Node]) -> int:
    return max([1, *map(_value, nodes)])


def _rows(rows: Iterable[Iterable[Node]]) -> int:
    return max([1, *map(_values, rows)])


def _keys(nodes: Iterable[Node]) -> int:
    """Expressions that are sorted, grouped or hashed by."""
    nodes = list(nodes)
    for node in nodes:
        _comparable(node)
    return _values(nodes)


def _comparable(node: Node) -> None:
    _must(kind(node) != UNKNOWN, "a type that is not known")


def _orders(orders: Iterable[Node]) -> int:
    return _keys([order["expression"] for order in orders])


def _order_by(modifier: Node | None) -> int:
    return 1 if modifier is None else _orders(modifier["orders"])


def _same(one: Node, other: Node) -> None:
    """Called as a function, ``=`` binds what it cannot compare."""
    _comparable(one)
    _must(type_of(one) == type_of(other), "a comparison of two types")


def _leaf(_: Node) -> int:
    return 1


def _children(node: Node) -> int:
    return _values(node["children"])


def _case(node: Node) -> int:
    for check in node["case_checks"]:
        _value(check["when_expr"])
    return _values([*(check["then_expr"] for check in node["case_checks"]), node["else_expr"]])


def _operation(node: Node) -> int:
    operation, children = node["type"], node["children"]
    if operation == "OPERATOR_TRY":
        return _try(children[0])
    if operation in ("COMPARE_IN", "COMPARE_NOT_IN"):
        for child in children[1:]:
            _same(children[0], child)
    else:
        _must(operation in _OPERATIONS, operation)
    return _values(children)


def _try(node: Node) -> int:
    """What stands in TRY: total, or one call or cast of total values that raises what TRY catches.

    Not one that raises within another expression: DuckDB 2.0 reckons a common part of two expressions beforehand,
    outside of any TRY around them, so that ``TRY(a::INT + 1), TRY(a::INT + 2)`` raises.
    """
    if node["expression_class"] != "BOUND_FUNCTION":
        return _value(node)
    return _function(node, caught=True)


def _function(node: Node, caught: bool = False) -> int:
    _only(node, _COMMON | _EXPRESSIONS["BOUND_FUNCTION"][0])
    path, children = node["qname"]["path"], node["children"]
    if path == ["__cast"] and node["type"] == "OPERATOR_CAST":
        return _cast(node, caught)
    if node["type"].startswith("COMPARE_"):
        _must(node["type"].removeprefix("COMPARE_") in _COMPARISONS and len(children) == 2, node["type"])
        _same(*children)
        return _values(children)
    _must(path[:-1] == ["system", "main"] and node["type"] == "BOUND_FUNCTION", f"function {path}")
    return _call("scalar", node, caught)


def _call(group: str, node: Node, caught: bool = False) -> int:
    children, name = node["children"], node["qname"]["path"][-1]
    grown = sum(map(_value, children)) or 1
    wanted = {"total"}
    if caught:
        wanted |= {"caught", "unchecked"}
    elif node.get("function_data", {}).get("check_overflow") is False:
        wanted |= {"unchecked"}
    factors = [factor for verdict, factor in calls(group, name, children) if verdict in wanted]
    _must(bool(factors), f"{group} function {name}")
    return grown * max(factors)


def _cast(node: Node, caught: bool) -> int:
    (child,) = node["children"]
    grown = _value(child)
    null = child["expression_class"] == "BOUND_CONSTANT" and child["value"]["is_null"]
    if not (null or fits(type_of(child), type_of(node))):
        trying = caught or node["function_data"]["try_cast"] is True
        _must(trying and tried(kind(child), kind(node)), "a cast")
    return grown


def _aggregate(node: Node) -> int:
    _must(node["state_export"] == "NONE", "an aggregate's state")
    _must(node["qname"]["path"][:-1] == ["system", "main"], "an aggregate that is not DuckDB's own")
    if node["aggregate_type"] != "NON_DISTINCT":
        _keys(node["children"])
    _maybe(node["filter"])
    _order_by(node["order_bys"])
    return _call("aggregate", node)


def _window(node: Node) -> int:
    function, children = node["type"].removeprefix("WINDOW_"), node["children"]
    _keys(node["partitions"])
    _orders(node["orders"])
    _orders(node["arg_orders"])
    _maybe(node["filters"])
    _must(node["start"] in _FRAMES and node["end"] in _FRAMES, "a frame")
    for bound in ("start_expr", "end_expr"):
        _must(node[bound] is None or _within(node[bound], 0), "a frame's bound")
    _must(
        not any(node[field] for field in _UNSET) and node["sql_range_order_type"]["id"] == "INVALID",
        "a range",
    )
    if function == "AGGREGATE":
        _must(node["qname"]["path"][:-1] == ["system", "main"], "an aggregate that is not DuckDB's own")
        if node["distinct"]:
            _keys(children)
        return _call("aggregate", node)
    least = _WINDOWS[function]
    _must(len(children) < 2 or (least is not None and _within(children[1], least)), function)
    _must(function != "NTILE" or _within(children[0], 1), function)
    return sum(map(_value, children)) or 1


def _within(node: Node, least: int) -> bool:
    value = known(node)
    return isinstance(value, int) and least <= value <= _POSITIONS


_WINDOWS: Mapping[str, int | None] = {
    **dict.fromkeys(["ROW_NUMBER", "RANK", "RANK_DENSE", "PERCENT_RANK", "CUME_DIST", "NTILE"]),
    **dict.fromkeys(["FIRST_VALUE", "LAST_VALUE"]),
    "NTH_VALUE": 1,
    "LAG": -_POSITIONS,
    "LEAD": -_POSITIONS,
}
"""The functions of windows alone, with the least value of their second argument."""
_UNSET = (
    "sql_range_start", "sql_range_end", "sql_range_start_boundary", "sql_range_end_boundary",
    "sql_range_order_casts", "offset_expr", "default_expr",
)  # fmt: skip
_COMMON = {"expression_class", "type", "alias", "query_location", "query_location_length", "return_type"}
_CALL = {"children", "arguments", "qname", "has_serialize", "function_data"}
_EXPRESSIONS: Mapping[str, tuple[set[str], Growth]] = {
    "BOUND_REF": ({"index"}, _leaf),
    "BOUND_CONSTANT": ({"value"}, _leaf),
    "BOUND_CONJUNCTION": ({"children"}, _children),
    "BOUND_CASE": ({"case_checks", "else_expr"}, _case),
    "BOUND_OPERATOR": ({"children"}, _operation),
    "BOUND_FUNCTION": (_CALL | {"is_operator", "positional_arguments", "named_arguments"}, _function),
    "BOUND_AGGREGATE": (_CALL | {"aggregate_type", "filter", "order_bys", "state_export"}, _aggregate),
    "BOUND_UNNEST": ({"child"}, lambda node: _value(node["child"])),
    "BOUND_WINDOW": (
        {
            *_CALL, *_UNSET, "partitions", "orders", "arg_orders", "filters", "ignore_nulls", "start", "end",
            "start_expr", "end_expr", "exclude_clause", "distinct", "sql_range_order_type",
        },
        _window,
    ),
}  # fmt: skip


# ── operators ────────────────────────────────────────────────────────────────────────────────


def _nothing(_: object) -> int:
    return 1


def _is(*wanted: object) -> Growth:
    def growth(value: object) -> int:
        _must(value in wanted, f"{value!r}")
        return 1

    return growth


def _limit(bound: Node) -> int:
    _must(bound["type"] in ("CONSTANT_VALUE", "UNSET") and bound["expression"] is None, "a limit")
    return 1


def _conditions(conditions: Iterable[Node]) -> int:
    grown = 1
    for condition in conditions:
        _must(condition.keys() == {"left", "right", "comparison"}, "a join condition")
        _must(condition["comparison"].removeprefix("COMPARE_") in _COMPARISONS, "a join condition")
        _same(condition["left"], condition["right"])
        grown = max(grown, _value(condition["left"]), _value(condition["right"]))
    return grown


def _scanned(table: Node) -> int:
    _must(table["catalog"] == "temp", "a table that is not one of the relations")
    return 1


def _plain(*names: str) -> dict[str, Growth]:
    return dict.fromkeys(names, _nothing)


_JOIN: Mapping[str, Growth] = {
    **_plain("mark_index", "left_projection_map", "right_projection_map"),
    "join_type": _is(*_JOINS),
}
_SET_OPERATION = _plain("table_index", "column_count", "setop_all", "allow_out_of_order")
_OPERATORS: Mapping[str, Mapping[str, Growth]] = {
    "LOGICAL_GET": {
        **_plain(
            "table_index", "returned_types", "names", "projection_ids", "arguments", "has_serialize", "column_indexes",
            "input_table_types", "input_table_names", "projected_input", "ordinality_idx", "scan_partition_indices",
            "table_filters_by_projection", "has_pushed_projection", "extra_info", "source_ordinality",
        ),
        "qname": _is({"path": ["seq_scan"]}),
        "function_data": _scanned,
        "parameters": _is([]),
        "named_parameters": _is([]),
        "table_filters": _is({"filters": [], "multi_column_filters": []}),
        "row_group_order_options": _is(None),
        "at_clause": _is(None),
    },
    "LOGICAL_DUMMY_SCAN": _plain("table_index"),
    "LOGICAL_EXPRESSION_GET": {**_plain("table_index", "expr_types"), "expressions": _rows},
    "LOGICAL_PROJECTION": {**_plain("table_index"), "expressions": _values},
    "LOGICAL_FILTER": {**_plain("projection_map"), "expressions": _values},
    "LOGICAL_AGGREGATE_AND_GROUP_BY": {
        **_plain("group_index", "aggregate_index", "groupings_index", "grouping_sets", "grouping_functions"),
        **_plain("distinct_validity"),
        "expressions": _values,
        "groups": _keys,
    },
    "LOGICAL_WINDOW": {**_plain("window_index"), "expressions": _values},
    "LOGICAL_UNNEST": {**_plain("unnest_index"), "expressions": _values},
    "LOGICAL_ORDER_BY": {**_plain("projections"), "orders": _orders},
    "LOGICAL_LIMIT": {**_plain("unpruned_offset"), "limit_val": _limit, "offset_val": _limit},
    "LOGICAL_DISTINCT": {**_plain("distinct_type"), "distinct_targets": _keys, "order_by": _order_by},
    "LOGICAL_COMPARISON_JOIN": {
        **_JOIN,
        **_plain("mark_types", "delim_flipped"),
        "duplicate_eliminated_columns": _is([]),
        "conditions": _conditions,
    },
    "LOGICAL_ANY_JOIN": {**_JOIN, "condition": _value},
    "LOGICAL_CROSS_PRODUCT": {},
    "LOGICAL_UNION": _SET_OPERATION,
    "LOGICAL_EXCEPT": _SET_OPERATION,
    "LOGICAL_INTERSECT": _SET_OPERATION,
    "LOGICAL_MATERIALIZED_CTE": _plain("table_index", "column_count", "ctename", "materialize"),
    "LOGICAL_CTE_REF": {
        **_plain("table_index", "cte_index", "chunk_types", "bound_columns"),
        "is_recurring": _is(False),
    },
}  # fmt: skip
