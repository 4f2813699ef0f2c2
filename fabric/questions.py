"""What is asked, and what is told of it before it runs."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from fabric.dialects import DUCKDB
from fabric.errors import InvalidValue
from fabric.parse import PUSHED
from fabric.settings import Age
from fabric.stop import Stop
from fabric.stored import asked, judged
from fabric.types import Governed, Parsed, Principal
from fabric.zones import is_utc

UTC = "UTC"

SWITCHES: Mapping[str, bool] = {"pushdown": True, "assert_pushed": False}
"""Session options that are on or off, and which of the two they are when nobody says it."""

MAX_STALENESS = "max_staleness"
"""The session option of how old what is kept may be."""

_AGE: TypeAdapter[float] = TypeAdapter(Age)
_SWITCHED = {"on": True, "true": True, "off": False, "false": False}


@dataclass(frozen=True, slots=True)
class Session:
    """What a client set for its statements: ``schema`` completes one-part names.

    ``caller`` is what is known of the login, for the audit: ``method``, ``address``, ``application``. ``stop`` ends
    what it runs.
    """

    schema: str | None = None
    timezone: str = "UTC"
    options: Mapping[str, str] = field(default_factory=dict)
    caller: Mapping[str, str] = field(default_factory=dict)
    stop: Stop = field(default_factory=Stop, compare=False)

    @property
    def zone(self) -> str:
        """The time zone, ``UTC`` whatever it is called."""
        return UTC if is_utc(self.timezone) else self.timezone

    @property
    def dialect(self) -> str:
        """What statements are written in."""
        return self.options.get("dialect", DUCKDB)

    @property
    def max_staleness(self) -> float | None:
        """How many seconds old what it is answered from may be; None, as old as its sources allow.

        Raises:
            InvalidValue: what the client said of it is no duration.
        """
        said = self.options.get(MAX_STALENESS)
        try:
            return None if said is None else _AGE.validate_python("0s" if said.strip() == "0" else said)
        except ValidationError:
            raise InvalidValue(
                f"the session option '{MAX_STALENESS}' is 0 or a duration", hint="such as 500ms, 60s or 5m"
            ) from None

    def is_on(self, switch: str) -> bool:
        """Whether one of ``SWITCHES`` is on.

        Raises:
            InvalidValue: what the client said of it is neither on nor off.
        """
        said = self.options.get(switch)
        if said is not None and said.lower() not in _SWITCHED:
            raise InvalidValue(f"the session option '{switch}' is 'on' or 'off'")
        return SWITCHES[switch] if said is None else _SWITCHED[said.lower()]


@dataclass(frozen=True, slots=True)
class Description:
    """What a statement will answer with.

    ``policy_version`` is the fingerprint of the decisions on it: a run that carries it is refused when
    the decisions have changed. ``rows`` is -1 when nobody knows. ``parameter_types`` are those of placeholders
    that are not bound, as DuckDB types; None where it cannot say.
    """

    schema: pa.Schema
    parameters: int
    policy_version: str
    rows: int = -1
    receipt: Mapping[str, object] = field(default_factory=dict)
    parameter_types: Sequence[str | None] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """One statement of one principal; ``parameters`` are None while they are not bound."""

    text: str
    principal: Principal
    session: Session
    parameters: Sequence[object] | None

    @property
    def has_no_values(self) -> bool:
        """Whether it is bound, to nothing."""
        return self.parameters is not None and not self.parameters

    @property
    def pushes(self) -> bool:
        """Whether sources are asked for more than columns."""
        return self.session.is_on("pushdown")

    @property
    def max_staleness(self) -> float | None:
        """How many seconds old what it is answered from may be; None, as old as its sources allow."""
        return self.session.max_staleness

    @property
    def who(self) -> str:
        """Who asks: another text for every principal that differs in anything."""
        return repr((type(self.principal).__name__, *(_plain(each) for each in _fields(self.principal))))

    def asserts_pushed(self, parsed: Parsed) -> bool:
        """Whether what it is parsed to shall fail where a large scan is not reduced."""
        runs = parsed.kind in ("query", "explain analyze")
        return runs and (parsed.about == PUSHED or self.session.is_on("assert_pushed"))

    @property
    def key(self) -> str:
        """What it is kept under: another for every question, in which values count with their types.

        One whose parameters are not bound yet has the key of one without any.
        """
        session = (self.session.schema, self.session.timezone, _plain(self.session.options))
        values = [(type(value).__name__, value) for value in self.parameters or ()]
        return repr((self.text, self.who, session, values))


def hypothetical(name: str) -> Principal:
    """Somebody of whom nothing but a name is known; ``role:<name>`` is somebody who holds that role."""
    return Principal("somebody", frozenset({name})) if name.startswith("role:") else Principal(name)


def fingerprint(governed: Governed, secret: bytes) -> str:
    """A digest of every decision on a statement; equal decisions give equal digests.

    Keyed, since it is shown: nobody can try out what a rule that they may not see says.
    """
    decided = sorted(
        (
            str(relation.name),
            relation.reader,
            decision.allow,
            [[row_filter.text for row_filter in group] for group in decision.rows],
            [[mask.column, mask.kind] for mask in decision.masks],
            sorted(decision.hidden),
        )
        for relation in judged(asked(governed), governed.decisions)
        for decision in [governed.decisions[relation.id]]
    )
    return hmac.digest(secret, json.dumps(decided).encode(), "sha256").hex()[:16]


def _fields(principal: Principal) -> list[object]:
    return [getattr(principal, each.name) for each in fields(principal)]


def _plain(value: object) -> object:
    if isinstance(value, frozenset | set):
        return sorted(map(repr, value))
    if isinstance(value, Mapping):
        return sorted((repr(name), repr(each)) for name, each in value.items())
    return value
