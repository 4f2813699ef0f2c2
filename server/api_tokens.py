"""API tokens: a local user's login for a program, with an end, a scope, and a line in the state to revoke it by.

The token itself is signed and says whose it is; the state (SQLite) says whether it still counts. One that the
state does not know counts as revoked.
"""

from __future__ import annotations

import logging
import re
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fabric.errors import LoginRefused, NotFound
from server.keys import Signer

_log = logging.getLogger("ripstop.login")

PREFIX = "ripstop_"
"""What every API token begins with, so that scanners for leaked secrets can know one."""

_PURPOSE = "api"
_TOKEN = re.compile(re.escape(PREFIX) + r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}")
_DAY_SECONDS = 86400.0

_TABLE = """
CREATE TABLE IF NOT EXISTS api_tokens (
    id TEXT PRIMARY KEY, user TEXT NOT NULL, roles TEXT NOT NULL, made_at REAL NOT NULL, until REAL NOT NULL,
    revoked_at REAL
) STRICT
"""


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
        file: the SQLite file of the state; its folder is made, readable by its owner alone.
        signer: signs and verifies them.
        clock: seconds since 1970.
    """

    def __init__(self, file: Path, signer: Signer, clock: Callable[[], float] = time.time) -> None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._signer = signer
        self._clock = clock
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA busy_timeout = 5000")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute(_TABLE)

    def make(self, user: str, mark: str, roles: Sequence[str], days: int) -> tuple[str, Listed]:
        """A new token, which is shown once and kept nowhere, and its line in the state."""
        id, now = secrets.token_hex(6), self._clock()
        listed = Listed(id, user, tuple(sorted(set(roles))), now, now + days * _DAY_SECONDS, None)
        payload = {"id": id, "user": user, "mark": mark, "roles": list(listed.roles)}
        token = PREFIX + self._signer.sign(_PURPOSE, payload, days * _DAY_SECONDS)
        with self._lock:
            self._connection.execute(
                "INSERT INTO api_tokens VALUES (?, ?, ?, ?, ?, NULL)",
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
            found = self._one("SELECT revoked_at FROM api_tokens WHERE id = ?", str(payload["id"]))
        except sqlite3.Error as error:
            _log.error("the state cannot be read: %s", error)
            raise LoginRefused(
                "the token cannot be checked at the moment", hint="try again in a moment", retryable=True
            ) from None
        if found is None or found[0] is not None:
            raise LoginRefused("the token was revoked", hint="ask whoever runs this fabric for a new one")
        return Claim(payload["user"], payload["mark"], tuple(payload["roles"]))

    def listed(self) -> list[Listed]:
        """Every token, the newest last."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT id, user, roles, made_at, until, revoked_at FROM api_tokens ORDER BY made_at, id"
            ).fetchall()
        return [Listed(row[0], row[1], tuple(row[2].split()), *row[3:]) for row in rows]

    def revoke(self, id: str) -> None:
        """Have the token count no longer, from the next call on.

        Raises:
            NotFound: there is no such token.
        """
        with self._lock:
            changed = self._connection.execute(
                "UPDATE api_tokens SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?", (self._clock(), id)
            ).rowcount
        if not changed:
            raise NotFound("there is no token of this id", hint="ripstop token list shows the ids")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _one(self, sql: str, value: str) -> tuple[float | None] | None:
        with self._lock:
            found: tuple[float | None] | None = self._connection.execute(sql, (value,)).fetchone()
        return found
