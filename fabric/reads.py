"""How a plan gets at each relation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fabric.demand import Demand
from fabric.estimates import rows_left
from fabric.file_scan import FileScan
from fabric.join_graph import Edge
from fabric.predicates import Value, columns_of
from fabric.pushdown import leaves
from fabric.spi import FileConnector, ScanConnector
from fabric.types import Offer, Relation

_FILTERED = 0.2  # DuckDB's own guess, whatever the filter


@dataclass(frozen=True, slots=True)
class LiveRead:
    """A relation that a source serves as Arrow batches; ``positions`` are the columns fetched, ``witnesses`` stand for others.

    ``rows`` is how many it will send, as far as anybody can tell. ``reduced_by`` are the ids of relations whose keys,
    or row filters, stand in what is asked, or, by ``awaits``, will. ``unpushed``: it was to be asked for columns only.
    ``follows``: what is asked also holds what follows from filters that are ``kept``.
    """

    relation: Relation
    connector: ScanConnector
    offer: Offer
    positions: tuple[int, ...]
    kept: tuple[str, ...]
    repeated: bool
    rows: float | None = None
    reduced_by: frozenset[str] = frozenset()
    awaits: tuple[Edge, ...] = ()
    unpushed: bool = False
    witnesses: Mapping[int, Value] = field(default_factory=dict)
    follows: bool = False

    @property
    def shown_rows(self) -> float | None:
        """What DuckDB is told, which takes a fifth of it for what its own filters leave."""
        most = self.offer.scan.table.rows
        if self.rows is None or most is None:
            return self.rows
        settled = {self.relation.object.columns[n].name for n in self.witnesses}
        tested = {
            column
            for each in self.offer.scan.predicates
            for leaf in leaves(each)
            for column in columns_of(leaf)
        }
        return min(self.rows / _FILTERED, max(most, self.rows)) if tested - settled else self.rows


@dataclass(frozen=True, slots=True)
class FileRead:
    """A relation that DuckDB reads from files; in a statement of its own where it is read ``ahead`` of what waits for its keys or its size.

    ``awaits`` are the edges by whose keys such a statement reduces it; ``begun_by`` the one by whose keys DuckDB leaves out
    row groups; the rest is as of a live read.
    """

    relation: Relation
    connector: FileConnector
    scan: FileScan
    demand: Demand
    reduced_by: frozenset[str] = frozenset()
    unpushed: bool = False
    ahead: bool = False
    awaits: tuple[Edge, ...] = ()
    begun_by: Edge | None = None

    @property
    def positions(self) -> tuple[int, ...]:
        """The columns that are read."""
        return tuple(sorted(self.demand.columns))

    @property
    def repeated(self) -> bool:
        """Whether the plan reads it more than once."""
        return self.demand.repeated

    @property
    def shown_rows(self) -> float | None:
        """How many rows its own filters leave, as far as anybody can tell."""
        return rows_left(self.scan.estimated, self.demand.predicates) if self.scan.estimated else None


@dataclass(frozen=True, slots=True)
class SystemRead:
    """A relation that the fabric itself answers."""

    relation: Relation


@dataclass(frozen=True, slots=True)
class Unread:
    """A relation that the answer does not depend on: nobody is asked."""

    relation: Relation


Read = LiveRead | FileRead | SystemRead | Unread
