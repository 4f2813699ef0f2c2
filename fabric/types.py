"""The vocabulary: frozen values that the stages hand to one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from fabric.predicates import Predicate, PredicateWord
from fabric.procedures import PROCEDURES as PROCEDURES
from fabric.procedures import REFRESH as REFRESH
from fabric.product_types import Considered as Considered
from fabric.product_types import Definition as Definition
from fabric.product_types import Origin as Origin
from fabric.product_types import Product as Product
from fabric.product_types import Quality as Quality
from fabric.receipts import ScanReceipt as ScanReceipt

if TYPE_CHECKING:
    from sqlglot import exp

DEFAULT_SCHEMA = "main"
FEDERATION = "federation:"
"""The reader in the federation's own rules; no user, role or domain can be called so."""


# ── names and tables ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class TableName:
    """``catalog.schema.name`` as the owner spelled it; names compare by ``key``."""

    catalog: str
    schema: str
    name: str

    @property
    def key(self) -> tuple[str, str, str]:
        """The three parts in lower case."""
        return (self.catalog.lower(), self.schema.lower(), self.name.lower())

    def __str__(self) -> str:
        if self.schema == DEFAULT_SCHEMA:
            return f"{self.catalog}.{self.name}"
        return f"{self.catalog}.{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: ``type`` is DuckDB's text, ``native`` the source's; ``unique`` is a product's promise, ``never_null`` a source's."""

    name: str
    type: str
    nullable: bool = True
    comment: str = ""
    tags: tuple[str, ...] = ()
    native: str = ""
    unique: bool = False
    never_null: bool = False


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """``columns`` of this table refer to ``target_columns`` of ``target``."""

    columns: tuple[str, ...]
    target: TableName
    target_columns: tuple[str, ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """What a source knows of a column's values without reading them; None, what it does not know.

    ``nulls`` and the parts of ``common`` values are fractions of all rows. ``bounds`` cut the other values into parts
    of equally many rows. Values are texts, as the source writes them.
    """

    nulls: float | None = None
    distinct: float | None = None
    common: tuple[tuple[str, float], ...] = ()
    bounds: tuple[str, ...] = ()


FileFormat = Literal["parquet", "csv", "json"]


@dataclass(frozen=True, slots=True)
class FileLayout:
    """How a table lies in files: a glob under the source's root, a format, and its reader's options.

    ``declared`` holds the columns that the owner typed (name → DuckDB type); they win over sniffing.
    ``said`` holds what the owner says of columns (name → comment, tags).
    """

    pattern: str
    format: FileFormat
    hive: bool = False
    options: Mapping[str, object] = field(default_factory=dict)
    declared: Mapping[str, str] = field(default_factory=dict)
    said: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileStat:
    """One file under a source's root.

    ``path`` is relative to the root with ``/``; a member of an archive is ``archive.zip!/member``.
    ``validator`` changes whenever the bytes do (ETag, or mtime and size); ``size`` is in bytes.
    """

    path: str
    size: int
    validator: str
    modified: datetime | None = None


TableKind = Literal["table", "view", "materialized view", "foreign table", "partitioned table"]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a source; ``layout`` is set when it lies in files, and then ``columns`` may be empty.

    ``rows`` and ``statistics`` (by lower-cased column) are estimates; ``counted`` says that no source gave ``rows``.
    """

    name: TableName
    columns: tuple[Column, ...]
    comment: str = ""
    kind: TableKind = "table"
    rows: int | None = None
    primary_key: tuple[str, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    layout: FileLayout | None = None
    statistics: Mapping[str, ColumnStatistics] = field(default_factory=dict, compare=False, repr=False)
    counted: bool = False

    def column(self, name: str) -> Column | None:
        """The column of that name, compared without case."""
        wanted = name.lower()
        return next((c for c in self.columns if c.name.lower() == wanted), None)


@dataclass(frozen=True, slots=True)
class OrderKey:
    """One key of ORDER BY over a plain column."""

    column: str
    descending: bool = False
    nulls_first: bool = False


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a source applies exactly as DuckDB would, for one table.

    ``predicates`` maps a column's lower-cased name to the words it takes; ``order`` names those that it sorts as DuckDB does, ``summed`` and ``truncated`` those that it
    can send so. ``projection`` is false for a source that always sends every column; it does not answer without values of ``required`` ones. A ``proven`` one is not checked.
    """

    predicates: Mapping[str, frozenset[PredicateWord]] = field(default_factory=dict)
    order: frozenset[str] = frozenset()
    summed: frozenset[str] = frozenset()
    truncated: frozenset[str] = frozenset()
    limit: bool = False
    projection: bool = True
    required: frozenset[str] = frozenset()
    proven: bool = False


@dataclass(frozen=True, slots=True)
class SemiJoin:
    """Only rows matter whose ``column`` equals a ``key`` of the rows of ``table`` that the rest leaves."""

    column: str
    table: Table
    key: str
    predicates: tuple[Predicate, ...] = ()
    semi_joins: tuple[SemiJoin, ...] = ()


@dataclass(frozen=True, slots=True)
class Scan:
    """What the plan would like of one occurrence of a table.

    ``columns`` is never empty. ``predicates`` are conjuncts. ``limit`` (rows) holds only together with all ``predicates`` and all of ``order``: a
    source that leaves one of those must leave the limit. ``semi_joins`` are with tables of the same source; each may be left, or taken with fewer
    conditions. ``counts``: equal rows had better come once, with their number; ``distinct``: once. Then ``truncated`` columns may be the beginning of their
    unit, and, with ``counts``, ``summed`` ones have other values of the same sum and number. The source makes sure that the ``never_null`` are so, unfetched.
    """

    table: Table
    columns: tuple[str, ...]
    predicates: tuple[Predicate, ...] = ()
    order: tuple[OrderKey, ...] = ()
    limit: int | None = None
    semi_joins: tuple[SemiJoin, ...] = ()
    counts: bool = False
    summed: tuple[str, ...] = ()
    truncated: tuple[tuple[str, str], ...] = ()
    distinct: bool = False
    never_null: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Split:
    """A part of a scan that can be read by itself; ``payload`` is the connector's own: equal ones ask the same."""

    label: str
    payload: object = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A part of a scan that the source does not take, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A connector's answer to a scan, in exact terms.

    ``taken`` conjuncts are applied by the source exactly; Ripstop applies every one again. Together the
    splits cover each row once. ``request`` is the text that EXPLAIN prints: the SQL or URL, no secret.
    """

    scan: Scan
    taken: tuple[Predicate, ...]
    splits: tuple[Split, ...]
    request: str
    order_taken: bool = False
    limit_taken: bool = False
    semi_joins: tuple[SemiJoin, ...] = ()
    counts: bool = False
    distinct: bool = False
    refused: tuple[Refusal, ...] = ()
    rows: float | None = None


# ── who asks, and what they may ───────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a user, the roles they hold beyond those that policies give, and their attributes."""

    user: str
    roles: frozenset[str] = frozenset()
    attributes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mask:
    """A column mask: ``kind`` as a ``p2`` rule writes it, e.g. ``hash`` or ``last(4)``.

    ``column`` is lower-cased. ``expression`` is DuckDB text over the one relation that has the column.
    """

    column: str
    kind: str
    expression: str


@dataclass(frozen=True, slots=True)
class RowFilter:
    """A condition that an object's rows must meet, over the object's own unmasked columns.

    ``text`` has the asking principal's values in it, and is what two equal decisions have in common.
    ``condition`` is ``SELECT <condition>``, its subqueries' tables being relations; ``total`` says that it
    can never raise.
    """

    text: str
    condition: Resolved
    total: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policies say of one relation for one principal.

    Of each group in ``rows`` one filter must hold. ``hidden`` are lower-cased names of columns that are not
    there at all. ``columns`` are all of the object's, where ``masks`` or ``hidden`` say something of them.
    ``rules`` are the ``file:line`` that decided, for the audit and for those who may ask why.
    """

    allow: bool
    rows: tuple[tuple[RowFilter, ...], ...] = ()
    masks: tuple[Mask, ...] = ()
    hidden: frozenset[str] = frozenset()
    columns: tuple[Column, ...] = ()
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Relation:
    """One occurrence of an object in a statement.

    ``id`` is the unguessable name that stands for it in the tree, ``written`` the name as the statement
    spells it. ``reader`` is the subject that reads: the principal's user, ``domain:<d>`` beneath a product
    or in a rule of that domain's file, ``FEDERATION`` in a rule of federation.csv. ``body`` is a product's own tree, None when the product is broken.
    """

    id: str
    name: TableName
    object: Table | Product
    reader: str
    written: str
    body: Resolved | None = None


Kind = Literal[
    "query", "explain", "explain analyze", "explain policy", "show", "describe", "command", "define"
]
EFFECTS = ("command", "define")
"""Statements that do something."""


@dataclass(frozen=True, slots=True)
class Written:
    """A value that Python has none for, as the ``text`` that DuckDB reads as its ``type``."""

    text: str
    type: Literal["INTERVAL", "TIME_NS", "TIMESTAMP_NS"]

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Parsed:
    """One statement that passed the allow-lists: its tree, in DuckDB's dialect, and its parameters.

    ``about`` is the subject of an EXPLAIN POLICY (a user's name or ``role:<name>``), the form of an EXPLAIN, what a query asserts, or
    the procedure that a command calls; its arguments are then the one tuple that the tree selects. ``defines`` is what CREATE VIEW
    and its kin define.
    """

    text: str
    tree: exp.Expr
    kind: Kind = "query"
    about: str = ""
    defines: Definition | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """A tree in which every table is a ``Relation`` by id, and nothing else can be named."""

    tree: exp.Expr
    relations: tuple[Relation, ...]
    texts: list[str] = field(init=False, default_factory=list, compare=False, repr=False)

    @property
    def text(self) -> str:
        """The tree as DuckDB's text, made once: what was confirmed is what runs."""
        if not self.texts:
            self.texts.append(self.tree.sql(dialect="duckdb"))
        return self.texts[0]


Ruled = dict[str, Any]
"""What was decided on one relation, as JSON has it."""


@dataclass(frozen=True, slots=True)
class StoredTable(Table):
    """A table in the lake: ``made_of`` is the statement that made it, as resolved for the one who reads now.

    It is judged whenever the table is read, and never run. ``made_under`` is what was decided on it then, ``as_of`` when
    that was. ``is_snapshot``: a product is served from it now; else it may expire, a result at ``expires_at``.
    """

    made_of: Resolved | None = None
    made_under: tuple[Ruled, ...] = ()
    as_of: datetime | None = None
    expires_at: datetime | None = None
    is_snapshot: bool = False


@dataclass(frozen=True, slots=True)
class Governed:
    """A resolved tree with a decision for every relation in it. Only ``policies.govern`` makes one.

    ``asked`` is what a snapshot answers, ``considered`` are those that might; ``composed`` holds texts by their purpose.
    """

    resolved: Resolved
    principal: Principal
    decisions: Mapping[str, Decision]
    policy_version: str
    asked: Resolved | None = None
    considered: tuple[Considered, ...] = ()
    composed: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
