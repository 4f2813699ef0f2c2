"""Who an SFTP server is, and who we are to it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import paramiko

from connectors.remote.dial import Address
from connectors.sftp.key import KeyFile
from connectors.sftp.known_hosts import HostKey, keys_of
from fabric.errors import (
    IdentityRefused,
    InvalidConfig,
    SourceError,
    SourceLoginRefused,
    SourceTimeout,
    Unreachable,
)

# The algorithms by which a server proves that it holds a key of a type (RFC 8332 for RSA).
_PROOFS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}


@dataclass(frozen=True, slots=True)
class SftpLogin:
    """The proofs of one source: a password, a key, or else the agent; without ``known_hosts`` all are trusted."""

    user: str
    password: str = field(default="", repr=False)
    key: KeyFile | None = None
    known_hosts: Path | None = None


def known_keys(source: str, address: Address, known_hosts: Path) -> list[HostKey]:
    """The keys that the file gives for the server.

    Raises:
        InvalidConfig: the file cannot be read.
        IdentityRefused: it does not name the server.
    """
    try:
        text = known_hosts.read_text(encoding="utf-8", errors="replace")
    except OSError:
        raise InvalidConfig(
            f"source '{source}': known_hosts_file cannot be read",
            hint="check known_hosts_file in fabric.yaml",
        ) from None
    found = keys_of(text, address.host, address.port)
    if not found:
        raise IdentityRefused(
            source,
            "its known_hosts_file does not name the server",
            hint="add the line that 'ssh-keyscan -p PORT HOST' prints, once the server's owner confirmed it",
        )
    return found


def prefer(transport: paramiko.Transport, known: Sequence[HostKey]) -> None:
    """Have the server prove itself by a key that we know, where it holds several."""
    options = transport.get_security_options()
    wanted = {proof for key in known for proof in _PROOFS.get(key.kind, (key.kind,))}
    options.key_types = tuple(sorted(options.key_types, key=lambda kind: kind not in wanted))


def prove_identity(source: str, transport: paramiko.Transport, known: Sequence[HostKey]) -> None:
    """Compare the key that the server proved to hold with those that we know.

    Raises:
        IdentityRefused: it is none of them, or a revoked one.
    """
    shown = transport.get_remote_server_key()
    same = [key for key in known if (key.kind, key.key) == (shown.get_name(), shown.get_base64())]
    if not same or any(key.revoked for key in same):
        raise IdentityRefused(
            source,
            "the server's host key is not the one in known_hosts_file",
            hint="ask the server's owner whether the key was changed; if not, somebody may be listening in",
        )


def prove_user(source: str, transport: paramiko.Transport, login: SftpLogin) -> None:
    """Log in.

    Raises:
        SourceLoginRefused: the server does not take our proof.
        InvalidConfig: the private key cannot be used.
        SourceError: the connection broke, or the server did not answer in time.
    """
    try:
        if login.password:
            rest = transport.auth_password(login.user, login.password)
        elif login.key is not None:
            rest = transport.auth_publickey(login.user, login.key.load())
        else:
            rest = _by_agent(source, transport, login.user)
    except paramiko.AuthenticationException as error:
        raise _refusal(source, error) from None
    if rest:
        raise SourceLoginRefused(
            source, "the server asks for a second proof", hint="have it accept one key or password alone"
        )


def _refusal(source: str, error: paramiko.AuthenticationException) -> SourceError:
    # paramiko has one class for all three.
    if "timeout" in str(error):
        return SourceTimeout(source, "no answer to the login", hint="raise connect_timeout")
    if "transport shut down" in str(error):
        return Unreachable(source, "the connection broke during the login", hint="try again")
    if isinstance(error, paramiko.BadAuthenticationType):
        return SourceLoginRefused(
            source,
            "the server takes no login of this kind",
            hint="it may want a key instead of a password, or the reverse",
        )
    return SourceLoginRefused(
        source, "the server refused the login", hint="check the user in uri and its password or key"
    )


def _by_agent(source: str, transport: paramiko.Transport, user: str) -> list[str]:
    refused: paramiko.AuthenticationException | None = None
    with closing(paramiko.Agent()) as agent:
        for key in agent.get_keys():
            try:
                return transport.auth_publickey(user, key)
            except paramiko.AuthenticationException as error:
                refused = error
    if refused is None:
        raise SourceLoginRefused(
            source,
            "the SSH agent offers no key",
            hint="start ssh-agent where Ripstop runs, and ssh-add the key",
        )
    raise refused
