"""Wishes: what users would like to read and may not, for the owners to answer, in the state store."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from fabric.errors import LimitError
from fabric.state import Part, State
from fabric.types import TableName

KEPT_WISH_DAYS = 90
_KEPT_WISH_SECONDS = KEPT_WISH_DAYS * 86_400.0
MOST_WISHES = 100
"""How many wishes of one user are kept."""

_PART = Part(
    "wishes",
    (
        """
        CREATE TABLE requests (
            number {number}, request_id TEXT UNIQUE NOT NULL, at {real} NOT NULL, "user" TEXT NOT NULL,
            catalog TEXT NOT NULL, schema TEXT NOT NULL, name TEXT NOT NULL, object TEXT NOT NULL,
            reason TEXT NOT NULL, owner TEXT NOT NULL
        );
        CREATE INDEX requests_user ON requests ("user")
        """,
    ),
)


@dataclass(frozen=True, slots=True)
class Wish:
    """A user would like something of an object: ``reason`` says what and why, ``owner`` is who was told them.

    ``object`` is the name as users write it.
    """

    request_id: str
    at: datetime
    user: str
    name: TableName
    object: str
    reason: str
    owner: str


class Wishes:
    """The wishes of the last ``KEPT_WISH_DAYS``; any thread may write and read.

    Args:
        state: where they are kept.
        redact: takes secrets out of a text.

    Raises:
        InvalidConfig: the state is of a later version.
    """

    def __init__(self, state: State, redact: Callable[[str], str] = lambda text: text) -> None:
        self._state = state
        self._redact = redact
        state.prepare(_PART)

    def wish(self, user: str, name: TableName, written: str, reason: str, owner: str) -> str:
        """Write down a wish, and return its id; the same one asked again is the one that is there.

        Args:
            user: whose.
            name: the object's.
            written: the same as users write it.
            reason: what is wished and why.
            owner: who is told.

        Raises:
            LimitError: the user has ``MOST_WISHES``.
            StateUnavailable: it could not be written down.
        """
        at = datetime.now(UTC).timestamp()
        row = (user, name.catalog, name.schema, name.name, written, self._redact(reason), owner)
        with self._state.transaction() as run:
            run("DELETE FROM requests WHERE at < $1", (at - _KEPT_WISH_SECONDS,))
            known = run(
                'SELECT request_id FROM requests WHERE ("user", catalog, schema, name, object, reason, owner) '
                "= ($1, $2, $3, $4, $5, $6, $7)",
                row,
            )
            if known:
                return str(known[0][0])
            ((count,),) = run('SELECT count(*) FROM requests WHERE "user" = $1', (user,))
            if count >= MOST_WISHES:
                raise LimitError(
                    f"you have asked for {MOST_WISHES} things in {KEPT_WISH_DAYS} days",
                    hint="system.requests shows them; their owners can answer",
                )
            made = uuid.uuid4().hex
            run(
                'INSERT INTO requests (request_id, at, "user", catalog, schema, name, object, reason, owner) '
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                (made, at, *row),
            )
        return made

    def all(self) -> list[Wish]:
        """Everyone's wishes, the oldest first.

        Raises:
            StateUnavailable: they cannot be read.
        """
        found = self._state.read(
            'SELECT request_id, at, "user", catalog, schema, name, object, reason, owner FROM requests '
            "WHERE at >= $1 ORDER BY number",
            (datetime.now(UTC).timestamp() - _KEPT_WISH_SECONDS,),
        )
        return [
            Wish(id, datetime.fromtimestamp(at, UTC), user, TableName(*name), written, reason, owner)
            for id, at, user, *name, written, reason, owner in found
        ]
