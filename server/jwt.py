"""Logins by another issuer's tokens (JWT, RFC 7519): a signed token to a principal, or a refusal.

Follows RFC 8725 (best current practices): algorithms by list and by the key's own kind, never as the token
asks; keys from the issuer's own set, never from the token; issuer, audience, type and times always checked.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt

from fabric.config_model import JwtSettings
from fabric.errors import LoginRefused
from fabric.types import Principal
from server.jwks import ALGORITHMS, KeySet

LEEWAY_SECONDS = 10.0
"""By how much the issuer's clock and ours may differ."""

_TYPES = frozenset({"jwt", "at+jwt"})
_LONGEST_USER = 255  # OpenID Connect Core 1.0, section 2

_REASONS: Mapping[type[Exception], str] = {
    jwt.ExpiredSignatureError: "the token has expired",
    jwt.ImmatureSignatureError: "the token is not valid yet",
    jwt.InvalidIssuerError: "the token is of another issuer",
    jwt.InvalidAudienceError: "the token is for another audience",
    jwt.InvalidSignatureError: "the token's signature is wrong",
}


def is_jwt(token: str) -> bool:
    """Whether the text has the three parts of a signed JWT; no token of ours has as many."""
    return token.count(".") == 2


class JwtLogins:
    """Takes the tokens of one issuer; any thread may ask.

    Args:
        settings: of ``auth.jwt``.
        directory: the project directory, to which the path of a file of keys is relative.
    """

    def __init__(self, settings: JwtSettings, directory: Path) -> None:
        self.settings = settings
        self._keys = KeySet(settings.jwks if "://" in settings.jwks else directory / settings.jwks)
        self._audience = (
            [settings.audience] if isinstance(settings.audience, str) else list(settings.audience)
        )

    def require_keys(self) -> None:
        """Have a file of keys be one; an issuer that does not answer now may do so later.

        Raises:
            InvalidConfig: the file cannot be read, or holds no key that can be used.
        """
        self._keys.require_file()

    def principal(self, token: str) -> Principal:
        """Whom the token is about, with the roles and attributes of its claims.

        Raises:
            LoginRefused: not the issuer's, not for us, not now, or about nobody who could be a user.
        """
        claims = self._claims(token)
        return Principal(
            _user(claims["sub"]), _roles(claims, self.settings.roles_claim), self._attributes(claims)
        )

    def _claims(self, token: str) -> Mapping[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            algorithm = _algorithm(header)
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key=self._keys.key(header.get("kid"), algorithm),
                algorithms=[algorithm],
                issuer=self.settings.issuer,
                audience=self._audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "sub", "iss", "aud"]},
            )
        except jwt.MissingRequiredClaimError as error:
            raise LoginRefused(f"the token has no claim '{error.claim}'") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            reason = _REASONS.get(type(error), "the token is not well-formed")
            raise LoginRefused(reason, hint="get a new token from its issuer") from None
        return claims

    def _attributes(self, claims: Mapping[str, Any]) -> Mapping[str, object]:
        found: dict[str, object] = {}
        for name, claim in self.settings.attributes.items():
            value = _claim(claims, claim)
            values = value if isinstance(value, list) else [value]
            if value is None:
                continue
            if not all(_is_plain(each) for each in values):
                raise LoginRefused(
                    f"the token's claim '{claim}' is no text, number, truth value or list of them"
                )
            found[name] = tuple(values) if isinstance(value, list) else value
        return found


def _algorithm(header: Mapping[str, Any]) -> str:
    """The algorithm of a token whose header we understand wholly.

    Raises:
        LoginRefused: no signature by a private key, another kind of token, or extensions that are a must.
    """
    algorithm, kind = header.get("alg"), header.get("typ", "jwt")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise LoginRefused(
            "the token is not signed with an algorithm that is taken",
            hint="RS256, PS256, ES256 (or their 384 and 512 kin) and EdDSA are",
        )
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
        raise LoginRefused("the token is of another type than JWT or at+jwt")
    if "crit" in header:
        raise LoginRefused("the token has extensions that must be understood and are not (crit)")
    return algorithm


def _user(subject: str) -> str:
    """The subject as a user's name.

    Raises:
        LoginRefused: it could pass for a role, a domain, everyone, or another name.
    """
    odd = set(subject) & set(":*,") or subject != subject.strip() or not subject.isprintable()
    # Some letters have twins (the sign for kelvin and k) that are one to rules, which compare without case.
    if not subject or odd or unicodedata.normalize("NFKC", subject) != subject:
        raise LoginRefused(
            "the token's subject cannot be a user's name", hint="one holds no ':', '*', ',' or odd blanks"
        )
    if len(subject) > _LONGEST_USER:
        raise LoginRefused(f"the token's subject is longer than {_LONGEST_USER} characters")
    return subject


def _roles(claims: Mapping[str, Any], name: str) -> frozenset[str]:
    """Each value x as ``role:x``; none without the claim.

    Raises:
        LoginRefused: the claim is neither a text nor a list of texts: what it denies must not get lost.
    """
    found = _claim(claims, name)
    values = [found] if isinstance(found, str) else [] if found is None else found
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise LoginRefused(f"the token's claim '{name}' is neither a text nor a list of texts")
    return frozenset(value if value.startswith("role:") else f"role:{value}" for value in values if value)


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """The claim of that very name; else, with dots, what lies there inside objects; None for nothing."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _is_plain(value: object) -> bool:
    if isinstance(value, float):
        return value - value == 0  # neither infinite nor NaN, which JSON as Python reads it may hold
    return isinstance(value, str | bool | int)
