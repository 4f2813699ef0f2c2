"""API tokens: a local user's login for a program, with an end, a scope, and a line in the state to revoke it by.

The token itself is signed and says whose it is; the state store says whether it still counts. One that the
state does not know counts as revoked.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fabric.errors import LoginRefused, NotFound, StateUnavailable
from fabric.state import Part, State
from server.keys import Signer

PREFIX = "ripstop_"
"""What every API token begins with, so that scanners for leaked secrets can know one."""

_PURPOSE = "api"
_TOKEN = re.compile(re.escape(PREFIX) + r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}")
_DAY_SECONDS = 86400.0

_PART = Part(
    "tokens",
    (
        """
        CREATE TABLE IF NOT EXISTS api_tokens (
            id TEXT PRIMARY KEY, "user" TEXT NOT NULL, roles TEXT NOT NULL, made_at {real} NOT NULL,
            until {real} NOT NULL, revoked_at {real}
        )
        """,
    ),
)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a good token says: its user, the mark of their password then, and the roles that it is limited to.

    No roles: it is not limited.
    """

    user: str
    mark: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A token as the state knows it; times in seconds since 1970."""

    id: str
    user: str
    roles: tuple[str, ...]
    made_at: float
    until: float
    revoked_at: float | None

    def state(self, now: float) -> str:
        """``live``, ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        return "live" if now < self.until else "expired"


def is_api_token(text: str) -> bool:
    """Whether the text has the form of an API token; it may stand where a password does."""
    return _TOKEN.fullmatch(text) is not None


class ApiTokens:
    """Makes, knows and revokes API tokens; any thread may ask.

    Args:
        state: where they are known.
        signer: signs and verifies them.
        clock: seconds since 1970.

    Raises:
        InvalidConfig: the state is of a later version.
    """

    def __init__(self, state: State, signer: Signer, clock: Callable[[], float] = time.time) -> None:
        self._state = state
        self._signer = signer
        self._clock = clock
        state.prepare(_PART)

    def make(self, user: str, mark: str, roles: Sequence[str], days: int) -> tuple[str, Listed]:
        """A new token, which is shown once and kept nowhere, and its line in the state."""
        id, now = secrets.token_hex(6), self._clock()
        listed = Listed(id, user, tuple(sorted(set(roles))), now, now + days * _DAY_SECONDS, None)
        payload = {"id": id, "user": user, "mark": mark, "roles": list(listed.roles)}
        token = PREFIX + self._signer.sign(_PURPOSE, payload, days * _DAY_SECONDS)
        with self._state.transaction() as run:
            run(
                "INSERT INTO api_tokens VALUES ($1, $2, $3, $4, $5, NULL)",
                (id, user, " ".join(listed.roles), listed.made_at, listed.until),
            )
        return token, listed

    def verify(self, token: str) -> Claim:
        """What a token says.

        Raises:
            LoginRefused: it is not ours, has expired, was revoked, or the state cannot tell.
        """
        payload = self._signer.verify(_PURPOSE, token.removeprefix(PREFIX))
        try:
            found = self._state.read("SELECT revoked_at FROM api_tokens WHERE id = $1", (str(payload["id"]),))
        except StateUnavailable:
            raise LoginRefused(
                "the token cannot be checked at the moment", hint="try again in a moment", retryable=True
            ) from None
        if found != [(None,)]:
            raise LoginRefused("the token was revoked", hint="ask whoever runs this fabric for a new one")
        return Claim(payload["user"], payload["mark"], tuple(payload["roles"]))

    def listed(self) -> list[Listed]:
        """Every token, the newest last."""
        rows = self._state.read(
            'SELECT id, "user", roles, made_at, until, revoked_at FROM api_tokens ORDER BY made_at, id'
        )
        return [Listed(row[0], row[1], tuple(row[2].split()), *row[3:]) for row in rows]

    def revoke(self, id: str) -> None:
        """Have the token count no longer, from the next call on.

        Raises:
            NotFound: there is no such token.
        """
        with self._state.transaction() as run:
            changed = run(
                "UPDATE api_tokens SET revoked_at = coalesce(revoked_at, $1) WHERE id = $2 RETURNING id",
                (self._clock(), id),
            )
        if not changed:
            raise NotFound("there is no token of this id", hint="ripstop token list shows the ids")
