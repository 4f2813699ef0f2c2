"""What stands in the nodes of DuckDB's serialized logical plan (``json_serialize_plan`` of DuckDB 2.0)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Node = dict[str, Any]

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
