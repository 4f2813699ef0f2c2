"""``system`` and ``information_schema``: ordinary tables, answered from the catalog for the one who asks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fabric.errors import StateUnavailable
from fabric.events import EVENTS
from fabric.limit_rows import limit_rows
from fabric.lineage_rows import LINEAGE
from fabric.product_rows import COLUMNS, PRODUCTS, Popular, Stored, column_rows, product_rows
from fabric.snapshot_rows import SNAPSHOTS, snapshot_rows
from fabric.types import Column, Table, TableName
from fabric.usage_rows import usage_rows

if TYPE_CHECKING:
    from fabric.audit import Audit
    from fabric.catalog import Entry
    from fabric.journal import Journal
    from fabric.limits import Allowance
    from fabric.spi import Governor
    from fabric.types import Principal
    from fabric.underway import Underway

_AUDIT_ROWS = 10_000

Row = tuple[Any, ...]


def _table(schema: str, name: str, columns: str, comment: str) -> Table:
    made = []
    for part in columns.split(","):
        column, kind = part.strip().split(" ", 1)
        made.append(Column(column, kind))
    return Table(TableName("", schema, name), tuple(made), comment)


_TABLES = (
    _table(
        "system",
        "products",
        PRODUCTS,
        "Data products that you may know of",
    ),
    _table(
        "system",
        "columns",
        COLUMNS,
        "Columns of the products that you may know of",
    ),
    _table(
        "system",
        "snapshots",
        SNAPSHOTS,
        "What is kept of the stored products that you may read",
    ),
    _table(
        "system",
        "lineage",
        LINEAGE,
        "What the products that you may know of are made of; everyone's for those who may read system.lineage",
    ),
    _table(
        "system",
        "events",
        EVENTS,
        "Events that you emitted, and those about what you own or administer; everyone's for those who may read system.events",
    ),
    _table(
        "system",
        "queries",
        "query_id VARCHAR, user VARCHAR, sql VARCHAR, state VARCHAR, queued_at TIMESTAMP WITH TIME ZONE, "
        "started_at TIMESTAMP WITH TIME ZONE, ended_at TIMESTAMP WITH TIME ZONE, rows BIGINT, bytes BIGINT, "
        "error VARCHAR, policy_version VARCHAR, queue_seconds DOUBLE, plan_seconds DOUBLE, run_seconds DOUBLE, "
        "cache VARCHAR, receipt VARCHAR",
        "Your queries; everyone's for those who may read system.queries",
    ),
    _table(
        "system",
        "scans",
        "query_id VARCHAR, source VARCHAR, object VARCHAR, pushed VARCHAR, rows BIGINT, bytes BIGINT, "
        "requests BIGINT, seconds DOUBLE, cache VARCHAR, as_of TIMESTAMP WITH TIME ZONE, asked VARCHAR",
        "What each source did for your queries",
    ),
    _table(
        "system",
        "usage",
        "domain VARCHAR, object VARCHAR, user VARCHAR, day DATE, named BOOLEAN, queries BIGINT, failed BIGINT, "
        "seconds DOUBLE, rows BIGINT, bytes BIGINT, requests BIGINT, last_at TIMESTAMP WITH TIME ZONE",
        "Who uses what you own or administer, and your own use, by day; everyone's for those who may read system.usage",
    ),
    _table(
        "system",
        "runs",
        "run_id VARCHAR, owner VARCHAR, sql VARCHAR, state VARCHAR, submitted_at TIMESTAMP WITH TIME ZONE, "
        "started_at TIMESTAMP WITH TIME ZONE, ended_at TIMESTAMP WITH TIME ZONE, rows BIGINT, bytes BIGINT, "
        "error VARCHAR, expires_at TIMESTAMP WITH TIME ZONE",
        "What you submitted; everyone's for those who may read system.runs",
    ),
    _table(
        "system",
        "requests",
        "request_id VARCHAR, at TIMESTAMP WITH TIME ZONE, user VARCHAR, object VARCHAR, reason VARCHAR, "
        "owner VARCHAR",
        "Your wishes, and those for what you own or administer; everyone's for those who may read system.requests",
    ),
    _table(
        "system",
        "policies",
        "file VARCHAR, line BIGINT, kind VARCHAR, subject VARCHAR, object VARCHAR, rule VARCHAR, detail VARCHAR",
        "The rules on what you own or administer; all for those who may read system.policies",
    ),
    _table(
        "system",
        "audit",
        "at TIMESTAMP WITH TIME ZONE, query_id VARCHAR, user VARCHAR, event VARCHAR, decision VARCHAR, reason VARCHAR, "
        "sql VARCHAR, objects VARCHAR[], rules VARCHAR[], policy_version VARCHAR, rows BIGINT, error VARCHAR",
        "What was asked and decided: your own, or everyone's for those who may read system.audit",
    ),
    _table(
        "system",
        "limits",
        "name VARCHAR, value DOUBLE, in_use BIGINT, given_by VARCHAR, meaning VARCHAR",
        "What applies to you, to products and to sources, and how much of it your statements use; the server's use for "
        "those who may read system.limits",
    ),
    _table("system", "sources", "name VARCHAR, tables BIGINT", "Sources of which you may read a table"),
    _table(
        "information_schema",
        "schemata",
        "catalog_name VARCHAR, schema_name VARCHAR, schema_owner VARCHAR",
        "Schemas of every visible catalog",
    ),
    _table(
        "information_schema",
        "tables",
        "table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, table_type VARCHAR, "
        "table_comment VARCHAR",
        "Tables and products of every visible catalog",
    ),
    _table(
        "information_schema",
        "columns",
        "table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, column_name VARCHAR, "
        "ordinal_position INTEGER, column_default VARCHAR, is_nullable VARCHAR, data_type VARCHAR, "
        "column_comment VARCHAR",
        "Columns of every visible table and product",
    ),
)

SYSTEM_TABLES: Mapping[tuple[str, str], Table] = {table.name.key[1:]: table for table in _TABLES}

PERSONAL = frozenset({"queries", "scans", "usage", "runs", "requests", "policies", "audit", "limits"})
"""Tables of ``system`` that show each principal their own, and everyone's to those who may ``read`` them."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What the tables in ``PERSONAL`` are made from, for one principal.

    ``governor`` says what else than their own they may see; journal and audit may be absent.
    """

    governor: Governor
    journal: Journal | None
    audit: Audit | None
    underway: Underway
    allowed: Allowance

    def popular(self) -> Popular:
        """How many statements used each object lately, and of how many users; nothing while nobody can tell."""
        with suppress(StateUnavailable):
            return self.journal.usage.popular(time.time()) if self.journal else {}
        return {}

    def stored(self) -> Stored:
        """What is stored of products; nothing while nobody can tell."""
        with suppress(StateUnavailable):
            return self.journal.snapshots.told() if self.journal else {}
        return {}


def system_rows(
    name: TableName, principal: Principal, desk: Desk, entries: Sequence[Entry], fabric: str
) -> list[Row]:
    """The rows of a table of ``system`` or ``information_schema``, of what the principal may know.

    Args:
        name: the table.
        principal: who asks.
        desk: what the personal tables are made from.
        entries: everything visible to the principal: a scan of anything else shows no name and no text.
        fabric: the fabric's name.
    """
    if name.schema == "system" and name.name in PERSONAL:
        return _personal_rows(name.name, principal, desk, entries)
    if (name.schema, name.name) == ("system", "products"):
        return product_rows(entries, principal, desk.governor, desk.popular(), desk.stored())
    if (name.schema, name.name) == ("system", "snapshots"):
        return (
            snapshot_rows(entries, principal, desk.governor, desk.journal.snapshots) if desk.journal else []
        )
    return _ROWS[name.schema, name.name](entries, fabric)


def _personal_rows(name: str, principal: Principal, desk: Desk, entries: Sequence[Entry]) -> list[Row]:
    everyone = desk.governor.may(principal, "read", f"system.{name}")
    user = None if everyone else principal.user
    if name == "policies":
        return [astuple(rule) for rule in desk.governor.rules(None if everyone else principal)]
    if name == "limits":
        return limit_rows(desk, principal.user, everyone, entries)
    if name == "audit":
        return desk.audit.records(user, _AUDIT_ROWS) if desk.audit else []
    if name == "usage":
        asker = None if everyone else principal
        return usage_rows(desk.journal.usage, desk.governor, asker, entries) if desk.journal else []
    if name == "runs":
        return desk.journal.runs.rows(user) if desk.journal else []
    if name == "requests":
        asker = None if everyone else principal
        return _requests(desk.journal, desk.governor, asker) if desk.journal else []
    return _journal_rows(name, desk.journal, desk.underway, user, entries) if desk.journal else []


def _journal_rows(
    name: str, journal: Journal, underway: Underway, user: str | None, entries: Sequence[Entry]
) -> list[Row]:
    # Asked in this order, so that one that ends meanwhile is not missed.
    if name == "queries":
        live = [entry.row(journal.redacted) for entry in underway.entries(user)]
    else:
        live = [_running_scan(row, journal) for row in underway.scans(user)]
    ended = journal.queries(user) if name == "queries" else journal.scans(user)
    written = {row[0] for row in ended} if live else set()
    found = ended + [row for row in live if row[0] not in written]
    if name == "queries":
        return found
    known = {str(entry.name) for entry in entries}
    return [
        row if user is None or row[2] in known else (row[0], None, None, None, *row[4:-1], None)
        for row in found
    ]


def _running_scan(row: Sequence[Any], journal: Journal) -> Row:
    *told, as_of, asked = row
    told[3] = told[3] and journal.redacted(told[3])
    return (*told, as_of and datetime.fromtimestamp(as_of, UTC), asked and journal.redacted(asked))


def _requests(journal: Journal, governor: Governor, principal: Principal | None) -> list[Row]:
    wishes = journal.wishes.all()
    if principal is not None:
        names = {wish.name for wish in wishes}
        mine = {name for name in names if governor.administers(principal, name)}
        wishes = [wish for wish in wishes if wish.user == principal.user or wish.name in mine]
    return [(wish.request_id, wish.at, wish.user, wish.object, wish.reason, wish.owner) for wish in wishes]


def _sources(entries: Sequence[Entry], fabric: str) -> list[Row]:
    names = [entry.name.catalog for entry in entries if entry.name.catalog != fabric]
    return [(name, names.count(name)) for name in sorted(set(names))]


def _schemata(entries: Sequence[Entry], _: str) -> list[Row]:
    found = sorted({(entry.name.catalog, entry.name.schema) for entry in entries})
    return [(catalog, schema, None) for catalog, schema in found]


def _information_tables(entries: Sequence[Entry], _: str) -> list[Row]:
    return [
        (entry.name.catalog, entry.name.schema, entry.name.name, entry.type, entry.comment)
        for entry in entries
    ]


def _information_columns(entries: Sequence[Entry], _: str) -> list[Row]:
    return [
        (
            entry.name.catalog,
            entry.name.schema,
            entry.name.name,
            column.name,
            position,
            None,
            "YES" if column.nullable else "NO",
            column.type,
            column.comment,
        )
        for entry in entries
        for position, column in enumerate(entry.columns, 1)
    ]


_ROWS: Mapping[tuple[str, str], Callable[[Sequence[Entry], str], list[Row]]] = {
    ("system", "columns"): lambda entries, _: column_rows(entries),
    ("system", "sources"): _sources,
    ("information_schema", "schemata"): _schemata,
    ("information_schema", "tables"): _information_tables,
    ("information_schema", "columns"): _information_columns,
}
