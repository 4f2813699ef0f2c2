"""Stored data, and when it may be read: while the reader's decisions on all that it was made of are no stricter than then."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from sqlglot import exp

from fabric.errors import ResultOutdated
from fabric.resolve import relations
from fabric.types import Decision, Governed, Mask, Product, Relation, Resolved, Table
from fabric.types import Ruled as Ruled
from fabric.types import StoredTable as StoredTable


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


def asked(governed: Governed) -> Resolved:
    """The statement as it was asked, whatever answers it."""
    return governed.asked or governed.resolved


def age_of(stored: StoredTable) -> float:
    """How many seconds old what is stored is."""
    return (datetime.now(UTC) - stored.as_of).total_seconds() if stored.as_of else float("inf")


def is_fresh(stored: StoredTable, max_staleness: float | None) -> bool:
    """Whether what is stored is no older than so many seconds; None, as old as it may be."""
    return max_staleness is None or age_of(stored) <= max_staleness


def rests_on_fresh(governed: Governed, max_staleness: float | None) -> bool:
    """Whether no snapshot that a statement is served from is older than so many seconds."""
    read = (each.object for each in relations(governed.resolved, governed.decisions))
    return all(
        is_fresh(each, max_staleness) for each in read if isinstance(each, StoredTable) and each.is_snapshot
    )


def answering(found: Resolved, question: Resolved) -> Resolved:
    """A statement over a snapshot, which was made of what another asks."""

    def over(relation: Relation) -> Relation:
        stored = relation.object
        return (
            replace(relation, object=replace(stored, made_of=question))
            if isinstance(stored, StoredTable)
            else relation
        )

    return replace(found, relations=tuple(map(over, found.relations)))


def stored_parts(found: StoredTable) -> Sequence[Relation]:
    """What the statement that made it names."""
    return found.made_of.relations if found.made_of is not None else ()


def outdated(written: str) -> ResultOutdated:
    """The answer to a stored result that was made under other decisions than the reader's are now."""
    return ResultOutdated(
        f"'{written}' was made under other decisions than those that hold for you now",
        hint="run its query again",
    )


def outdated_product(written: str, owner: str) -> ResultOutdated:
    """The answer to a product over a stored result that was made under other decisions than hold now."""
    return ResultOutdated(
        f"'{written}' rests on a stored result that was made under other decisions than those that hold for you "
        "and its domain now",
        hint=f"ask {owner}",
    )


def outdated_snapshot(written: str, snapshot_id: str) -> ResultOutdated:
    """The answer to a snapshot that is there, and not to be read by this one as it is."""
    return ResultOutdated(
        f"snapshot '{snapshot_id}' of '{written}' was made under other rules or columns than hold for you now",
        hint="read the product without AT",
    )


def ruled(governed: Governed) -> list[Ruled]:
    """The decisions on a statement, for ``is_no_stricter``."""
    return _ruled(asked(governed), governed.decisions, of_a_person=True)


def is_no_stricter(
    then: Sequence[Ruled], made_of: Resolved, decisions: Mapping[str, Decision], *, of_a_person: bool
) -> bool:
    """Whether no decision on what stored data was made of takes more away now than it did then.

    Args:
        then: what was decided when it was made.
        made_of: the same statement, as resolved for the reader.
        decisions: on that, by relation id.
        of_a_person: whether it is a person's statement, which another may read under the same decisions; else a domain's.
    """
    now = _ruled(made_of, decisions, of_a_person=of_a_person)
    return len(now) == len(then) and all(map(_takes_no_more, now, then))


def beneath_ruled(resolved: Resolved, decisions: Mapping[str, Decision]) -> list[Ruled]:
    """The decisions on what a product is made of, for ``is_no_stricter``, and the types of its tables."""
    found = _ruled(resolved, decisions, of_a_person=False)
    made_of = (each for each in judged(resolved, decisions) if not isinstance(each.object, StoredTable))
    for relation, each in zip(made_of, found, strict=True):
        if isinstance(relation.object, Table):
            each["types"] = {column.name.lower(): column.type for column in relation.object.columns}
    return found


def parts_of(relation: Relation) -> tuple[Relation, ...]:
    """What a product's SELECT names, be it served from a snapshot or not."""
    if relation.body is None:
        return ()
    first = relation.body.relations[0].object if relation.body.relations else None
    if isinstance(first, StoredTable) and first.made_of is not None:
        return first.made_of.relations
    return relation.body.relations


def served_from(
    resolved: Resolved,
    decisions: Mapping[str, Decision],
    snapshot: Callable[[Product], StoredTable | None],
) -> tuple[Resolved, dict[str, Decision]]:
    """The statement with products read from their snapshots where that shows this reader what the live parts would.

    Args:
        resolved: the statement.
        decisions: on all of it.
        snapshot: of a product, if it has one.

    Returns:
        The statement, and the decisions on the snapshots.

    Raises:
        ResultOutdated: it names a snapshot that does not show what this reader may see: of what was, there are no live parts.
    """
    more: dict[str, Decision] = {}

    def served(relation: Relation) -> Relation:
        found, body = relation.object, relation.body
        if not isinstance(found, Product) or body is None:
            return relation
        stored = snapshot(found)
        if found.at and (
            stored is None or not is_no_stricter(stored.made_under, body, decisions, of_a_person=False)
        ):
            raise outdated_snapshot(relation.written, found.at)
        if stored is not None and is_no_stricter(stored.made_under, body, decisions, of_a_person=False):
            within = f"r_{secrets.token_hex(8)}"
            more[within] = Decision(True)
            read = Relation(
                within, stored.name, replace(stored, made_of=body), f"domain:{found.domain}", stored.name.name
            )
            tree = exp.select("*").from_(exp.to_identifier(within, quoted=True))
            return replace(relation, body=Resolved(tree, (read,)))
        inner = over(body)
        return relation if inner is body else replace(relation, body=inner)

    def over(tree: Resolved) -> Resolved:
        made = tuple(map(served, tree.relations))
        same = all(one is other for one, other in zip(made, tree.relations, strict=True))
        return tree if same else replace(tree, relations=made)

    return over(resolved), more


def _ruled(resolved: Resolved, decisions: Mapping[str, Decision], *, of_a_person: bool) -> list[Ruled]:
    asked = {relation.id for relation in asked_for(resolved)} if of_a_person else set[str]()
    return [
        {
            "object": list(relation.name.key),
            "reader": "" if relation.id in asked else relation.reader.lower(),
            "rows": sorted(sorted(each.text for each in group) for group in decisions[relation.id].rows),
            "masks": {mask.column: _mask(mask) for mask in decisions[relation.id].masks},
            "hidden": sorted(decisions[relation.id].hidden),
        }
        for relation in judged(resolved, decisions)
        if not isinstance(relation.object, StoredTable)
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
