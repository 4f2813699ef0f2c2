"""The rows of the fabric's own tables, for the one who asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from fabric.audit import Audit
from fabric.catalog import Catalog
from fabric.engine import Engine
from fabric.journal import Journal
from fabric.spi import Governor
from fabric.system import PERSONAL, personal_rows, rows
from fabric.types import Principal, Relation
from fabric.underway import Underway

_AUDIT_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class OwnTables:
    """``system`` and ``information_schema``; without an audit or a journal theirs are empty."""

    catalog: Catalog
    governor: Governor
    engine: Engine
    journal: Journal | None
    audit: Audit | None
    running: Underway

    def of(self, relation: Relation, principal: Principal) -> pa.Table:
        """The rows that concern the principal, its columns named for this occurrence."""
        columns = relation.object.columns
        schema = self.engine.arrow_schema(columns)
        found = self._rows(relation, principal)
        arrays = [pa.array([row[n] for row in found], type=kind) for n, kind in enumerate(schema.types)]
        return pa.Table.from_arrays(arrays, names=[f"{relation.id}_{n}" for n in range(len(columns))])

    def _rows(self, relation: Relation, principal: Principal) -> Sequence[Sequence[object]]:
        name = relation.object.name
        if name.schema == "system" and name.name == "audit":
            everyone = self.governor.may(principal, "read", "system.audit")
            user = None if everyone else principal.user
            return self.audit.records(user, _AUDIT_ROWS) if self.audit else []
        entries = self.catalog.visible(principal, self.governor)
        if name.schema == "system" and name.name in PERSONAL:
            return personal_rows(name.name, principal, self.governor, self.journal, self.running, entries)
        return rows(name.schema, name.name, entries, self.catalog.fabric)
