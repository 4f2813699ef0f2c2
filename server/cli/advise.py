"""``ripstop advise``: what would be worth storing, from what the history tells the one who asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.cli.logins import Authorities, Uri, User, client_of
from server.cli.options import Directory

if TYPE_CHECKING:
    from server.advice import Object, Proposal, Query
    from server.client import Client

_QUERIES = """
SELECT q.query_id, q.user, q.started_at, q.run_seconds, q.receipt, s.object, s.seconds, s.bytes
FROM system.queries q JOIN system.scans s USING (query_id)
WHERE q.state = 'succeeded' AND q.started_at IS NOT NULL AND coalesce(q.cache, '') <> 'result'
    AND coalesce(s.cache, '') NOT LIKE 'rows of %' AND coalesce(s.source, '') <> 'results'
    AND q.user NOT LIKE 'domain:%'"""  # refreshes
_USAGE = "SELECT object, user, queries, seconds, bytes, last_at FROM system.usage WHERE bytes IS NOT NULL"
_PRODUCTS = "SELECT domain, name, freshness, as_of IS NOT NULL AS stored FROM system.products"
_LINEAGE = """
SELECT DISTINCT product, source FROM system.lineage
WHERE query_id IS NULL AND product IS NOT NULL AND source IS NOT NULL"""

_BOUND = (
    "It is a bound: as if each reader had taken stored rows, and a refresh took what the dearest read seen took. Tables and "
    "products overlap: what they save does not add up."
)


class Told(StrEnum):
    """How advice is written."""

    text = "text"
    json = "json"


def advise(
    every: Annotated[
        str,
        typer.Option(
            help="From refresh to refresh, such as 15m; by default a product's declared freshness, else 1h."
        ),
    ] = "",
    most: Annotated[int, typer.Option("-n", min=1, max=1000, help="How many proposals.")] = 10,
    form: Annotated[Told, typer.Option("--format", help="How it is written.")] = Told.text,
    directory: Directory = Path("."),
    uri: Uri = "",
    user: User = "",
    ca: Authorities = None,
) -> None:
    """Propose what to store: what was most often read live, and the seconds and bytes that it would have saved."""
    from server.advice import advise as proposals_of
    from server.advice import of_history, of_usage, queries
    from server.cli.formats import visible

    seconds = _seconds(every)
    with client_of(directory, uri, user, ca) as client:
        products = _products(client)
        asked = queries(_rows(client, _QUERIES))
        usage = of_usage(_rows(client, _USAGE), products)
    proposals = proposals_of([of_history(asked, products), usage], seconds)[:most]
    if form is Told.json:
        rests = {**_seen(asked), "objects_in_usage": len(usage)}
        print(
            json.dumps(
                {"rests_on": rests, "bound": _BOUND, "proposals": [*map(_as_json, proposals)]}, indent=2
            )
        )
        return
    for line in _as_text(asked, len(usage), proposals):
        print(visible(line))


def _seconds(every: str) -> float | None:
    if not every:
        return None
    from pydantic import TypeAdapter, ValidationError

    from fabric.settings import Seconds

    try:
        return TypeAdapter(Seconds).validate_python(every)
    except ValidationError:
        raise typer.BadParameter("--every is a duration, such as 15m, 1h or 1d") from None


def _products(client: Client) -> list[Object]:
    """The products that the asker may know of, and what each rests on."""
    from server.advice import Object

    parts: dict[str, set[str]] = {}
    for row in _rows(client, _LINEAGE):
        parts.setdefault(row["product"].lower(), set()).add(row["source"].lower())
    found = []
    for row in _rows(client, _PRODUCTS):
        name = f"{row['domain']}.{row['name']}".lower()
        beneath = frozenset(_reached(name, parts))
        found.append(Object(name, "product", beneath, row["freshness"], row["stored"]))
    return found


def _reached(name: str, parts: dict[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        fresh = parts.get(waiting.pop(), set()) - reached
        reached |= fresh
        waiting += fresh
    return reached


def _rows(client: Client, sql: str) -> Iterator[dict[str, Any]]:
    with client.query(sql) as answer:
        for batch in answer:
            yield from batch.to_pylist()


def _seen(asked: list[Query]) -> dict[str, Any]:
    return {
        "queries": len(asked),
        "users": len({query.user for query in asked}),
        "from": min(query.at for query in asked).isoformat() if asked else None,
        "to": max(query.at for query in asked).isoformat() if asked else None,
    }


def _as_json(proposal: Proposal) -> dict[str, Any]:
    spent = proposal.spent
    return {
        "object": proposal.object.name,
        "kind": proposal.object.kind,
        "rests_on": spent.rests_on,
        "reads": spent.reads,
        "users": len(spent.users),
        "first_at": spent.first_at.isoformat(),
        "last_at": spent.last_at.isoformat(),
        "seconds": spent.seconds,
        "bytes": spent.bytes,
        "every_seconds": proposal.every,
        "refreshes": proposal.refreshes,
        "saved_seconds": proposal.saved_seconds,
        "saved_bytes": proposal.saved_bytes,
        "reads_without_bytes": spent.untold,
        "reads_restricted": spent.restricted,
        "reads_not_told_apart": spent.apart,
    }


def _as_text(asked: list[Query], in_usage: int, proposals: list[Proposal]) -> Iterator[str]:
    seen = _seen(asked)
    days = f", {seen['from'][:10]} to {seen['to'][:10]}" if asked else ""
    yield f"rests on {seen['queries']:,} queries of {_count(seen['users'], 'user')} that system.queries shows you{days},"
    yield f"and on the use of {_count(in_usage, 'object')} of yours in system.usage"
    if not proposals:
        yield "nothing was read live often enough for a stored copy to have saved anything"
        return
    for number, proposal in enumerate(proposals, 1):
        yield ""
        yield from _told(number, proposal)
    yield ""
    yield _BOUND


def _told(number: int, proposal: Proposal) -> Iterator[str]:
    from server.cli.progress import size

    spent = proposal.spent
    yield f"{number}. {proposal.object.name} ({proposal.object.kind})"
    yield (
        f"   read live {_count(spent.reads, 'time')} by {_count(len(spent.users), 'user')}: {spent.seconds:,.2f} s and "
        f"{size(spent.bytes)} of its sources"
    )
    yield (
        f"   stored, with {_count(proposal.refreshes, 'refresh', 'es')} ({_duration(proposal.every)} apart), it would have saved "
        f"{proposal.saved_seconds:,.2f} s and {size(proposal.saved_bytes)}"
    )
    if spent.rests_on == "usage":
        yield "   from sums by day: seconds are those of whole statements, a refresh is taken for a mean read, and the"
        yield "   first day counts from its last read"
    if spent.restricted:
        yield f"   {_count(spent.restricted, 'read')} by users who may not see all of it: those may have to stay live"
    if spent.untold:
        yield f"   of {_count(spent.untold, 'read')} you may not know the bytes, which are not in the sums"
    if spent.apart:
        yield f"   {_count(spent.apart, 'more read')} cannot be told apart from what else those queries read"


def _count(number: int, what: str, plural: str = "s") -> str:
    return f"{number:,} {what}{'' if number == 1 else plural}"


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:g}s"
