"""Logins: a user and password, or a token of ours, to a principal; other issuers' tokens come later."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from fabric.config_model import UserSettings, is_password_hash
from fabric.config_rules import ANONYMOUS
from fabric.errors import LoginRefused
from fabric.types import Principal
from server.keys import Signer

TOKEN_SECONDS = 12 * 3600.0
"""How long a login token is good for."""

_PURPOSE = "login"
_REMEMBER_SECONDS = 300.0
_MOST_REMEMBERED = 10_000
_FAILURES = 5
_WINDOW_SECONDS = 60.0
_LONGEST_LOCK_SECONDS = 900.0
_AT_ONCE = 2  # argon2 takes 64 MiB a check: logins must not eat the memory of queries

_HASHER = PasswordHasher()


def hash_password(password: str) -> str:
    """The argon2id hash of a password (argon2-cffi's defaults, RFC 9106 low-memory), for users.yaml."""
    return _HASHER.hash(password)


@dataclass
class _Attempts:
    """The failures of one user from one address."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    failed_at: list[float] = field(default_factory=list)
    locks: int = 0
    locked_until: float = 0.0


class Authenticator:
    """Tells who calls; any thread may ask.

    Args:
        users: the local users by name.
        signer: signs and verifies login tokens.
        anonymous: the role of those who do not log in; None refuses them.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        users: Mapping[str, UserSettings],
        signer: Signer,
        anonymous: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._users = dict(users)
        self._signer = signer
        self._anonymous = anonymous
        self._clock = clock
        self._lock = threading.Lock()
        self._attempts: dict[tuple[str, str], _Attempts] = {}
        self._remembered: dict[bytes, float] = {}
        self._salt = secrets.token_bytes(32)
        self._argon2 = threading.BoundedSemaphore(_AT_ONCE)
        self._nobody = hash_password(secrets.token_hex(16))

    def authenticate_basic(self, user: str, password: str, peer: str) -> Principal:
        """The principal of a user name and password.

        Args:
            user: as it stands in users.yaml.
            password: in clear text.
            peer: the address that the call comes from, without the port.

        Raises:
            LoginRefused: wrong, or locked: five failures within a minute lock the user from that address
                for a minute, and each further lock lasts twice as long, up to 15 minutes.
        """
        attempts = self._attempts_of(user, peer)
        # Of one user's calls from one address one is judged at a time, so that none slips past the count.
        with attempts.lock:
            now = self._clock()
            if now < attempts.locked_until:
                raise LoginRefused(
                    "too many failed logins",
                    hint=f"try again in {int(attempts.locked_until - now) + 1} seconds",
                )
            if not self._is_right(user, password):
                self._count_failure(attempts, now)
                raise LoginRefused("wrong user name or password")
            attempts.failed_at.clear()
            attempts.locks = 0
        return self._principal(user)

    def issue(self, principal: Principal) -> str:
        """A login token for a principal that ``authenticate_basic`` gave; it ends when the user's password changes."""
        return self._signer.sign(
            _PURPOSE, {"user": principal.user, "mark": self._mark(principal.user)}, TOKEN_SECONDS
        )

    def authenticate_bearer(self, token: str, peer: str = "") -> Principal:
        """The principal of a token that ``issue`` made, with the roles that the user has now.

        Raises:
            LoginRefused: not ours, expired, or the user is gone or has another password.
        """
        payload = self._signer.verify(_PURPOSE, token)
        user = str(payload["user"])
        if user not in self._users or not hmac.compare_digest(str(payload["mark"]), self._mark(user)):
            raise LoginRefused("the token is no longer good", hint="log in again")
        return self._principal(user)

    def anonymous(self) -> Principal:
        """The principal of a caller who does not log in.

        Raises:
            LoginRefused: this fabric wants a login.
        """
        if self._anonymous is None:
            raise LoginRefused("this fabric wants a login", hint="give a user name and password, or a token")
        return Principal(ANONYMOUS, frozenset({self._anonymous}))

    def _principal(self, user: str) -> Principal:
        found = self._users[user]
        return Principal(user, frozenset(found.roles), dict(found.attributes))

    def _mark(self, user: str) -> str:
        found = self._users.get(user)
        secret = "" if found is None else found.password.get_secret_value()
        return self._signer.digest("password", f"{user}\0{secret}")

    def _is_right(self, user: str, password: str) -> bool:
        found = self._users.get(user)
        stored = self._nobody if found is None else found.password.get_secret_value()
        memory = hmac.digest(
            self._salt, f"{user}\0{password}\0{stored}".encode(errors="surrogatepass"), "sha256"
        )
        if self._remembered.get(memory, 0.0) > self._clock():
            return True
        if not is_password_hash(stored):
            if hmac.compare_digest(stored.encode(), password.encode(errors="surrogatepass")):
                return True
            stored = self._nobody  # a refusal takes as long as any other
        if not self._verify(stored, password) or found is None:
            return False
        with self._lock:
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[memory] = self._clock() + _REMEMBER_SECONDS
        return True

    def _verify(self, stored: str, password: str) -> bool:
        with self._argon2:
            try:
                return _HASHER.verify(stored, password)
            except (VerificationError, InvalidHashError, UnicodeError):
                return False

    def _attempts_of(self, user: str, peer: str) -> _Attempts:
        key = (user.lower()[:200], peer)
        with self._lock:
            if len(self._attempts) >= _MOST_REMEMBERED:
                self._forget_old()
            return self._attempts.setdefault(key, _Attempts())

    def _forget_old(self) -> None:
        now = self._clock()
        self._attempts = {
            key: each
            for key, each in self._attempts.items()
            if each.lock.locked() or each.locked_until > now or each.failed_at[-1:] > [now - _WINDOW_SECONDS]
        }

    @staticmethod
    def _count_failure(attempts: _Attempts, now: float) -> None:
        attempts.failed_at = [at for at in attempts.failed_at if at > now - _WINDOW_SECONDS] + [now]
        if len(attempts.failed_at) >= _FAILURES:
            lock = min(_WINDOW_SECONDS * 2**attempts.locks, _LONGEST_LOCK_SECONDS)
            attempts.locks += 1
            attempts.locked_until = now + lock
            attempts.failed_at.clear()
