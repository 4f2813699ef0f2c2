"""The clauses of a SELECT over its FROM: outputs, keys, HAVING, ORDER BY, LIMIT."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from fabric.block_types import Block, NotRead, Output
from fabric.expressions import conjuncts_of, has_aggregate, shape_of
from fabric.select_scope import Scope


class Clauses:
    """The clauses of a SELECT over its scope."""

    def __init__(self, scope: Scope, select: exp.Select) -> None:
        self._scope = scope
        self._select = select
        self._outputs = [output for item in select.expressions for output in self._output(item)]
        self._aliased = {
            item.alias.lower(): output
            for item, output in zip(select.expressions, self._outputs, strict=False)
            if isinstance(item, exp.Alias) and not select.is_star
        }

    def block(self) -> Block:
        """The whole of it.

        Raises:
            NotRead: it is no block.
        """
        select, scope = self._select, self._scope
        where = select.args.get("where")
        if where is not None:
            scope.conjuncts.append(scope.bound(where.this))
        having = select.args.get("having")
        keys = self._keys()
        limit, offset = select.args.get("limit"), select.args.get("offset")
        order = tuple(self._ordered(each) for each in (select.args.get("order") or exp.Order()).expressions)
        if limit is not None and (not order or not isinstance(limit, exp.Limit)):
            raise NotRead("its LIMIT leaves open which rows")
        if offset is not None and limit is None:
            raise NotRead("it has OFFSET without LIMIT")
        return Block(
            tuple(scope.leaves),
            tuple(part for each in scope.conjuncts for part in conjuncts_of(each)),
            tuple(self._outputs),
            keys,
            tuple(scope.left_joins),
            None if having is None else self._with_aliases(having.this),
            order,
            None if limit is None else _number(limit.expression),
            None if offset is None else _number(offset.expression),
        )

    def _output(self, item: exp.Expr) -> Iterator[Output]:
        if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
            star = item if isinstance(item, exp.Star) else item.this
            if any(star.args.values()) or any(
                join.args.get("using") for join in self._select.args.get("joins") or ()
            ):
                raise NotRead("its * is of another form")
            table = item.text("table").lower() if isinstance(item, exp.Column) else ""
            if table and table not in self._scope.sources:
                raise NotRead("its * is of another form")
            for alias, columns in self._scope.sources.items():
                if alias == table or not table:
                    yield from (Output(name, column.copy()) for name, column in columns.items())
            return
        made = self._scope.bound(item.unalias(), aggregates=True)
        plain = item.name if isinstance(item, exp.Column) else ""
        yield Output(item.alias or plain, made)

    def _keys(self) -> tuple[exp.Expr, ...] | None:
        group, distinct = self._select.args.get("group"), self._select.args.get("distinct")
        aggregated = any(has_aggregate(output.expression) for output in self._outputs)
        aggregated = aggregated or self._select.args.get("having") is not None
        if distinct is not None:
            if distinct.args.get("on") or group is not None or aggregated:
                raise NotRead("its DISTINCT is of another form")
            return tuple(output.expression.copy() for output in self._outputs)
        if group is None:
            return () if aggregated else None
        if any(value for name, value in group.args.items() if name not in ("expressions", "all")):
            raise NotRead("it groups in several ways")
        if group.args.get("all"):
            return tuple(o.expression.copy() for o in self._outputs if not has_aggregate(o.expression))
        return tuple(self._key(each) for each in group.expressions)

    def _key(self, node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Literal):
            made = self._outputs[self._place(node)].expression.copy()
        else:
            made = self._with_aliases(node)
        if has_aggregate(made) or not made.find(exp.Column):
            raise NotRead(f"it groups by '{node.sql(dialect='duckdb')}'")
        return made

    def _place(self, node: exp.Literal) -> int:
        if node.is_string or not node.name.isdigit() or not 1 <= int(node.name) <= len(self._outputs):
            raise NotRead(f"'{node.name}' is no column")
        return int(node.name) - 1

    def _ordered(self, node: exp.Expr) -> exp.Ordered:
        """A key of ORDER BY; a name is that of an output, before it is that of a column."""
        if not isinstance(node, exp.Ordered) or node.args.get("with_fill"):
            raise NotRead("its ORDER BY is of another form")
        key = node.this
        if isinstance(key, exp.Literal):
            self._place(key)
            made: exp.Expr = key.copy()
        elif isinstance(key, exp.Column) and not key.table and key.name.lower() in self._aliased:
            made = exp.column(key.name, quoted=True)
        else:
            made = self._with_aliases(key)
        return exp.Ordered(this=made, desc=node.args.get("desc"), nulls_first=node.args.get("nulls_first"))

    def _with_aliases(self, node: exp.Expr) -> exp.Expr:
        """An expression in which names of outputs may stand; not one that is a column's too, and means something else."""
        known: dict[str, exp.Expr] = {}
        for column in node.find_all(exp.Column):
            name = column.name.lower()
            output = self._aliased.get(name)
            if column.table or output is None or column.find_ancestor(exp.Query) is not self._select:
                continue
            if not self._scope.has(name):
                known[name] = output.expression
            elif shape_of(self._scope.column(column)) != shape_of(output.expression):
                raise NotRead(f"'{column.name}' is a column and an output")
        if not known:
            return self._scope.bound(node, aggregates=True)
        self._scope.sources[" "] = known
        try:
            return self._scope.bound(node, aggregates=True)
        finally:
            del self._scope.sources[" "]


def _number(node: exp.Expr) -> exp.Expr:
    if not isinstance(node, exp.Literal) or node.is_string or not node.name.isdigit():
        raise NotRead("its LIMIT is no number")
    return node.copy()
