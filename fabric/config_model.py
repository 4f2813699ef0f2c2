"""The keys of fabric.yaml and users.yaml, as pydantic models; a connector's own keys are its own."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr

from fabric.settings import Bytes, Seconds, Strict

_ARGON2 = re.compile(r"\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+")

Off = Literal["off"]


def is_password_hash(text: str) -> bool:
    """Whether the text is an argon2id hash in PHC form (RFC 9106, reference implementation's encoding)."""
    return _ARGON2.fullmatch(text) is not None


def _role(value: str) -> str:
    if not re.fullmatch(r"role:[^\s,*]+", value):
        raise ValueError(
            f"a role is written 'role:<name>'; did you mean 'role:{value.removeprefix('role:')}'?"
        )
    return value


def _owner(value: str) -> str:
    if not re.fullmatch(r"(role:)?[^\s,*:]+", value):
        raise ValueError("an owner is a role, 'role:<name>', or the name of a user")
    return value


Role = Annotated[str, AfterValidator(_role)]
"""``role:<name>``; never ``role:*``, which every person holds anyway."""

Port = Annotated[int, Field(ge=0, le=65535)]
"""A TCP port; 0 takes any free one."""


class TlsSettings(Strict):
    """The server's certificate, and the authority that clients must come from."""

    cert: str = Field(description="PEM file with the certificate chain")
    key: str = Field(description="PEM file with the private key")
    client_ca: str | None = Field(default=None, description="PEM file; clients must then show a certificate")


class ServerSettings(Strict):
    """The Arrow Flight SQL server."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: Port = 31337
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description="processes that serve; more than 1 need ripstop[workers] (HAProxy)",
    )
    tls: TlsSettings | Off | None = Field(
        default=None, description="without it the server binds loopback only, unless `off` is said"
    )


class HttpSettings(Strict):
    """The HTTP server."""

    port: Port = 8088


class LakeSettings(Strict):
    """Where results and materialized products are stored; the keys of an s3 source work here too."""

    uri: str = Field(default=".ripstop/lake", description="a folder, or s3://bucket/prefix")
    endpoint: str | None = None
    region: str | None = None
    access_key_id: SecretStr | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None


class AuditSettings(Strict):
    """How durable the audit is before a query runs."""

    fsync: Literal["group", "each"] = Field(
        default="group", description="`group`: every 100 ms; `each`: before every query"
    )


Text = Annotated[str, Field(min_length=1)]


class JwtSettings(Strict):
    """Logins by tokens of another issuer (RFC 7519)."""

    issuer: Text = Field(description="what `iss` must be, to the letter")
    audience: Text | Annotated[tuple[Text, ...], Field(min_length=1)] = Field(
        description="what `aud` must hold; of several, one of them"
    )
    jwks: Text = Field(description="file or https:// URL of the issuer's public keys (RFC 7517)")
    roles_claim: Text = Field(
        default="roles", description="each value x is the role `role:x`; dots lead into objects"
    )
    attributes: dict[str, Text] = Field(default_factory=dict, description="attribute name → claim name")


class AuthSettings(Strict):
    """Who may log in."""

    users: str | None = Field(default=None, description="file of local users; users.yaml where it exists")
    jwt: JwtSettings | None = Field(
        default=None, description="logins by another issuer's tokens, beside users"
    )
    certificates: dict[str, Text] = Field(
        default_factory=dict,
        description="name in a client's certificate → local user; needs server.tls.client_ca, ends Handshake",
    )
    anonymous: Role | None = Field(default=None, description="the role of those who do not log in")


class DomainSettings(Strict):
    """A domain: who owns it, and what it is about."""

    owner: Annotated[str, AfterValidator(_owner)] = Field(
        description="role:<name>, or a user: may do everything with the domain's products, and read its sources"
    )
    description: str = ""


class LimitSettings(Strict):
    """What queries may use; a key that is absent is not limited here."""

    running: int | None = Field(
        default=None, ge=1, description="queries that run at once in the whole server"
    )
    queued: int | None = Field(
        default=None, ge=0, description="queries that wait at once in the whole server"
    )
    per_user: int | None = Field(default=None, ge=1, description="queries of one user that run at once")
    seconds: Seconds | None = Field(default=None, description="time that one query may run")
    memory: Bytes | None = Field(default=None, description="memory of the engine")
    rows: int | None = Field(default=None, ge=1, description="rows of one result")
    source_bytes: Bytes | None = Field(default=None, description="bytes that one query may read of sources")
    priority: int | None = Field(
        default=None, ge=-100, le=100, description="of those who wait, the highest goes first; 0 when absent"
    )
    ingest: Bytes | None = Field(default=None, description="bytes that may be uploaded as a table at once")


DEFAULT_LIMITS = LimitSettings(
    running=8, queued=64, per_user=4, seconds=300, memory=2 * 10**9, ingest=10 * 10**9
)


class CacheSettings(Strict):
    """How much data is kept between queries."""

    memory: Bytes = 512 * 10**6
    disk: Bytes = 4 * 10**9
    results: Bytes = 256 * 10**6
    scans: Bytes = Field(default=256 * 10**6, description="rows of sources with a `max_age`")


class FabricSettings(Strict):
    """Every key of fabric.yaml; those of a source are validated by its connector's own model."""

    name: str = Field(description="the fabric's name; also that of its catalog in SQL")
    server: ServerSettings = Field(default_factory=ServerSettings)
    http: HttpSettings = Field(default_factory=HttpSettings)
    state: SecretStr = Field(
        default=SecretStr(".ripstop/state.db"), description="a file, or postgresql://… for several replicas"
    )
    lake: LakeSettings = Field(default_factory=LakeSettings)
    key: SecretStr | None = Field(
        default=None, description="signs tokens and tickets; made in .ripstop/key when absent"
    )
    audit: AuditSettings = Field(default_factory=AuditSettings)
    auth: AuthSettings = Field(default_factory=AuthSettings)
    domains: dict[str, DomainSettings] = Field(default_factory=dict)
    sources: dict[str, Any] = Field(default_factory=dict, repr=False)
    limits: dict[Literal["default"] | Role, LimitSettings] = Field(
        default_factory=dict, description="`default`, and `role:<name>`"
    )
    cache: CacheSettings | Off = Field(default_factory=CacheSettings)


Scalar = str | int | float | bool


class UserSettings(Strict):
    """One local user."""

    password: SecretStr = Field(description="argon2id hash, or a ${env:…} or ${file:…} reference")
    roles: tuple[Role, ...] = ()
    attributes: dict[str, Scalar | tuple[Scalar, ...]] = Field(
        default_factory=dict, description="what row rules read with attr('…')"
    )


class UsersFile(Strict):
    """users.yaml."""

    users: dict[str, UserSettings] = Field(default_factory=dict)
