"""Which relation's keys decide what of another one matters, and what of it is not needed, read from DuckDB's logical plan.

Rows of a relation that meet nobody in a join change no answer. Where the join's key is a plain column on both sides,
the keys of the one side are therefore a filter on the other: a semi-join. Nor do rows change an answer for which a
condition is not true that stands over nothing but their relation, wherever in the plan it stands. The plan is the one that
``json_serialize_plan(…, optimize := true)`` of DuckDB 2.0 gives when only filters were moved (``blueprints.py``); an
operator or a field that is not known here hands on no column, so that nothing is concluded from it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any

from fabric.implied import Condition, as_condition, computes
from fabric.plan_nodes import (
    KEEPS,
    REDUCES,
    UNFOLLOWED,
    USES,
    Node,
    adds,
    counts,
    ignores_repeats,
    references,
    refers,
    requires,
)
from fabric.plan_outputs import Key, Output, Outputs, beside, mapped, mixed, of, parted
from fabric.truncations import finest, looks


@dataclass(frozen=True, slots=True)
class Edge:
    """No row of ``target`` matters whose column equals none of ``source``'s."""

    target: Key
    source: Key


@dataclass(frozen=True, slots=True)
class JoinGraph:
    """What a statement says of its relations.

    ``sets`` are those of which it is the same how often each row is there; ``filtered`` columns of which nothing but
    filters right over their relation is read, ``counted`` ones of which nothing is but how many are not NULL. Of ``summed``
    ones nothing is but sums and such numbers, and what becomes of a row does not depend on other rows of the relation.
    Of ``truncated`` ones nothing is but what a unit of the date says, or whether it is NULL.
    Along ``unfollowed`` edges DuckDB carries no keys itself. ``conditions`` are those over expressions of the columns of one relation that is read once.
    """

    edges: tuple[Edge, ...] = ()
    sets: frozenset[str] = frozenset()
    filtered: frozenset[Key] = frozenset()
    counted: frozenset[Key] = frozenset()
    summed: frozenset[Key] = frozenset()
    truncated: Mapping[Key, str] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    unfollowed: frozenset[Edge] = frozenset()

    def without(self, relations: Set[str]) -> JoinGraph:
        """The same with no key that comes from these relations, or goes to them."""
        edges = tuple(
            edge for edge in self.edges if not {edge.target.relation, edge.source.relation} & relations
        )
        return replace(self, edges=edges, unfollowed=self.unfollowed & set(edges))

    def named(self, names: Mapping[str, str]) -> JoinGraph:
        """The same with other names of its relations."""
        edges, unfollowed = (
            tuple(
                Edge(
                    replace(edge.target, relation=names[edge.target.relation]),
                    replace(edge.source, relation=names[edge.source.relation]),
                )
                for edge in each
            )
            for each in (self.edges, self.unfollowed)
        )
        filtered, counted, summed = (
            frozenset(Key(names[key.relation], key.column) for key in keys)
            for keys in (self.filtered, self.counted, self.summed)
        )
        sets = frozenset(names[relation] for relation in self.sets)
        conditions = (replace(each, relation=names[each.relation]) for each in self.conditions)
        truncated = {Key(names[key.relation], key.column): unit for key, unit in self.truncated.items()}
        return JoinGraph(
            edges, sets, filtered, counted, summed, truncated, tuple(conditions), frozenset(unfollowed)
        )


def join_graph(plan: str, relation_of: Callable[[str, int], Key | None]) -> JoinGraph:
    """What a logical plan says, each edge once.

    Args:
        plan: as JSON.
        relation_of: the key of a column, by the name of its table in the plan and its position there.
    """
    answer = json.loads(plan)
    reader = _Reader(relation_of)
    for node in answer["plans"]:
        reader.use_all(reader.outputs(node))
    # A relation that is read twice must keep what either reading needs.
    alone = {relation for relation, count in reader.seen.items() if count == 1}
    edges = dict.fromkeys(edge for edge in reader.edges if edge.target.relation in alone)
    unread = {key for key in reader.gotten - reader.used if key.relation in alone and not reader.lost}
    filtered = frozenset(unread - reader.counted - reader.added)
    counted = frozenset(unread & reader.counted - reader.added - reader.tested)
    summed = frozenset(unread & (reader.counted | reader.added) - reader.mixed - reader.tested)
    parts = (
        {} if reader.lost else {key: units for key, units in reader.units.items() if key not in reader.bare}
    )
    truncated = {key: finest(units) for key, units in parts.items() if key.relation in alone}
    conditions = tuple(each for each in reader.conditions if each.relation in alone)
    sets, unfollowed = frozenset(reader.sets & alone), frozenset(reader.unfollowed & edges.keys())
    return JoinGraph(tuple(edges), sets, filtered, counted, summed, truncated, conditions, unfollowed)


class _Reader:
    def __init__(self, relation_of: Callable[[str, int], Key | None]) -> None:
        self._relation_of = relation_of
        self.edges: list[Edge] = []
        self.unfollowed: set[Edge] = set()
        self.conditions: list[Condition] = []
        self.seen: Counter[str] = Counter()
        self.sets: set[str] = set()
        self.gotten: set[Key] = set()
        self.used: set[Key] = set()
        self.counted: set[Key] = set()
        self.added: set[Key] = set()
        self.mixed: set[Key] = set()
        self.tested: set[Key] = set()
        self.bare: set[Key] = set()
        self.units: dict[Key, set[str]] = {}
        self.lost = False

    def outputs(self, node: Node) -> Outputs:
        """The columns that an operator hands on; what it says is noted on the way."""
        inputs = [self.outputs(child) for child in node["children"]]
        read = self._READERS.get(node["type"])
        found = read(self, node, inputs) if read else []
        known = USES.get(node["type"])
        if not found or known is None or any(refers(node[key]) for key in node.keys() - known - {"children"}):
            for each in inputs:
                self.use_all(each)
        return found

    def use_all(self, outputs: Outputs) -> None:
        """Note that all columns are used."""
        self.lost |= not outputs
        keys = {each.key for each in outputs if each}
        self.used |= keys
        self.bare |= keys

    def _use(self, tree: Any, outputs: Outputs) -> None:
        self.used |= self._read(tree, outputs)

    def _read(self, tree: Any, outputs: Outputs) -> set[Key]:
        """The columns that an expression, or several, read; how much of each is noted."""
        places = set(looks(tree))
        self.lost |= any(place >= len(outputs) for place, _ in places)
        read = ((outputs[place], unit) for place, unit in places if place < len(outputs))
        found = {(output.key, unit) for output, unit in read if output}
        for key, unit in found:
            self._note_look(key, unit)
        return {key for key, _ in found}

    def _note_look(self, key: Key, unit: str) -> None:
        if unit:
            self.units.setdefault(key, set()).add(unit)
        else:
            self.bare.add(key)

    def _get(self, node: Node, inputs: list[Outputs]) -> Outputs:
        table = (node.get("function_data") or {}).get("table")
        if inputs:
            return []
        if not isinstance(table, str):
            return [None] * len(node["projection_ids"] or node["column_indexes"])
        tested = {each["key"] for each in node["table_filters"]["filters"] if requires(each["value"])}
        positions = [each["index"] for each in node["column_indexes"]]
        for each in node["table_filters"]["filters"]:
            key = self._relation_of(table, positions[each["key"]])
            output, test = Output(key, True, False) if key else None, as_condition(each["value"])
            self._take(test, [output])
            if key:
                for _, unit in looks(test):
                    self._note_look(key, unit)
        found: Outputs = []
        for place in node["projection_ids"] or range(len(positions)):
            key = self._relation_of(table, positions[place])
            found.append(Output(key, True, place in tested) if key else None)
        keys = [self._relation_of(table, position) for position in positions]
        self.gotten |= {key for key in keys if key}
        several = bool(node["table_filters"]["multi_column_filters"])
        filters = {each["key"] for each in node["table_filters"]["filters"]}
        self.tested |= {key for place, key in enumerate(keys) if key and (several or place in filters)}
        self.bare |= {key for key in keys if key and several}
        first = self._relation_of(table, 0)
        if first is not None:
            self.seen[first.relation] += 1
        return found

    def _projection(self, node: Node, inputs: list[Outputs]) -> Outputs:
        found = [of(expression, inputs[0]) for expression in node["expressions"]]
        self._use(
            [each for each, known in zip(node["expressions"], found, strict=True) if not known], inputs[0]
        )
        return found

    def _filter(self, node: Node, inputs: list[Outputs]) -> Outputs:
        for expression in node["expressions"]:
            self._take(expression, inputs[0])
        read = self._read(node["expressions"], inputs[0])
        if node["children"][0]["type"] == "LOGICAL_GET":
            self.tested |= read
        else:
            self.used |= read
        return mapped(inputs[0], node.get("projection_map"))

    def _take(self, expression: Mapping[str, Any], inputs: Outputs) -> None:
        """Note a condition, where it is on rows of one relation that stand by themselves."""
        if not computes(expression):
            return
        places = frozenset(references(expression))
        keys = {place: inputs[place] if place < len(inputs) else None for place in places}
        found = {place: output.key for place, output in keys.items() if output and output.whole}
        relations = {key.relation for key in found.values()}
        if len(found) == len(places) and len(relations) == 1:
            columns = {place: key.column for place, key in found.items()}
            self.conditions.append(Condition(relations.pop(), expression, columns))

    def _ordered(self, node: Node, inputs: list[Outputs]) -> Outputs:
        self._use(node["orders"], inputs[0])
        return mapped(inputs[0], node.get("projection_map"))

    def _cut(self, node: Node, inputs: list[Outputs]) -> Outputs:
        """Which rows go on depends on the others."""
        return mixed(inputs[0])

    def _aggregate(self, node: Node, inputs: list[Outputs]) -> Outputs:
        if all(map(ignores_repeats, node["expressions"])):
            self._note_set(node["children"][0])
        for each in node["expressions"]:
            self._note_added(each, inputs[0])
        self._use(node["groups"], inputs[0])
        groups = [of(group, inputs[0]) for group in node["groups"]]
        if len(node.get("grouping_sets") or ()) > 1:
            groups = [None] * len(groups)
        return groups + [None] * (len(node["expressions"]) + len(node.get("grouping_functions") or ()))

    def _note_added(self, aggregate: Node, inputs: Outputs) -> None:
        """Note what an aggregate reads: a column of which it takes but the sum and the number, or all that it names."""
        found = of(aggregate["children"][0], inputs) if adds(aggregate) else None
        if found is None or not (found.apart or counts(aggregate)):
            self._use(aggregate, inputs)
            return
        (self.counted if counts(aggregate) else self.added).add(found.key)
        if not found.apart:
            self.mixed.add(found.key)
        if aggregate["qname"]["path"][-1] != "count":
            self.bare.add(found.key)
        self._use(aggregate["filter"], inputs)

    def _window(self, node: Node, inputs: list[Outputs]) -> Outputs:
        self._use(node["expressions"], inputs[0])
        return beside(mixed(inputs[0]), [None] * len(node["expressions"]))

    def _combined(self, node: Node, inputs: list[Outputs]) -> Outputs:
        count: int = node["column_count"]
        return [None] * count

    def _kept(self, node: Node, inputs: list[Outputs]) -> Outputs:
        return [None] * len(node["chunk_types"])

    def _listed(self, node: Node, inputs: list[Outputs]) -> Outputs:
        return [None] * len(node["expr_types"])

    def _body(self, node: Node, inputs: list[Outputs]) -> Outputs:
        return inputs[1]

    def _cross(self, node: Node, inputs: list[Outputs]) -> Outputs:
        return beside(*inputs)

    def _join(self, node: Node, inputs: list[Outputs]) -> Outputs:
        left, right = inputs
        kind = node["join_type"]
        keeps = KEEPS.get(kind)
        if keeps is None:
            return []
        for condition in node["conditions"]:
            if condition["right"] is None:  # no comparison of the two sides, but an expression over both
                self._use(condition["left"], beside(left, right))
                continue
            self._use(condition["left"], left)
            self._use(condition["right"], right)
            self._note(kind, condition, left, right)
        if kind in ("SEMI", "ANTI", "MARK"):
            self._note_set(node["children"][1])
        left = mapped(left, node.get("left_projection_map"))
        right = mapped(right, node.get("right_projection_map"))
        left, right = (
            side if kept else parted(side) for side, kept in zip((left, right), keeps, strict=True)
        )
        if kind in ("SEMI", "ANTI"):
            return left
        if kind == "SINGLE":
            # A second row that meets the same one is an error.
            right = mixed(right)
        return beside(left, [None] if kind == "MARK" else right)

    def _note(self, kind: str, condition: Node, left: Outputs, right: Outputs) -> None:
        comparison = condition["comparison"]
        if comparison not in ("COMPARE_EQUAL", "COMPARE_NOT_DISTINCT_FROM"):
            return
        ours, theirs = of(condition["left"], left), of(condition["right"], right)
        if ours is None or theirs is None:
            return
        reduces_left, reduces_right = REDUCES.get(kind, (False, False))
        # Where NULL may equal NULL and there is none, a mark is true or false, whatever else is there.
        reduces_right |= kind == "MARK" and comparison == "COMPARE_NOT_DISTINCT_FROM"
        for target, source, reduces in ((ours, theirs, reduces_left), (theirs, ours, reduces_right)):
            # NULL is among nobody's keys, and must then have no match anyway.
            if reduces and target.whole and (comparison == "COMPARE_EQUAL" or target.required):
                self.edges.append(edge := Edge(target.key, source.key))
                if kind in UNFOLLOWED:
                    self.unfollowed.add(edge)

    def _distinct(self, node: Node, inputs: list[Outputs]) -> Outputs:
        if node["distinct_type"] == "DISTINCT":
            self._note_set(node["children"][0])
        return self._cut(node, inputs)

    def _note_set(self, node: Node) -> None:
        """Note the relation whose rows an operator hands on one by one, if it is one, where only the different ones count."""
        while (
            node["type"] in ("LOGICAL_PROJECTION", "LOGICAL_FILTER", "LOGICAL_ORDER_BY")
            or node.get("join_type") in ("SEMI", "ANTI")
        ):  # fmt: skip
            node = node["children"][0]
        table = (node.get("function_data") or {}).get("table")
        if node["type"] == "LOGICAL_GET" and not node["children"] and isinstance(table, str):
            first = self._relation_of(table, 0)
            if first is not None:
                self.sets.add(first.relation)

    _READERS: Mapping[str, Callable[[_Reader, Node, list[Outputs]], Outputs]] = {
        "LOGICAL_GET": _get,
        "LOGICAL_PROJECTION": _projection,
        "LOGICAL_FILTER": _filter,
        "LOGICAL_ORDER_BY": _ordered,
        "LOGICAL_LIMIT": _cut,
        "LOGICAL_TOP_N": _cut,
        "LOGICAL_DISTINCT": _distinct,
        "LOGICAL_AGGREGATE_AND_GROUP_BY": _aggregate,
        "LOGICAL_CROSS_PRODUCT": _cross,
        "LOGICAL_COMPARISON_JOIN": _join,
        "LOGICAL_WINDOW": _window,
        "LOGICAL_UNNEST": _window,
        "LOGICAL_UNION": _combined,
        "LOGICAL_EXCEPT": _combined,
        "LOGICAL_INTERSECT": _combined,
        "LOGICAL_CTE_REF": _kept,
        "LOGICAL_EXPRESSION_GET": _listed,
        "LOGICAL_MATERIALIZED_CTE": _body,
    }
