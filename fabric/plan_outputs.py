"""What an operator of DuckDB's logical plan hands on: which columns of relations, and how they fare in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fabric.plan_nodes import Node, widens


@dataclass(frozen=True, slots=True)
class Key:
    """A column of a relation, by its position."""

    relation: str
    column: int


@dataclass(frozen=True, slots=True)
class Output:
    """A column of an operator that is a relation's own; ``whole``: each row of the relation stands by itself in it.

    ``apart`` says so too, but there may be rows of none beside them, where it is NULL; ``required`` that it never is.
    """

    key: Key
    whole: bool
    required: bool
    apart: bool = True


Outputs = list[Output | None]
"""None for a column of which nothing is known; empty where not even their number is."""


def of(expression: Node, inputs: Outputs) -> Output | None:
    """The relation's column that an expression is, whatever whole number it is widened to."""
    while expression["type"] == "OPERATOR_CAST":
        (inner,) = expression["children"]
        if not widens(inner, expression):
            return None
        expression = inner
    if expression["type"] != "BOUND_REF":
        return None
    place = expression["index"]
    return inputs[place] if 0 <= place < len(inputs) else None


def mapped(outputs: Outputs, places: Sequence[int] | None) -> Outputs:
    """The columns at some places, or all where none are named."""
    return [outputs[place] for place in places if place < len(outputs)] if places else outputs


def beside(left: Outputs, right: Outputs) -> Outputs:
    """The columns of both; nobody knows the places of any where the number of some is not known."""
    return left + right if left and right else []


def parted(outputs: Outputs) -> Outputs:
    """The same where rows of none may be beside them."""
    return [replace(each, whole=False) if each else None for each in outputs]


def mixed(outputs: Outputs) -> Outputs:
    """The same where what becomes of a row depends on others."""
    return [replace(each, whole=False, apart=False) if each else None for each in outputs]
