"""What stands in the nodes of DuckDB's serialized logical plan (``json_serialize_plan`` of DuckDB 2.0)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Node = dict[str, Any]

USES = {
    "LOGICAL_GET": {"table_filters"},
    "LOGICAL_PROJECTION": {"expressions"},
    "LOGICAL_FILTER": {"expressions"},
    "LOGICAL_ORDER_BY": {"orders"},
    "LOGICAL_AGGREGATE_AND_GROUP_BY": {"groups", "expressions"},
    "LOGICAL_CROSS_PRODUCT": set[str](),
    "LOGICAL_COMPARISON_JOIN": {"conditions"},
    "LOGICAL_WINDOW": {"expressions"},
    "LOGICAL_UNNEST": {"expressions"},
}
"""Where the expressions of an operator stand of which it is known which columns it uses; any other uses all."""

REDUCES = {
    "INNER": (True, True),
    "SEMI": (True, True),
    "ANTI": (False, True),
    "LEFT": (False, True),
    "RIGHT": (True, False),
}
"""By join type, whether the left side may be reduced by the right one's keys, and the right one by the left one's."""

KEEPS = {
    "INNER": (True, True),
    "SEMI": (True, False),
    "ANTI": (True, False),
    "MARK": (True, False),
    "LEFT": (True, False),
    "RIGHT": (False, True),
    "SINGLE": (True, False),
    "FULL": (False, False),
}
"""By join type, whether rows of the left side, and of the right one, go on as they are: each by itself, never made NULL."""

UNFOLLOWED = ("ANTI", "MARK")
"""The join types over which DuckDB 2.0 carries no keys to a scan."""

_WIDENING = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")


def refers(tree: Any) -> bool:
    """Whether a part of the plan reads a column."""
    return next(references(tree), None) is not None


def references(tree: Any) -> Iterator[int]:
    """The places of the columns that a part of the plan reads."""
    stack = [tree]
    while stack:
        part = stack.pop()
        if type(part) is dict:  # nothing else comes out of JSON, and most of a plan is texts and numbers
            if part.get("type") == "BOUND_REF":
                yield part["index"]
            stack.extend(part.values())
        elif type(part) is list:
            stack.extend(part)


def counts(aggregate: Node) -> bool:
    """Whether an aggregate is how many values of an expression are not NULL."""
    return (
        aggregate["type"] == "BOUND_AGGREGATE"
        and aggregate["qname"]["path"][-1] == "count"
        and aggregate["aggregate_type"] != "DISTINCT"
        and len(aggregate["children"]) == 1
        and not aggregate["filter"]
        and not aggregate["order_bys"]
    )


def adds(aggregate: Node) -> bool:
    """Whether an aggregate is made of the sum, and the number, of the values that are not NULL, in whatever order.

    Its filter may read what it likes.
    """
    return bool(
        aggregate["type"] == "BOUND_AGGREGATE"
        and aggregate["qname"]["path"][-1] in ("sum", "avg", "mean", "count")
        and aggregate["aggregate_type"] != "DISTINCT"
        and aggregate.get("state_export", "NONE") == "NONE"
        and len(aggregate["children"]) == 1
        and not aggregate["order_bys"]
    )


def ignores_repeats(aggregate: Node) -> bool:
    """Whether an aggregate is the same however often a value is there."""
    return (
        aggregate["type"] == "BOUND_AGGREGATE"
        and not aggregate["order_bys"]
        and (aggregate["aggregate_type"] == "DISTINCT" or aggregate["qname"]["path"][-1] in ("min", "max"))
    )


def requires(filtered: Node) -> bool:
    """Whether a filter of a column takes its NULLs; DuckDB writes one such as a comparison of the column with itself."""
    kind = filtered["filter_type"]
    if kind == "EXPRESSION_FILTER":
        test = filtered["expr"]
        sides = [(side["type"], side.get("index")) for side in test.get("children", ())]
        return bool(
            test["type"] == "COMPARE_EQUAL"
            and len(sides) == 2
            and sides[0] == sides[1]
            and sides[0][0] == "BOUND_REF"
        )
    return kind in ("LEGACY_IS_NOT_NULL", "LEGACY_CONSTANT_COMPARISON")


def widens(inner: Node, outer: Node) -> bool:
    """Whether a cast makes a whole number one of a wider type."""
    narrow, wide = (each["return_type"]["id"] for each in (inner, outer))
    if narrow not in _WIDENING or wide not in _WIDENING:
        return False
    return _WIDENING.index(narrow) <= _WIDENING.index(wide)
