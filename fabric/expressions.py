"""Expressions: which may stand in a block of which something is proven, and when two of them are the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlglot import exp

# fmt: off
SCALARS: frozenset[type[exp.Expr]] = frozenset({
    exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Neg, exp.Not, exp.And, exp.Or, exp.EQ, exp.NEQ, exp.GT, exp.GTE,
    exp.LT, exp.LTE, exp.Is, exp.In, exp.Between, exp.Like, exp.ILike, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv,
    exp.Mod, exp.Case, exp.If, exp.Coalesce, exp.Nullif, exp.Cast, exp.TryCast, exp.DataType, exp.DataTypeParam, exp.Var,
    exp.Interval, exp.Extract, exp.Year, exp.Month, exp.Day, exp.TimestampTrunc, exp.DateTrunc, exp.Substring, exp.Upper,
    exp.Lower, exp.Length, exp.Abs, exp.Round, exp.Floor, exp.Ceil, exp.DPipe, exp.Left, exp.Right,
})
# fmt: on
"""What gives the same value of the same values, at any time."""

AGGREGATES = (exp.Sum, exp.Count, exp.Min, exp.Max, exp.Avg)
"""What is known of how it rolls up."""

Shape = tuple[object, ...]
_UNORDERED = (exp.EQ, exp.NEQ, exp.And, exp.Or, exp.Add, exp.Mul)
_TURNED: Mapping[type[exp.Expr], type[exp.Expr]] = {exp.GT: exp.LT, exp.GTE: exp.LTE}


def has_aggregate(node: exp.Expr) -> bool:
    """Whether an aggregate stands in it, not in a subquery of it."""
    walked = node.walk(prune=lambda one: isinstance(one, exp.Query))
    return any(isinstance(one, AGGREGATES) for one in walked)


def conjuncts_of(node: exp.Expr) -> Iterator[exp.Expr]:
    """The conditions that must all be true: of AND and BETWEEN both sides."""
    if isinstance(node, exp.Paren):
        yield from conjuncts_of(node.this)
    elif isinstance(node, exp.And):
        yield from conjuncts_of(node.this)
        yield from conjuncts_of(node.expression)
    elif isinstance(node, exp.Between) and not node.args.get("symmetric"):
        yield exp.GTE(this=node.this.copy(), expression=node.args["low"].copy())
        yield exp.LTE(this=node.this.copy(), expression=node.args["high"].copy())
    else:
        yield node


def shape_of(node: exp.Expr) -> Shape:
    """Equal for expressions that are the same up to parentheses, and the order of sides that does not matter."""
    if isinstance(node, exp.Paren | exp.Alias):
        return shape_of(node.this)
    if isinstance(node, exp.Column):
        return ("column", node.table, node.name.lower())
    if isinstance(node, exp.Literal):
        return ("literal", node.is_string, node.name)
    turned = _TURNED.get(type(node))
    if turned is not None:
        return (turned.__name__, shape_of(node.expression), shape_of(node.this))
    if isinstance(node, exp.LT | exp.LTE):
        return (type(node).__name__, shape_of(node.this), shape_of(node.expression))
    if isinstance(node, _UNORDERED):
        return (type(node).__name__, *sorted((shape_of(node.this), shape_of(node.expression)), key=repr))
    return (
        type(node).__name__,
        *((name, _part(value)) for name, value in sorted(node.args.items()) if value),
    )


def _part(value: object) -> object:
    if isinstance(value, list):
        return tuple(map(_part, value))
    return shape_of(value) if isinstance(value, exp.Expr) else value
