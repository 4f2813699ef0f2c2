"""The line itself: text → parse → resolve → govern → plan → execute → Arrow batches.

Each stage takes the type that the one before made; only the governor makes a ``Governed``, ``plan`` takes nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial

from fabric import zones
from fabric.assertions import require_pushed
from fabric.audit import Audit
from fabric.calls import Procedures
from fabric.catalog import Catalog
from fabric.confirm import confirm
from fabric.dialects import pointing
from fabric.discretion import Discretion, receipt
from fabric.engine import Engine, Probe
from fabric.errors import FabricError, PolicyChanged, SchemaChanged
from fabric.execute import Answer
from fabric.explain import explain
from fabric.file_scan import FileTables
from fabric.filesystem import FileSystem
from fabric.journal import Journal
from fabric.kept_answer import KeptAnswer
from fabric.limits import Allowance
from fabric.lineage_feed import LineageFeed
from fabric.lineage_history import LineageHistory
from fabric.outcome import Outcome
from fabric.own_tables import OwnTables
from fabric.parameters import ParameterTypes
from fabric.parse import bind, parameter_count, parse
from fabric.plan import Plan, describe, plan, relisted
from fabric.plan_cache import Known, PlanCache
from fabric.policy_report import POLICY_SCHEMA, object_report, policy_report, policy_table
from fabric.questions import UTC, Description, Question, Session, fingerprint, hypothetical
from fabric.quotas import quotas_of
from fabric.records import Asked, Records
from fabric.replies import SCHEMAS, Analysis, Prepared, Reply, described_columns, plan_lines
from fabric.resolve import relations, resolve
from fabric.results import Result, ResultCache
from fabric.rules import RuleBinder
from fabric.spi import Finding, Governor
from fabric.stored import rests_on_fresh
from fabric.types import EFFECTS, Governed, Parsed, Principal
from fabric.underway import Place, Underway


class Line:
    """Answers statements for principals.

    Args:
        catalog: what there is.
        engine: the locked DuckDB.
        filesystem: the one that the engine reads through.
        files: looks into files.
        governor: decides.
        allowed: what a principal may use.
        underway: where every statement has its place, and waits for its turn.
        journal: where every query that ran is written down.
        audit: where every statement is, before it runs.
        principals: a user by name, for those who ask about others.
        secret: the key of the digests of decisions that are shown.
        results: keeps results, and rows of live scans; absent, nothing does.
        feeds: are told of queries, for their lineage.
        lineage: what is kept of that.
    """

    def __init__(
        self,
        catalog: Catalog,
        engine: Engine,
        filesystem: FileSystem,
        files: FileTables,
        governor: Governor,
        *,
        allowed: Callable[[Principal], Allowance] = lambda principal: Allowance(),
        underway: Underway | None = None,
        journal: Journal | None = None,
        audit: Audit | None = None,
        principals: Callable[[str], Principal] = hypothetical,
        secret: bytes = b"",
        results: ResultCache | None = None,
        feeds: Sequence[LineageFeed] = (),
        lineage: LineageHistory | None = None,
    ) -> None:
        self.catalog = catalog
        self._engine = engine
        self._filesystem = filesystem
        self._files = files
        self._governor = governor
        self._allowed = allowed
        self._underway = underway or Underway()
        self._records = Records(audit, journal, feeds)
        self._principals = principals
        self._secret = secret
        self._binder = RuleBinder(catalog, engine)
        self.procedures = Procedures(catalog, governor, journal, self._underway, engine, self.describe)
        self._parameters = ParameterTypes(engine)
        self._plans = PlanCache()
        self._results = results or ResultCache()
        self._own_tables = OwnTables(
            catalog, governor, engine, journal, audit, self._underway, allowed, feeds, lineage
        )
        self._running: set[Answer] = set()
        self._lock = threading.Lock()

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
        with self._records.refusals(Asked.of(question), "describe"), pointing(text, session.dialect):
            known = self._known(question)
            if known is None:
                parsed = parse(text, session.dialect)
                if parsed.kind in ("explain policy", *EFFECTS):
                    return self._described_apart(parsed, question)
                known = self._judged(parsed, question)
            return self._description(known, question)

    def _described_apart(self, parsed: Parsed, question: Question) -> Description:
        """Of a statement that reads nothing and is governed by itself."""
        schema = self.procedures.describe(parsed, question) if parsed.kind in EFFECTS else POLICY_SCHEMA
        return Description(schema, parameter_count(parsed), "")

    def _description(self, known: Known, question: Question) -> Description:
        if known.kind in SCHEMAS:
            schema = SCHEMAS[known.kind]
        elif known.schema is not None:
            schema = known.schema
        else:
            probe = self._probe(known, question.session)
            self._plans.complete(question.key, known, probe=probe)
            schema = probe.schema
        told = receipt(known.governed, known.decided)
        types = self._parameters.of(known.governed, known.parameters) if question.parameters is None else ()
        return Description(schema, known.parameters, known.decided, receipt=told, parameter_types=types)

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
        asked = Asked.of(question)
        place = self._underway.place(asked.query_id, principal.user, text, session.stop)
        try:
            reply = self._run(question, asked, policy_version, place)
        except BaseException:
            place.leave()
            raise
        if isinstance(reply, Prepared):
            place.leave()
        return reply

    def _run(self, question: Question, asked: Asked, policy_version: str | None, place: Place) -> Reply:
        text, dialect = question.text, question.session.dialect
        with self._records.refusals(asked), pointing(text, dialect):
            known = self._known(question)
            parsed = known.parsed if known else parse(text, dialect)
            if parsed.kind == "explain policy":
                return self._policy(parsed, asked, question.session)
            if parsed.kind in EFFECTS:
                return self._called(parsed, asked, question.session)
            place.wait(parsed, self._allowed(question.principal))
            asked.has_turn()
            known = self._known(question) or self._judged(parsed, question)
            if policy_version is not None and policy_version != known.decided:
                raise PolicyChanged("the policies on this query have changed", hint="run it again")
            self._records.allowed(asked, known.kind, known.governed, known.decided)
        with self._records.failures(asked, known.kind, known.governed), pointing(text, dialect):
            if known.kind == "describe":
                return described_columns(self._probe(known, question.session))
            try:
                planned = self._planned(known, question)
            except SchemaChanged as change:
                self.catalog.refresh(change.source).result()
                known = self._judged(parsed, question)
                self._records.allowed(asked, known.kind, known.governed, known.decided)
                planned = self._planned(known, question)
            if question.asserts_pushed(parsed):
                require_pushed(planned, self._discretion(planned.governed), self._engine)
        if known.kind in ("explain", "explain analyze"):
            return self._shown(parsed, planned, asked, place, question)
        return self._answered(planned, asked, place, question)

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
        made = known.plan if known and policy_version in (None, known.decided) else None
        if known is None or made is None or not self._results.may_have(question, made):
            return None
        try:
            planned = self._planned(known, question)
        except FabricError:
            return None  # ``run`` meets it too, and writes it down
        result = self._results.get(question, planned)
        if result is None:
            return None
        asked = Asked.of(question)
        self._records.allowed(asked, known.kind, known.governed, known.decided)
        return self._from_memory(result, planned, asked, question.session)

    @property
    def idle(self) -> bool:
        """Whether nothing runs."""
        with self._lock:
            return not self._running

    def metadata_asked(self, what: str, principal: Principal, session: Session) -> None:
        """Write down a metadata call.

        Raises:
            AuditUnavailable: it could not be written, so it must not be answered.
        """
        self._records.allowed(Asked.of(Question(what, principal, session, ())), "metadata")

    def close(self) -> None:
        """Cancel what runs."""
        with self._lock:
            running = list(self._running)
        for answer in running:
            answer.cancel()

    # ── the stages ──────────────────────────────────────────────────────────────────────────

    def _known(self, question: Question) -> Known | None:
        known = self._plans.get(question.key, self.catalog.stamp(), self._governor.version)
        if known is None or (known.parameters and question.has_no_values):
            return None  # it was described with its parameters unbound
        return known if rests_on_fresh(known.governed, question.max_staleness) else None

    def _judged(self, parsed: Parsed, question: Question) -> Known:
        stamp = self.catalog.stamp()
        governed = self._governed(parsed, question)
        decided = fingerprint(governed, self._secret)
        return self._plans.put(question.key, Known(parsed, governed, decided, parameter_count(parsed), stamp))

    def _governed(self, parsed: Parsed, question: Question) -> Governed:
        principal, session = question.principal, question.session
        names = self.catalog.names(principal, self._governor)
        resolved = resolve(bind(parsed, question.parameters), names, session.schema, principal.user)
        bodies = [relation.body for relation in relations(resolved) if relation.body is not None]
        binder = self._binder.answering(question, parsed, self._governor)
        governed = self._governor.govern(resolved, principal, binder)
        for part in (resolved, *bodies):
            confirm(part.text, self._engine.serialize, {relation.id for relation in part.relations})
        if session.zone != UTC:
            zones.check(governed, self._engine, session.zone)
        return governed

    def _planned(self, known: Known, question: Question) -> Plan:
        discretion = self._discretion(known.governed)
        if known.plan is not None:
            return relisted(known.plan, self._files, discretion, question.max_staleness)
        engine = self._engine.in_zone(question.session.zone)
        how = question.pushes, question.max_staleness
        made = plan(known.governed, self.catalog, engine, self._files, discretion, known.probe, *how)
        self._plans.complete(question.key, known, plan=made)
        return made

    def _probe(self, known: Known, session: Session) -> Probe:
        engine = self._engine.in_zone(session.zone)  # rules are bound, and read, in UTC
        return describe(known.governed, self.catalog, engine, self._discretion(known.governed))

    def _discretion(self, governed: Governed) -> Discretion:
        return Discretion(governed, self._governor, self._binder)

    def _answered(self, planned: Plan, asked: Asked, place: Place, question: Question) -> Reply:
        """The result that is kept of the question, or a running query whose result will be."""
        kept = self._results.get(question, planned)
        if kept is None:
            return self._started(planned, asked, place, question, self._results.largest)
        place.leave()  # nothing is computed any more
        return self._from_memory(kept, planned, asked, question.session)

    def _from_memory(self, result: Result, planned: Plan, asked: Asked, session: Session) -> KeptAnswer:
        discretion = self._discretion(planned.governed)
        quotas = quotas_of(self._allowed(asked.principal), planned.governed, discretion)
        ended = partial(self._records.ended, asked, executed="")
        answer = KeptAnswer(result, planned, discretion, asked.query_id, quotas, ended)
        session.stop.by(answer.cancel)
        return answer

    def _started(
        self, planned: Plan, asked: Asked, place: Place, question: Question, keep_bytes: int = 0
    ) -> Answer:
        answer: Answer | None = None
        principal, discretion = asked.principal, self._discretion(planned.governed)

        def ended(outcome: Outcome) -> None:
            with self._lock:
                if answer is not None:
                    self._running.discard(answer)
            if "SCHEMA_CHANGED" in outcome.error:
                for scan in outcome.scans:
                    self.catalog.refresh(scan.source)
            self.catalog.learn(outcome.table_rows)
            if keep_bytes and answer and (kept := answer.kept) is not None:
                self._results.put(question, planned, kept, outcome)
            self._records.ended(asked, outcome, answer.executed if answer else "")
            place.leave()

        answer = Answer(
            planned,
            self._engine.in_zone(question.session.zone),
            self._filesystem,
            lambda relation: self._own_tables.of(relation, principal),
            discretion,
            query_id=asked.query_id,
            quotas=quotas_of(self._allowed(principal), planned.governed, discretion),
            streams=place.streams,
            ended=ended,
            keep_bytes=keep_bytes,
            scans=self._results.scans.of(question.who, question.max_staleness),
        )
        with self._lock:
            self._running.add(answer)
        place.running = answer
        place.stop.by(answer.cancel)
        return answer

    # ── statements about statements ─────────────────────────────────────────────────────────

    def _policy(self, parsed: Parsed, asked: Asked, session: Session) -> Prepared:
        names = self.catalog.names(teller := asked.principal, self._governor)
        about = teller if parsed.about == teller.user else self._principals(parsed.about)
        resolved = resolve(bind(parsed, asked.parameters), names, session.schema, about.user)
        found = policy_report(resolved, about, teller, self._governor, self._binder)
        self._records.allowed(asked, parsed.kind)
        return Prepared(policy_table(found))

    def _called(self, parsed: Parsed, asked: Asked, session: Session) -> Prepared:
        call = self.procedures.judge(parsed, asked.parameters, asked.principal, session)
        self._records.allowed(asked, parsed.kind)
        with self._records.doing(asked, parsed.kind, self._governor.version):
            return Prepared(self.procedures.do(call))

    def why(self, found: str, about: Principal) -> Sequence[Finding]:
        """What decides on all of an object for a principal; for whoever runs the fabric, who may know all."""
        return object_report(found, about, self.catalog.whole(), self._governor, self._binder)

    def _shown(self, parsed: Parsed, planned: Plan, asked: Asked, place: Place, question: Question) -> Reply:
        discretion, form = self._discretion(planned.governed), parsed.about
        if parsed.kind == "explain":
            return Prepared(plan_lines(explain(planned, discretion, form=form)))
        answer = self._started(planned, asked, place, question)
        return Analysis(answer, lambda receipts: explain(planned, discretion, receipts, form))


__all__ = ["Description", "Line", "Reply", "Session"]
