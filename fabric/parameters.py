"""The types of placeholders that are not bound yet: those that DuckDB's own bound plan gives them.

DuckDB types a placeholder by what stands around it (a comparison, a cast, a function with one signature) and
gives no plan where that does not decide it (``? + 1``). Then each placeholder is asked for alone, and one that
still has no plan has no type.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from sqlglot import exp

from fabric.binding import PLACE
from fabric.compose import empty_relations, inline, table_relations
from fabric.engine import Engine
from fabric.remembered import Numbered, Remembered
from fabric.types import Governed, Resolved

MOST_ASKED_ALONE = 16
"""Statements with more placeholders than this are asked about only as a whole."""

_REMEMBERED = 1_000


class ParameterTypes:
    """Tells the types of placeholders, and remembers them by statement.

    Args:
        engine: binds the statements.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: Remembered[tuple[str | None, ...]] = Remembered(_REMEMBERED)

    def of(self, governed: Governed, count: int) -> tuple[str | None, ...]:
        """The DuckDB type of each placeholder, in order; None where DuckDB cannot say.

        Args:
            governed: the statement, bound to no parameters.
            count: how many placeholders it has.
        """
        if not count:
            return ()
        numbered = Numbered(_text(governed, range(1, count + 1)))
        over = empty_relations(table_relations(governed.resolved, governed.decisions))
        tables = numbered.relations(over)

        def ask(wanted: range) -> dict[int, str]:
            plan = self._engine.bound_plan(numbered.number(_text(governed, wanted)), tables)
            return _types(json.loads(plan)) if plan else {}

        return self._known.get(f"{numbered.text}\n{tables}", lambda: _each(ask, count))


def _each(ask: Callable[[range], dict[int, str]], count: int) -> tuple[str | None, ...]:
    everyone = range(1, count + 1)
    types = ask(everyone)
    if not types and 1 < count <= MOST_ASKED_ALONE:
        for number in everyone:
            types |= ask(range(number, number + 1))
    return tuple(types.get(number) or None for number in everyone)


def _text(governed: Governed, wanted: range) -> str:
    """The statement with these placeholders as parameters; the others are NULL."""
    tree = governed.resolved.tree.copy()
    for node in list(tree.find_all(exp.Null)):
        number = node.meta.get(PLACE)
        if number in wanted:
            node.replace(exp.Parameter(this=exp.Literal.number(number)))
    return inline(Resolved(tree, governed.resolved.relations), governed.decisions)


def _types(plan: dict[str, Any]) -> dict[int, str]:
    """The type of each parameter in a plan; '' where its places disagree."""
    found: dict[int, str] = {}
    for node in _parameters(plan):
        number, kind = int(node["identifier"]), _type(node["return_type"])
        found[number] = kind if found.setdefault(number, kind) == kind else ""
    return found


def _parameters(value: object) -> Iterator[dict[str, Any]]:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            if item.get("expression_class") == "BOUND_PARAMETER":
                yield item
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


def _type(kind: dict[str, Any]) -> str:
    name, info = str(kind["id"]), kind["type_info"] or {}
    if name == "DECIMAL":
        return f"DECIMAL({info['width']},{info['scale']})"
    if name == "LIST":
        element = _type(info["child_type"])
        return f"{element}[]" if element else ""
    return "" if name in ("UNKNOWN", "NULL", "INVALID") else name
