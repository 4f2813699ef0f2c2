"""The rows of the fabric's own tables, for the one who asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from fabric.audit import Audit
from fabric.catalog import Catalog
from fabric.engine import Engine
from fabric.journal import Journal
from fabric.limits import Allowance
from fabric.spi import Governor
from fabric.system import Desk, system_rows
from fabric.types import Principal, Relation
from fabric.underway import Underway


@dataclass(frozen=True, slots=True)
class OwnTables:
    """``system`` and ``information_schema``; without an audit or a journal theirs are empty."""

    catalog: Catalog
    governor: Governor
    engine: Engine
    journal: Journal | None
    audit: Audit | None
    underway: Underway
    allowed: Callable[[Principal], Allowance]

    def of(self, relation: Relation, principal: Principal) -> pa.Table:
        """The rows that concern the principal, its columns named for this occurrence."""
        desk = Desk(self.governor, self.journal, self.audit, self.underway, self.allowed(principal))
        entries = self.catalog.visible(principal, self.governor)
        found = system_rows(relation.object.name, principal, desk, entries, self.catalog.fabric)
        columns = relation.object.columns
        schema = self.engine.arrow_schema(columns)
        arrays = [pa.array([row[n] for row in found], type=kind) for n, kind in enumerate(schema.types)]
        return pa.Table.from_arrays(arrays, names=[f"{relation.id}_{n}" for n in range(len(columns))])
