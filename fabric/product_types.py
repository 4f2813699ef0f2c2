"""The vocabulary of data products: what a product is, what it promises, and how SQL defines one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from fabric.types import Column, TableName

Status = Literal["proposed", "draft", "active", "deprecated", "retired"]
State = Literal["ok", "broken", "violated"]
UNPUBLISHED = ("proposed", "draft")
"""A product with such a status is there for those alone who may publish it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A column that a product's column is made of.

    ``part`` is the position among the relations of the product's own statement. ``direct`` says that the
    value is handed on as it is.
    """

    part: int
    column: str
    direct: bool


EdgeKind = Literal[
    "identity", "transformation", "aggregation", "conditional", "window", "join", "filter", "group_by", "sort"
]
VALUE_KINDS = ("identity", "transformation", "aggregation")
"""The kinds by which a value is made of another; by every other it depends on it."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A column that another is made of or depends on, and how.

    ``part`` is the position among the relations of the statement. ``masked`` says that no single value of it can be
    told from the result.
    """

    part: int
    column: str
    kind: EdgeKind
    masked: bool = False


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a statement's result comes from.

    ``columns`` has, for each column, what it is made of; ``rows``, what decides which rows there are, in which order.
    ``origins`` has, for each column, what its tags come from; ``parts`` are the names of the statement's relations.
    Not ``known``, everything comes from everything.
    """

    parts: tuple[TableName, ...] = ()
    columns: tuple[tuple[Edge, ...], ...] = ()
    rows: tuple[Edge, ...] = ()
    origins: tuple[tuple[Origin, ...], ...] = ()
    known: bool = True


@dataclass(frozen=True, slots=True)
class Quality:
    """A condition over a product's columns that no row may break; NULL breaks nothing, as in CHECK."""

    name: str
    sql: str


ON_CHANGE = "on change"


@dataclass(frozen=True, slots=True)
class Materialization:
    """How a product is stored.

    Args:
        refresh: when it is stored anew, as cron writes it in UTC, or ``ON_CHANGE``.
        every: seconds from one look for changes to the next.
        keep: which snapshots stay: so many of the newest, or all of so long, and the newest.
        watermark: the column that moves with every change of a row; empty where there is none.
        key: the columns that tell a row from all others; with them only changed rows are asked.
        full: when all rows are asked nevertheless, as cron writes it; empty for never.
    """

    refresh: str
    every: float = 60.0
    keep: int | timedelta = 2
    watermark: str = ""
    key: tuple[str, ...] = ()
    full: str = ""


@dataclass(frozen=True, slots=True)
class Contract:
    """What a published version promises its readers; ``published`` is the day."""

    version: str
    columns: tuple[Column, ...]
    published: str = ""


@dataclass(frozen=True, slots=True)
class Product:
    """A virtual data product: one SELECT that its domain owns.

    ``lineage`` says what each of ``columns`` is made of. ``reads_as_domain`` drops what the asking
    user may not see beneath it, as far as the owners there agreed.

    Args:
        name: ``name.name`` is the bare name for the newest active version, ``name@N`` for others.
        columns: as the file declares them; of a shaped product, as its SELECT binds.
        broken: why it cannot serve, for its owner; empty when it can.
        stale: why its file's newest text does not load, while the last good one serves.
        reads: the names that stand in its SELECT.
        promised: what was published of this major version; None when nothing was.
        violations: the rules of its contract that its data broke when it was tested last.
        stored: how it is stored; None for a product that is live.
        refuses: a violation stops it from being served.
        at: the id of the snapshot that it is read at, and ``sql`` what made that; empty for what it is now.
        outdated: it is broken for the stored result that it rests on, which is gone.
        until: when the stored result expires that it rests on; of a shaped product.
        replaced_by: the version that took its place, as users write it; of a deprecated or retired one.
    """

    name: TableName
    domain: str
    sql: str
    owner: str = ""
    description: str = ""
    version: str = "1.0.0"
    status: str = "active"
    tags: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    file: str = ""
    broken: str = ""
    reads_as_domain: bool = False
    lineage: Lineage = Lineage()
    stale: str = ""
    reads: tuple[tuple[str, ...], ...] = ()
    quality: tuple[Quality, ...] = ()
    freshness: float | None = None
    stored: Materialization | None = None
    sunset: date | None = None
    promised: Contract | None = None
    violations: tuple[str, ...] = ()
    refuses: bool = False
    replaced_by: str = ""
    at: str = ""
    outdated: bool = False
    until: datetime | None = None

    def column(self, name: str) -> Column | None:
        """The column of that name, compared without case."""
        wanted = name.lower()
        return next((c for c in self.columns if c.name.lower() == wanted), None)

    @property
    def origins(self) -> tuple[tuple[Origin, ...], ...]:
        """For each of ``columns``, what it is made of."""
        return self.lineage.origins

    @property
    def key(self) -> tuple[str, ...]:
        """Tells it from every other product, and from itself at another snapshot."""
        return (*self.name.key, self.at)

    @property
    def written(self) -> str:
        """The name as users write it."""
        name = f'"{self.name.name}"' if "@" in self.name.name else self.name.name
        return f"{self.domain}.{name}"

    @property
    def bare(self) -> str:
        """The name without a version: what rules know it by."""
        return self.name.name.partition("@")[0]

    @property
    def major(self) -> int:
        """The first number of its version."""
        return int(self.version.partition(".")[0])

    @property
    def state(self) -> State:
        """Whether it serves what it promises."""
        if self.broken:
            return "broken"
        return "violated" if self.violations else "ok"

    @property
    def stopped(self) -> bool:
        """Whether it is not served, although it could be."""
        return self.status == "retired" or bool(self.violations and self.refuses)


def key_of(product: Product) -> str:
    """What is stored of a product is kept under this: each major version has its own."""
    return f"{product.domain}.{product.bare}@{product.major}".lower()


@dataclass(frozen=True, slots=True)
class Considered:
    """A snapshot that might answer a statement: of which product, as of when, whether it does, and why (not)."""

    product: str
    as_of: datetime | None
    chosen: bool
    why: str


Action = Literal["create", "drop", "comment"]


@dataclass(frozen=True, slots=True)
class Definition:
    """A statement that defines products: ``CREATE VIEW``, ``DROP VIEW``, ``COMMENT ON``.

    Args:
        action: what it does.
        name: the product's name, in one to three parts.
        sql: the SELECT as it was written.
        lenient: ``OR REPLACE``, or ``IF EXISTS``.
        column: the column that a comment is about; empty for the product itself.
        comment: the comment; None where there is none.
    """

    action: Action
    name: tuple[str, ...]
    sql: str = ""
    lenient: bool = False
    column: str = ""
    comment: str | None = None
