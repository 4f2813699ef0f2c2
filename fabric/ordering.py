"""The ORDER BY that stands directly over one relation, read from the statement."""

from __future__ import annotations

from sqlglot import exp

from fabric.types import Column, OrderKey


def ordering(tree: exp.Expr, relation: str, columns: tuple[Column, ...]) -> tuple[OrderKey, ...] | None:
    """The sort keys of the one SELECT with a LIMIT that stands directly over a relation, each a plain column of it.

    Args:
        tree: the statement.
        relation: the relation's id.
        columns: its columns.

    Returns:
        None when the relation stands anywhere else: then no order is pushed.
    """
    tables = [table for table in tree.find_all(exp.Table) if table.name == relation]
    select = tables[0].parent_select if len(tables) == 1 else None
    if not isinstance(select, exp.Select) or not select.args.get("limit"):
        return None
    order = select.args.get("order")
    if select.args.get("joins") or select.args.get("distinct") or not isinstance(order, exp.Order):
        return None
    if not _stands_over(select, relation) or _renames(select):
        return None
    keys = [_key(term, select, columns) for term in order.expressions]
    known = tuple(key for key in keys if key is not None)
    return known if len(known) == len(keys) else None


def _stands_over(select: exp.Select, relation: str) -> bool:
    """Whether FROM is the relation itself, under its own column names: no subquery, no name of a WITH."""
    source = select.args.get("from_")
    table = source.this if isinstance(source, exp.From) else None
    if not isinstance(table, exp.Table) or table.name != relation or table.args.get("pivots"):
        return False
    alias = table.args.get("alias")
    return not (isinstance(alias, exp.TableAlias) and alias.args.get("columns"))


def _renames(select: exp.Select) -> bool:
    """Whether a projection may give the name of one column to another value without saying so by AS."""
    for item in select.expressions:
        for star in item.find_all(exp.Star):
            if star.args.get("replace") or star.args.get("rename"):
                return True
        if item.find(exp.Columns):
            return True
    return False


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
