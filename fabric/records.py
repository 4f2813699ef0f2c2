"""What the line writes down of a statement: in the audit before it runs, in the audit and the journal when it ended."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from fabric.audit import Audit
from fabric.audit_records import AuditCall, Intent, judged, readings
from fabric.discretion import receipt
from fabric.errors import AuditUnavailable, Cancelled, FabricError, InternalError
from fabric.journal import Ended, Journal
from fabric.lineage_feed import LineageFeed
from fabric.outcome import Outcome
from fabric.questions import UTC, Question
from fabric.remembered import Numbered
from fabric.types import Governed, Kind, Principal

log = logging.getLogger("ripstop.line")

_CALLS: dict[str, AuditCall] = {
    "explain": "explain",
    "explain policy": "explain",
    "describe": "describe",
    "command": "describe",
    "metadata": "metadata",
}


@dataclass(slots=True)
class Progress:
    """How far a statement has come: when its turn came (seconds since 1970), what was decided, and what its user was told."""

    turn_at: float | None = None
    governed: Governed | None = None
    decided: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """One statement as it came: ``caller`` is what is known of the login, ``options`` those of the session.

    ``at`` is when it came, in seconds since 1970.
    """

    text: str
    principal: Principal
    query_id: str
    options: Mapping[str, object] = field(default_factory=dict)
    caller: Mapping[str, str] = field(default_factory=dict)
    parameters: Sequence[object] = ()
    at: float = field(default_factory=time.time)
    progress: Progress = field(default_factory=Progress)

    @classmethod
    def of(cls, question: Question) -> Asked:
        """A question that has just come."""
        session = question.session
        options = {**session.options, **({"schema": session.schema} if session.schema else {})}
        if session.zone != UTC:
            options["timezone"] = session.zone
        values = tuple(question.parameters or ())
        return cls(question.text, question.principal, uuid.uuid4().hex, options, session.caller, values)

    def has_turn(self) -> None:
        """It has waited long enough."""
        self.progress.turn_at = time.time()

    def ended(self, outcome: Outcome) -> Ended:
        """What is kept of it in the history."""
        governed = self.progress.governed
        told = receipt(governed, self.progress.decided) if governed else {}
        return Ended(self.principal, self.text, outcome, self.at, self.progress.turn_at, governed, told)

    def intent(self, **said: object) -> Intent:
        """The record of it."""
        return Intent(
            self.principal,
            self.text,
            session=self.options,
            parameters=self.parameters,
            caller=self.caller,
            **said,  # type: ignore[arg-type]
        )


class Records:
    """Writes down statements; what the audit cannot take does not run.

    Args:
        audit: absent, nothing is audited (tests, and commands that ask nothing of a source).
        journal: absent, ``system.queries`` stays empty.
        feeds: are told of queries, for their lineage.
    """

    def __init__(
        self, audit: Audit | None, journal: Journal | None, feeds: Sequence[LineageFeed] = ()
    ) -> None:
        self._audit = audit
        self._journal = journal
        self._feeds = feeds

    @contextmanager
    def refusals(self, asked: Asked, call: AuditCall = "query") -> Iterator[None]:
        """Write down whatever refuses the statement within the block.

        Raises:
            AuditUnavailable: it could not be written; the error itself is then not shown.
        """
        try:
            yield
        except AuditUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever refuses a statement is written down
            shown = error if isinstance(error, FabricError) else _fault(error)
            if self._audit is not None:
                self._audit.intent(
                    asked.intent(call=call, decision=judged(shown), reason=shown.code, error=str(shown))
                )
            if isinstance(shown, Cancelled) and self._journal is not None:
                # It was cancelled while it waited; who looks for it finds it.
                ended = Outcome(asked.query_id, time.time(), "", "cancelled", 0, 0, str(shown), ())
                self._journal.record(asked.ended(ended))
            raise shown from None

    def allowed(
        self,
        asked: Asked,
        kind: Kind | Literal["metadata"],
        governed: Governed | None = None,
        decided: str = "",
    ) -> None:
        """Write down that the statement is about to run; ``decided`` is the digest of the decisions on it.

        Raises:
            AuditUnavailable: it could not be written, so it must not run.
        """
        asked.progress.governed, asked.progress.decided = governed, decided
        call = _CALLS.get(kind, "query")
        if self._audit is not None:
            reads = readings(governed) if governed else ()
            version = governed.policy_version if governed else ""
            query_id = asked.query_id if call == "query" else ""
            self._audit.intent(
                asked.intent(query_id=query_id, call=call, reads=reads, policy_version=version)
            )
        if governed is not None and call == "query":
            for feed in self._feeds:
                feed.started(asked, governed)

    @contextmanager
    def failures(self, asked: Asked, kind: Kind, governed: Governed) -> Iterator[None]:
        """Write down what keeps an allowed query from starting."""
        began = time.time()
        try:
            yield
        except Exception as error:
            if _CALLS.get(kind, "query") == "query":
                shown = str(error) if isinstance(error, FabricError) else InternalError.code
                state = "cancelled" if isinstance(error, Cancelled) else "failed"
                failed = Outcome(asked.query_id, began, governed.policy_version, state, 0, 0, shown, ())
                self.ended(asked, failed, "")
            raise

    @contextmanager
    def doing(self, asked: Asked, kind: Kind, policy_version: str) -> Iterator[None]:
        """Write down how it ended that something was changed."""
        began, shown = time.time(), ""
        try:
            yield
        except Exception as error:
            shown = str(error) if isinstance(error, FabricError) else InternalError.code
            raise
        finally:
            if kind == "define":
                state = "failed" if shown else "succeeded"
                self.ended(asked, Outcome(asked.query_id, began, policy_version, state, 0, 0, shown, ()), "")

    def ended(self, asked: Asked, outcome: Outcome, executed: str) -> None:
        """Write down how a query ended; ``executed`` is the text that DuckDB ran."""
        if self._audit is not None:
            text = Numbered(executed).text if executed else ""
            self._audit.outcome(outcome, asked.principal.user, executed=text)
        if self._journal is not None:
            self._journal.record(asked.ended(outcome))
        for feed in self._feeds:
            feed.ended(asked, outcome)


def _fault(error: Exception) -> InternalError:
    fault = InternalError()
    log.error("reference %s: %s", fault.reference, type(error).__name__, exc_info=error)
    return fault
