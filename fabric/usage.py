"""Usage: who uses which product and table, and what that takes, summed by day in the state store.

Of what a source did, only what lies in the object's own domain counts for it: a product over another domain's table
tells its owner nothing of that table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from fabric.resolve import beneath, relations
from fabric.state import Part, State
from fabric.stored import asked
from fabric.types import Governed, Product, Relation, TableName

if TYPE_CHECKING:
    from fabric.outcome import Outcome

KEPT_USAGE_DAYS = 400
POPULAR_DAYS = 30
"""For how many days back a product's queries and users are counted."""

_DAY_SECONDS = 86_400
_EPOCH = date(1970, 1, 1)

_PART = Part(
    "usage",
    (
        """
        CREATE TABLE usage (
            day BIGINT NOT NULL, "user" TEXT NOT NULL, catalog TEXT NOT NULL, schema TEXT NOT NULL, name TEXT NOT NULL,
            object TEXT NOT NULL, domain TEXT NOT NULL, named BIGINT NOT NULL, queries BIGINT NOT NULL, failed BIGINT NOT NULL,
            seconds {real} NOT NULL, rows BIGINT NOT NULL, bytes BIGINT NOT NULL, requests BIGINT NOT NULL,
            last_at {real} NOT NULL,
            PRIMARY KEY (day, "user", catalog, schema, name, named)
        )
        """,
    ),
)

_ADD = """
INSERT INTO usage
    (day, "user", catalog, schema, name, object, domain, named, queries, failed, seconds, rows, bytes, requests,
     last_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $10, $11, $12, $13, $14)
ON CONFLICT (day, "user", catalog, schema, name, named) DO UPDATE SET
    object = excluded.object, queries = usage.queries + 1, failed = usage.failed + excluded.failed, domain = excluded.domain,
    seconds = usage.seconds + excluded.seconds, rows = usage.rows + excluded.rows,
    bytes = usage.bytes + excluded.bytes, requests = usage.requests + excluded.requests, last_at = excluded.last_at
"""
_FORGET = "DELETE FROM usage WHERE day < $1"


@dataclass(frozen=True, slots=True)
class Used:
    """What one user took of one object on one day.

    ``object`` is the name as users write it. ``named``: their statements named it; else they read it through a product. ``rows``, ``bytes`` and ``requests``
    are those of the object's own domain's sources beneath it, ``seconds`` those of the whole statements.
    """

    name: TableName
    object: str
    domain: str
    user: str
    day: date
    named: bool
    queries: int
    failed: int
    seconds: float
    rows: int
    bytes: int
    requests: int
    last_at: datetime


class Usage:
    """The sums of the last ``KEPT_USAGE_DAYS``; any thread may write and read.

    Args:
        state: where they are kept.
        domains: the domain of each source, by its name.

    Raises:
        InvalidConfig: the state is of a later version.
    """

    def __init__(self, state: State, domains: Mapping[str, str]) -> None:
        self._state = state
        self._domains = {source.lower(): domain.lower() for source, domain in domains.items()}
        self._forgot = 0
        state.prepare(_PART)

    def add(self, user: str, governed: Governed, outcome: Outcome, now: float) -> None:
        """Count a statement that ended for all that it read; never waits."""
        day = int(now // _DAY_SECONDS)
        seconds = max(0.0, now - outcome.started_at)
        failed = int(outcome.state != "succeeded")
        did = _did(outcome)
        named = {relation.name.key for relation in asked(governed).relations}
        counted: dict[tuple[str, str, str], tuple[Any, ...]] = {}
        for relation in relations(asked(governed), governed.decisions):
            key = relation.name.key
            domain = self._domain(relation)
            if domain and key not in counted:
                written, mine = _written(relation), self._amounts(relation, domain, did)
                counted[key] = (
                    day,
                    user,
                    *key,
                    written,
                    domain,
                    int(key in named),
                    failed,
                    seconds,
                    *mine,
                    now,
                )
        forget = [] if self._forgot == day else [(_FORGET, [(day - KEPT_USAGE_DAYS,)])]
        self._forgot = day
        self._state.later((_ADD, list(counted.values())), *forget)

    def _domain(self, relation: Relation) -> str:
        if isinstance(relation.object, Product):
            return relation.object.domain.lower()
        return self._domains.get(relation.name.catalog.lower(), "")

    def _amounts(
        self, relation: Relation, domain: str, did: Mapping[str, tuple[int, int, int]]
    ) -> tuple[int, ...]:
        """Rows, bytes and requests of the scans of the relation itself and beneath, in its own domain."""
        leaves = {str(each.name) for each in (*beneath(relation), relation) if self._domain(each) == domain}
        found = [did[leaf] for leaf in leaves if leaf in did]
        return tuple(sum(each[n] for each in found) for n in range(3))

    def rows(self, user: str | None = None) -> list[Used]:
        """What one user took, or everyone.

        Raises:
            StateUnavailable: it cannot be read, or what was counted last is not written yet.
        """
        self._state.flush()
        found = self._state.read(
            'SELECT catalog, schema, name, object, domain, "user", day, named, queries, failed, seconds, rows, bytes, requests, '
            'last_at FROM usage WHERE CAST($1 AS TEXT) IS NULL OR "user" = $1 ORDER BY day, "user", schema, name',
            (user,),
        )
        return [
            Used(
                TableName(*name),
                object,
                domain,
                who,
                _EPOCH + timedelta(days=day),
                bool(named),
                *amounts,
                datetime.fromtimestamp(last_at, UTC),
            )
            for *name, object, domain, who, day, named, q, failed, seconds, rows, size, requests, last_at in found
            for amounts in [(q, failed, seconds, rows, size, requests)]
        ]

    def popular(self, now: float) -> dict[tuple[str, str, str], tuple[int, int]]:
        """How many statements named or read each object in the last ``POPULAR_DAYS``, and of how many users, by name.

        Raises:
            StateUnavailable: it cannot be read.
        """
        found = self._state.read(
            'SELECT catalog, schema, name, sum(queries), count(DISTINCT "user") FROM usage WHERE day > $1 '
            "GROUP BY catalog, schema, name",
            (int(now // _DAY_SECONDS) - POPULAR_DAYS,),
        )
        return {
            (catalog, schema, name): (int(queries), users) for catalog, schema, name, queries, users in found
        }


def _written(relation: Relation) -> str:
    if isinstance(relation.object, Product):
        return f"{relation.object.domain}.{relation.object.name.name}"
    return str(relation.name)


def _did(outcome: Outcome) -> dict[str, tuple[int, int, int]]:
    """Rows, bytes and requests of all scans of each object."""
    found: dict[str, tuple[int, int, int]] = {}
    for scan in outcome.scans:
        rows, size, requests = found.get(scan.object, (0, 0, 0))
        found[scan.object] = (rows + scan.rows, size + scan.bytes, requests + scan.requests)
    return found
