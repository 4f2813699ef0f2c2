"""Stored data, and when it may be read: while the reader's decisions on all that it was made of are no stricter than then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fabric.errors import ResultOutdated
from fabric.resolve import relations
from fabric.types import Decision, Governed, Mask, Relation, Resolved, Table

Ruled = dict[str, Any]
"""What was decided on one relation, as JSON has it."""


@dataclass(frozen=True, slots=True)
class StoredTable(Table):
    """A table in the lake: ``made_of`` is the statement that made it, as resolved for the one who reads now.

    It is judged whenever the table is read, and never run. ``made_under`` is what was decided on it then.
    """

    made_of: Resolved | None = None
    made_under: tuple[Ruled, ...] = ()


def judged(resolved: Resolved, decisions: Mapping[str, Decision] | None = None) -> Iterator[Relation]:
    """As ``fabric.resolve.relations``, and in front of a stored table what it was made of."""
    for relation in relations(resolved, decisions):
        if isinstance(relation.object, StoredTable) and relation.object.made_of is not None:
            yield from judged(relation.object.made_of, decisions)
        yield relation


def asked_for(resolved: Resolved) -> Iterator[Relation]:
    """What a principal must have rights to: what the statement names, of a stored table what that names."""
    for relation in resolved.relations:
        if isinstance(relation.object, StoredTable) and relation.object.made_of is not None:
            yield from asked_for(relation.object.made_of)
        else:
            yield relation


def stored_parts(found: StoredTable) -> Sequence[Relation]:
    """What the statement that made it names."""
    return found.made_of.relations if found.made_of is not None else ()


def outdated(written: str) -> ResultOutdated:
    """The answer to a stored result that was made under other decisions than the reader's are now."""
    return ResultOutdated(
        f"'{written}' was made under other decisions than those that hold for you now",
        hint="run its query again",
    )


def ruled(governed: Governed) -> list[Ruled]:
    """The decisions on a statement, for ``is_no_stricter``."""
    return _ruled(governed.resolved, governed.decisions, governed.principal.user)


def is_no_stricter(
    then: Sequence[Ruled], made_of: Resolved, decisions: Mapping[str, Decision], user: str
) -> bool:
    """Whether no decision on what stored data was made of takes more away now than it did then.

    Args:
        then: what was decided when it was made.
        made_of: the same statement, as resolved for the reader.
        decisions: on that, by relation id.
        user: the reader.
    """
    now = _ruled(made_of, decisions, user)
    return len(now) == len(then) and all(map(_takes_no_more, now, then))


def _ruled(resolved: Resolved, decisions: Mapping[str, Decision], user: str) -> list[Ruled]:
    return [
        {
            "object": list(relation.name.key),
            "reader": "" if relation.reader == user else relation.reader.lower(),
            "rows": sorted(sorted(each.text for each in group) for group in decisions[relation.id].rows),
            "masks": {mask.column: _mask(mask) for mask in decisions[relation.id].masks},
            "hidden": sorted(decisions[relation.id].hidden),
        }
        for relation in judged(resolved, decisions)
    ]


def _mask(mask: Mask) -> list[str]:
    return [mask.kind, mask.expression]


def _takes_no_more(now: Ruled, then: Ruled) -> bool:
    """Whether all that a decision takes away was taken then."""
    if (now["object"], now["reader"]) != (then["object"], then["reader"]):
        return False
    if not set(now["hidden"]) <= set(then["hidden"]):
        return False
    if not all(group in then["rows"] for group in now["rows"]):
        return False
    return all(
        column in then["hidden"] or then["masks"].get(column) == mask for column, mask in now["masks"].items()
    )
