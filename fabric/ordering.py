"""The ORDER BY that stands directly over one relation, read from the statement."""

from __future__ import annotations

from sqlglot import exp

from fabric.types import Column, OrderKey


def ordering(tree: exp.Expr, columns: tuple[Column, ...]) -> tuple[OrderKey, ...] | None:
    """The sort keys of a SELECT over a single relation, when each is a plain column of it.

    Args:
        tree: the statement's root.
        columns: the relation's columns.

    Returns:
        None when the statement is anything else: then no order is pushed.
    """
    if not isinstance(tree, exp.Select) or tree.args.get("joins") or tree.args.get("distinct"):
        return None
    order = tree.args.get("order")
    if not isinstance(order, exp.Order):
        return None
    keys = [_key(term, tree, columns) for term in order.expressions]
    known = tuple(key for key in keys if key is not None)
    return known if len(known) == len(keys) else None


def _key(term: exp.Expr, select: exp.Select, columns: tuple[Column, ...]) -> OrderKey | None:
    if not isinstance(term, exp.Ordered) or term.args.get("with_fill"):
        return None
    target: exp.Expr = term.this
    projections = select.expressions
    if isinstance(target, exp.Literal) and target.is_int:
        index = int(target.name) - 1
        if any(isinstance(item, exp.Star) or item.is_star for item in projections) or not (
            0 <= index < len(projections)
        ):
            return None
        target = projections[index].unalias()
    elif isinstance(target, exp.Column) and not target.table:
        # An output name wins over a column of the relation, as in DuckDB.
        for item in projections:
            if item.alias and item.alias.lower() == target.name.lower():
                target = item.unalias()
    if not isinstance(target, exp.Column) or not isinstance(target.this, exp.Identifier):
        return None
    column = next((c for c in columns if c.name.lower() == target.name.lower()), None)
    if column is None or (target.table and target.table.lower() != _alias(select)):
        return None
    return OrderKey(
        column.name,
        descending=bool(term.args.get("desc")),
        nulls_first=bool(term.args.get("nulls_first")),
    )


def _alias(select: exp.Select) -> str:
    source = select.args.get("from_")
    return source.this.alias_or_name.lower() if isinstance(source, exp.From) else ""
