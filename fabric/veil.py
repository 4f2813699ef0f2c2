"""Values that decide about nothing but themselves: a statement is planned once for all of them.

``id = 7`` and ``id = 8`` differ in a value only, but DuckDB's optimizer reckons with values: for ``id = 2`` it drops the
first half of ``id > 3 OR k = 7``, so that a plan for one value may demand too little for another. There is nothing to
reckon with where the column is named nowhere else, neither in the statement nor in a product or a rule beneath it,
except to be handed on under its own name. Such a value is put back into what DuckDB says of the same statement with
another one in its place.
"""

from __future__ import annotations

import json
import re
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from fabric.resolve import relations
from fabric.types import Governed, Table

_COMPARISONS = (exp.EQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
# Well within INTEGER, so that no comparison with a column of that type is always true or always false.
_BELOW = 2**30
_FIRST = _BELOW + secrets.randbelow(2**29)
_TEXT = f"ripstop {secrets.token_hex(8)}"
_STAND_IN = re.compile(rf"'{_TEXT} (\d+)'|\b(1\d{{9}})\b")
_KINDS = {False: frozenset({"INTEGER", "BIGINT"}), True: frozenset({"VARCHAR"})}
# What hands a column on by its position, by a pattern, or as a part of something larger.
_BY_POSITION = (
    exp.SetOperation,
    exp.Pivot,
    exp.Columns,
    exp.Lateral,
    exp.UDTF,
    exp.Struct,
    exp.Lambda,
)


@dataclass(frozen=True, slots=True)
class Veiled:
    """A governed statement's tree with stand-ins in the places of ``values``, which are texts of its own literals."""

    tree: exp.Expr
    values: tuple[str, ...]

    def restore(self, text: str) -> str:
        """A text that was made of the tree, with the statement's own values."""
        return _STAND_IN.sub(lambda match: self._value(match) or match[0], text)

    def restore_json(self, text: str) -> str:
        """The same of a JSON document, in whose strings they stand."""
        return _STAND_IN.sub(lambda match: json.dumps(self._value(match) or match[0])[1:-1], text)

    def stands_in(self, text: str) -> int:
        """How often stand-ins occur in a text; -1 when one of them does not."""
        found = Counter(match[0] for match in _STAND_IN.finditer(text) if self._value(match))
        return found.total() if len(found) == len(self.values) else -1

    def _value(self, match: re.Match[str]) -> str | None:
        number = int(match[1]) if match[1] else int(match[2]) - _FIRST
        return self.values[number] if 0 <= number < len(self.values) else None


def veil(governed: Governed) -> Veiled | None:
    """The statement with stand-ins for the values that decide about nothing but themselves; None without any."""
    resolved = governed.resolved
    found = [(literal, _column(literal)) for literal in resolved.tree.find_all(exp.Literal)]
    asked = [(literal, column) for literal, column in found if column]
    if not asked or not _hands_on_by_name(governed):
        return None
    named = Counter(_named(governed))
    free = {
        id(literal)
        for literal, column in asked
        if named[column] == 1 and _has_type(governed, column, literal)
    }
    if not free:
        return None
    places = [n for n, (literal, _) in enumerate(found) if id(literal) in free]
    tree, values = resolved.tree.copy(), list[str]()
    literals = list(tree.find_all(exp.Literal))
    for place in places:
        literal = literals[place]
        text = f"{_TEXT} {len(values)}" if literal.is_string else str(_FIRST + len(values))
        values.append(literal.sql(dialect="duckdb"))
        literal.set("this", text)
    return Veiled(tree, tuple(values))


def _column(literal: exp.Literal) -> str:
    """The lower-cased name of the column that a literal is compared with in a WHERE's conjunct; else empty."""
    comparison = literal.parent
    if not isinstance(comparison, _COMPARISONS) or not _is_conjunct(comparison):
        return ""
    other = comparison.this if comparison.expression is literal else comparison.expression
    if not isinstance(other, exp.Column) or not literal.name:
        return ""
    digits = literal.name.isascii() and literal.name.isdigit()
    return other.name.lower() if literal.is_string or (digits and int(literal.name) < _BELOW) else ""


def _is_conjunct(node: exp.Expr) -> bool:
    above = node.parent
    while isinstance(above, exp.And | exp.Paren):
        above = above.parent
    # The WHERE of an aggregate's FILTER stands in the name of a column.
    return isinstance(above, exp.Where) and isinstance(above.parent, exp.Select)


def _statements(governed: Governed) -> Iterator[exp.Expr]:
    """The statement, and the bodies of products beneath it."""
    yield governed.resolved.tree
    for relation in relations(governed.resolved, governed.decisions):
        if relation.body is not None:
            yield relation.body.tree


def _rules(governed: Governed) -> Iterator[exp.Expr]:
    for relation in relations(governed.resolved, governed.decisions):
        for group in governed.decisions[relation.id].rows:
            yield from (row_filter.condition.tree for row_filter in group)


def _hands_on_by_name(governed: Governed) -> bool:
    """Whether every column goes on from one SELECT to the next under its name or an alias, and in no other way."""
    for tree in (*_statements(governed), *_rules(governed)):
        for node in tree.walk():
            if isinstance(node, _BY_POSITION):
                return False
            if isinstance(node, exp.TableAlias) and node.columns:
                return False
            if isinstance(node, exp.Join) and node.method:
                return False
            if isinstance(node, exp.Select) and not _is_in_from(node):
                return False
    return True


def _is_in_from(select: exp.Select) -> bool:
    above = select.parent
    if isinstance(above, exp.Subquery):
        above = above.parent
        return isinstance(above, exp.From | exp.Join)
    return above is None or isinstance(above, exp.CTE)


def _named(governed: Governed) -> Iterator[str]:
    """Every identifier in lower case, but for columns that a SELECT's list hands on."""
    for tree in _statements(governed):
        for identifier in tree.find_all(exp.Identifier):
            if not _is_handed_on(identifier):
                yield identifier.name.lower()
    for rule in _rules(governed):
        yield from (identifier.name.lower() for identifier in rule.find_all(exp.Identifier))


def _is_handed_on(identifier: exp.Identifier) -> bool:
    column = identifier.parent
    if not isinstance(column, exp.Column) or column.this is not identifier or column.args.get("db"):
        return False
    return column.arg_key == "expressions" and isinstance(column.parent, exp.Select)


def _has_type(governed: Governed, column: str, literal: exp.Literal) -> bool:
    """Whether every column of that name beneath the statement has the literal's own type, and no mask."""
    found = False
    for relation in relations(governed.resolved, governed.decisions):
        decision = governed.decisions[relation.id]
        if column in decision.hidden or any(mask.column == column for mask in decision.masks):
            return False
        if isinstance(relation.object, Table):
            types = {each.type for each in relation.object.columns if each.name.lower() == column}
            found = found or bool(types)
            if not types <= _KINDS[literal.is_string]:
                return False
    return found
