"""What would be worth storing: the products and tables that were most often read live, and what that took.

Everything is computed from what the fabric's own tables show the one who asks, so advice tells nobody more than they
could read. What it says is a bound: that readers would have taken a stored answer, and that a refresh takes what the
dearest read took.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

DEFAULT_EVERY_SECONDS = 3600.0

_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

Rests = Literal["history", "usage"]


@dataclass(frozen=True, slots=True)
class Object:
    """A product or table by its full name, lower-cased.

    ``beneath`` are the objects that a product rests on, at any depth, as far as the asker may know. ``freshness`` is
    how old its data may be, in seconds, where that is declared. ``stored``: it has a snapshot already.
    """

    name: str
    kind: Literal["product", "table"]
    beneath: frozenset[str] = frozenset()
    freshness: float | None = None
    stored: bool = False


@dataclass(slots=True)
class Spent:
    """What the live reads of one object took, in seconds and bytes of its sources.

    ``untold`` counts reads of which the asker may not know the bytes, ``restricted`` those by users who were not given
    all rows and columns, ``apart`` those left out because what else was read in the same query cannot be told apart.
    """

    rests_on: Rests
    reads: int = 0
    users: set[str] = field(default_factory=set)
    first_at: datetime = _LATEST
    last_at: datetime = _EARLIEST
    seconds: float = 0.0
    bytes: int = 0
    refresh_seconds: float = 0.0
    refresh_bytes: int = 0
    untold: int = 0
    restricted: int = 0
    apart: int = 0

    def add(self, query: Query, scans: Sequence[Scan]) -> None:
        """Count a query in which the object was read by these scans."""
        seconds = min(query.seconds, sum(scan.seconds for scan in scans))
        size = sum(scan.bytes or 0 for scan in scans)
        self.reads += 1
        self.users.add(query.user)
        self.first_at, self.last_at = min(self.first_at, query.at), max(self.last_at, query.at)
        self.seconds += seconds
        self.bytes += size
        self.refresh_seconds = max(self.refresh_seconds, seconds)
        self.refresh_bytes = max(self.refresh_bytes, size)
        self.untold += any(scan.bytes is None for scan in scans)


@dataclass(frozen=True, slots=True)
class Scan:
    """What one source did for a query; ``object`` and ``bytes`` are None where the asker may not know them."""

    object: str | None
    seconds: float
    bytes: int | None


@dataclass(slots=True)
class Query:
    """A query that was answered from its sources: what it named, and how restricted each was for who asked."""

    user: str
    at: datetime
    seconds: float
    named: Mapping[str, str]
    scans: list[Scan] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Proposal:
    """An object that it would have paid to store, refreshed ``refreshes`` times, each ``every`` seconds."""

    object: Object
    spent: Spent
    every: float
    refreshes: int
    saved_seconds: float
    saved_bytes: int


def queries(rows: Iterable[Mapping[str, Any]]) -> list[Query]:
    """The queries of rows of ``system.queries`` joined with ``system.scans``."""
    found: dict[str, Query] = {}
    for row in rows:
        query = found.get(row["query_id"])
        if query is None:
            told = json.loads(row["receipt"] or "{}").get("restricted", {})
            named = {_plain(name): said for name, said in told.items()}
            query = Query(row["user"], row["started_at"], row["run_seconds"] or 0.0, named)
            found[row["query_id"]] = query
        name = row["object"] and _plain(row["object"])
        query.scans.append(Scan(name, row["seconds"] or 0.0, row["bytes"]))
    return list(found.values())


def of_history(asked: Iterable[Query], products: Iterable[Object]) -> dict[Object, Spent]:
    """What live reads of each product that queries named took, and of each table that they scanned."""
    known = {product.name: product for product in products}
    spent: dict[Object, Spent] = {}
    for query in asked:
        for name, restricted in query.named.items():
            product = known.get(name)
            if product is None:
                continue
            sums = spent.setdefault(product, Spent("history"))
            scans = _of_product(query, product, known)
            if scans:
                sums.add(query, scans)
                sums.restricted += restricted != "none"
            else:
                sums.apart += 1
        for name in {scan.object for scan in query.scans if scan.object and "." in scan.object}:
            sums = spent.setdefault(Object(name, "table"), Spent("history"))
            sums.add(query, [scan for scan in query.scans if scan.object == name])
    return spent


def _of_product(query: Query, product: Object, known: Mapping[str, Object]) -> list[Scan]:
    """The scans that are the product's and of nothing else that the query named."""
    others = [name for name in query.named if name != product.name]
    if not others:
        return query.scans
    theirs = {name for other in others for name in (known[other].beneath if other in known else {other})}
    return [
        scan for scan in query.scans if scan.object in product.beneath and not _is_any(scan.object, theirs)
    ]


def _is_any(name: str | None, written: Iterable[str]) -> bool:
    """Whether a table is one of those; a statement may leave out the schema."""
    catalog, _, rest = (name or "").partition(".")
    return any(each in (name, f"{catalog}.{rest.rpartition('.')[2]}") for each in written)


def of_usage(rows: Iterable[Mapping[str, Any]], products: Iterable[Object]) -> dict[Object, Spent]:
    """What ``system.usage`` tells an owner of the use of what is theirs, by all users, summed by day.

    Single reads are not in it: seconds are those of whole statements, a refresh is taken for a mean read, and the first
    day counts from its last read.
    """
    known = {product.name: product for product in products}
    spent: dict[Object, Spent] = {}
    for row in rows:
        if row["bytes"] is None:
            continue
        name = _plain(row["object"])
        sums = spent.setdefault(known.get(name, Object(name, "table")), Spent("usage"))
        sums.reads += row["queries"]
        sums.users.add(row["user"])
        sums.first_at, sums.last_at = min(sums.first_at, row["last_at"]), max(sums.last_at, row["last_at"])
        sums.seconds += row["seconds"]
        sums.bytes += row["bytes"]
    for sums in spent.values():
        sums.refresh_seconds = sums.seconds / sums.reads
        sums.refresh_bytes = round(sums.bytes / sums.reads)
    return spent


def advise(found: Iterable[Mapping[Object, Spent]], every: float | None = None) -> list[Proposal]:
    """What would have saved something, the most seconds first; of one object, by what tells of the most reads.

    What is stored already is not proposed again, though some may have to be answered from its live parts.

    Args:
        found: what was spent, by each kind of evidence.
        every: seconds from refresh to refresh; else the declared freshness of a product, else an hour.
    """
    best: dict[Object, Spent] = {}
    for spent in found:
        for each, sums in spent.items():
            if each not in best or sums.reads > best[each].reads:
                best[each] = sums
    proposals = [
        _proposal(each, sums, every) for each, sums in best.items() if sums.reads > 1 and not each.stored
    ]
    worth = [each for each in proposals if each.saved_seconds > 0 or each.saved_bytes > 0]
    return sorted(worth, key=lambda each: (-each.saved_seconds, -each.saved_bytes, each.object.name))


def _proposal(object: Object, spent: Spent, every: float | None) -> Proposal:
    every = every or object.freshness or DEFAULT_EVERY_SECONDS
    lasted = max(spent.last_at - spent.first_at, timedelta(0)).total_seconds()
    # One before the first read, and one whenever so much time has passed.
    refreshes = 1 + math.floor(lasted / every)
    seconds = max(0.0, spent.seconds - refreshes * spent.refresh_seconds)
    size = max(0, spent.bytes - refreshes * spent.refresh_bytes)
    return Proposal(object, spent, every, refreshes, seconds, size)


def _plain(name: str) -> str:
    return name.replace('"', "").lower()
