"""The line itself: text → parse → resolve → govern → plan → execute → Arrow batches.

Each stage takes the type that the one before made; only the governor makes a ``Governed``, and ``plan``
takes nothing else.
"""

from __future__ import annotations

import hmac
import json
import logging
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from fabric import zones
from fabric.audit import Audit
from fabric.calls import Procedures
from fabric.catalog import Catalog, known_to
from fabric.confirm import confirm
from fabric.dialects import DUCKDB, pointing
from fabric.discretion import Discretion
from fabric.engine import Engine
from fabric.errors import PolicyChanged, SchemaChanged
from fabric.execute import Answer, Outcome
from fabric.explain import explain
from fabric.file_scan import FileTables
from fabric.filesystem import FileSystem
from fabric.journal import Journal
from fabric.parse import bind, parameter_count, parse
from fabric.plan import Plan, describe, plan
from fabric.policy_report import POLICY_SCHEMA, policy_report, policy_table
from fabric.records import Asked, Records
from fabric.replies import EXPLAIN_SCHEMA, Analysis, Prepared, Reply, plan_lines
from fabric.resolve import Whole, relations, resolve
from fabric.rules import RuleBinder
from fabric.spi import Finding, Governor
from fabric.system import PERSONAL, personal_rows, rows
from fabric.types import Governed, Parsed, Principal, Relation

log = logging.getLogger("ripstop.line")

_AUDIT_ROWS = 10_000
_DESCRIBE = pa.schema([pa.field(name, pa.string()) for name in ("column_name", "column_type", "null")])


@dataclass(frozen=True, slots=True)
class Session:
    """What a client set for its statements: ``schema`` completes one-part names.

    ``caller`` is what is known of the login, for the audit: ``method``, ``address``, ``application``.
    """

    schema: str | None = None
    timezone: str = "UTC"
    options: Mapping[str, str] = field(default_factory=dict)
    caller: Mapping[str, str] = field(default_factory=dict)

    @property
    def dialect(self) -> str:
        """What statements are written in."""
        return self.options.get("dialect", DUCKDB)


@dataclass(frozen=True, slots=True)
class Description:
    """What a statement will answer with.

    ``policy_version`` is the fingerprint of the decisions on it: a run that carries it is refused when
    the decisions have changed. ``rows`` is -1 when nobody knows.
    """

    schema: pa.Schema
    parameters: int
    policy_version: str
    rows: int = -1
    receipt: Mapping[str, object] = field(default_factory=dict)


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
        asked = _asked(text, principal, session, parameters or ())
        with self._records.refusals(asked, "describe"), pointing(text, session.dialect):
            return self._description(parse(text, session.dialect), principal, session, parameters)

    def _description(
        self, parsed: Parsed, principal: Principal, session: Session, parameters: Sequence[object] | None
    ) -> Description:
        if parsed.kind == "explain policy":
            return Description(POLICY_SCHEMA, parameter_count(parsed), "")
        if parsed.kind == "command":
            schema = self._procedures.describe(parsed, parameters, principal, session.schema)
            return Description(schema, parameter_count(parsed), "")
        governed = self._governed(parsed, principal, session, parameters)
        if parsed.kind in ("explain", "explain analyze"):
            schema = EXPLAIN_SCHEMA
        elif parsed.kind == "describe":
            schema = _DESCRIBE
        else:
            schema = describe(
                governed, self.catalog, self._engine_of(session), self._discretion(governed)
            ).schema
        return Description(
            schema=schema,
            parameters=parameter_count(parsed),
            policy_version=self._fingerprint(governed),
            receipt=self._receipt(governed),
        )

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
        asked = _asked(text, principal, session, parameters)
        with self._records.refusals(asked), pointing(text, session.dialect):
            parsed = parse(text, session.dialect)
            if parsed.kind == "explain policy":
                return self._policy(parsed, asked, session)
            if parsed.kind == "command":
                return self._called(parsed, asked, session)
            governed = self._governed(parsed, principal, session, parameters)
            if policy_version is not None and policy_version != self._fingerprint(governed):
                raise PolicyChanged("the policies on this query have changed", hint="run it again")
            self._records.allowed(asked, parsed.kind, governed)
        with self._records.failures(asked, parsed.kind, governed), pointing(text, session.dialect):
            if parsed.kind == "describe":
                return self._described(governed, session)
            try:
                planned = self._planned(governed, session)
            except SchemaChanged as change:
                self.catalog.refresh(change.source).result()
                governed = self._governed(parsed, principal, session, parameters)
                self._records.allowed(asked, parsed.kind, governed)
                planned = self._planned(governed, session)
        if parsed.kind in ("explain", "explain analyze"):
            return self._explained(parsed, planned, asked, session)
        return self._started(planned, asked, session)

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
        self._records.allowed(_asked(what, principal, session, ()), "metadata")

    def close(self) -> None:
        """Cancel what runs."""
        with self._lock:
            running = list(self._running)
        for answer in running:
            answer.cancel()

    # ── the stages ──────────────────────────────────────────────────────────────────────────

    def _governed(
        self,
        parsed: Parsed,
        principal: Principal,
        session: Session,
        parameters: Sequence[object] | None,
    ) -> Governed:
        bound = bind(parsed, parameters)
        names = self.catalog.names(principal, self._governor)
        resolved = resolve(bound, names, session.schema, principal.user)
        bodies = [relation.body for relation in relations(resolved) if relation.body is not None]
        governed = self._governor.govern(resolved, principal, self._binder)
        for part in (resolved, *bodies):
            ids = {relation.id for relation in part.relations}
            confirm(part.tree.sql(dialect="duckdb"), self._engine.serialize, ids)
        if not zones.is_utc(session.timezone):
            zones.check(governed, self._engine, session.timezone)
        return governed

    def _engine_of(self, session: Session) -> Engine:
        """The engine that evaluates in the session's zone; rules are bound, and read, in UTC."""
        return self._engine if zones.is_utc(session.timezone) else self._engine.in_zone(session.timezone)

    def _planned(self, governed: Governed, session: Session) -> Plan:
        engine = self._engine_of(session)
        return plan(governed, self.catalog, engine, self._files, self._discretion(governed))

    def _discretion(self, governed: Governed) -> Discretion:
        return Discretion(governed, lambda found: known_to(self._governor, governed.principal, found))

    def _started(self, planned: Plan, asked: Asked, session: Session) -> Answer:
        answer: Answer | None = None
        principal = asked.principal

        def ended(outcome: Outcome) -> None:
            with self._lock:
                if answer is not None:
                    self._running.discard(answer)
            if "SCHEMA_CHANGED" in outcome.error:
                for scan in outcome.scans:
                    self.catalog.refresh(scan.source)
            self._records.ended(asked, outcome, answer.executed if answer else "")

        answer = Answer(
            planned,
            self._engine_of(session),
            self._filesystem,
            lambda relation: self._system(relation, principal),
            self._discretion(planned.governed),
            query_id=asked.query_id,
            seconds=self._seconds(principal),
            ended=ended,
        )
        with self._lock:
            self._running.add(answer)
        return answer

    def _system(self, relation: Relation, principal: Principal) -> pa.Table:
        entries = self.catalog.visible(principal, self._governor)
        name = relation.object.name
        if name.schema == "system" and name.name == "audit":
            everyone = self._governor.may(principal, "read", "system.audit")
            user = None if everyone else principal.user
            found = self._audit.records(user, _AUDIT_ROWS) if self._audit else []
        elif name.schema == "system" and name.name in PERSONAL:
            found = personal_rows(name.name, principal, self._governor, self._journal, entries)
        else:
            found = rows(name.schema, name.name, entries, self.catalog.fabric)
        columns = relation.object.columns
        schema = self._engine.arrow_schema(columns)
        arrays = [pa.array([row[n] for row in found], type=kind) for n, kind in enumerate(schema.types)]
        names = [f"{relation.id}_{n}" for n in range(len(columns))]
        return pa.Table.from_arrays(arrays, names=names)

    # ── statements about statements ─────────────────────────────────────────────────────────

    def _described(self, governed: Governed, session: Session) -> Prepared:
        engine = self._engine_of(session)
        probe = describe(governed, self.catalog, engine, self._discretion(governed))
        rows = zip(probe.schema.names, probe.types, strict=True)
        return Prepared(
            pa.Table.from_pylist(
                [{"column_name": name, "column_type": kind, "null": "YES"} for name, kind in rows],
                schema=_DESCRIBE,
            )
        )

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

    def _explained(self, parsed: Parsed, planned: Plan, asked: Asked, session: Session) -> Reply:
        discretion = self._discretion(planned.governed)
        if parsed.kind == "explain":
            return Prepared(plan_lines(explain(planned, discretion)))
        answer = self._started(planned, asked, session)
        return Analysis(answer, lambda receipts: explain(planned, discretion, receipts))

    def _fingerprint(self, governed: Governed) -> str:
        return fingerprint(governed, self._secret)

    def _receipt(self, governed: Governed) -> dict[str, object]:
        """What the client is told beforehand: only names that the statement itself holds."""
        discretion = self._discretion(governed)
        return {
            "restricted": {r.written: discretion.restricted(r) for r in governed.resolved.relations},
            "policy": self._fingerprint(governed),
        }


def _asked(text: str, principal: Principal, session: Session, parameters: Sequence[object]) -> Asked:
    options = {**session.options, **({"schema": session.schema} if session.schema else {})}
    if not zones.is_utc(session.timezone):
        options["timezone"] = session.timezone
    return Asked(text, principal, uuid.uuid4().hex, options, session.caller, tuple(parameters))


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
        for relation in relations(governed.resolved, governed.decisions)
        for decision in [governed.decisions[relation.id]]
    )
    return hmac.digest(secret, json.dumps(decided).encode(), "sha256").hex()[:16]


__all__ = ["Description", "Line", "Reply", "Session"]
