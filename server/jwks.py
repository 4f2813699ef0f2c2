"""The public keys of another issuer (JWKS, RFC 7517), from a file or a URL, renewed as the issuer rotates them."""

from __future__ import annotations

import json
import logging
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

from fabric.errors import InvalidConfig, LoginRefused

_log = logging.getLogger("ripstop.login")

RENEW_SECONDS = 300.0
"""How long keys from a URL are used without asking again: a key that the issuer withdrew is gone by then."""

AGAIN_SECONDS = 5.0
"""An unknown key has a URL asked again, but never more often than this."""

KEPT_SECONDS = 24 * 3600.0
"""How long the last good keys serve while they cannot be read again."""

_TIMEOUT_SECONDS = 5.0
_MOST_BYTES = 2**20
_LEAST_RSA_BITS = 2048

_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_EC = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}

ALGORITHMS = _RSA | frozenset(_EC.values()) | {"EdDSA"}
"""The signatures that are taken (RFC 7518, RFC 8037): none without a key, and none with a shared one."""

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey


@dataclass(frozen=True, slots=True)
class Key:
    """One key, its id where it has one, and the algorithms that it verifies."""

    id: str | None
    public: PublicKey
    algorithms: frozenset[str]


class KeySet:
    """The keys of one issuer; any thread may ask.

    A file is read again when it changes. A URL is asked again after ``RENEW_SECONDS``, and sooner when a key
    is unknown. Where that fails the last good keys serve, for ``KEPT_SECONDS``.

    Args:
        place: a file, or a URL.
        clock: monotonic seconds.
    """

    def __init__(self, place: Path | str, clock: Callable[[], float] = time.monotonic) -> None:
        self._place = place
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: tuple[Key, ...] = ()
        self._read_at = self._tried_at = float("-inf")
        self._stamp: tuple[int, int, int] | None = None

    def require_file(self) -> None:
        """Have a file hold a key that can be used; a URL may answer later.

        Raises:
            InvalidConfig: it cannot be read, or holds none.
        """
        if isinstance(self._place, Path):
            self._renew(unknown=False)
            if not self._keys:
                raise InvalidConfig(
                    "auth.jwt.jwks: the file holds no public key that can be used",
                    hint='it looks like {"keys": [{"kty": "RSA", "kid": …}]}; RSA keys have 2048 bits or more',
                )

    def key(self, id: str | None, algorithm: str) -> PublicKey:
        """The one key of that id that verifies the algorithm; without an id, the one key that does.

        Raises:
            LoginRefused: there is none, or more than one.
        """
        self._renew(unknown=False)
        found = self._find(id, algorithm)
        if not found and not any(key.id == id for key in self._keys):
            self._renew(unknown=True)
            found = self._find(id, algorithm)
        if len(found) == 1:
            return found[0]
        if not self._keys:
            raise LoginRefused(
                "the issuer's keys cannot be read at the moment", hint="try again in a moment", retryable=True
            )
        raise LoginRefused("the token is signed with a key that the issuer does not publish")

    def _find(self, id: str | None, algorithm: str) -> list[PublicKey]:
        return [
            key.public for key in self._keys if algorithm in key.algorithms and (id is None or key.id == id)
        ]

    def _renew(self, unknown: bool) -> None:
        """Read the keys again if it is time to; of several threads one does, and those that can go on do."""
        if not self._is_due(unknown):
            return
        if not self._lock.acquire(blocking=unknown or not self._keys):
            return
        try:
            if self._is_due(unknown):  # or another thread has just done it
                self._read()
        finally:
            self._lock.release()

    def _is_due(self, unknown: bool) -> bool:
        if isinstance(self._place, Path):
            return self._stamp_of(self._place) != self._stamp or self._is_stale()
        now = self._clock()
        if now - self._tried_at < AGAIN_SECONDS:
            return False
        return unknown or now - self._read_at >= RENEW_SECONDS

    def _is_stale(self) -> bool:
        return bool(self._keys) and self._clock() - self._read_at >= KEPT_SECONDS

    def _read(self) -> None:
        try:
            if isinstance(self._place, Path):
                self._stamp = self._stamp_of(self._place)
                content = self._place.read_bytes()
            else:
                content = _fetch(self._place)
            keys = read_keys(content)
        except (OSError, ValueError, HTTPException) as error:
            _log.warning("auth.jwt.jwks cannot be read (%s): the last good keys serve", _kind(error))
            if self._is_stale():
                self._keys = ()
        else:
            self._keys, self._read_at = keys, self._clock()
        finally:
            self._tried_at = self._clock()

    @staticmethod
    def _stamp_of(file: Path) -> tuple[int, int, int] | None:
        try:
            stat = file.stat()
        except OSError:
            return None
        return (stat.st_mtime_ns, stat.st_size, stat.st_ino)


def read_keys(content: bytes) -> tuple[Key, ...]:
    """The keys of a JWKS document that can verify a signature; others are left out.

    Raises:
        ValueError: the text is no JWKS document.
    """
    try:
        document = json.loads(content)
    except RecursionError:
        raise ValueError("not a set of keys") from None
    found = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(found, list):
        raise ValueError("not a set of keys")
    keys = [_key(each) for each in found if isinstance(each, dict)]
    return tuple(key for key in keys if key is not None)


def _key(given: Mapping[str, Any]) -> Key | None:
    """The key, when it is a public one that is there for signatures and strong enough."""
    id, said, uses = given.get("kid"), given.get("alg"), given.get("key_ops")
    if "d" in given:
        _log.warning("auth.jwt.jwks holds a private key, which is not used: whoever reads it can log in")
        return None
    if given.get("use", "sig") != "sig" or (isinstance(uses, list) and "verify" not in uses):
        return None
    try:
        public = _public(given)
    except (PyJWTError, ValueError, TypeError, KeyError):
        return None
    algorithms = _algorithms(public) if public is not None else frozenset[str]()
    if said is not None:
        algorithms &= {str(said)}
    if public is None or not algorithms:
        return None
    return Key(id if isinstance(id, str) else None, public, algorithms)


def _public(given: Mapping[str, Any]) -> PublicKey | None:
    kinds: dict[str, Any] = {"RSA": RSAAlgorithm, "EC": ECAlgorithm, "OKP": OKPAlgorithm}
    kind = kinds.get(str(given.get("kty")))
    made = kind.from_jwk(dict(given)) if kind is not None else None
    return made if isinstance(made, PublicKey) else None


def _algorithms(public: PublicKey) -> frozenset[str]:
    if isinstance(public, rsa.RSAPublicKey):
        return _RSA if public.key_size >= _LEAST_RSA_BITS else frozenset()
    if isinstance(public, ec.EllipticCurvePublicKey):
        return frozenset({_EC[public.curve.name]} if public.curve.name in _EC else ())
    return frozenset({"EdDSA"})


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Keys come from the address in fabric.yaml, and from no other that it names."""

    def redirect_request(self, *arguments: Any) -> None:
        """Called by urllib, which raises the redirect as an error when there is no new request."""


def _fetch(url: str) -> bytes:
    """What the address answers.

    Raises:
        OSError, ValueError, HTTPException: it does not answer in time, with 200, in a sensible size.
    """
    handlers: list[Any] = [_NoRedirect, urllib.request.HTTPSHandler(context=ssl.create_default_context())]
    if url.startswith("http:"):
        handlers.append(urllib.request.ProxyHandler({}))  # only loopback may go without TLS
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    content = b""
    with urllib.request.build_opener(*handlers).open(url, timeout=_TIMEOUT_SECONDS) as answer:
        if answer.status != 200:
            raise ValueError("another status than 200")
        while part := answer.read1(2**16):
            content += part
            if len(content) > _MOST_BYTES or time.monotonic() > deadline:
                raise ValueError("too large, or too slow")
    return content


def _kind(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"status {error.code}"
    return type(error).__name__
