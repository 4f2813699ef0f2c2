"""Whether one block's answer is computed from another's, and how: the proof after Goldstein and Larson.

The view has the same tables, its conjuncts follow from the query's, and what the query still asks for is computed from the
view's columns. (J. Goldstein, P. Larson: Optimizing queries using materialized views, SIGMOD 2001.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, permutations, product

from sqlglot import exp

from fabric.block_types import Block, Leaf, LeftJoin
from fabric.expressions import Shape, shape_of
from fabric.implication import ColumnKey, Facts
from fabric.rollups import Rollups, Stored, Unmatched, sums_in

_MOST_PAIRINGS = 24
"""Ways of pairing tables that stand there more than once; four of one table have as many."""


@dataclass(frozen=True, slots=True)
class Found:
    """A query's block over a view: ``select`` reads ``FROM`` nothing yet.

    Args:
        select: the SELECT, its columns under ``alias``.
        pairs: each of the query's leaves with the view's.
        column: the name of the view's output that has the value of a leaf's column in each of its rows; None when none has.
        left_joined: the keys of leaves of which a row may be missing in a row.
    """

    select: exp.Select
    pairs: tuple[tuple[Leaf, Leaf], ...]
    column: Callable[[ColumnKey], str | None]
    left_joined: frozenset[str]


Accepts = Callable[[tuple[tuple[Leaf, Leaf], ...]], None]


def contained(
    query: Block, view: Block, columns: Sequence[Stored], alias: str, names: Sequence[str], accepts: Accepts
) -> Found:
    """The query's block over the rows of the view.

    Args:
        query: what is asked.
        view: what is stored.
        columns: the columns of what is stored, in the order of the view's outputs.
        alias: what the stored table is called.
        names: of the columns of the query.
        accepts: raises ``Unmatched`` where two leaves do not show the same.

    Raises:
        Unmatched: it is not proven that there is one.
    """
    why = Unmatched("it reads other tables")
    for pairs in islice(_pairings(query.leaves, view.leaves), _MOST_PAIRINGS):
        try:
            accepts(pairs)
            return _Proof(query, _renamed(view, pairs), columns, alias, names, pairs).found()
        except Unmatched as error:
            why = error
    raise why


def _pairings(query: Sequence[Leaf], view: Sequence[Leaf]) -> Iterator[tuple[tuple[Leaf, Leaf], ...]]:
    """Every way to give each of the query's leaves one of the view's of the same table."""
    wanted, there = _by_table(query), _by_table(view)
    if {name: len(found) for name, found in wanted.items()} != {name: len(f) for name, f in there.items()}:
        return
    for chosen in product(*(permutations(there[name]) for name in wanted)):
        yield tuple(
            pair
            for mine, theirs in zip(wanted.values(), chosen, strict=True)
            for pair in zip(mine, theirs, strict=True)
        )


def _by_table(leaves: Sequence[Leaf]) -> dict[tuple[str, str, str], list[Leaf]]:
    found: dict[tuple[str, str, str], list[Leaf]] = {}
    for leaf in leaves:
        found.setdefault(leaf.relation.name.key, []).append(leaf)
    return found


def _renamed(view: Block, pairs: Sequence[tuple[Leaf, Leaf]]) -> Block:
    """The view over the query's leaves."""
    keys = {theirs.key: mine.key for mine, theirs in pairs}

    def named(node: exp.Expr) -> exp.Expr:
        def put(one: exp.Expr) -> exp.Expr:
            if isinstance(one, exp.Column) and one.table:
                return exp.column(one.name, keys[one.table], quoted=True)
            return one

        return node.copy().transform(put)

    return replace(
        view,
        conjuncts=tuple(map(named, view.conjuncts)),
        left_joins=tuple(LeftJoin(keys[each.key], tuple(map(named, each.on))) for each in view.left_joins),
        outputs=tuple(replace(each, expression=named(each.expression)) for each in view.outputs),
        keys=None if view.keys is None else tuple(map(named, view.keys)),
    )


def _left_joined(block: Block) -> dict[str, frozenset[Shape]]:
    """For each leaf that is left joined, by what; in which order follows from what stands in it."""
    return {each.key: frozenset(map(shape_of, each.on)) for each in block.left_joins}


class _Proof:
    """One way of pairing: whether the view holds what is needed, and the SELECT over it."""

    def __init__(
        self,
        query: Block,
        view: Block,
        columns: Sequence[Stored],
        alias: str,
        names: Sequence[str],
        pairs: tuple[tuple[Leaf, Leaf], ...],
    ) -> None:
        self._query = query
        self._view = view
        self._names = names
        self._pairs = pairs
        types: Mapping[ColumnKey, str] = {
            (leaf.key, column.name.lower()): column.type
            for leaf, _ in pairs
            for column in leaf.relation.object.columns
        }
        self._asked = Facts(query.conjuncts, lambda column: types[column])
        self._held = Facts(view.conjuncts, lambda column: types[column])
        stored = [replace(s, expression=o.expression) for s, o in zip(columns, view.outputs, strict=True)]
        grouped = view.keys is not None
        self._filters = Rollups(stored, alias, self._held, types, grouped=grouped)
        self._rollups = Rollups(
            stored,
            alias,
            self._asked,
            types,
            grouped=grouped,
            exact=self._is_exact(),
            sums=sums_in(query.expressions(), self._asked),
        )

    def _is_exact(self) -> bool:
        """Whether each group of the query is one row of the view."""
        query, view = self._query, self._view
        if query.keys is None or view.keys is None:
            return False
        if not query.keys and not all(map(self._held.says, query.conjuncts)):
            return False  # over no rows it is one group, of no row
        keys = {self._asked.shape(key) for key in query.keys}
        return all(self._asked.shape(key) in keys or self._asked.is_fixed(key) for key in view.keys)

    def found(self) -> Found:
        """The rewriting.

        Raises:
            Unmatched: there is none.
        """
        query, view = self._query, self._view
        if _left_joined(query) != _left_joined(view):
            raise Unmatched("it has other left joins")
        if not all(map(self._asked.implies, view.conjuncts)):
            raise Unmatched("it may hold fewer rows")
        if view.keys is not None:
            if query.keys is None:
                raise Unmatched("it is aggregated, and single rows are asked for")
            if not view.keys and query.keys:
                raise Unmatched("it is one row, and groups are asked for")
        # A global aggregate has its one row over no rows too; so has the query, which is one then.
        rest = [self._filters.scalar(each) for each in query.conjuncts if not self._held.says(each)]
        outputs = [self._rollups.value(each.expression) for each in query.outputs]
        select = exp.select(
            *(exp.alias_(made, name, quoted=True) for made, name in zip(outputs, self._names, strict=True))
        )
        for each in rest:
            select = select.where(each, copy=False)
        if query.keys:
            select = select.group_by(*(self._rollups.scalar(key) for key in query.keys), copy=False)
        if query.having is not None:
            select = select.having(self._rollups.value(query.having), copy=False)
        if query.order:
            select.set("order", exp.Order(expressions=[self._ordered(each) for each in query.order]))
        if query.limit is not None:
            select.set("limit", exp.Limit(expression=query.limit.copy()))
        if query.offset is not None:
            select.set("offset", exp.Offset(expression=query.offset.copy()))
        return Found(select, self._pairs, self._filters.column, frozenset(_left_joined(query)))

    def _ordered(self, key: exp.Ordered) -> exp.Ordered:
        by = key.this
        is_output = isinstance(by, exp.Literal) or (isinstance(by, exp.Column) and not by.table)
        made = by.copy() if is_output else self._rollups.value(by)
        return exp.Ordered(this=made, desc=key.args.get("desc"), nulls_first=key.args.get("nulls_first"))
