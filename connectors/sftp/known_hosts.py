"""OpenSSH's known_hosts: which keys a server may prove itself with (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT")."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

_CERTIFICATE_AUTHORITY = "@cert-authority"
_REVOKED = "@revoked"


@dataclass(frozen=True, slots=True)
class HostKey:
    """One key of a host: its type, its base64, and whether the line says never to trust it."""

    kind: str
    key: str
    revoked: bool = False


def keys_of(text: str, host: str, port: int) -> list[HostKey]:
    """The keys that the lines of a known_hosts file give for a host.

    A port other than 22 is known only by ``[host]:port``. Certificate authorities are passed over.
    """
    name = (host if port == 22 else f"[{host}]:{port}").lower()
    return [HostKey(kind, key, revoked) for names, kind, key, revoked in _lines(text) if _match(names, name)]


def _lines(text: str) -> Iterator[tuple[str, str, str, bool]]:
    for line in text.splitlines():
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) >= 3 and not fields[0].startswith("#") and marker != _CERTIFICATE_AUTHORITY:
            yield fields[0], fields[1], fields[2], marker == _REVOKED


def _match(names: str, name: str) -> bool:
    patterns = names.split(",")
    if any(_matches(pattern[1:], name) for pattern in patterns if pattern.startswith("!")):
        return False
    return any(_matches(pattern, name) for pattern in patterns if not pattern.startswith("!"))


def _matches(pattern: str, name: str) -> bool:
    if pattern.startswith("|1|"):
        _, _, salt, digest = (*pattern.split("|"), "", "")[:4]
        try:
            made = hmac.new(base64.b64decode(salt), name.encode(), hashlib.sha1).digest()
            return hmac.compare_digest(made, base64.b64decode(digest))
        except binascii.Error:
            return False
    # fnmatch would read the brackets of ``[host]:port`` as a set of letters.
    return fnmatchcase(name, pattern.lower().replace("[", "[[]"))
