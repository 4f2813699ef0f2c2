"""Signed tokens: login tokens, tickets and prepared handles that any replica with the same key reads."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from fabric.errors import LoginRefused


class Signer:
    """Signs payloads with the fabric's key (HMAC-SHA256); what it signs can be read by whoever holds it.

    Args:
        key: from ``fabric.key.load_key``; a key of its own is derived for each purpose.
        clock: seconds since 1970.
    """

    def __init__(self, key: bytes, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._clock = clock

    def sign(self, purpose: str, payload: Mapping[str, Any], ttl: float) -> str:
        """A URL-safe token of the payload that ``verify`` takes for ``ttl`` seconds, for this purpose only.

        Args:
            purpose: what the token is for, e.g. ``login``, ``ticket``, ``prepared``.
            payload: what JSON can hold.
            ttl: seconds.
        """
        content = {"payload": payload, "until": self._clock() + ttl}
        body = _encode(json.dumps(content, separators=(",", ":")).encode())
        return f"{body}.{_encode(self._mac(purpose, body))}"

    def verify(self, purpose: str, token: str) -> dict[str, Any]:
        """The payload of a token.

        Raises:
            LoginRefused: tampered with, signed for another purpose or by another key, or expired.
        """
        body, _, mac = token.partition(".")
        try:
            genuine = hmac.compare_digest(_decode(mac), self._mac(purpose, body))
        except ValueError:
            genuine = False
        if not genuine:
            raise LoginRefused("the token was not made by this fabric", hint="log in again")
        content = json.loads(_decode(body))
        if self._clock() >= content["until"]:
            raise LoginRefused("the token has expired", hint="log in again")
        payload: dict[str, Any] = content["payload"]
        return payload

    def derived(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose, from which the fabric's own cannot be found."""
        return hmac.digest(self._key, f"ripstop key: {purpose}".encode(), "sha256")

    def digest(self, purpose: str, text: str) -> str:
        """A keyed fingerprint of a text: 32 hex digits that tell nothing of it without the key."""
        return self._mac(f"digest/{purpose}", text)[:16].hex()

    def _mac(self, purpose: str, body: str) -> bytes:
        key = hmac.digest(self._key, f"ripstop/{purpose}".encode(), hashlib.sha256)
        return hmac.digest(key, body.encode(errors="surrogatepass"), hashlib.sha256)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """The bytes of unpadded URL-safe base64, in its one canonical spelling.

    Raises:
        ValueError: anything else.
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise ValueError("not base64") from None
    if _encode(data) != text:
        raise ValueError("not canonical base64")
    return data
