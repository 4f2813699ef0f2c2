"""A SELECT as a block: tables joined by inner joins, conjuncts, keys, outputs; all over the tables' own columns.

What a block reads from derived tables, WITH entries and products that are blocks without keys is unfolded into it. The nodes that may
stand in one are listed: anything else is not read, and nothing is proved of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from fabric.block_types import Block, NotRead
from fabric.select_clauses import Clauses
from fabric.select_scope import Entries, Nested, Scope, Shaped, Visible, entries_of
from fabric.types import Relation, Resolved

_SELECT = {
    "expressions",
    "from_",
    "joins",
    "where",
    "group",
    "having",
    "order",
    "limit",
    "offset",
    "distinct",
    "with_",
}


def _refuse_nested(node: exp.Expr) -> exp.Expr:
    raise NotRead("it has a subquery in an expression")


@dataclass
class Reading:
    """Reads blocks of one statement.

    Args:
        visible: the lower-cased columns of a table's occurrence.
        shaped: gives a product its columns.
        open: whether a product's body may stand in its place.
        nested: what stands for a subquery in an expression.
    """

    visible: Visible
    shaped: Shaped
    open: Callable[[Relation], bool]
    nested: Nested = _refuse_nested
    count: list[int] = field(default_factory=lambda: [0])

    def statement(self, resolved: Resolved) -> Block:
        """The whole of a statement as one block.

        Raises:
            NotRead: it is none.
        """
        tree = resolved.tree
        relations = {each.id: each for each in resolved.relations}
        if not isinstance(tree, exp.Select):
            raise NotRead("it is not one SELECT")
        return self.block(tree, relations, entries_of(tree, {}))

    def block(self, select: exp.Select, relations: Mapping[str, Relation], entries: Entries) -> Block:
        """One SELECT of a statement.

        Args:
            select: the SELECT.
            relations: of the statement, by id.
            entries: the WITH entries in sight, its own included.

        Raises:
            NotRead: it is no block.
        """
        for name, value in select.args.items():
            if value and name not in _SELECT:
                raise NotRead(f"it has {name.strip('_').upper()}")
        source = select.args.get("from_")
        if source is None:
            raise NotRead("it reads no table")
        scope = Scope(self, relations, entries)
        scope.add(source.this)
        for join in select.args.get("joins") or ():
            scope.join(join)
        return Clauses(scope, select).block()
