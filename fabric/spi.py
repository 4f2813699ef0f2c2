"""What a connector, a governor and an engine must offer: the only things the line asks of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

import pyarrow as pa

from fabric.settings import SourceSettings
from fabric.types import (
    Capabilities,
    Column,
    Considered,
    Decision,
    FileLayout,
    FileStat,
    Governed,
    Offer,
    Principal,
    Product,
    Resolved,
    RowFilter,
    Scan,
    Split,
    StoredTable,
    Table,
    TableName,
)

if TYPE_CHECKING:
    from sqlglot import exp


@dataclass
class ScanContext:
    """What one scan shares with the query that it serves: a way to stop it, and its counters.

    A connector that answers scans counts its rows, bytes and requests here; for files the block cache counts
    what it fetched, and of how many blocks. ``total`` is how many rows the whole table has, where a source says so to who
    asks for no part of it. ``as_of`` is set where rows come from the scan cache: when they were read. ``on_cancel`` callbacks
    run in the cancelling thread, must not block, and run at once when the query is already cancelled.
    """

    rows: int = 0
    bytes: int = 0
    requests: int = 0
    cache_hits: int = 0
    blocks_wanted: int = 0
    blocks_fetched: int = 0
    total: int | None = None
    as_of: datetime | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _callbacks: list[Callable[[], None]] = field(default_factory=list)

    @property
    def cached(self) -> str:
        """What was at hand: ``3 of 4 blocks`` of files, ``rows of 41 s ago``; empty where nothing was."""
        if self.as_of is not None:
            return f"rows of {(datetime.now(UTC) - self.as_of).total_seconds():.0f} s ago"
        wanted = self.blocks_wanted
        return f"{max(0, wanted - self.blocks_fetched):,} of {wanted:,} blocks" if wanted else ""

    @property
    def cancelled(self) -> bool:
        """Whether the query has been cancelled."""
        return self._stop.is_set()

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called when the query is cancelled."""
        with self._lock:
            if not self._stop.is_set():
                self._callbacks.append(callback)
                return
        callback()

    def cancel(self) -> None:
        """Stop the scan: set the flag and run the callbacks, each once."""
        with self._lock:
            self._stop.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def wait(self, seconds: float) -> bool:
        """Sleep, at most ``seconds``; true when the query was cancelled meanwhile."""
        return self._stop.wait(seconds)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that ``check`` proved of a source: resolved, connected, logged in, listed."""

    name: str
    detail: str = ""


class Connector(Protocol):
    """One source. Built once per project load, used from many threads at once.

    ``Settings`` is the pydantic model of the source's keys in fabric.yaml; importing the module must
    not need the connector's library (the class's ``__init__`` may, and ``extra`` names its extra).
    """

    Settings: ClassVar[type[SourceSettings]]
    extra: ClassVar[str]
    name: str

    def __init__(self, name: str, settings: SourceSettings, directory: Path) -> None: ...

    def check(self) -> Iterator[Step]:
        """Prove the source step by step; each step is yielded once it has succeeded.

        Raises:
            SourceError: at the step that fails.
        """
        ...

    def tables(self) -> Sequence[Table]:
        """Every table, introspected or declared, afresh.

        Raises:
            SourceError: the source cannot be asked.
        """
        ...

    def close(self) -> None:
        """Give back every connection; no call follows."""
        ...


class ScanSession(Protocol):
    """The reads of one query from one source: they see one state where the source can show one."""

    def read(self, offer: Offer, split: Split, context: ScanContext) -> Iterator[pa.RecordBatch]:
        """The rows of one split, with exactly ``offer.scan.columns`` in that order.

        Types are those of the table's columns. Closing the iterator, or cancelling the context, frees
        the connection within 0.5 s.

        Raises:
            SourceError: a failed read is never a short answer.
        """
        ...

    def close(self) -> None:
        """Give back what the session holds."""
        ...


@runtime_checkable
class ScanConnector(Connector, Protocol):
    """A source that answers scans with Arrow batches (Postgres, REST, ADBC)."""

    def capabilities(self, table: Table) -> Capabilities:
        """What may be pushed to this table."""
        ...

    def offer(self, scan: Scan) -> Offer:
        """What the source takes of the scan. Asks nobody: pure and quick.

        Raises:
            UserError: the scan lacks a parameter that the source requires; the message names it.
        """
        ...

    def open(self, scans: int | None = None) -> ScanSession:
        """A session for one query; connections are taken when first read.

        ``scans`` foretells how many reads there will be; None where that is not known.
        """
        ...


@runtime_checkable
class FileConnector(Connector, Protocol):
    """A source that holds files (S3, SFTP, FTP, HTTP files, local), read by DuckDB's own readers.

    ``one_call`` says that many ranges cost about as much as one when asked in one ``read`` (SFTP).
    ``block_bytes`` is the size of a read that suits the source.
    """

    one_call: ClassVar[bool]
    block_bytes: ClassVar[int]

    def files(self, layout: FileLayout, max_age: float | None = None) -> Sequence[FileStat]:
        """The files of a table, by path; archives are listed as their members.

        Args:
            layout: of the table.
            max_age: how many seconds old a listing may be, where the source's own ``max_age`` allows more.

        Raises:
            SourceError: the listing failed; a partial listing is never returned.
        """
        ...

    def read(self, file: FileStat, ranges: Sequence[tuple[int, int]], context: ScanContext) -> list[bytes]:
        """The bytes of each ``(offset, length)`` range, in order, whole.

        Raises:
            SourceChanged: the file is no longer the one of ``file.validator``.
            SourceError: anything else; never fewer bytes than asked for.
        """
        ...


@dataclass(frozen=True, slots=True)
class StandIn:
    """A statement over a snapshot that answers another, and the decisions on it; ``considered`` says why, or why not."""

    resolved: Resolved | None = None
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    considered: tuple[Considered, ...] = ()


class Binder(Protocol):
    """What the line lends the governor: objects as they are now, and rules bound to them."""

    def shaped(self, product: Product) -> Product:
        """The product with its columns, their tags and origins."""
        ...

    def parts(self, product: Product) -> Sequence[Table | Product]:
        """What its SELECT reads, in the order that its origins count them in."""
        ...

    def snapshots(self) -> Callable[[Product], StoredTable | None]:
        """The snapshot of a product that has one of what its SELECT gives now; the same all through one statement."""
        ...

    def stand_in(self, resolved: Resolved, decisions: Mapping[str, Decision]) -> StandIn:
        """What answers a statement from a snapshot in its place, exactly as decided on all of it; often nothing."""
        ...

    def bind(self, condition: exp.Expr, found: Table | Product, reader: str) -> RowFilter:
        """A row rule over an object's columns; its subqueries read as ``reader``.

        Raises:
            FabricError: it does not fit the object; the message is for the object's owner.
        """
        ...

    def type_of(self, expression: str, columns: Sequence[Column]) -> str:
        """The DuckDB type of an expression over columns.

        Raises:
            FabricError: it does not fit them.
        """
        ...


@dataclass(frozen=True, slots=True)
class View:
    """What a principal sees of an object's columns, by lower-cased name."""

    hidden: frozenset[str] = frozenset()
    masked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that decides on a statement: for which ``reader`` which ``rule`` has which ``effect`` on an object.

    ``rule`` is ``file:line``; ``effect`` is allowed, denied, not granted, rows, column, overruled (another mask
    counts), lifted (it falls beneath ``reads_as: domain``), combination, misfit, or restricted where the one who asks may not know more.
    """

    object: str
    reader: str
    effect: str
    rule: str
    detail: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as it is in force: what stands at a ``line`` of a ``file``, its ``object`` in canonical spelling.

    ``rule`` is what holds (allow or deny, a mask, a condition, never with another object, a role), ``detail`` the
    action, the column or the reason. ``line`` is None for what follows from fabric.yaml.
    """

    file: str
    line: int | None
    kind: str
    subject: str
    object: str
    rule: str
    detail: str


class Governor(Protocol):
    """The one that decides. Handed to the line by the server, never found by name."""

    @property
    def version(self) -> str:
        """Changes whenever any decision may have changed."""
        ...

    def govern(self, resolved: Resolved, principal: Principal, binder: Binder) -> Governed:
        """Decide on every relation, and on those that row rules read.

        Raises:
            NotFound: an object that the principal may not know of.
            AccessDenied: one that they may know of but not read; names the owner to ask.
        """
        ...

    def may(self, principal: Principal, action: str, object_name: str | TableName) -> bool:
        """Whether the principal may do ``action`` with the object; who may read it may discover it.

        A text is ``domain.product`` or ``source.schema.table``; a ``TableName`` needs no quoting.
        """
        ...

    def findings(
        self, resolved: Resolved, principal: Principal, binder: Binder, teller: Principal | None
    ) -> list[Finding]:
        """What decides on a statement of ``principal``, as far as ``teller`` may know; None may know all."""
        ...

    def view(self, principal: Principal, found: Table | Product) -> View:
        """What the principal sees of the columns of an object; a product must be shaped."""
        ...

    def owner(self, found: Table | Product) -> str:
        """Whom to ask about an object."""
        ...

    def administers(self, principal: Principal, name: TableName) -> bool:
        """Whether the principal owns the object's domain, or has ``admin`` on the object."""
        ...

    def roles(self, principal: Principal) -> frozenset[str]:
        """Every ``role:x`` that the principal holds, those that the rules give or imply included, in lower case."""
        ...

    def breaches(self, product: Product, binder: Binder) -> Sequence[str]:
        """The standards of the federation that a product, shaped, does not meet, each with its text."""
        ...

    def rules(self, principal: Principal | None) -> Sequence[Rule]:
        """The rules on what the principal administers; None, every rule."""
        ...
