"""What a row's own columns must hold for a condition over expressions of them: predicates that any source may take.

``year(d) = 2025`` needs ``d`` in that year, ``lower(s) = 'ab'`` needs ``s`` to be one of four texts. What follows from a
condition is not it: DuckDB still applies the condition itself. So it may be wider, and is, wherever the two could differ. It
holds for every row for which the condition is true, **or raises**: no error of DuckDB's goes missing, and since only
columns are compared with values, none is added.

Conditions are those of DuckDB's logical plan (``join_graph.py``), whose types are resolved. A function, a type or a
field that is not known here says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from fabric import text_shapes
from fabric.call_rules import Call, Rule, Wanted, call_rule, cast_rule
from fabric.predicates import ColumnComparison, NullTest, Operator, Predicate
from fabric.text_shapes import Texts
from fabric.totality_types import FLOATS, RANGES, Node, decimal, kind_of
from fabric.totality_types import kind as plan_kind
from fabric.value_domains import (
    NULL,
    VALUES,
    Domain,
    Found,
    all_of,
    any_of,
    compared,
    held,
    others,
    points,
)

_OPERATORS: Mapping[str, Operator] = {
    "COMPARE_EQUAL": "=",
    "COMPARE_NOTEQUAL": "<>",
    "COMPARE_LESSTHAN": "<",
    "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
}
_FLIPPED: Mapping[Operator, Operator] = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_DENIED: Mapping[Operator, Operator] = {"=": "<>", "<>": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_OPERATORS_OF: Mapping[tuple[str, bool], Operator] = {
    (">", True): ">=",
    (">", False): ">",
    ("<", True): "<=",
    ("<", False): "<",
}
_WHOLE = ("SMALLINT", "INTEGER", "BIGINT")
_MOMENTS = ("TIMESTAMP", "TIMESTAMPTZ")


class Unknown(Exception):
    """Something of which nothing is known here."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on rows of one relation: its ``BOUND_REF`` are places in ``columns``, which are positions there."""

    relation: str
    expression: Node
    columns: Mapping[int, int]


def implied(condition: Condition, columns: Sequence[tuple[str, str]]) -> Predicate | None:
    """What a row must meet for which the condition is true or raises; None when that is nothing, or not known.

    Args:
        condition: on the relation.
        columns: of it, each with its name and its DuckDB type.
    """
    names = {place: columns[position] for place, position in condition.columns.items()}
    try:
        found = _Reader(names).condition(condition.expression, wanted=True)
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError):
        return None  # a plan of another shape says nothing
    return None if isinstance(found, bool) else found


def as_condition(test: Node) -> Node:
    """A test of a scan's one column, as DuckDB 2.0 writes it, as a condition on the column at place 0."""
    kind = test["filter_type"]
    column = {"expression_class": "BOUND_REF", "type": "BOUND_REF", "index": 0}
    if kind == "EXPRESSION_FILTER":
        expression: Node = test["expr"]
        return expression
    if kind in ("LEGACY_CONJUNCTION_AND", "LEGACY_CONJUNCTION_OR"):
        parts = [as_condition(each) for each in test["child_filters"]]
        joined = kind.removeprefix("LEGACY_")
        return {"expression_class": "BOUND_CONJUNCTION", "type": joined, "children": parts}
    if kind == "LEGACY_CONSTANT_COMPARISON":
        value = {"expression_class": "BOUND_CONSTANT", "type": "VALUE_CONSTANT", "value": test["constant"]}
        return {
            "expression_class": "BOUND_FUNCTION",
            "type": test["comparison_type"],
            "children": [column, value],
        }
    if kind in ("LEGACY_IS_NULL", "LEGACY_IS_NOT_NULL"):
        operator = kind.replace("LEGACY", "OPERATOR")
        return {"expression_class": "BOUND_OPERATOR", "type": operator, "children": [column]}
    return {"expression_class": "", "type": kind, "children": [column]}  # one that says nothing


def computes(node: Node) -> bool:
    """Whether a condition holds more than comparisons of bare columns with values, which need no help."""
    kind = node["type"]
    if node["expression_class"] in ("BOUND_REF", "BOUND_CONSTANT"):
        return False
    plain = kind in _OPERATORS or kind in ("COMPARE_BETWEEN", "COMPARE_IN", "COMPARE_NOT_IN")
    plain |= kind in ("CONJUNCTION_AND", "CONJUNCTION_OR", "OPERATOR_NOT")
    plain |= kind in ("OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL")
    return not plain or any(map(computes, node["children"]))


def _kind(type_text: str) -> str:
    return "TIMESTAMPTZ" if type_text == "TIMESTAMP WITH TIME ZONE" else type_text


class _Reader:
    def __init__(self, columns: Mapping[int, tuple[str, str]]) -> None:
        self._columns = {place: (name, _kind(kind)) for place, (name, kind) in columns.items()}

    # ── conditions ───────────────────────────────────────────────────────────────────────────

    def condition(self, node: Node, *, wanted: bool) -> Found:
        """What a row must meet for which a condition is ``wanted`` (true, or else false), or raises."""
        try:
            return self._condition(node, wanted)
        except Unknown:
            return True

    def _condition(self, node: Node, wanted: bool) -> Found:
        kind, children = node["type"], node.get("children", ())
        match kind:
            case "CONJUNCTION_AND" | "CONJUNCTION_OR":
                parts = (self.condition(child, wanted=wanted) for child in children)
                return all_of(parts) if (kind == "CONJUNCTION_AND") == wanted else any_of(parts)
            case "OPERATOR_NOT":
                return self.condition(children[0], wanted=not wanted)
            case "OPERATOR_IS_NULL" | "OPERATOR_IS_NOT_NULL":
                return self.within(children[0], NULL if (kind == "OPERATOR_IS_NULL") == wanted else VALUES)
            case "COMPARE_IN" | "COMPARE_NOT_IN":
                return self._among(children, (kind == "COMPARE_IN") == wanted)
            case "COMPARE_BETWEEN":
                return self._between(node, wanted)
            case "COMPARE_DISTINCT_FROM" | "COMPARE_NOT_DISTINCT_FROM":
                return self._distinct(children, (kind == "COMPARE_DISTINCT_FROM") == wanted)
        if kind in _OPERATORS:
            operator = _OPERATORS[kind]
            return self._comparison(operator if wanted else _DENIED[operator], *children)
        if kind == "BOUND_FUNCTION":
            return self._pattern(node) if wanted else True
        if kind in ("OPERATOR_COALESCE", "CASE_EXPR") or _is_column(node) or _is_constant(node):
            return self.within(node, points([wanted]))
        return True

    def _comparison(self, operator: Operator, left: Node, right: Node) -> Found:
        if _is_constant(left):
            left, right, operator = right, left, _FLIPPED[operator]
        if _is_constant(right):
            value = _value(right)
            return False if value is None else self.within(left, compared(operator, value))
        one, other = self._widened(left), self._widened(right)
        return ColumnComparison(one, operator, other) if one and other else True

    def _widened(self, node: Node) -> str | None:
        """The column of whole numbers that an expression is, whatever it is widened to."""
        while node["type"] == "OPERATOR_CAST":
            (inner,) = node["children"]
            kinds = [self._kind(each) for each in (inner, node)]
            if not all(kind in _WHOLE for kind in kinds) or _WHOLE.index(kinds[0]) > _WHOLE.index(kinds[1]):
                return None
            node = inner
        return self._columns[node["index"]][0] if self._kind(node) in _WHOLE and _is_column(node) else None

    def _among(self, children: Sequence[Node], wanted: bool) -> Found:
        values = [_value(child) for child in children[1:]]
        known = [value for value in values if value is not None]
        if len(known) < len(values) and not wanted:
            return False  # of a list with NULL in it, nobody knows that a value is not there
        return self.within(children[0], points(known) if wanted else others(known))

    def _between(self, node: Node, wanted: bool) -> Found:
        value, low, high = node["children"]
        data = node["function_data"]
        bounds = ((">", data["lower_inclusive"], low), ("<", data["upper_inclusive"], high))
        parts = []
        for sign, inclusive, bound in bounds:
            operator: Operator = _OPERATORS_OF[sign, inclusive]
            parts.append(self._comparison(operator if wanted else _DENIED[operator], value, bound))
        return all_of(parts) if wanted else any_of(parts)

    def _distinct(self, children: Sequence[Node], wanted: bool) -> Found:
        left, right = children if _is_constant(children[1]) else children[::-1]
        value = _value(right)
        if value is None:
            return self.within(left, VALUES if wanted else NULL)
        return self.within(left, Domain(others([value]).intervals, null=True) if wanted else points([value]))

    def _pattern(self, node: Node) -> Found:
        """A condition that is a call: a test of a text."""
        children, name = node["children"], _called(node)
        shaped = text_shapes.TESTS.get(name)
        if shaped is None or len(children) != 2 or self._kind(children[0]) != "VARCHAR":
            return True
        text = _value(children[1])
        return False if text is None else self.within(children[0], Texts((shaped(text),)))

    # ── values ───────────────────────────────────────────────────────────────────────────────

    def _kind(self, node: Node) -> str:
        return self._columns[node["index"]][1] if _is_column(node) else plan_kind(node)

    def within(self, node: Node, wanted: Wanted) -> Found:
        """What a row must meet for which an expression has a wanted value, or raises."""
        if _is_column(node):
            name, kind = self._columns[node["index"]]
            if isinstance(wanted, Domain):
                return held(name, kind, wanted)
            texts = text_shapes.held_texts(name, wanted) if kind == "VARCHAR" else True
            return any_of([texts, NullTest(name) if wanted.null else False])
        if _is_constant(node):
            return wanted.has(_value(node))
        if node["type"] == "OPERATOR_COALESCE":
            return self._first(node["children"], wanted)
        if node["expression_class"] == "BOUND_CASE":
            return self._case(node, wanted)
        if node["type"] != "OPERATOR_CAST" and self._kind(node) == "BOOLEAN":
            wants = [value for value in (True, False) if wanted.has(value)]
            return True if wanted.null else any_of(self.condition(node, wanted=value) for value in wants)
        if node["expression_class"] == "BOUND_FUNCTION":
            return self._call(node, wanted)
        return True

    def _first(self, children: Sequence[Node], wanted: Wanted) -> Found:
        *first, last = children
        parts, before = list[Found](), list[Found]()
        for child in first:
            parts.append(all_of([*before, self.within(child, wanted.not_null())]))
            before.append(self.within(child, NULL))
        return any_of([*parts, all_of([*before, self.within(last, wanted)])])

    def _case(self, node: Node, wanted: Wanted) -> Found:
        parts = [self.within(node["else_expr"], wanted)]
        for check in node["case_checks"]:
            if computes(check["when_expr"]):
                return True  # it may raise whatever comes of it
            when = self.condition(check["when_expr"], wanted=True)
            parts.append(all_of([when, self.within(check["then_expr"], wanted)]))
        return any_of(parts)

    def _call(self, node: Node, wanted: Wanted) -> Found:
        found = self._rule(node)
        if found is None:
            return True
        argument, rule = found
        if wanted.null and not rule.null_of_null:
            return True
        changed = rule.change(wanted.not_null())
        if changed is None:
            return True
        null = self.within(argument, NULL) if wanted.null else False
        return any_of([self.within(argument, changed), null])

    def _rule(self, node: Node) -> tuple[Node, Rule] | None:
        """The one argument of a call that varies, and what is known of the call."""
        children = node["children"]
        if node["type"] == "OPERATOR_CAST":
            (child,) = children
            rule = cast_rule(self._kind(child), self._kind(node), node["function_data"]["try_cast"])
            return (child, rule) if rule else None
        varying = [place for place, child in enumerate(children) if not _is_constant(child)]
        if len(varying) != 1:
            return None
        (place,) = varying
        values = tuple(None if n == place else _value(child) for n, child in enumerate(children))
        kinds = tuple(map(self._kind, children))
        call = Call(_called(node), self._kind(node), kinds, values, place)
        if None in (*values[:place], *values[place + 1 :]):
            return None
        found = call_rule(call)
        return (children[place], found) if found else None


def _is_column(node: Node) -> bool:
    return bool(node["expression_class"] == "BOUND_REF")


def _is_constant(node: Node) -> bool:
    return bool(node["expression_class"] == "BOUND_CONSTANT")


def _called(node: Node) -> str:
    """The name of one of DuckDB's own functions; else empty."""
    path = node["qname"]["path"]
    return path[2] if path[:2] == ["system", "main"] and len(path) == 3 else ""


def _value(node: Node) -> Any:
    """A constant's value as domains have it; an INTERVAL's as the plan has it. None for NULL.

    Raises:
        Unknown: it is of a type that is not known here.
    """
    if node["value"]["is_null"]:
        return None
    kind, found = kind_of(node["value"]["type"]), node["value"]["value"]
    if kind in FLOATS and isinstance(found, float):
        return Fraction(found)
    if isinstance(found, Mapping) and found.keys() == {"upper", "lower"}:
        found = (found["upper"] << 64) + found["lower"]  # the halves of 128 bits
    sizes = decimal(kind)
    if sizes and type(found) is int:
        return Fraction(found, 10 ** sizes[1])
    types = {"VARCHAR": str, "BOOLEAN": bool, "INTERVAL": dict}
    if type(found) is types.get(kind, int if kind in (*RANGES, "DATE", *_MOMENTS) else None):
        return found
    raise Unknown(kind)
