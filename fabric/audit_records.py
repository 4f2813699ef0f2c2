"""What the audit records of a query: who asked what, what was decided and why, and how it ended."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from fabric.errors import (
    AccessDenied,
    FabricError,
    NotFound,
    NotSupported,
    PolicyChanged,
    ResultOutdated,
    SyntaxProblem,
)
from fabric.types import Governed, Principal

if TYPE_CHECKING:
    from fabric.outcome import Outcome

AuditDecision = Literal["allowed", "denied", "unparsable", "error"]
AuditCall = Literal["query", "explain", "describe", "metadata"]
Redact = Callable[[str], str]

_LONGEST_SQL = 1_000_000  # fabric.parse takes no longer text, so that all that ran stands here whole
_LONGEST_VALUE = 1_000
_MOST_VALUES = 100
_CALLER = ("method", "address", "application")

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """One relation that a query reads: as whom, and what the policies take away there.

    ``written`` is its name as the statement spells it. ``rows`` are groups of conditions, of each of which one
    must hold; ``masks`` map a column to its mask; ``rules`` are the ``file:line`` that decided.
    """

    object: str
    reader: str
    written: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    masks: Mapping[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Intent:
    """What is about to happen, or was refused.

    An allowed ``query`` has an outcome later; anything else is over with this record.

    Args:
        principal: who asks.
        sql: the text as it came, or the name of a metadata call.
        query_id: of an allowed query, the id that its outcome has too.
        decision: see ``judged`` for those of errors.
        reason: the code of the error that was shown, else empty.
        error: the whole error as it was shown.
        session: the options of the session.
        parameters: the values that were bound.
        caller: ``method`` of the login, ``address``, ``application``: as far as they are known.
        reads: from ``readings``.
        policy_version: of the rules that decided.
    """

    principal: Principal
    sql: str
    query_id: str = ""
    call: AuditCall = "query"
    decision: AuditDecision = "allowed"
    reason: str = ""
    error: str = ""
    session: Mapping[str, object] = field(default_factory=dict)
    parameters: Sequence[object] = ()
    caller: Mapping[str, str] = field(default_factory=dict)
    reads: tuple[Reading, ...] = ()
    policy_version: str = ""


def judged(error: FabricError) -> AuditDecision:
    """What it was, when a statement was refused with that error before it ran."""
    if isinstance(error, SyntaxProblem | NotSupported):
        return "unparsable"
    # An object that is not there and one that may not be known look alike, here as to the user.
    return (
        "denied" if isinstance(error, AccessDenied | NotFound | PolicyChanged | ResultOutdated) else "error"
    )


def readings(governed: Governed) -> tuple[Reading, ...]:
    """Everything that a governed statement reads, beneath products and in row rules too."""
    from fabric.stored import judged  # sqlglot is not needed to verify an audit

    found: dict[tuple[object, ...], Reading] = {}
    for relation in judged(governed.resolved, governed.decisions):
        decision = governed.decisions[relation.id]
        reading = Reading(
            object=str(relation.name),
            reader=relation.reader,
            written=relation.written if relation.reader == governed.principal.user else "",
            rows=tuple(tuple(each.text for each in group) for group in decision.rows),
            masks={mask.column: mask.kind for mask in decision.masks},
            hidden=tuple(sorted(decision.hidden)),
            rules=decision.rules,
        )
        found.setdefault((reading.object, reading.reader, reading.written, reading.rules), reading)
    return tuple(found.values())


def intent_body(intent: Intent, redact: Redact) -> dict[str, Any]:
    """The fields of an intent's record; empty ones are left out."""
    principal = intent.principal
    values = [_clean(str(value), redact) for value in intent.parameters[:_MOST_VALUES]]
    body = {
        "event": "intent",
        "id": intent.query_id,
        "call": intent.call,
        "user": principal.user,
        "roles": sorted(principal.roles),
        "attributes": _redacted(principal.attributes, redact),
        **_redacted({name: intent.caller.get(name) for name in _CALLER}, redact),
        "session": _redacted(intent.session, redact),
        "sql": _cut(redact(intent.sql), _LONGEST_SQL),
        "parameters": values,
        "parameters_left_out": max(0, len(intent.parameters) - _MOST_VALUES) or None,
        "decision": intent.decision,
        "reason": intent.reason,
        "error": redact(intent.error),
        "policy": intent.policy_version,
        "reads": [_reading(each, redact) for each in intent.reads],
    }
    return _filled(body)


def outcome_body(
    outcome: Outcome, user: str, executed: str, seconds: Mapping[str, float], redact: Redact
) -> dict[str, Any]:
    """The fields of an outcome's record; of the executed SQL only the hash, for it may hold a mask's secret."""
    error = redact(outcome.error)
    body = {
        "event": "outcome",
        "id": outcome.query_id,
        "user": user,
        "started": datetime.fromtimestamp(outcome.started_at, UTC).isoformat(timespec="microseconds")[:-6]
        + "Z",
        "state": outcome.state,
        "reason": error.partition(":")[0],
        "error": error,
        "rows": outcome.rows,
        "bytes": outcome.bytes,
        "executed_sha256": _sha256(executed) if executed else "",
        "seconds": {name: round(value, 6) for name, value in seconds.items()},
        "policy": outcome.policy_version,
        "scans": [
            {
                "source": scan.source,
                "object": scan.object,
                **({"columns": list(scan.columns)} if scan.columns else {}),
                "pushed": redact(scan.pushed),
                "rows": scan.rows,
                "bytes": scan.bytes,
                "requests": scan.requests,
                "seconds": round(scan.seconds, 6),
            }
            for scan in outcome.scans
        ],
    }
    return _filled(body)


def policy_body(old: str, new: str, files: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a change of the policies; ``files`` are their digests by name."""
    return _filled({"event": "policy", "old": old, "policy": new, "files": dict(files)})


def table_row(fields: Mapping[str, Any], *, own: bool) -> Row:
    """A record as a row of ``system.audit``.

    ``own``: it is shown to the user whom it is about, who may not know what lies beneath the names that they
    wrote, nor which rules decided.
    """
    reads = fields.get("reads", ())
    named = [read["written"] for read in reads if read.get("written")]
    objects = named if own else [read["object"] for read in reads]
    rules = [] if own else [rule for read in reads for rule in read.get("rules", ())]
    return (
        datetime.fromisoformat(fields["at"]),
        fields.get("id"),
        fields.get("user"),
        fields["event"],
        fields.get("decision") or fields.get("state"),
        fields.get("reason"),
        fields.get("sql"),
        list(dict.fromkeys(objects)),
        list(dict.fromkeys(rules)),
        fields.get("policy"),
        fields.get("rows"),
        fields.get("error"),
    )


def _reading(reading: Reading, redact: Redact) -> dict[str, Any]:
    body = {
        "object": reading.object,
        "reader": reading.reader,
        "written": reading.written,
        "rows": [[redact(text) for text in group] for group in reading.rows],
        "masks": dict(reading.masks),
        "hidden": list(reading.hidden),
        "rules": list(reading.rules),
    }
    return _filled(body)


def _filled(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value or value == 0}


def _redacted(values: Mapping[str, object], redact: Redact) -> dict[str, Any]:
    return {str(name): _clean(value, redact) for name, value in values.items()}


def _clean(value: object, redact: Redact) -> Any:
    """The value as JSON has it, each text redacted and of bounded length."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return _redacted(value, redact)
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(each, redact) for each in value]
    return _cut(redact(str(value)), _LONGEST_VALUE)


def _cut(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    return f"{text[:1000]}… ({len(text)} characters, SHA-256 {_sha256(text)})"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
