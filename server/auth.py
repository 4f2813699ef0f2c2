"""Logins: who calls, by password, by a token of ours or of another issuer, or by a client's certificate."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from fabric.config import ProjectConfig
from fabric.config_model import UserSettings, is_password_hash
from fabric.config_rules import ANONYMOUS
from fabric.errors import InvalidConfig, LoginRefused
from fabric.types import Principal
from policies.scope import ScopedPrincipal
from server.api_tokens import ApiTokens, is_api_token
from server.jwt import JwtLogins, is_jwt
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


@cache
def _of_nobody() -> str:
    """The hash of a password that nobody knows: a user who is not there takes as long as one who is."""
    return hash_password(secrets.token_hex(16))


def password_mark(signer: Signer, user: str, settings: UserSettings) -> str:
    """What stands in a token for the user's password: another one has another, and tells nothing of it."""
    return signer.digest("password", f"{user}\0{settings.password.get_secret_value()}")


@dataclass(frozen=True, slots=True)
class Login:
    """Who calls, and the token that says so from now on; empty where there is nothing to send again."""

    principal: Principal
    token: str = field(default="", repr=False)


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
        jwt: takes another issuer's tokens; None refuses them.
        tokens: knows the API tokens; None refuses them.
        certificates: name in a client's certificate → local user.
    """

    def __init__(
        self,
        users: Mapping[str, UserSettings],
        signer: Signer,
        anonymous: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        jwt: JwtLogins | None = None,
        tokens: ApiTokens | None = None,
        certificates: Mapping[str, str] | None = None,
    ) -> None:
        self.jwt = jwt
        self.tokens = tokens
        self._users = dict(users)
        self._taken = frozenset({ANONYMOUS, *(name.lower() for name in users)})
        self._certificates = dict(certificates or {})
        self._signer = signer
        self._anonymous = anonymous
        self._clock = clock
        self._lock = threading.Lock()
        self._attempts: dict[tuple[str, str], _Attempts] = {}
        self._remembered: dict[bytes, float] = {}
        self._salt = secrets.token_bytes(32)
        self.failed: Callable[[str, str], None] | None = None
        self._argon2 = threading.BoundedSemaphore(_AT_ONCE)
        self._nobody = _of_nobody()

    @property
    def takes_certificates(self) -> bool:
        """Whether the name in a client's certificate may be a login."""
        return bool(self._certificates)

    def authenticate_basic(self, user: str, password: str, peer: str) -> Login:
        """The login of a user name and password; an API token may stand in the password's place.

        Args:
            user: as it stands in users.yaml.
            password: in clear text.
            peer: the address that the call comes from, without the port.

        Raises:
            LoginRefused: wrong, or locked: five failures within a minute lock the user from that address
                for a minute, and each further lock lasts twice as long, up to 15 minutes.
        """
        if is_api_token(password):
            return Login(self._by_api_token(password, user), password)
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
                wrong = True
            else:
                attempts.failed_at.clear()
                attempts.locks = 0
                wrong = False
        if wrong:
            if self.failed is not None:
                self.failed(user, peer)
            raise LoginRefused("wrong user name or password")
        return Login(self._principal(user), self.issue(user))

    def note_failure(self, user: str, peer: str) -> None:
        """A login failed in another process of the server; never waits for one that is being judged."""
        attempts = self._attempts_of(user, peer)
        self._count_failure(attempts, self._clock())

    def issue(self, user: str) -> str:
        """A login token for a local user who gave their password; it ends when that changes."""
        payload = {"user": user, "mark": password_mark(self._signer, user, self._users[user])}
        return self._signer.sign(_PURPOSE, payload, TOKEN_SECONDS)

    def authenticate_bearer(self, token: str) -> Login:
        """The login of a token of ours, with the roles that the user has now, or of the other issuer's.

        The token is the one to send again, so that no login outlives it.

        Raises:
            LoginRefused: of nobody we trust, expired, or its user is gone or has another password.
        """
        if is_api_token(token):
            return Login(self._by_api_token(token), token)
        if is_jwt(token) and self.jwt is not None:
            return Login(self._by_jwt(token, self.jwt), token)
        payload = self._signer.verify(_PURPOSE, token)
        self._require_same(str(payload["user"]), str(payload["mark"]))
        return Login(self._principal(str(payload["user"])), token)

    def authenticate_certificate(self, name: str) -> Login:
        """The login of a client whose certificate the server's ``client_ca`` has signed.

        Args:
            name: the certificate's first alternative name, or its common name where it has none.

        Raises:
            LoginRefused: the name is nobody's, and guests are not taken.
        """
        user = self._certificates.get(name)
        if user is None or user not in self._users:
            if self._anonymous is not None:
                return self.anonymous()
            raise LoginRefused(
                "the name in your certificate is no user's",
                hint="auth.certificates in fabric.yaml says whose it is",
            )
        return Login(self._principal(user))

    def anonymous(self) -> Login:
        """The login of a caller who does not log in.

        Raises:
            LoginRefused: this fabric wants a login.
        """
        if self._anonymous is None:
            raise LoginRefused("this fabric wants a login", hint="give a user name and password, or a token")
        return Login(Principal(ANONYMOUS, frozenset({self._anonymous})))

    def _by_api_token(self, token: str, user: str | None = None) -> Principal:
        """Whom an API token logs in; of ``user`` where the login names one."""
        if self.tokens is None:
            raise LoginRefused("this fabric takes no API tokens")
        claim = self.tokens.verify(token)
        if user is not None and user != claim.user:
            raise LoginRefused("the token is another user's", hint="log in as the user whose it is")
        self._require_same(claim.user, claim.mark)
        whole = self._principal(claim.user)
        if not claim.roles:
            return whole
        scope = whole.roles & set(claim.roles)
        if not scope:
            raise LoginRefused(
                "the user has none of the token's roles any more", hint="ask whoever runs this fabric"
            )
        return ScopedPrincipal(whole.user, whole.roles, whole.attributes, scope)

    def _by_jwt(self, token: str, jwt: JwtLogins) -> Principal:
        principal = jwt.principal(token)
        # Rules and tickets know people by name alone: the issuer must not be able to say who a local user is.
        if principal.user.lower() in self._taken:
            raise LoginRefused(
                "the token's subject has the name of a local user",
                hint="log in with the password of that user",
            )
        return principal

    def _require_same(self, user: str, mark: str) -> None:
        """Refuse the token of a user who is gone, or whose password was another."""
        found = self._users.get(user)
        if found is None or not hmac.compare_digest(mark, password_mark(self._signer, user, found)):
            raise LoginRefused("the token is no longer good", hint="log in again")

    def _principal(self, user: str) -> Principal:
        found = self._users[user]
        return Principal(user, frozenset(found.roles), dict(found.attributes))

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


def build_authenticator(
    config: ProjectConfig, signer: Signer, tokens: ApiTokens, former: Authenticator | None = None
) -> Authenticator:
    """The authenticator of a configuration.

    Args:
        config: the project's.
        signer: signs and verifies tokens.
        tokens: knows the API tokens.
        former: the one before a reload; it hands on the issuer's keys.

    Raises:
        InvalidConfig: a file of keys holds none, or a certificate is that of a user who is not there.
    """
    settings = config.auth
    for name, user in settings.certificates.items():
        if user not in config.users:
            raise InvalidConfig(
                f"fabric.yaml: auth.certificates.{name}: there is no local user '{user}'",
                hint="users.yaml names the local users",
            )
    jwt = former.jwt if former is not None else None
    if settings.jwt is not None and (jwt is None or jwt.settings != settings.jwt):
        jwt = JwtLogins(settings.jwt, config.directory)
        jwt.require_keys()
    return Authenticator(
        config.users,
        signer,
        settings.anonymous,
        jwt=jwt if settings.jwt is not None else None,
        tokens=tokens,
        certificates=settings.certificates,
    )
