"""Events: what users say has happened between objects, in the state store.

An event is searchable as soon as the call that emits it has answered. Who emitted it sees it, who owns or administers its
source or target, and who may read all of ``system.events``.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fabric.errors import InvalidValue, LimitError
from fabric.lineage_rows import Place, plain_name
from fabric.state import Part, State
from fabric.types import TableName

if TYPE_CHECKING:
    from fabric.spi import Governor
    from fabric.types import Principal

EVENTS = (
    "event_id VARCHAR, at TIMESTAMP WITH TIME ZONE, user VARCHAR, name VARCHAR, source VARCHAR, target VARCHAR, "
    "meta VARCHAR, query_id VARCHAR"
)
MOST_META_BYTES = 32_768
"""How long the JSON of one event may be, as UTF-8."""
MOST_A_DAY = 10_000
"""How many events one user may emit within 24 hours."""

_DAY_SECONDS = 86_400.0
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")
_PART = Part(
    "events",
    (
        """
        CREATE TABLE events (
            number {number}, event_id TEXT UNIQUE NOT NULL, at {real} NOT NULL, "user" TEXT NOT NULL,
            name TEXT NOT NULL, source TEXT, target TEXT, meta TEXT NOT NULL, query_id TEXT
        );
        CREATE INDEX events_user ON events ("user", at);
        CREATE INDEX events_at ON events (at)
        """,
    ),
)

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """What somebody said has happened; one of ``source`` and ``target`` may be absent."""

    event_id: str
    at: datetime
    user: str
    name: str
    source: Place | None
    target: Place | None
    meta: str
    query_id: str | None = None


class Events:
    """The events of the last ``seconds``; any thread may write and read.

    Args:
        state: where they are kept.
        redact: takes secrets out of a text.
        seconds: how long.

    Raises:
        InvalidConfig: the state is of a later version.
    """

    def __init__(self, state: State, redact: Callable[[str], str], seconds: float) -> None:
        self._state = state
        self._redact = redact
        self._seconds = seconds
        state.prepare(_PART)

    def emit(
        self, user: str, name: str, source: Place | None, target: Place | None, meta: str, query_id: str
    ) -> str:
        """Write an event down, and return its id; it is durable then.

        Raises:
            LimitError: the user has emitted ``MOST_A_DAY``.
            StateUnavailable: it could not be written down.
        """
        at, made = datetime.now(UTC).timestamp(), uuid.uuid4().hex
        row = (made, at, user, name, _packed(source), _packed(target), self._redact(meta), query_id or None)
        with self._state.transaction() as run:
            run("DELETE FROM events WHERE at < $1", (at - self._seconds,))
            ((count,),) = run(
                'SELECT count(*) FROM events WHERE "user" = $1 AND at > $2', (user, at - _DAY_SECONDS)
            )
            if count >= MOST_A_DAY:
                raise LimitError(
                    f"you have emitted {MOST_A_DAY:,} events in a day",
                    hint="gather what belongs together in one",
                )
            run(
                'INSERT INTO events (event_id, at, "user", name, source, target, meta, query_id) '
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                row,
            )
        return made

    def all(self) -> list[Event]:
        """Everyone's events, the oldest first.

        Raises:
            StateUnavailable: they cannot be read.
        """
        found = self._state.read(
            'SELECT event_id, at, "user", name, source, target, meta, query_id FROM events '
            "WHERE at >= $1 ORDER BY number",
            (datetime.now(UTC).timestamp() - self._seconds,),
        )
        return [
            Event(
                id,
                datetime.fromtimestamp(at, UTC),
                user,
                name,
                _unpacked(source),
                _unpacked(target),
                meta,
                query,
            )
            for id, at, user, name, source, target, meta, query in found
        ]


def _packed(place: Place | None) -> str | None:
    return (
        None
        if place is None
        else json.dumps([place.name.catalog, place.name.schema, place.name.name, place.column])
    )


def _unpacked(packed: str | None) -> Place | None:
    if packed is None:
        return None
    *name, column = json.loads(packed)
    return Place(TableName(*name), column)


def require_name(name: str) -> str:
    """The name of an event.

    Raises:
        InvalidValue: it is none.
    """
    if not _NAME.fullmatch(name):
        raise InvalidValue(
            "an event's name begins with a letter, and has at most 100 letters, digits, _, . and -",
            hint="as 'claim_reviewed'; all else goes into the JSON",
        )
    return name


def require_meta(meta: str) -> str:
    """What an event carries: a JSON object.

    Raises:
        InvalidValue: it is none, or too long.
    """
    size = len(meta.encode())
    if size > MOST_META_BYTES:
        raise InvalidValue(
            f"an event's JSON has at most {MOST_META_BYTES:,} bytes, and this one {size:,}",
            hint="store it elsewhere, and say where",
        )
    hint = """as '{"by": "ana"}'"""
    try:
        said = json.loads(meta, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise InvalidValue(
            f"an event carries JSON: {error.msg} at character {error.pos + 1}", hint=hint
        ) from None
    except (ValueError, RecursionError):
        raise InvalidValue("an event carries JSON, and this is none", hint=hint) from None
    if not isinstance(said, dict):
        raise InvalidValue("an event carries a JSON object", hint=hint)
    return meta


def _refuse(constant: str) -> None:
    raise ValueError(constant)


# ── who sees what ────────────────────────────────────────────────────────────────────────────


@dataclass
class Sight:
    """Which events a principal sees, and how much of them.

    Args:
        principal: who asks.
        governor: decides.
        knows: whether they may know of a place.
    """

    principal: Principal
    governor: Governor
    knows: Callable[[Place], bool]

    def seen(self, events: Iterable[Event]) -> Iterator[Event]:
        """Theirs, and those about what they administer; a side that they may not know of is left out."""
        if self.governor.may(self.principal, "read", "system.events"):
            yield from events
            return
        administered: dict[TableName, bool] = {}

        def administers(place: Place | None) -> bool:
            if place is None:
                return False
            if place.name not in administered:
                administered[place.name] = self.governor.administers(self.principal, place.name)
            return administered[place.name]

        for event in events:
            if event.user == self.principal.user:
                yield event
            elif administers(event.source) or administers(event.target):
                source, target = (
                    place if place is not None and (administers(place) or self.knows(place)) else None
                    for place in (event.source, event.target)
                )
                yield Event(
                    event.event_id,
                    event.at,
                    event.user,
                    event.name,
                    source,
                    target,
                    event.meta,
                    event.query_id,
                )


def event_rows(events: Iterable[Event], fabric: str) -> list[Row]:
    """The rows of ``system.events``."""
    return [
        (
            event.event_id,
            event.at,
            event.user,
            event.name,
            event.source and event.source.told(fabric),
            event.target and event.target.told(fabric),
            event.meta,
            event.query_id,
        )
        for event in events
    ]


def event_edges(events: Iterable[Event], fabric: str) -> list[Row]:
    """The rows of ``system.lineage`` that events give: from source to target, each of a name once."""
    found: Mapping[Row, None] = {
        (
            plain_name(event.target.name, fabric),
            event.target.column or None,
            plain_name(event.source.name, fabric),
            event.source.column or None,
            f"event {event.name}",
            False,
            None,
        ): None
        for event in events
        if event.source is not None and event.target is not None
    }
    return list(found)
