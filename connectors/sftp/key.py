"""The private key by which we log in: OpenSSH or PEM, RSA, ECDSA or Ed25519, encrypted or not."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from fabric.errors import InvalidConfig

_OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"


class KeyFile:
    """A private key on disk, decrypted once: OpenSSH makes that slow on purpose.

    Read by ``cryptography``, since paramiko 5.1 takes an unencrypted OpenSSH key without a comment for
    an empty one whenever it needs no padding (a third of all ECDSA keys).

    Args:
        source: the source's name, for errors.
        path: the file.
        passphrase: empty for a key that is not encrypted.
    """

    def __init__(self, source: str, path: Path, passphrase: str) -> None:
        self._source = source
        self._path = path
        self._passphrase = passphrase.encode() or None
        self._lock = threading.Lock()
        self._loaded: paramiko.PKey | None = None
        self._bytes = b""

    def load(self) -> paramiko.PKey:
        """The key as the file holds it now.

        Raises:
            InvalidConfig: no key that we can use.
        """
        try:
            text = self._path.read_bytes()
        except OSError:
            raise self._unusable("cannot be read", "check the file and its permissions") from None
        with self._lock:
            if self._loaded is None or text != self._bytes:
                self._loaded, self._bytes = self._parse(text), text
            return self._loaded

    def _parse(self, text: bytes) -> paramiko.PKey:
        read = load_ssh_private_key if text.lstrip().startswith(_OPENSSH) else load_pem_private_key
        try:
            key = read(text, self._passphrase)
        except TypeError:
            if self._passphrase is None:
                raise self._unusable("is encrypted", "give its passphrase") from None
            raise self._unusable("is not encrypted", "drop its passphrase") from None
        except (ValueError, UnsupportedAlgorithm):
            raise self._unusable(
                "is no private key that opens", "check the file and its passphrase"
            ) from None
        if isinstance(key, RSAPrivateKey):
            return paramiko.RSAKey.from_private_key(_text(key, PrivateFormat.TraditionalOpenSSL))
        if isinstance(key, EllipticCurvePrivateKey):
            return paramiko.ECDSAKey.from_private_key(_text(key, PrivateFormat.TraditionalOpenSSL))
        if isinstance(key, Ed25519PrivateKey):
            return paramiko.Ed25519Key.from_private_key(_text(key, PrivateFormat.OpenSSH))
        raise self._unusable("is of another kind", "use an Ed25519, ECDSA or RSA key")

    def _unusable(self, what: str, hint: str) -> InvalidConfig:
        return InvalidConfig(f"source '{self._source}': private_key_file {what}", hint=hint)


def _text(
    key: RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey, form: PrivateFormat
) -> io.StringIO:
    return io.StringIO(key.private_bytes(Encoding.PEM, form, NoEncryption()).decode())
