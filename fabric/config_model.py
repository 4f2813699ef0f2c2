"""The keys of fabric.yaml and users.yaml, as pydantic models; a connector's own keys are its own."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

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


def _limited(value: str) -> str:
    if value == "default" or re.fullmatch(r"(source:[^\s,*.]+|product:[^\s,*.@]+\.[^\s,*.@]+)", value):
        return value
    if value.startswith(("product:", "source:")):
        raise ValueError("it is written product:<domain>.<name>, without a version, or source:<name>")
    return _role(value)


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
    timeout: Seconds = Field(default=20.0, description="time S3 may stay silent, at each of five attempts")
    keep: Seconds = Field(default=7 * 86_400.0, description="how long the result of a run can be read")
    per_user: Bytes = Field(default=10 * 10**9, description="how much the results of one user may take")


class AuditSettings(Strict):
    """How durable the audit is before a query runs."""

    fsync: Literal["group", "each"] = Field(
        default="group", description="`group`: every 100 ms; `each`: before every query"
    )


class HistorySettings(Strict):
    """How much of what was asked is kept."""

    keep: Seconds = Field(default=90 * 86_400.0, description="how long a query is in the history")
    queries: int = Field(default=100_000, ge=1, description="how many of the newest queries are")


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
    result_bytes: Bytes | None = Field(default=None, description="bytes of one result, as Arrow has it")
    source_bytes: Bytes | None = Field(default=None, description="bytes that one query may read of sources")
    source_requests: int | None = Field(
        default=None, ge=1, description="requests that one query may send to sources"
    )
    priority: int | None = Field(
        default=None, ge=-100, le=100, description="of those who wait, the highest goes first; 0 when absent"
    )
    ingest: Bytes | None = Field(default=None, description="bytes that may be uploaded as a table at once")


QUOTAS = ("seconds", "rows", "result_bytes", "source_bytes", "source_requests")
"""The limits of one statement; those that products and sources may have too."""

DEFAULT_LIMITS = LimitSettings(
    running=8, queued=64, per_user=4, seconds=300, memory=2 * 10**9, ingest=10 * 10**9
)


class CacheSettings(Strict):
    """How much data is kept between queries."""

    memory: Bytes = 512 * 10**6
    disk: Bytes = 4 * 10**9
    results: Bytes = 256 * 10**6
    shared_results: bool = Field(
        default=False, description="one kept answer for all whose rules on a question are the same"
    )
    scans: Bytes = Field(default=256 * 10**6, description="rows of sources with a `max_age`")


class KafkaSettings(Strict):
    """A topic that OpenLineage events are sent to."""

    topic: str = Field(min_length=1)
    config: dict[str, SecretStr] = Field(description="librdkafka's keys, as `bootstrap.servers`")


class OpenLineageSettings(Strict):
    """Where OpenLineage events of queries are sent: one of `url`, `kafka` and `file`."""

    url: str | None = Field(
        default=None, pattern="^https?://", description="the receiver; /api/v1/lineage is added"
    )
    api_key: SecretStr | None = Field(default=None, description="sent to the url as a Bearer token")
    timeout: Seconds = Field(default=5.0, description="how long one event may take")
    kafka: KafkaSettings | None = None
    file: str | None = Field(default=None, min_length=1, description="a file that grows by a line an event")
    namespace: str | None = Field(
        default=None, min_length=1, description="of jobs, products and answers; ripstop://<name> when absent"
    )
    queue: int = Field(default=1_000, ge=1, description="events that may wait; what comes then is dropped")

    @model_validator(mode="after")
    def _one_receiver(self) -> Self:
        if sum(each is not None for each in (self.url, self.kafka, self.file)) != 1:
            raise ValueError("needs one of url, kafka and file")
        if self.api_key is not None and self.url is None:
            raise ValueError("api_key goes with url")
        if self.url is not None and urlsplit(self.url).username is not None:
            raise ValueError("a url holds no login: say api_key")
        if self.api_key is not None and not self._is_private():
            raise ValueError("api_key needs https://, or an address of this machine")
        return self

    def _is_private(self) -> bool:
        place = urlsplit(self.url or "")
        return place.scheme == "https" or place.hostname in ("127.0.0.1", "::1", "localhost")


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
    history: HistorySettings = Field(default_factory=HistorySettings)
    auth: AuthSettings = Field(default_factory=AuthSettings)
    domains: dict[str, DomainSettings] = Field(default_factory=dict)
    sources: dict[str, Any] = Field(default_factory=dict, repr=False)
    limits: dict[Annotated[str, AfterValidator(_limited)], LimitSettings] = Field(
        default_factory=dict,
        description="`default`, `role:<name>`, `product:<domain>.<name>`, `source:<name>`",
    )
    cache: CacheSettings | Off = Field(default_factory=CacheSettings)
    openlineage: OpenLineageSettings | None = Field(
        default=None, description="where OpenLineage events of queries are sent"
    )


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
