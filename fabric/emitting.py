"""``CALL system.emit``: whether a principal may say that something has happened to an object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fabric.errors import AccessDenied, FabricError, InvalidValue, NotFound
from fabric.events import require_meta, require_name
from fabric.journal import Journal
from fabric.lineage_rows import Place
from fabric.naming import unknown_object
from fabric.spi import Governor
from fabric.types import Principal, Product, Relation, Table
from fabric.underway import Underway

Find = Callable[[str], Relation]
"""The object of a name as users write it; unknown ones are refused."""


@dataclass(frozen=True, slots=True)
class Emitting:
    """An event that may be emitted."""

    principal: Principal
    name: str
    source: Place | None
    target: Place | None
    meta: str
    query_id: str


@dataclass(frozen=True, slots=True)
class Emitter:
    """Judges events of one principal.

    Args:
        principal: who emits.
        governor: decides.
        find: the object of a name that they may know of.
        shaped: gives a product its columns.
    """

    principal: Principal
    governor: Governor
    find: Find
    shaped: Callable[[Product], Product]

    def judged(self, texts: Sequence[str], journal: Journal, underway: Underway) -> Emitting:
        """The event of a call's arguments: its name, source, target, JSON, and the query that it belongs to.

        Raises:
            InvalidValue: an argument is not what it should be.
            NotFound: an object, a column or a query that the principal may not know of.
            AccessDenied: they may not emit events on it.
        """
        name, source, target, meta, *rest = texts
        require_name(name)
        if not source and not target:
            raise InvalidValue("an event is about something", hint="name its source, its target, or both")
        begins, ends = (self._place(written) if written else None for written in (source, target))
        query_id = rest[0] if rest else ""
        if query_id and not self._is_theirs(query_id, journal, underway):
            raise NotFound("there is no such query of yours", hint="system.queries shows yours")
        return Emitting(self.principal, name, begins, ends, require_meta(meta or "{}"), query_id)

    def _place(self, written: str) -> Place:
        relation, column = self._found(written)
        name = relation.object.name
        if not self.governor.may(self.principal, "emit", name):
            raise AccessDenied(
                f"'{written}': you may not emit events on it; ask {self.governor.owner(relation.object)}",
                hint="it needs the right `emit`",
            )
        return Place(name, column)

    def _found(self, written: str) -> tuple[Relation, str]:
        """An object, or else a column of one."""
        try:
            return self.find(written), ""
        except FabricError:
            front, _, column = written.rpartition(".")
            if front.count(".") == 0:
                raise
        try:
            relation = self.find(front)
        except NotFound:
            raise unknown_object(written) from None
        known = self._column(relation.object, column.replace('"', ""))
        if known is None:
            raise unknown_object(written)
        return relation, known

    def _column(self, found: Table | Product, wanted: str) -> str | None:
        shape = self.shaped(found) if isinstance(found, Product) else found
        column = shape.column(wanted)
        if column is None or column.name.lower() in self.governor.view(self.principal, shape).hidden:
            return None
        return column.name

    def _is_theirs(self, query_id: str, journal: Journal, underway: Underway) -> bool:
        user = self.principal.user
        return any(entry.query_id == query_id for entry in underway.entries(user)) or journal.has(
            query_id, user
        )
