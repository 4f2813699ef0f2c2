"""Texts that lie in the state store and are this fabric's alone to read: sealed with a key of its own."""

from __future__ import annotations

import base64
import binascii
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12  # NIST SP 800-38D


class Seal:
    """Seals texts with AES-256-GCM, each for one place.

    Args:
        key: 32 bytes, derived for this purpose alone; absent, one that nobody else has, and that ends with the process.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._cipher = AESGCM(key or AESGCM.generate_key(256))

    def sealed(self, text: str, place: str) -> str:
        """The text as nobody reads it without the key; in another place it cannot be opened."""
        nonce = os.urandom(_NONCE_BYTES)
        data = self._cipher.encrypt(nonce, text.encode(errors="surrogatepass"), place.encode())
        return base64.b64encode(nonce + data).decode()

    def opened(self, sealed: str, place: str) -> str | None:
        """The text; None where it was sealed with another key, for another place, or not at all."""
        try:
            data = base64.b64decode(sealed, validate=True)
            plain = self._cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], place.encode())
        except (binascii.Error, ValueError, InvalidTag):
            return None
        return plain.decode(errors="surrogatepass")
