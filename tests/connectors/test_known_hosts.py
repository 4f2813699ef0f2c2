from __future__ import annotations

import pytest

from connectors.sftp.known_hosts import HostKey, keys_of

# The form that `ssh-keygen -H` writes: HMAC-SHA1 of the name under a salt.
HASHED = "|1|{salt}|{digest} ssh-ed25519 AAAA\n"


def hashed(name: str) -> str:
    import base64
    import hashlib
    import hmac

    salt = b"0123456789abcdefghij"
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return HASHED.format(salt=base64.b64encode(salt).decode(), digest=base64.b64encode(digest).decode())


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("files.example ssh-ed25519 AAAA", True),
        ("FILES.example,10.0.0.1 ssh-ed25519 AAAA comment here", True),
        ("*.example ssh-ed25519 AAAA", True),
        ("*.example,!files.example ssh-ed25519 AAAA", False),
        ("[files.example]:2222 ssh-ed25519 AAAA", False),
        ("other.example ssh-ed25519 AAAA", False),
        ("# files.example ssh-ed25519 AAAA", False),
        ("@cert-authority files.example ssh-ed25519 AAAA", False),
        ("files.example ssh-ed25519", False),
        ("|1|not base64|x ssh-ed25519 AAAA", False),
        ("", False),
        (hashed("files.example"), True),
        (hashed("other.example"), False),
    ],
)
def test_a_line_names_the_host_or_does_not(line: str, found: bool) -> None:
    assert keys_of(line, "files.example", 22) == ([HostKey("ssh-ed25519", "AAAA")] if found else [])


def test_another_port_is_another_name() -> None:
    text = "files.example ssh-rsa AAAA\n[files.example]:2222 ssh-ed25519 BBBB\n" + hashed(
        "[files.example]:2222"
    )
    assert keys_of(text, "files.example", 2222) == [
        HostKey("ssh-ed25519", "BBBB"),
        HostKey("ssh-ed25519", "AAAA"),
    ]


def test_a_revoked_key_is_marked() -> None:
    (key,) = keys_of("@revoked * ssh-ed25519 AAAA", "files.example", 22)
    assert key.revoked
