"""What a principal may be told of the parts of their statement: in errors, in EXPLAIN, in receipts.

A part that they may not know of has no name, and one that is restricted for them shows no text of a source:
its requests, predicates and complaints may hold hidden columns, rules and counts.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from sqlglot import exp

from fabric.catalog_names import known_to
from fabric.errors import FabricError, SourceError, UserError
from fabric.resolve import beneath, relations
from fabric.spi import Binder, Governor
from fabric.stored import StoredTable, asked, judged
from fabric.types import Decision, Governed, Principal, Product, Relation, Resolved

log = logging.getLogger("ripstop.line")


def restricts(decision: Decision) -> bool:
    """Whether a decision takes anything away."""
    return bool(decision.rows or decision.masks or decision.hidden)


def _reads_whole(relation: Relation, principal: Principal, governor: Governor, binder: Binder) -> bool:
    """Whether a principal who named a relation's object themselves would be given all of it."""
    named = replace(relation, reader=principal.user)
    alone = Resolved(exp.select("*").from_(exp.to_identifier(named.id, quoted=True)), (named,))
    try:
        governed = governor.govern(alone, principal, binder)
    except FabricError:
        return False
    return not any(map(restricts, governed.decisions.values()))


class Discretion:
    """What may be said of each relation of a governed statement to the one who asked it.

    Args:
        governed: the statement.
        governor: knows what else they may know of.
        binder: binds its rules.
    """

    def __init__(self, governed: Governed, governor: Governor, binder: Binder) -> None:
        self._governed = governed
        self._governor = governor
        self._binder = binder
        self._whole: dict[str, bool] = {}
        self._of_rules: set[str] = set()
        self._veiled: set[str] = set()
        decisions = governed.decisions
        for relation in self._all():
            parts = {part.id for part in beneath(relation, decisions)}
            if restricts(decisions[relation.id]):
                self._veiled |= {relation.id, *parts}
            self._of_rules |= parts - {part.id for part in beneath(relation)}

    def _all(self) -> Iterator[Relation]:
        """Every relation that runs, and of what was asked."""
        yield from relations(self._governed.resolved, self._governed.decisions)
        if self._governed.asked is not None:
            yield from relations(self._governed.asked, self._governed.decisions)

    def shows(self, relation: Relation) -> bool:
        """Whether the relation may be named; what a row rule reads may not, for that would tell the rule."""
        if relation.id in self._of_rules:
            return False
        principal = self._governed.principal
        return relation.reader == principal.user or known_to(self._governor, principal, relation.object)

    def shows_source(self, relation: Relation) -> bool:
        """Whether it may be told what its source is asked and what it says."""
        return self.shows(relation) and relation.id not in self._veiled and self._is_theirs(relation)

    def _is_theirs(self, relation: Relation) -> bool:
        """Whether they would read all of it themselves: what a domain reads for them may be more."""
        principal = self._governed.principal
        if relation.reader == principal.user:
            return True
        if relation.id not in self._whole:
            self._whole[relation.id] = _reads_whole(relation, principal, self._governor, self._binder)
        return self._whole[relation.id]

    def shows_read(self, relation: Relation, reduced_by: Iterable[str] = ()) -> bool:
        """The same where the keys of other relations stand in what is asked: then of all of them."""
        known = {each.id: each for each in self._all()}
        return all(map(self.shows_source, (relation, *(known[id] for id in reduced_by))))

    def counts(self, relation: Relation) -> bool:
        """Whether the rows that a relation's own restrictions leave are no more than the principal may see.

        A domain's rights decide on what a product that reads as its domain meets, and on what a row rule reads.
        """
        return any(relation is named for named in asked(self._governed).relations)

    def named(self, relation: Relation) -> Relation:
        """The relation that the statement itself names, of which this one is a part, or itself."""
        for top in asked(self._governed).relations:
            if any(part.id == relation.id for part in beneath(top, self._governed.decisions)):
                return top
        return relation

    @contextmanager
    def telling(self, relation: Relation) -> Iterator[None]:
        """Have an error within be ``told``."""
        try:
            yield
        except FabricError as error:
            raise self.told(relation, error) from None

    def told(self, relation: Relation, error: FabricError) -> FabricError:
        """The error as the principal may read it; the log keeps the whole of it."""
        theirs = isinstance(error, UserError) and self.shows(relation)
        if self.shows_source(relation) or (theirs and not self._tells_hidden(relation, error)):
            return error
        log.warning("%s: %s", relation.name, error)
        named = self.named(relation)
        part = f"'{named.written}'" if named is relation else f"a part of '{named.written}'"
        told = type(error).__new__(type(error))
        FabricError.__init__(
            told, f"{part} could not be read", hint="its owner can see why", retryable=error.retryable
        )
        if isinstance(error, SourceError):
            told.__dict__["source"] = error.source
        return told

    def _tells_hidden(self, relation: Relation, error: FabricError) -> bool:
        """Whether an error names a column that is hidden, as of a parameter that an API requires."""
        decision = self._governed.decisions[relation.id]
        # Beneath a product a hidden column is NULL.
        hidden = {*decision.hidden, *(mask.column for mask in decision.masks if mask.kind == "hide")}
        text = f"{error.message} {error.hint}".lower()
        return any(re.search(rf"(?<!\w){re.escape(column)}(?!\w)", text) for column in hidden)

    def restricted(self, named: Relation) -> str:
        """What the receipt says of a relation that the statement names: none, rows, columns or both."""
        return _restricted(self._governed, named)


def receipt(governed: Governed, decided: str) -> dict[str, object]:
    """What the client is told of a statement: only names that the statement itself holds.

    Args:
        governed: the statement.
        decided: the fingerprint of the decisions.
    """
    named = asked(governed).relations
    said: dict[str, object] = {
        "restricted": {each.written: _restricted(governed, each) for each in named},
        "policy": decided,
    }
    notices = dict.fromkeys(notice for each in named if (notice := _notice(each)))
    return said | {"notices": list(notices)} if notices else said


def _restricted(governed: Governed, named: Relation) -> str:
    # What row rules read restricts nothing of its own.
    read = [*beneath(named), named]
    results = [
        each.object for each in read if isinstance(each.object, StoredTable) and each.object.expires_at
    ]
    made_of = [part for found in results if found.made_of is not None for part in judged(found.made_of)]
    decided = [governed.decisions[part.id] for part in (*read, *made_of)]
    rows = any(decision.rows for decision in decided)
    columns = any(decision.masks or decision.hidden for decision in decided)
    return {(False, False): "none", (True, False): "rows", (False, True): "columns"}.get(
        (rows, columns), "both"
    )


def _notice(named: Relation) -> str:
    """What who reads a product should know: that it goes, or that its data breaks its contract."""
    product = named.object
    if not isinstance(product, Product):
        return ""
    said = []
    parts = (part.object for part in beneath(named))
    ends = [found.expires_at for found in parts if isinstance(found, StoredTable) and found.expires_at]
    if ends:
        said.append(f"it rests on a stored result, which is there until {min(ends):%Y-%m-%d %H:%M} UTC")
    if product.status == "deprecated":
        until = f", and is served until {product.sunset}" if product.sunset else ""
        instead = f"; read {product.replaced_by}" if product.replaced_by else ""
        said.append(f"it is deprecated{until}{instead}")
    if product.violations:
        said.append(f"its data breaks {', '.join(map(repr, product.violations))}")
    return f"{named.written}: {'; '.join(said)}" if said else ""
