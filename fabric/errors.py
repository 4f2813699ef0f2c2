"""Every error that Ripstop shows, in one tree, and the one table that maps a code to a status.

    FabricError
    ├── UserError          SyntaxProblem, NotFound, AccessDenied, LoginRefused, NotSupported,
    │                      InvalidValue, NotPushed, PolicyChanged, InvalidConfig, MissingExtra,
    │                      ContractBroken, ProductRetired, ProductViolated
    ├── SourceError        Unreachable, SourceLoginRefused, IdentityRefused, Throttled,
    │                      SourceTimeout, SchemaChanged, SourceChanged, BadData
    ├── LimitError         Timeout, MemoryLimit, TooManyQueries, Cancelled, ResultTooLarge
    ├── AuditUnavailable   what cannot be written down does not run
    ├── StateUnavailable   history, wishes and tokens cannot be asked; queries go on
    └── InternalError      carries a reference, and nothing else, to the log

Messages are made from fields (a source's name, a column, a file), never from URLs or driver
texts, so that no secret and no hidden name can stand in one.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Status:
    """What a code means on each way out: gRPC status name, HTTP status, process exit code."""

    flight: str
    http: int
    exit: int = 1


class FabricError(Exception):
    """The root: a message for a person, a hint at the next step, and whether to try again.

    Args:
        message: one sentence, made from fields.
        hint: what to do next; empty when nothing sensible can be said.
        retryable: overrides the class's own answer.
    """

    code: ClassVar[str] = "INTERNAL"
    again: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "", retryable: bool | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.retryable = self.again if retryable is None else retryable

    def __str__(self) -> str:
        tail = f" Hint: {self.hint}" if self.hint else ""
        return f"{self.code}: {self.message}{tail}"


class UserError(FabricError):
    """The question, the configuration or the rights of the one who asks must change."""


class SyntaxProblem(UserError):
    """The text is not a statement that Ripstop reads."""

    code = "SYNTAX"


class NotFound(UserError):
    """No such object, or none that the asking principal may know of: the two look the same."""

    code = "NOT_FOUND"


class AccessDenied(UserError):
    """The principal may know of the object but not do this with it."""

    code = "ACCESS_DENIED"


class LoginRefused(UserError):
    """The principal could not prove who they are."""

    code = "LOGIN_REFUSED"


class NotSupported(UserError):
    """Understood, and not offered."""

    code = "NOT_SUPPORTED"


class NotPushed(UserError):
    """A large scan would not be reduced at its source, and the statement says ASSERT PUSHED."""

    code = "NOT_PUSHED"


class InvalidValue(UserError):
    """A value that the statement meets at run time does not fit (cast, range, division)."""

    code = "INVALID_VALUE"


class PolicyChanged(UserError):
    """The decisions on a statement changed between its description and its run."""

    code = "POLICY_CHANGED"
    again = True


class ResultOutdated(UserError):
    """A stored result was made under other decisions than the reader's are now."""

    code = "RESULT_OUTDATED"


class InvalidConfig(UserError):
    """A file of the project directory does not load; the message names file, line and key."""

    code = "CONFIG"


class ContractBroken(UserError):
    """A definition breaks what a product promised its readers, or a standard of the federation."""

    code = "CONTRACT"


class ProductRetired(UserError):
    """The product is served no more; the hint names what took its place."""

    code = "PRODUCT_RETIRED"


class ProductViolated(UserError):
    """The product's data breaks a rule of its contract, which says that it is not served then."""

    code = "PRODUCT_VIOLATED"


class MissingExtra(UserError):
    """A connector's library is not installed."""

    code = "MISSING_EXTRA"


class SourceError(FabricError):
    """A source did not do its part; ``source`` names it.

    Args:
        source: the source's name in fabric.yaml.
        message: what happened there, without the source's own error text.
    """

    code = "SOURCE"

    def __init__(self, source: str, message: str, *, hint: str = "", retryable: bool | None = None) -> None:
        super().__init__(f"source '{source}': {message}", hint=hint, retryable=retryable)
        self.source = source


class Unreachable(SourceError):
    """No connection: the name does not resolve, nothing listens, or the connection broke."""

    code = "SOURCE_UNREACHABLE"
    again = True


class SourceLoginRefused(SourceError):
    """The source refused our credentials or our right to read an object."""

    code = "SOURCE_LOGIN_REFUSED"


class IdentityRefused(SourceError):
    """We refused the source: wrong host key or certificate."""

    code = "SOURCE_IDENTITY"


class Throttled(SourceError):
    """The source asked for fewer requests, and still did after the retries."""

    code = "SOURCE_THROTTLED"
    again = True


class SourceTimeout(SourceError):
    """The source did not answer in time."""

    code = "SOURCE_TIMEOUT"
    again = True


class SchemaChanged(SourceError):
    """A table's columns are no longer those that the catalog knew."""

    code = "SCHEMA_CHANGED"
    again = True


class SourceChanged(SourceError):
    """A file or snapshot changed while the query read it."""

    code = "SOURCE_CHANGED"
    again = True


class BadData(SourceError):
    """What the source sent does not fit the table's declaration; the message names where."""

    code = "BAD_DATA"


class LimitError(FabricError):
    """A limit of the fabric ended or refused the query."""

    code = "LIMIT"


class Timeout(LimitError):
    """The query ran longer than its limit."""

    code = "TIMEOUT"


class MemoryLimit(LimitError):
    """The query needed more memory than it may have."""

    code = "MEMORY_LIMIT"


class TooManyQueries(LimitError):
    """The queue is full."""

    code = "TOO_MANY_QUERIES"
    again = True


class Cancelled(LimitError):
    """The client, or someone who may, ended the query."""

    code = "CANCELLED"


class ResultTooLarge(LimitError):
    """The result exceeds the rows or bytes that the principal may take."""

    code = "RESULT_TOO_LARGE"


class AuditUnavailable(FabricError):
    """The audit cannot be written or read, so nothing may run."""

    code = "AUDIT_UNAVAILABLE"
    again = True


class StateUnavailable(FabricError):
    """The state store cannot be reached: what it alone knows cannot be told or kept at the moment."""

    code = "STATE_UNAVAILABLE"
    again = True


class InternalError(FabricError):
    """A fault of Ripstop: the user gets a reference, the log gets the rest.

    Args:
        reference: the id under which the log holds the details; made when absent.
    """

    code = "INTERNAL"

    def __init__(self, reference: str = "") -> None:
        self.reference = reference or uuid.uuid4().hex[:12]
        super().__init__(
            f"internal error, reference {self.reference}",
            hint="give the reference to whoever runs this fabric; its log holds the details",
        )


STATUS: dict[str, Status] = {
    "SYNTAX": Status("INVALID_ARGUMENT", 400),
    "NOT_FOUND": Status("NOT_FOUND", 404),
    "ACCESS_DENIED": Status("PERMISSION_DENIED", 403),
    "LOGIN_REFUSED": Status("UNAUTHENTICATED", 401),
    "NOT_SUPPORTED": Status("UNIMPLEMENTED", 501),
    "NOT_PUSHED": Status("INVALID_ARGUMENT", 400),
    "INVALID_VALUE": Status("INVALID_ARGUMENT", 400),
    "POLICY_CHANGED": Status("UNAVAILABLE", 409),
    "RESULT_OUTDATED": Status("PERMISSION_DENIED", 409),
    "CONFIG": Status("INVALID_ARGUMENT", 400),
    "CONTRACT": Status("INVALID_ARGUMENT", 409),
    "PRODUCT_RETIRED": Status("NOT_FOUND", 410),
    "PRODUCT_VIOLATED": Status("UNAVAILABLE", 503),
    "MISSING_EXTRA": Status("UNIMPLEMENTED", 501),
    "SOURCE": Status("UNAVAILABLE", 502),
    "SOURCE_UNREACHABLE": Status("UNAVAILABLE", 502),
    "SOURCE_LOGIN_REFUSED": Status("UNAVAILABLE", 502),
    "SOURCE_IDENTITY": Status("UNAVAILABLE", 502),
    "SOURCE_THROTTLED": Status("UNAVAILABLE", 503),
    "SOURCE_TIMEOUT": Status("UNAVAILABLE", 504),
    "SCHEMA_CHANGED": Status("UNAVAILABLE", 409),
    "SOURCE_CHANGED": Status("UNAVAILABLE", 409),
    "BAD_DATA": Status("INVALID_ARGUMENT", 502),
    "LIMIT": Status("UNAVAILABLE", 429),
    "TIMEOUT": Status("DEADLINE_EXCEEDED", 504),
    "MEMORY_LIMIT": Status("UNAVAILABLE", 507),
    "TOO_MANY_QUERIES": Status("UNAVAILABLE", 429),
    "CANCELLED": Status("CANCELLED", 499),
    "RESULT_TOO_LARGE": Status("UNAVAILABLE", 413),
    "AUDIT_UNAVAILABLE": Status("UNAVAILABLE", 503),
    "STATE_UNAVAILABLE": Status("UNAVAILABLE", 503),
    "INTERNAL": Status("INTERNAL", 500),
}
