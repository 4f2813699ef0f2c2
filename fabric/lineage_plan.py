"""What the operators of DuckDB's bound plan hand on: of which columns each column of their result is made.

An operator that is not listed, and a reference that does not find a column of its own type, is ``Unread``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fabric.lineage_columns import (
    BOOLEAN,
    Gathered,
    Made,
    Node,
    Unread,
    chosen_by,
    column_of,
    function_of,
    kind_of,
    merged,
    picked,
    position,
    reads,
    references,
    without_collation,
)
from fabric.lineage_ways import Sources, Way, by, carried, joined, through

_OWN_GROUPS = "__duckdb_delim_dedup_"
"""How DuckDB calls the different values that it tells a subquery: nobody asked for these groups."""
_TABLE_FUNCTIONS = ("range", "generate_series", "unnest")
_VIRTUAL = 1 << 63  # from here DuckDB numbers what is no column of the table, as its row id


@dataclass(frozen=True, slots=True)
class Rows:
    """An operator's result: its columns, and the sources that decide which rows it has."""

    columns: tuple[Made, ...]
    decided: Sources = field(default_factory=dict)


class Reader:
    """Goes through one plan.

    Args:
        parts: the statement's relations, by the name under which they stand in the plan.
        shared: lower-cased names of which USING makes one column of two; None, any name.
    """

    def __init__(self, parts: Mapping[str, int], shared: frozenset[str] | None) -> None:
        self.parts = parts
        self.shared = shared
        self.ctes: dict[int, Rows] = {}

    def rows(self, operator: Node) -> Rows:
        """An operator's result, from its children's."""
        read = _OPERATORS.get(operator["type"])
        if read is None:
            raise Unread(f"operator {operator['type']}")
        return read(self, operator)

    def only(self, operator: Node) -> Rows:
        """The result of an operator's one child."""
        (child,) = operator["children"]
        return self.rows(child)

    def value(self, expression: Node, columns: Sequence[Made]) -> Made:
        """An expression's column."""
        handed_on = self.handed_on(expression, columns)
        if handed_on is not None:
            return handed_on
        gathered = Gathered()
        gathered.add(expression, columns)
        count = gathered.counts and not carried(gathered.sources)
        return Made(kind_of(expression), gathered.sources, count)

    def values(self, expressions: Iterable[Node], columns: Sequence[Made]) -> tuple[Made, ...]:
        """Expressions' columns."""
        return tuple(self.value(expression, columns) for expression in expressions)

    def handed_on(self, expression: Node, columns: Sequence[Made]) -> Made | None:
        """The column that an expression hands on: a reference, or what FULL JOIN … USING makes of two."""
        if expression["expression_class"] == "BOUND_REF":
            return column_of(expression, columns)
        if expression["type"] != "OPERATOR_COALESCE" or not self.is_shared(expression):
            return None
        parts = [self.handed_on(child, columns) for child in expression["children"]]
        handed_on = [part for part in parts if part is not None]
        return merged(handed_on) if len(handed_on) == len(parts) else None

    def is_shared(self, expression: Node) -> bool:
        """Whether every reference in it is to a column that USING may have made one of two."""
        # A reference that DuckDB made itself has no name.
        names = [reference["alias"].lower() for reference in references(expression)]
        return self.shared is None or (bool(self.shared) and self.shared.issuperset(filter(None, names)))


def _get(reader: Reader, operator: Node) -> Rows:
    if function_of(operator) != "seq_scan":
        return _table_function(reader, operator)
    names, kinds = operator["names"], operator["returned_types"]
    part = reader.parts[operator["function_data"]["table"]]
    columns = []
    for index in (entry["index"] for entry in operator["column_indexes"]):
        if index >= _VIRTUAL:
            columns.append(Made(None, by([(part, name) for name in names], Way.TRANSFORMATION)))
        else:
            kind = kinds[position(index, len(kinds))]
            columns.append(Made(kind, by([(part, names[index])], Way.IDENTITY)))
    return Rows(picked(columns, operator["projection_ids"]))


def _table_function(reader: Reader, operator: Node) -> Rows:
    """One of constants, or one over columns, which it is told by a projection and hands on as well."""
    if function_of(operator) not in _TABLE_FUNCTIONS:
        raise Unread(f"table function {function_of(operator)}")
    told = _told(reader, *operator["children"]) if operator["children"] else Rows(())
    sources = joined(column.sources for column in told.columns)
    kinds = operator["returned_types"]
    made = [
        Made(kinds[position(entry["index"], len(kinds))], by(sources, Way.TRANSFORMATION))
        for entry in operator["column_indexes"]
    ]
    handed_on = [told.columns[position(n, len(told.columns))] for n in operator["projected_input"]]
    return Rows(
        (*picked(made, operator["projection_ids"]), *handed_on),
        joined((told.decided, by(sources, Way.FILTER))),
    )


def _told(reader: Reader, projection: Node) -> Rows:
    """What a table function is told; DuckDB writes these references by the number of a WITH entry."""
    (source,) = projection["children"]
    if (projection["type"], source["type"]) != ("LOGICAL_PROJECTION", "LOGICAL_CTE_REF"):
        raise Unread("a table function over something else")
    beneath = reader.rows(source)
    expressions = _by_position(projection["expressions"], source["table_index"])
    return Rows(reader.values(expressions, beneath.columns), beneath.decided)


def _by_position(node: Any, table: int) -> Any:
    if isinstance(node, list):
        return [_by_position(item, table) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("expression_class") != "BOUND_COLUMN_REF":
        return {key: _by_position(child, table) for key, child in node.items()}
    if node["binding"]["table_index"] != table or node["depth"]:
        raise Unread("a reference to another table")
    return {**node, "expression_class": "BOUND_REF", "index": node["binding"]["column_index"]}


def _dummy_scan(reader: Reader, operator: Node) -> Rows:
    return Rows((Made(None),))


def _empty_result(reader: Reader, operator: Node) -> Rows:
    return Rows(tuple(Made(without_collation(kind)) for kind in operator["return_types"]))


def _expression_get(reader: Reader, operator: Node) -> Rows:
    child = reader.only(operator)
    lists = [reader.values(row, child.columns) for row in operator["expressions"]]
    return Rows(tuple(merged(column) for column in zip(*lists, strict=True)), child.decided)


def _projection(reader: Reader, operator: Node) -> Rows:
    child = reader.only(operator)
    return Rows(reader.values(operator["expressions"], child.columns), child.decided)


def _same_columns(**deciding: Way) -> Callable[[Reader, Node], Rows]:
    """An operator that hands on its child's columns; the keys hold what it decides by."""

    def read(reader: Reader, operator: Node) -> Rows:
        child = reader.only(operator)
        decided = [reads(operator[key], child.columns, way) for key, way in deciding.items()]
        kept = operator.get("projection_map") or operator.get("projections") or ()
        return Rows(picked(child.columns, kept), joined((child.decided, *decided)))

    return read


def _more_columns(reader: Reader, operator: Node) -> Rows:
    """A window or an unnest: its child's columns and some more."""
    child = reader.only(operator)
    expressions = operator["expressions"]
    decided = child.decided
    if operator["type"] == "LOGICAL_UNNEST":
        decided = joined((decided, reads(expressions, child.columns, Way.FILTER)))
    return Rows(child.columns + reader.values(expressions, child.columns), decided)


def _aggregate(reader: Reader, operator: Node) -> Rows:
    child = reader.only(operator)
    groups = reader.values(operator["groups"], child.columns)
    grouped = by(reads(operator["groups"], child.columns, Way.GROUP), Way.GROUP)
    # DuckDB counts up to one row where EXISTS asks whether there is one.
    exists = operator["children"][0]["type"] == "LOGICAL_LIMIT"
    made = [
        replace(column, sources=joined((column.sources, grouped)), count=column.count and not exists)
        for column in reader.values(operator["expressions"], child.columns)
    ]
    grouping = [Made(None) for _ in operator["grouping_functions"]]
    return Rows((*groups, *made, *grouping), joined((child.decided, grouped)))


def _union(reader: Reader, operator: Node) -> Rows:
    return _united([reader.rows(child) for child in operator["children"]])


def _united(parts: Sequence[Rows]) -> Rows:
    kinds = [[column.kind for column in part.columns] for part in parts]
    if any(kind != kinds[0] for kind in kinds):
        raise Unread("a set operation over other types")
    columns = tuple(merged(column) for column in zip(*(part.columns for part in parts), strict=True))
    return Rows(columns, joined(part.decided for part in parts))


def _common(reader: Reader, operator: Node) -> Rows:
    """INTERSECT, whose values are both sides', and EXCEPT, whose values are the first side's."""
    parts = [reader.rows(child) for child in operator["children"]]
    both = _united(parts)
    compared = [by(column.sources, Way.FILTER) for column in both.columns]
    decided = joined((both.decided, *compared))
    return Rows(both.columns if operator["type"] == "LOGICAL_INTERSECT" else parts[0].columns, decided)


def _cte(reader: Reader, operator: Node) -> Rows:
    definition, use = operator["children"]
    rows = reader.rows(definition)
    if operator["ctename"].startswith(_OWN_GROUPS):
        rows = replace(rows, decided=reader.only(definition).decided)
    reader.ctes[operator["table_index"]] = rows
    return reader.rows(use)


def _cte_reference(reader: Reader, operator: Node) -> Rows:
    rows = reader.ctes[operator["cte_index"]]
    kinds = [without_collation(kind) for kind in operator["chunk_types"]]
    if any(made.kind not in (None, kind) for made, kind in zip(rows.columns, kinds, strict=True)):
        raise Unread("a WITH entry of another type")
    return rows


def _recursive_cte(reader: Reader, operator: Node) -> Rows:
    """What the recursive part makes of its own result, until it adds nothing."""
    if operator["key_targets"]:
        raise Unread("WITH RECURSIVE … USING KEY")
    first, again = operator["children"]
    rows = reader.rows(first)
    while True:
        reader.ctes[operator["table_index"]] = rows
        grown = _united([rows, reader.rows(again)])
        if grown == rows:
            return rows
        rows = grown


def _cross_product(reader: Reader, operator: Node) -> Rows:
    left, right = (reader.rows(child) for child in operator["children"])
    columns = right.columns
    if _is_one_row(operator["children"][1]):  # a subquery that stands for a value
        return Rows(left.columns + chosen_by(columns, right.decided), left.decided)
    return Rows(left.columns + columns, joined((left.decided, right.decided)))


def _is_one_row(operator: Node) -> bool:
    if operator["type"] in ("LOGICAL_PROJECTION", "LOGICAL_MATERIALIZED_CTE"):
        return _is_one_row(operator["children"][-1])
    return operator["type"] == "LOGICAL_AGGREGATE_AND_GROUP_BY" and not operator["groups"]


def _join(reader: Reader, operator: Node) -> Rows:
    if operator.get("delim_flipped") or operator["join_type"] not in _JOINS:
        raise Unread(f"join {operator['join_type']}")
    left, right = (reader.rows(child) for child in operator["children"])
    # One without a right side is no comparison of the two sides, but an expression over both.
    conditions = [each for each in operator.get("conditions") or [] if each["right"] is not None]
    over_both = [each["left"] for each in operator.get("conditions") or [] if each["right"] is None]
    one_row = _groups_are_keys(operator["children"][1], conditions)
    if one_row:
        right = _not_grouped(right, reads([c["right"] for c in conditions], right.columns, Way.JOIN))
    compared = joined(
        (
            reads([c["left"] for c in conditions], left.columns, Way.JOIN),
            reads([c["right"] for c in conditions], right.columns, Way.JOIN),
            reads([*over_both, operator.get("condition")], left.columns + right.columns, Way.JOIN),
        )
    )
    chosen = joined((compared, right.decided))
    lefts, rights = left.columns, right.columns
    if operator["join_type"] in ("SEMI", "ANTI"):
        rights = ()
    elif operator["join_type"] == "MARK":
        rights = (Made(BOOLEAN, joined((by(compared, Way.TRANSFORMATION), right.decided))),)
    else:
        if _is_told(operator):
            rights = chosen_by(rights, chosen)
        lefts, rights = _shared(reader, conditions, lefts, rights)
        rights = picked(rights, operator.get("right_projection_map") or ())
    lefts = picked(lefts, operator.get("left_projection_map") or ())
    adds_a_value = operator["join_type"] in ("MARK", "SINGLE") or (
        one_row and operator["join_type"] == "LEFT"
    )
    return Rows(lefts + rights, left.decided if adds_a_value else joined((left.decided, chosen)))


def _groups_are_keys(right: Node, conditions: Sequence[Node]) -> bool:
    """Whether the right side is grouped by just what it is joined by: a subquery that is told those keys."""
    keys = [condition["right"] for condition in conditions]
    while right["type"] == "LOGICAL_PROJECTION" and all("index" in key for key in keys):
        keys = [right["expressions"][position(key["index"], len(right["expressions"]))] for key in keys]
        (right,) = right["children"]
    if right["type"] != "LOGICAL_AGGREGATE_AND_GROUP_BY" or len(right["grouping_sets"]) > 1:
        return False
    return bool(keys) and {key.get("index") for key in keys} == set(range(len(right["groups"])))


def _not_grouped(rows: Rows, keys: Sources) -> Rows:
    """The rows without the groups that are no more than what they are joined by."""

    def without(sources: Sources) -> Sources:
        return {
            source: ways - {Way.GROUP} if source in keys else ways
            for source, ways in sources.items()
            if source not in keys or ways != {Way.GROUP}
        }

    columns = tuple(replace(column, sources=without(column.sources)) for column in rows.columns)
    return Rows(columns, without(rows.decided))


_JOINS = ("INNER", "LEFT", "RIGHT", "FULL", "SEMI", "ANTI", "MARK", "SINGLE")


def _is_told(operator: Node) -> bool:
    """Whether the right side may be a subquery that uses columns of the left one.

    DuckDB puts the subquery's own columns in the place of those that they equal, and that equation into the
    join: what stands on the right may have been written with a column on the left.
    """
    comparisons = [condition["comparison"] for condition in operator.get("conditions") or ()]
    return operator["join_type"] == "SINGLE" or "COMPARE_NOT_DISTINCT_FROM" in comparisons


def _shared(
    reader: Reader, conditions: Sequence[Node], left: Sequence[Made], right: Sequence[Made]
) -> tuple[tuple[Made, ...], tuple[Made, ...]]:
    """The columns of both sides, those that USING makes one of two being made of both."""
    lefts, rights = list(left), list(right)
    for condition in conditions:
        if condition["comparison"] == "COMPARE_EQUAL":
            _share(reader, condition["left"], lefts, reader.value(condition["right"], right))
            _share(reader, condition["right"], rights, reader.value(condition["left"], left))
    return tuple(lefts), tuple(rights)


def _share(reader: Reader, side: Node, columns: list[Made], other: Made) -> None:
    """Let the columns of one side of USING's equation be made of the other side's too."""
    if not reader.is_shared(side):
        return
    if reader.handed_on(side, columns) is None:
        other = replace(other, sources=through(other.sources, Way.TRANSFORMATION))
    for reference in references(side):
        index = position(reference["index"], len(columns))
        columns[index] = merged((columns[index], other))


_OPERATORS: Mapping[str, Callable[[Reader, Node], Rows]] = {
    "LOGICAL_AGGREGATE_AND_GROUP_BY": _aggregate,
    "LOGICAL_ANY_JOIN": _join,
    "LOGICAL_ASOF_JOIN": _join,
    "LOGICAL_COMPARISON_JOIN": _join,
    "LOGICAL_CROSS_PRODUCT": _cross_product,
    "LOGICAL_CTE_REF": _cte_reference,
    "LOGICAL_DISTINCT": _same_columns(distinct_targets=Way.GROUPED, order_by=Way.SORT),
    "LOGICAL_DUMMY_SCAN": _dummy_scan,
    "LOGICAL_EMPTY_RESULT": _empty_result,
    "LOGICAL_EXCEPT": _common,
    "LOGICAL_EXPRESSION_GET": _expression_get,
    "LOGICAL_FILTER": _same_columns(expressions=Way.FILTER),
    "LOGICAL_GET": _get,
    "LOGICAL_INTERSECT": _common,
    "LOGICAL_LIMIT": _same_columns(limit_val=Way.FILTER, offset_val=Way.FILTER),
    "LOGICAL_MATERIALIZED_CTE": _cte,
    "LOGICAL_ORDER_BY": _same_columns(orders=Way.SORT),
    "LOGICAL_POSITIONAL_JOIN": _cross_product,
    "LOGICAL_PROJECTION": _projection,
    "LOGICAL_RECURSIVE_CTE": _recursive_cte,
    "LOGICAL_SAMPLE": _same_columns(),
    "LOGICAL_UNION": _union,
    "LOGICAL_UNNEST": _more_columns,
    "LOGICAL_WINDOW": _more_columns,
}
