"""The line itself: text → parse → resolve → govern → plan → execute → Arrow batches.

Each stage takes the type that the one before made; only the governor makes a ``Governed``, and ``plan``
takes nothing else.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence

import pyarrow as pa

from fabric.audit import Audit
from fabric.calls import Procedures
from fabric.catalog import Catalog, known_to
from fabric.confirm import confirm
from fabric.discretion import Discretion
from fabric.engine import Engine, Probe
from fabric.errors import FabricError, NotSupported, PolicyChanged, SchemaChanged
from fabric.execute import Answer, Outcome
from fabric.explain import explain
from fabric.file_scan import FileTables
from fabric.filesystem import FileSystem
from fabric.journal import Journal
from fabric.own_tables import OwnTables
from fabric.parse import bind, parameter_count, parse
from fabric.plan import Plan, describe, plan, relisted
from fabric.plan_cache import Known, PlanCache
from fabric.policy_report import POLICY_SCHEMA, policy_report, policy_table
from fabric.questions import Description, Question, Session, fingerprint
from fabric.records import Asked, Records
from fabric.replies import (
    DESCRIBE_SCHEMA,
    EXPLAIN_SCHEMA,
    Analysis,
    Prepared,
    Reply,
    described_columns,
    plan_lines,
)
from fabric.resolve import Whole, relations, resolve
from fabric.results import KeptAnswer, Result, ResultCache, files_of, is_at_hand
from fabric.rules import RuleBinder
from fabric.spi import Finding, Governor
from fabric.types import Governed, Kind, Parsed, Principal
from fabric.underway import Underway

log = logging.getLogger("ripstop.line")


def hypothetical(name: str) -> Principal:
    """Somebody of whom nothing but a name is known; ``role:<name>`` is somebody who holds that role."""
    return Principal("somebody", frozenset({name})) if name.startswith("role:") else Principal(name)


class Line:
    """Answers statements for principals.

    Args:
        catalog: what there is.
        engine: the locked DuckDB.
        filesystem: the one that the engine reads through.
        files: looks into files.
        governor: decides.
        seconds: how long a principal's query may run; None, as long as it takes.
        journal: where every query that ran is written down.
        audit: where every statement is, before it runs.
        principals: a user by name, for those who ask about others.
        secret: the key of the digests of decisions that are shown.
        result_bytes: how much of results is kept; 0, nothing.
    """

    def __init__(
        self,
        catalog: Catalog,
        engine: Engine,
        filesystem: FileSystem,
        files: FileTables,
        governor: Governor,
        *,
        seconds: Callable[[Principal], float | None] = lambda principal: None,
        journal: Journal | None = None,
        audit: Audit | None = None,
        principals: Callable[[str], Principal] = hypothetical,
        secret: bytes = b"",
        result_bytes: int = 0,
    ) -> None:
        self.catalog = catalog
        self._engine = engine
        self._filesystem = filesystem
        self._files = files
        self._governor = governor
        self._seconds = seconds
        self._journal = journal
        self._audit = audit
        self._records = Records(audit, journal)
        self._principals = principals
        self._secret = secret
        self._binder = RuleBinder(catalog, engine)
        self._procedures = Procedures(catalog, governor, journal)
        self._plans = PlanCache()
        self._results = ResultCache(result_bytes)
        self._running = Underway(journal.redact) if journal else Underway()
        self._own_tables = OwnTables(catalog, governor, engine, journal, audit, self._running)

    def describe(
        self, text: str, principal: Principal, session: Session, parameters: Sequence[object] | None = None
    ) -> Description:
        """What the statement would answer with; no source is asked.

        Args:
            text: one statement.
            principal: who asks.
            session: what completes its names.
            parameters: None when they are not bound yet; placeholders then count as NULL.

        Raises:
            FabricError: the statement cannot run for this principal.
        """
        question = Question(text, principal, session, parameters)
        with self._records.refusals(_asked(question), "describe"):
            known = self._known(question)
            if known is None:
                parsed = parse(text)
                if parsed.kind in ("explain policy", "command"):
                    return self._described_apart(parsed, question)
                known = self._judged(parsed, question)
            return self._description(known, question)

    def _described_apart(self, parsed: Parsed, question: Question) -> Description:
        """Of a statement that reads nothing and is governed by itself."""
        schema = POLICY_SCHEMA
        if parsed.kind == "command":
            who, within = question.principal, question.session.schema
            schema = self._procedures.describe(parsed, question.parameters, who, within)
        return Description(schema, parameter_count(parsed), "")

    def _description(self, known: Known, question: Question) -> Description:
        if known.kind in ("explain", "explain analyze"):
            schema = EXPLAIN_SCHEMA
        elif known.kind == "describe":
            schema = DESCRIBE_SCHEMA
        elif known.schema is not None:
            schema = known.schema
        else:
            schema = self._probe(known.governed).schema
            self._plans.complete(question.key, known, schema=schema)
        return Description(schema, known.parameters, known.decided, receipt=self._receipt(known))

    def run(
        self,
        text: str,
        principal: Principal,
        session: Session,
        parameters: Sequence[object] = (),
        policy_version: str | None = None,
    ) -> Reply:
        """Start the statement.

        Args:
            text: one statement.
            principal: who asks.
            session: what completes its names.
            parameters: one value a placeholder.
            policy_version: from the description; the run is refused when the decisions are others now.

        Raises:
            PolicyChanged: see above; describing it again shows what holds now.
            FabricError: the statement cannot run for this principal.
        """
        question = Question(text, principal, session, parameters)
        asked = _asked(question)
        with self._records.refusals(asked):
            known = self._known(question)
            if known is None:
                parsed = parse(text)
                if parsed.kind == "explain policy":
                    return self._policy(parsed, asked, session)
                if parsed.kind == "command":
                    return self._called(parsed, asked, session)
                known = self._judged(parsed, question)
            if policy_version is not None and policy_version != known.decided:
                raise PolicyChanged("the policies on this query have changed", hint="run it again")
            self._records.allowed(asked, known.kind, known.governed)
        with self._records.failures(asked, known.kind, known.governed):
            if known.kind == "describe":
                return described_columns(self._probe(known.governed))
            try:
                planned = self._planned(known, question)
            except SchemaChanged as change:
                self.catalog.refresh(change.source).result()
                known = self._judged(parse(text), question)
                self._records.allowed(asked, known.kind, known.governed)
                planned = self._planned(known, question)
        if known.kind in ("explain", "explain analyze"):
            return self._explained(known.kind, planned, asked)
        return self._answered(planned, asked, question)

    def described(
        self, text: str, principal: Principal, session: Session, parameters: Sequence[object] | None = None
    ) -> Description | None:
        """The same as ``describe`` where that is known already, without asking DuckDB; else None."""
        question = Question(text, principal, session, parameters)
        known = self._known(question)
        return self._description(known, question) if known and known.schema is not None else None

    def kept(
        self,
        text: str,
        principal: Principal,
        session: Session,
        parameters: Sequence[object] = (),
        policy_version: str | None = None,
    ) -> Reply | None:
        """The same as ``run`` where the result is kept and its files are at hand; else None.

        Raises:
            AuditUnavailable: as ``run``.
        """
        question = Question(text, principal, session, parameters)
        known = self._known(question)
        if known is None or known.plan is None or policy_version not in (None, known.decided):
            return None
        if not is_at_hand(known.plan) or not self._results.holds(question.key):
            return None
        try:
            planned = self._planned(known, question)
        except FabricError:
            return None  # ``run`` meets it too, and writes it down
        result = self._results.get(question.key, planned)
        if result is None:
            return None
        asked = _asked(question)
        self._records.allowed(asked, known.kind, known.governed)
        return self._from_memory(result, asked)

    @property
    def idle(self) -> bool:
        """Whether nothing runs."""
        return not self._running

    def metadata_asked(self, what: str, principal: Principal, session: Session) -> None:
        """Write down a metadata call.

        Raises:
            AuditUnavailable: it could not be written, so it must not be answered.
        """
        self._records.allowed(_asked(Question(what, principal, session, ())), "metadata")

    def close(self) -> None:
        """Cancel what runs."""
        for answer in self._running.answers():
            answer.cancel()

    # ── the stages ──────────────────────────────────────────────────────────────────────────

    def _known(self, question: Question) -> Known | None:
        known = self._plans.get(question.key, self.catalog.stamp(), self._governor.version)
        if known is not None and known.parameters and question.has_no_values:
            return None  # it was described with its parameters unbound
        return known

    def _judged(self, parsed: Parsed, question: Question) -> Known:
        stamp = self.catalog.stamp()
        governed = self._governed(parsed, question)
        decided = fingerprint(governed, self._secret)
        known = Known(parsed.kind, governed, decided, parameter_count(parsed), stamp)
        return self._plans.put(question.key, known)

    def _governed(self, parsed: Parsed, question: Question) -> Governed:
        principal, session = question.principal, question.session
        if session.timezone.upper() not in ("UTC", "ETC/UTC"):
            raise NotSupported(
                f"session time zone '{session.timezone}' is not in this version",
                hint="use UTC, and AT TIME ZONE in the query",
            )
        bound = bind(parsed, question.parameters)
        names = self.catalog.names(principal, self._governor)
        resolved = resolve(bound, names, session.schema, principal.user)
        bodies = [relation.body for relation in relations(resolved) if relation.body is not None]
        governed = self._governor.govern(resolved, principal, self._binder)
        for part in (resolved, *bodies):
            ids = {relation.id for relation in part.relations}
            confirm(part.tree.sql(dialect="duckdb"), self._engine.serialize, ids)
        return governed

    def _planned(self, known: Known, question: Question) -> Plan:
        discretion = self._discretion(known.governed)
        if known.plan is not None:
            return relisted(known.plan, self._files, discretion)
        made = plan(known.governed, self.catalog, self._engine, self._files, discretion)
        self._plans.complete(question.key, known, schema=made.schema, plan=made)
        return made

    def _probe(self, governed: Governed) -> Probe:
        return describe(governed, self.catalog, self._engine, self._discretion(governed))

    def _discretion(self, governed: Governed) -> Discretion:
        return Discretion(governed, lambda found: known_to(self._governor, governed.principal, found))

    def _answered(self, planned: Plan, asked: Asked, question: Question) -> Reply:
        """The result that is kept of the question, or a running query whose result will be."""
        kept = self._results.get(question.key, planned)
        if kept is None:
            return self._started(planned, asked, question)
        return self._from_memory(kept, asked)

    def _from_memory(self, result: Result, asked: Asked) -> KeptAnswer:
        return KeptAnswer(result, asked.query_id, lambda outcome: self._records.ended(asked, outcome, ""))

    def _started(self, planned: Plan, asked: Asked, question: Question | None = None) -> Answer:
        answer: Answer | None = None
        principal = asked.principal

        def ended(outcome: Outcome) -> None:
            if "SCHEMA_CHANGED" in outcome.error:
                for scan in outcome.scans:
                    self.catalog.refresh(scan.source)
            if answer is not None and question is not None and answer.kept is not None:
                self._keep(question, planned, answer.kept, outcome)
            try:
                self._records.ended(asked, outcome, answer.executed if answer else "")
            finally:
                self._running.discard(answer)

        answer = Answer(
            planned,
            self._engine,
            self._filesystem,
            lambda relation: self._own_tables.of(relation, principal),
            self._discretion(planned.governed),
            query_id=asked.query_id,
            seconds=self._seconds(principal),
            ended=ended,
            keep_bytes=self._results.largest if question is not None else 0,
        )
        self._running.add(answer, asked)
        return answer

    def _keep(
        self, question: Question, planned: Plan, batches: Sequence[pa.RecordBatch], outcome: Outcome
    ) -> None:
        files = files_of(planned)
        if files is not None and self._plans.holds(question.key, planned.governed):
            result = Result(planned.governed, files, planned.schema, tuple(batches), outcome.scans)
            self._results.put(question.key, result)

    # ── statements about statements ─────────────────────────────────────────────────────────

    def _policy(self, parsed: Parsed, asked: Asked, session: Session) -> Prepared:
        teller = asked.principal
        names = self.catalog.names(teller, self._governor)
        about = teller if parsed.about == teller.user else self._principals(parsed.about)
        resolved = resolve(bind(parsed, asked.parameters), names, session.schema, about.user)
        found = policy_report(resolved, about, teller, self._governor, self._binder)
        self._records.allowed(asked, parsed.kind)
        return Prepared(policy_table(found))

    def _called(self, parsed: Parsed, asked: Asked, session: Session) -> Prepared:
        call = self._procedures.judge(parsed, asked.parameters, asked.principal, session.schema)
        self._records.allowed(asked, parsed.kind)
        return Prepared(self._procedures.do(call))

    def why(self, found: str, about: Principal) -> Sequence[Finding]:
        """What decides on all of an object for a principal; for whoever runs the fabric, who may know all."""
        names = Whole(self.catalog.find)
        resolved = resolve(parse(f"FROM {found}"), names, None, about.user)
        return policy_report(resolved, about, None, self._governor, self._binder)

    def _explained(self, kind: Kind, planned: Plan, asked: Asked) -> Reply:
        discretion = self._discretion(planned.governed)
        if kind == "explain":
            return Prepared(plan_lines(explain(planned, discretion)))
        answer = self._started(planned, asked)
        return Analysis(answer, lambda receipts: explain(planned, discretion, receipts))

    def _receipt(self, known: Known) -> dict[str, object]:
        """What the client is told beforehand: only names that the statement itself holds."""
        discretion = self._discretion(known.governed)
        return {
            "restricted": {r.written: discretion.restricted(r) for r in known.governed.resolved.relations},
            "policy": known.decided,
        }


def _asked(question: Question) -> Asked:
    session = question.session
    options = {**session.options, **({"schema": session.schema} if session.schema else {})}
    values = tuple(question.parameters or ())
    return Asked(question.text, question.principal, uuid.uuid4().hex, options, session.caller, values)


__all__ = ["Description", "Line", "Reply", "Session"]
