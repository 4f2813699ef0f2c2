"""Expressions over a block's tables, computed from the columns that are stored of another: aggregates roll up.

A sum or an average is computed from others only where the order of adding does not matter: of integers and DECIMAL, not of
DOUBLE. An average is no quotient of a stored sum and count: DuckDB divides long doubles (avg.cpp of 1.x), but DOUBLEs where the sum
stands beside it (seen in plans of 2.0.0). So a stored one is taken as it is, where both or neither have the sum.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from fabric.expressions import AGGREGATES, Shape, has_aggregate
from fabric.implication import ColumnKey, Facts, is_interchangeable, key_of

_EXACT = re.compile(r"(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|DECIMAL\(.*\))$")
_EXACT_NODES = (
    exp.Column, exp.Literal, exp.Add, exp.Sub, exp.Mul, exp.Neg, exp.Paren, exp.Coalesce, exp.Null, exp.Case, exp.If
)  # fmt: skip


class Unmatched(Exception):
    """A query is not proven to be answered by what is stored; ``why`` holds nothing but what stands in the query."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored column: its name and DuckDB type, and what it was computed as."""

    name: str
    type: str
    expression: exp.Expr


class Rollups:
    """What can be computed from stored columns.

    Args:
        stored: the columns.
        alias: what their table is called.
        facts: what holds in the rows that are asked of it.
        types: of the leaves' columns.
        grouped: whether a stored row stands for a group of rows.
        exact: whether each group that is asked for is one stored row.
        sums: the sums that the query asks for.
    """

    def __init__(
        self,
        stored: Sequence[Stored],
        alias: str,
        facts: Facts,
        types: Mapping[ColumnKey, str],
        *,
        grouped: bool,
        exact: bool = False,
        sums: frozenset[Shape] = frozenset(),
    ) -> None:
        self._alias = alias
        self._facts = facts
        self._types = types
        self._grouped = grouped
        self._exact = exact
        self._sums = sums
        self._stored_sums = sums_in((each.expression for each in stored), facts)
        self._scalars: dict[Shape, Stored] = {}
        self._aggregates: dict[Shape, Stored] = {}
        for each in stored:
            if has_aggregate(each.expression):
                self._aggregates.setdefault(facts.shape(each.expression), each)
            elif not grouped or is_interchangeable(each.type):  # a group of 0.0 has rows of -0.0
                self._scalars.setdefault(facts.shape(each.expression), each)

    def column(self, key: ColumnKey) -> str | None:
        """The stored column that has the value of a leaf's column; None when none has."""
        table, name = key
        found = self._scalars.get(self._facts.shape(exp.column(name, table, quoted=True)))
        return None if found is None else found.name

    def scalar(self, node: exp.Expr) -> exp.Expr:
        """A value of each stored row.

        Raises:
            Unmatched: it needs what is not stored.
        """
        found = self._scalars.get(self._facts.shape(node))
        if found is not None:
            return self._read(found)
        if isinstance(node, exp.Column):
            raise Unmatched(f"'{node.name}' is not in it")
        if isinstance(node, exp.EQ) and self._facts.says(node):
            return exp.true()
        if isinstance(node, AGGREGATES):
            raise Unmatched(f"'{_written(node)}' is not in it")
        return self._rebuilt(node, self.scalar)

    def value(self, node: exp.Expr) -> exp.Expr:
        """A value of each row that is asked for, aggregates over stored rows included.

        Raises:
            Unmatched: as ``scalar``, or an aggregate does not roll up.
        """
        if not has_aggregate(node):
            return self.scalar(node)
        if self._exact:
            found = self._aggregates.get(self._facts.shape(node))
            if found is not None and self._averages_alike(node):
                return exp.AnyValue(this=self._read(found))
        if isinstance(node, exp.Filter):
            return self._aggregate(node.this, node.expression.this)
        if isinstance(node, AGGREGATES):
            return self._aggregate(node, None)
        return self._rebuilt(node, self.value)

    def _averages_alike(self, node: exp.Expr) -> bool:
        """Whether DuckDB computes each average in it as that which is stored."""
        sums = [self._facts.shape(exp.Sum(this=each.this.copy())) for each in node.find_all(exp.Avg)]
        return all((each in self._sums) == (each in self._stored_sums) for each in sums)

    def _rebuilt(self, node: exp.Expr, through: object) -> exp.Expr:
        def each(value: object) -> object:
            if isinstance(value, list):
                return [each(one) for one in value]
            return through(value) if isinstance(value, exp.Expr) else value  # type: ignore[operator]

        if isinstance(node, exp.Query):
            return node.copy()  # a subquery that was rewritten by itself
        return type(node)(**{name: each(value) for name, value in node.args.items()})

    def _read(self, stored: Stored) -> exp.Expr:
        return exp.column(stored.name, self._alias, quoted=True)

    # ── aggregates ──────────────────────────────────────────────────────────────────────────

    def _aggregate(self, node: exp.Expr, condition: exp.Expr | None) -> exp.Expr:
        if any(value for name, value in node.args.items() if name not in ("this", "big_int")):
            raise Unmatched(f"'{_written(node)}' is of another form")
        if not self._grouped:
            return self._filtered(self._over_rows(node), condition)
        if condition is not None:
            found = self._aggregates.get(
                self._facts.shape(exp.Filter(this=node.copy(), expression=exp.Where(this=condition.copy())))
            )
            if found is not None:
                return self._of_groups(node, found, None)
        made = self._of_values(node, condition)
        if made is not None:
            return made
        found = self._aggregates.get(self._facts.shape(node))
        if isinstance(node, exp.Count):
            return self._count(node, found, condition)
        if found is None and isinstance(node, exp.Sum):
            return self._sum_of_cases(node, condition)
        if found is None:
            raise Unmatched(f"'{_written(node)}' does not roll up from it")
        return self._of_groups(node, found, condition)

    def _over_rows(self, node: exp.Expr) -> exp.Expr:
        """An aggregate over stored rows that stand for one row each."""
        if isinstance(node, exp.Sum | exp.Avg) and not self._is_exact_number(node.this):
            raise Unmatched(f"'{_written(node)}' depends on the order of adding")
        return node.copy() if isinstance(node.this, exp.Star) else self._rebuilt(node, self._argument)

    def _argument(self, node: exp.Expr) -> exp.Expr:
        return self._rebuilt(node, self.scalar) if isinstance(node, exp.Distinct) else self.scalar(node)

    def _of_values(self, node: exp.Expr, condition: exp.Expr | None) -> exp.Expr | None:
        """An aggregate that does not ask how often a value is there, of what all rows of a group have in common."""
        counts_each_once = isinstance(node, exp.Count) and isinstance(node.this, exp.Distinct)
        if not counts_each_once and not isinstance(node, exp.Min | exp.Max):
            return None
        try:
            return self._filtered(self._rebuilt(node, self._argument), condition)
        except Unmatched:
            return None

    def _count(self, node: exp.Count, found: Stored | None, condition: exp.Expr | None) -> exp.Expr:
        whole = isinstance(node.this, exp.Star)
        if isinstance(node.this, exp.Distinct):
            raise Unmatched(f"'{_written(node)}' does not roll up from it")
        if found is None and (whole or self._facts.is_set(node.this)):
            found = self._row_count()
        if found is not None:
            return self._total(found, condition)
        rows = self._row_count()
        if rows is None or whole:
            raise Unmatched(f"'{_written(node)}' is not in it")
        there = exp.Not(this=exp.Is(this=self.scalar(node.this), expression=exp.Null()))
        return self._total(rows, condition, there)

    def _row_count(self) -> Stored | None:
        """The stored column that says how many rows each stands for."""
        for each in self._aggregates.values():
            counted = each.expression
            if isinstance(counted, exp.Count) and (
                isinstance(counted.this, exp.Star) or self._facts.is_set(counted.this)
            ):
                return each
        return None

    def _total(self, counts: Stored, condition: exp.Expr | None, also: exp.Expr | None = None) -> exp.Expr:
        """A sum of counts: 0 over no rows, and BIGINT, as a count is."""
        summed = self._filtered(exp.Sum(this=self._read(counts)), condition, also)
        none = exp.Coalesce(this=summed, expressions=[exp.Literal.number(0)])
        return exp.cast(none, exp.DType.BIGINT)

    def _of_groups(self, node: exp.Expr, found: Stored, condition: exp.Expr | None) -> exp.Expr:
        if isinstance(node, exp.Count):
            return self._total(found, condition)
        if isinstance(node, exp.Min | exp.Max):
            return self._filtered(type(node)(this=self._read(found)), condition)
        if isinstance(node, exp.Sum) and _EXACT.match(found.type):
            return self._filtered(exp.Sum(this=self._read(found)), condition)
        raise Unmatched(f"'{_written(node)}' does not roll up from it")

    def _sum_of_cases(self, node: exp.Sum, condition: exp.Expr | None) -> exp.Expr:
        """``sum(CASE WHEN <of the group> THEN x ELSE 0 END)``: as much of the sums of x, or of the counts."""
        case = node.this.unnest()
        if not isinstance(case, exp.Case) or case.this is not None:
            raise Unmatched(f"'{_written(node)}' is not in it")
        kinds: set[str] = set()
        ifs = [
            exp.If(this=self.scalar(each.this), true=self._share(each.args["true"], node, kinds))
            for each in case.args["ifs"]
        ]
        default = case.args.get("default")
        made = exp.Case(ifs=ifs, default=None if default is None else self._share(default, node, kinds))
        if len(kinds) != 1:  # DuckDB would give the sum another type
            raise Unmatched(f"'{_written(node)}' does not roll up from it")
        return self._filtered(exp.Sum(this=made), condition)

    def _share(self, branch: exp.Expr, of: exp.Sum, kinds: set[str]) -> exp.Expr:
        """What the rows of a group add of which a branch of CASE is true; ``kinds`` gets the type of it."""
        bare = branch.unnest()
        if isinstance(bare, exp.Null) or (isinstance(bare, exp.Literal) and bare.name == "0"):
            return bare.copy()
        if isinstance(bare, exp.Literal) and not bare.is_string and bare.name.isdigit():
            rows = self._row_count()
            if rows is None or len(bare.name) > 9:
                raise Unmatched("the number of rows is not in it")
            kinds.add(rows.type)
            return exp.Mul(this=bare.copy(), expression=self._read(rows))
        found = self._aggregates.get(self._facts.shape(exp.Sum(this=branch.copy())))
        if found is None or not _EXACT.match(found.type):
            raise Unmatched(f"'{_written(of)}' does not roll up from it")
        kinds.add(found.type)
        return self._read(found)

    def _filtered(self, node: exp.Expr, condition: exp.Expr | None, also: exp.Expr | None = None) -> exp.Expr:
        conditions = [
            each
            for each in (self.scalar(condition) if condition is not None else None, also)
            if each is not None
        ]
        if not conditions:
            return node
        return exp.Filter(this=node, expression=exp.Where(this=exp.and_(*conditions)))

    def _is_exact_number(self, node: exp.Expr) -> bool:
        """Whether it is a number that is added without rounding, in any order."""
        if isinstance(node, exp.Column):
            return bool(_EXACT.match(self._types[key_of(node)]))
        if isinstance(node, exp.Literal):
            return not node.is_string and not re.search("[eE]", node.name) and len(node.name) <= 30
        if isinstance(node, exp.If):
            return self._is_exact_number(node.args["true"])
        if not isinstance(node, _EXACT_NODES):
            return False
        parts: Iterable[exp.Expr] = node.iter_expressions()
        return all(map(self._is_exact_number, parts)) if not isinstance(node, exp.Null) else True


def sums_in(nodes: Iterable[exp.Expr], facts: Facts) -> frozenset[Shape]:
    """The sums over all rows that are computed."""
    found = (each for node in nodes for each in node.find_all(exp.Sum))
    return frozenset(facts.shape(each) for each in found if not isinstance(each.parent, exp.Filter))


def _written(node: exp.Expr) -> str:
    """The expression as its user would write it."""

    def bare(one: exp.Expr) -> exp.Expr:
        return exp.column(one.name) if isinstance(one, exp.Column) else one

    return node.copy().transform(bare).sql(dialect="duckdb")
