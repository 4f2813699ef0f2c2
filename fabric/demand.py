"""What a statement demands of each relation, read from DuckDB's own optimized plan.

The plan was made over empty relations (``Engine.probe``), so it is the statement's meaning and nothing
of the data. If the plan reads only some columns of a relation, under a filter, below a limit, then the
answer depends on no other column, row or order; that is why the demand may be pushed. Every filter
also stays in the statement that runs.

Relations stand in the probe as ``<id>_t`` with columns ``<id>_<n>``, so that each name in the plan's
text belongs to one column of one occurrence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from fabric.predicates import (
    AllOf,
    AnyOf,
    ColumnComparison,
    Comparison,
    Membership,
    NullTest,
    Operator,
    Pattern,
    Predicate,
    Value,
    typed,
)
from fabric.pushdown import describe
from fabric.types import Column, OrderKey

_NAME = re.compile(r"(r_[0-9a-f]{16})_(\d+)")
_LIMITS = {"LIMIT": "Limit", "STREAMING_LIMIT": "Limit", "TOP_N": "Top"}
_OPERATORS: dict[type[exp.Expr], Operator] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_COMPARED_ALIKE = (
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "VARCHAR",
    "DATE",
    "TIMESTAMP",
    "TIMESTAMP WITH TIME ZONE",
)
_FLIPPED: dict[Operator, Operator] = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(slots=True)
class Demand:
    """What one occurrence of a relation is asked for.

    ``columns`` are positions; those ``elsewhere`` are named by more than its own filters. ``kept`` is the text of filters
    that have no form a source could take; ``implied`` are those of the predicates that only follow from such.
    ``repeated`` says that the plan reads the relation more than once, or in a recursion.
    """

    columns: set[int] = field(default_factory=set)
    elsewhere: set[int] = field(default_factory=set)
    predicates: list[Predicate] = field(default_factory=list)
    implied: tuple[Predicate, ...] = ()
    kept: list[str] = field(default_factory=list)
    order: tuple[OrderKey, ...] = ()
    limit: int | None = None
    repeated: bool = False

    def leave_to_us(self, but: list[Predicate]) -> None:
        """Ask a source for no predicate but these, since others of ours could meet rows that these hide."""
        if any(predicate not in but for predicate in self.predicates):
            self.order, self.limit = (), None
        own = [predicate for predicate in self.predicates if predicate not in self.implied]
        self.kept += [describe(predicate) for predicate in own if predicate not in but]
        self.predicates = [predicate for predicate in self.predicates if predicate in but]
        self.implied = tuple(predicate for predicate in self.implied if predicate in but)

    def imply(self, predicates: Iterable[Predicate]) -> None:
        """Ask for no row that does not meet these, which every row meets on which the answer depends."""
        self.implied = tuple(dict.fromkeys(each for each in predicates if each not in self.predicates))
        self.predicates += self.implied

    def of_columns(self) -> Demand:
        """The same with everything but the columns left to us."""
        kept = [*self.kept, *(describe(each) for each in self.predicates if each not in self.implied)]
        return Demand(columns=self.columns, elsewhere=self.columns, kept=kept, repeated=self.repeated)


def demands(
    plan: list[dict[str, Any]],
    columns: Mapping[str, tuple[Column, ...]],
    orders: Mapping[str, tuple[OrderKey, ...]],
) -> dict[str, Demand]:
    """The demand on each relation id that the plan reads; one that it does not read is absent.

    Args:
        plan: DuckDB's ``EXPLAIN (FORMAT JSON)``.
        columns: each relation's columns, by id.
        orders: the ORDER BY directly over a relation, by id (``fabric.ordering``): the plan's text shows
            neither the null order nor what stands behind a projection's name.
    """
    found: dict[str, Demand] = {}
    for chain in _scans(plan, ()):
        scan = chain[-1]
        names = [match for text in _texts(scan) for match in _NAME.findall(text)]
        if not names:
            continue
        relation = names[0][0]
        demand = _demand(chain, columns[relation], orders.get(relation))
        if _reads_no_column(chain):
            names = [match for text in _info(scan, "Filters") for match in _NAME.findall(text)]
        demand.columns |= {int(position) for name, position in names if name == relation}
        seen = found.get(relation)
        found[relation] = demand if seen is None else _either(seen, demand)
    for node in _others(plan):
        for relation, position in _NAME.findall(str(node.get("extra_info"))):
            if relation in found:
                found[relation].elsewhere.add(int(position))
    return found


def leaves_conditions(plan: list[dict[str, Any]], found: Mapping[str, Demand]) -> bool:
    """Whether a plan has filters of which the demands do not hold every part."""
    return any(demand.kept for demand in found.values()) or any(map(_filters_above, plan))


def _filters_above(node: dict[str, Any]) -> bool:
    """Whether there is a filter that does not stand directly over a scan."""
    beneath = node.get("children", [])
    if node["name"].strip() == "FILTER" and beneath[0]["name"].strip() not in ("FILTER", "PYTHON_ARROW_SCAN"):
        return True
    return any(map(_filters_above, beneath))


def _others(nodes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The nodes of a plan that are neither scans nor filters right above one."""
    for node in nodes:
        children = node.get("children", [])
        right_above = node["name"].strip() == "FILTER" and not any(_others(children))
        if node["name"].strip() != "PYTHON_ARROW_SCAN" and not right_above:
            yield node
        yield from _others(children)


def _either(one: Demand, other: Demand) -> Demand:
    """A relation that the plan reads twice is read once, for both."""
    columns = one.columns | other.columns
    return Demand(columns=columns, elsewhere=columns, kept=one.kept + other.kept, repeated=True)


def _scans(
    nodes: list[dict[str, Any]], above: tuple[dict[str, Any], ...]
) -> Iterator[tuple[dict[str, Any], ...]]:
    for node in nodes:
        chain = (*above, node)
        if node["name"].strip() == "PYTHON_ARROW_SCAN":
            yield chain
        yield from _scans(node.get("children", []), chain)


def _info(node: dict[str, Any], key: str) -> list[str]:
    value = (node.get("extra_info") or {}).get(key, [])
    return [value] if isinstance(value, str) else list(value)


def _reads_no_column(chain: tuple[dict[str, Any], ...]) -> bool:
    """Whether the rows are counted and nothing else: DuckDB then scans some column, and makes a number of each row."""
    above = [node for node in chain[:-1] if node["name"].strip() != "PROJECTION"]
    # What stands between may be called anything, even a number; an aggregate is told by its function.
    return (
        bool(above)
        and above[-1]["name"].strip() == "UNGROUPED_AGGREGATE"
        and _info(above[-1], "Aggregates") == ["count_star()"]
    )


def _texts(scan: dict[str, Any]) -> list[str]:
    return _info(scan, "Projections") + _info(scan, "Filters")


def _demand(
    chain: tuple[dict[str, Any], ...], columns: tuple[Column, ...], order: tuple[OrderKey, ...] | None
) -> Demand:
    demand = Demand(repeated=any("REC_CTE" in node["name"] for node in chain))
    for text in _info(chain[-1], "Filters"):
        _take(text, columns, demand)
    above = list(reversed(chain[:-1]))
    while above and above[0]["name"].strip() == "FILTER":
        for text in _info(above.pop(0), "Expression"):
            demand.columns |= {int(position) for _, position in _NAME.findall(text)}
            _take(text, columns, demand)
    while above and above[0]["name"].strip() == "PROJECTION":
        above.pop(0)
    if above and above[0]["name"].strip() == "FILTER":
        # What may raise stays above, where columns have names that may be anything: it is told, not read.
        demand.kept += [readable(text, columns) for text in _info(above[0], "Expression")]
    if above and not demand.kept and not demand.repeated:
        _limit(above[0], order, demand)
    return demand


def _limit(node: dict[str, Any], order: tuple[OrderKey, ...] | None, demand: Demand) -> None:
    """Projections keep the number and order of rows, so a limit above them is a limit on the scan."""
    kind = node["name"].strip()
    count = next(iter(_info(node, _LIMITS.get(kind, ""))), "")
    offset = next(iter(_info(node, "Offset")), "0")
    if kind not in _LIMITS or not count.isdigit() or not offset.isdigit():
        return
    if kind == "TOP_N":
        if not order:
            return
        demand.order = order
    demand.limit = int(count) + int(offset)


def _take(text: str, columns: tuple[Column, ...], demand: Demand) -> None:
    """Translate one filter of the plan, conjunct by conjunct."""
    try:
        tree: exp.Expr = sqlglot.parse_one(text, dialect="duckdb")
    except (SqlglotError, RecursionError, ValueError):
        demand.kept.append(readable(text, columns))
        return
    for conjunct in _conjuncts(tree):
        predicate = translate(conjunct, columns)
        if (
            isinstance(predicate, ColumnComparison)
            and predicate.op == "="
            and predicate.column == predicate.other
        ):
            # What DuckDB leaves of a subquery's correlation; it would take this for one row of a table.
            predicate = NullTest(predicate.column, negated=True)
        if predicate is None:
            demand.kept.append(readable(conjunct.sql(dialect="duckdb"), columns))
        else:
            demand.predicates.append(predicate)


def readable(text: str, columns: tuple[Column, ...]) -> str:
    """A text of the plan with the columns' own names in it."""
    return _NAME.sub(lambda match: columns[int(match[2])].name, text)


def _conjuncts(tree: exp.Expr) -> Iterator[exp.Expr]:
    tree = tree.unnest()
    if isinstance(tree, exp.And):
        for part in tree.flatten():
            yield from _conjuncts(part)
    else:
        yield tree


def translate(tree: exp.Expr, columns: tuple[Column, ...]) -> Predicate | None:
    """A condition of the plan as a predicate that a source may take; None when it has no such form."""
    tree = tree.unnest()
    if isinstance(tree, exp.And | exp.Or):
        parts = [translate(part, columns) for part in tree.flatten()]
        known = tuple(part for part in parts if part is not None)
        if len(known) < len(parts):
            return None
        return AllOf(known) if isinstance(tree, exp.And) else AnyOf(known)
    if isinstance(tree, exp.Not):
        return _negated(translate(tree.this, columns))
    if isinstance(tree, exp.Column):
        column = _column(tree, columns)
        return Comparison(column.name, "=", True) if column and column.type == "BOOLEAN" else None
    if isinstance(tree, exp.Is) and isinstance(tree.expression, exp.Null):
        column = _column(tree.this, columns)
        return NullTest(column.name, _is_negated(tree)) if column else None
    if isinstance(tree, exp.In):
        return _membership(tree, columns)
    operator = _OPERATORS.get(type(tree))
    if operator is not None:
        return _comparison(tree, operator, columns)
    return _pattern(tree, columns)


def _negated(predicate: Predicate | None) -> Predicate | None:
    if isinstance(predicate, Membership):
        return Membership(predicate.column, predicate.values, not predicate.negated)
    if isinstance(predicate, NullTest):
        return NullTest(predicate.column, not predicate.negated)
    if isinstance(predicate, Pattern):
        return Pattern(predicate.column, predicate.pattern, not predicate.negated)
    if isinstance(predicate, Comparison) and predicate.value is True and predicate.op == "=":
        return Comparison(predicate.column, "=", False)
    return None


def _is_negated(tree: exp.Expr) -> bool:
    """Whether sqlglot put the NOT of ``NOT LIKE`` or ``IS NOT`` into the node itself."""
    return bool(tree.args.get("negate"))


def _column(tree: exp.Expr, columns: tuple[Column, ...]) -> Column | None:
    match = _NAME.fullmatch(tree.name) if isinstance(tree, exp.Column) else None
    return columns[int(match[2])] if match else None


def _comparison(tree: exp.Expr, operator: Operator, columns: tuple[Column, ...]) -> Predicate | None:
    left, right = tree.this, tree.args["expression"]
    if _column(left, columns) is None:
        left, right, operator = right, left, _FLIPPED[operator]
    column = _column(left, columns)
    other = _column(right, columns)
    if column and other:
        alike = column.type == other.type and column.type in _COMPARED_ALIKE
        return ColumnComparison(column.name, operator, other.name) if alike else None
    value = _value(right, column) if column else None
    return Comparison(column.name, operator, value) if column and value is not None else None


def _membership(tree: exp.In, columns: tuple[Column, ...]) -> Predicate | None:
    column = _column(tree.this, columns)
    if column is None or not tree.expressions:
        return None
    values = [_value(item, column) for item in tree.expressions]
    known = tuple(value for value in values if value is not None)
    return Membership(column.name, known) if len(known) == len(values) else None


def _pattern(tree: exp.Expr, columns: tuple[Column, ...]) -> Predicate | None:
    """LIKE, and the functions that DuckDB's optimizer makes of simple patterns."""
    if isinstance(tree, exp.Like):
        column, text = _column(tree.this, columns), tree.expression
        shape = "{}"
    else:
        shapes = {
            "prefix": "{}%",
            "starts_with": "{}%",
            "suffix": "%{}",
            "ends_with": "%{}",
            "contains": "%{}%",
        }
        name = (tree.sql_name() if isinstance(tree, exp.Func) else "").lower()
        name = tree.name.lower() if isinstance(tree, exp.Anonymous) else name
        arguments = list(tree.iter_expressions()) if name in shapes else []
        if len(arguments) != 2:
            return None
        column, text, shape = _column(arguments[0], columns), arguments[1], shapes[name]
    if column is None or column.type != "VARCHAR" or not (isinstance(text, exp.Literal) and text.is_string):
        return None
    if shape != "{}" and ("%" in text.name or "_" in text.name):
        return None
    return Pattern(column.name, shape.format(text.name), _is_negated(tree))


def _value(tree: exp.Expr, column: Column) -> Value | None:
    """A constant of the plan as a value of the column's type; None when it has no exact form here."""
    text = _constant(tree)
    if text is None:
        return None
    try:
        return typed(text, column.type)
    except (ValueError, ArithmeticError):
        return None


def _constant(tree: exp.Expr) -> str | None:
    tree = tree.unnest()
    if isinstance(tree, exp.Cast):
        return _constant(tree.this)
    if isinstance(tree, exp.Neg):
        inner = _constant(tree.this)
        return None if inner is None else f"-{inner}"
    if isinstance(tree, exp.Boolean):
        return "true" if tree.this else "false"
    return tree.name if isinstance(tree, exp.Literal) else None
