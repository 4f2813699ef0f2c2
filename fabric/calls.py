"""CALL: what a statement does beside reading, by the name of its procedure (``fabric.types.PROCEDURES``).

``system.request`` records a wish: something that a user may know of and would like to read, and why.
``system.submit`` has a query run by itself, ``system.share`` lets others read its result, ``system.cancel`` ends a query or a run.
``system.emit`` records an event. What defines products goes the same way (``fabric.definitions``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
from sqlglot import exp

from fabric.catalog import Catalog
from fabric.definitions import DONE, Defining, Definitions
from fabric.emitting import Emitter, Emitting
from fabric.engine import Engine
from fabric.errors import AccessDenied, Cancelled, InvalidValue, NotFound, NotSupported
from fabric.events import MOST_META_BYTES
from fabric.journal import Journal
from fabric.naming import unknown_object
from fabric.parse import bind, parameter_count, parse
from fabric.questions import Description, Question, Session
from fabric.refresher import Refresher
from fabric.resolve import resolve
from fabric.run_pool import RunPool, require_storable
from fabric.runs import no_such_run
from fabric.spi import Governor
from fabric.types import REFRESH, Parsed, Principal, Product, Relation, Table
from fabric.underway import Underway

_SCHEMAS = {
    "system.request": pa.schema([pa.field("request_id", pa.string()), pa.field("owner", pa.string())]),
    "system.emit": pa.schema([pa.field("event_id", pa.string())]),
    REFRESH: pa.schema([pa.field("product", pa.string()), pa.field("rows", pa.int64())]),
    "system.submit": pa.schema([pa.field("run_id", pa.string())]),
    "system.share": pa.schema([pa.field("run_id", pa.string()), pa.field("subject", pa.string())]),
    "system.cancel": pa.schema([pa.field("query_id", pa.string()), pa.field("state", pa.string())]),
}
"""What each answers with: one row."""

MOST_QUERY_CHARACTERS = 1_000_000

MOST_CHARACTERS = 2_000
"""How long a text that is written down may be."""

_EMITTED = (MOST_CHARACTERS, MOST_CHARACTERS, MOST_CHARACTERS, MOST_META_BYTES, MOST_CHARACTERS)
"""How long the arguments of ``system.emit`` may be."""

_PART = re.compile(r'"((?:[^"]|"")+)"|([^\s."]+)')


@dataclass(frozen=True, slots=True)
class Wanted:
    """A wish that may be made: ``principal`` would like an object, ``written`` as users write it."""

    principal: Principal
    object: Table | Product
    written: str
    reason: str


@dataclass(frozen=True, slots=True)
class Cancelling:
    """A query that shall end; whether there is one, and it may be ended, shows when it is done."""

    principal: Principal
    query_id: str


@dataclass(frozen=True, slots=True)
class Submitting:
    """A query that may be asked, and shall run by itself."""

    principal: Principal
    text: str
    session: Session


@dataclass(frozen=True, slots=True)
class Sharing:
    """A run whose result another subject shall read; whether it is the principal's shows when it is done."""

    principal: Principal
    run_id: str
    subject: str


@dataclass(frozen=True, slots=True)
class Refreshing:
    """A product that shall be stored anew."""

    product: Product


Call = Wanted | Cancelling | Emitting | Submitting | Sharing | Refreshing | Defining


class Procedures:
    """What can be called; ``runs`` is set where queries can be submitted, ``refresher`` where products are stored.

    Args:
        catalog: what there is to wish for.
        governor: says what a principal may know of, and whom to ask.
        journal: keeps the wishes; without one there are none.
        underway: the queries that can be cancelled.
        engine: binds what is defined.
        describe: judges a query that is submitted.
    """

    runs: RunPool | None = None
    refresher: Refresher | None = None

    def __init__(
        self,
        catalog: Catalog,
        governor: Governor,
        journal: Journal | None,
        underway: Underway,
        engine: Engine,
        describe: Callable[[str, Principal, Session], Description],
    ) -> None:
        self._definitions = Definitions(catalog, governor, engine, journal)
        self._catalog = catalog
        self._governor = governor
        self._journal = journal
        self._underway = underway
        self._describe = describe

    def describe(self, parsed: Parsed, question: Question) -> pa.Schema:
        """What a call would answer with; one whose parameters are not bound yet is not judged.

        Raises:
            FabricError: as ``judge``.
        """
        parameters = question.parameters
        if parameters is not None or not parameter_count(parsed):
            self.judge(parsed, parameters or (), question.principal, question.session)
        return DONE if parsed.kind == "define" else _SCHEMAS[parsed.about]

    def judge(
        self, parsed: Parsed, parameters: Sequence[object], principal: Principal, session: Session
    ) -> Call:
        """Whether the principal may do it; nothing is done.

        Args:
            parsed: the call.
            parameters: one value a placeholder.
            principal: who calls.
            session: its schema completes a one-part name.

        Raises:
            NotFound: an object that the principal may not know of.
            InvalidValue: an argument that is no text, or too long.
        """
        schema = session.schema
        if parsed.kind == "define":
            return self._definitions.judge(parsed, principal, schema)
        arguments = bind(parsed, parameters).tree.expressions[0].expressions
        if parsed.about == "system.emit":
            return self._emitting(arguments, principal, schema)
        if parsed.about == REFRESH:
            return self._refreshing(_text(arguments[0]), principal, schema)
        if parsed.about == "system.submit":
            return self._submitting(_text(arguments[0], MOST_QUERY_CHARACTERS), principal, session)
        texts = [_text(argument) for argument in arguments]
        if parsed.about == "system.share":
            return _sharing(principal, *texts)
        if parsed.about == "system.cancel":
            return Cancelling(principal, texts[0])
        return self._wanted(texts[0], texts[1], principal, schema)

    def _submitting(self, text: str, principal: Principal, session: Session) -> Submitting:
        if self.runs is None:
            raise NotSupported("this fabric runs nothing by itself", hint="ask a server started with `serve`")
        if parse(text, session.dialect).kind != "query":
            raise NotSupported(
                "only a query can be submitted", hint="SELECT, WITH, VALUES, FROM, set operations"
            )
        require_storable(self._describe(text, principal, session).schema)
        return Submitting(principal, text, session)

    def _refreshing(self, written: str, principal: Principal, schema: str | None) -> Refreshing:
        found = self._known(written, principal, schema).object
        if not self._governor.may(principal, "refresh", found.name):
            raise AccessDenied(f"'{written}': not allowed; ask {self._governor.owner(found)}")
        if not isinstance(found, Product) or found.stored is None:
            raise InvalidValue(f"'{written}' is not stored", hint="materialize: in a product's metadata")
        if self.refresher is None:
            raise NotSupported("this fabric stores nothing", hint="ask a server started with `serve`")
        return Refreshing(found)

    def _wanted(self, written: str, reason: str, principal: Principal, schema: str | None) -> Wanted:
        if not reason:
            raise InvalidValue("a wish needs a reason", hint="say what you need it for: its owner reads that")
        found = self._known(written, principal, schema).object
        is_own = found.name.catalog == self._catalog.fabric
        told = f"{found.name.schema}.{found.name.name}" if is_own else str(found.name)
        return Wanted(principal, found, told, reason)

    def _known(self, written: str, principal: Principal, schema: str | None) -> Relation:
        """The object of a name that the principal may know of."""
        names = self._catalog.names(principal, self._governor)
        tree = exp.select("*").from_(_table(written))
        (relation,) = resolve(Parsed(written, tree), names, schema, principal.user).relations
        if not self._governor.may(principal, "discover", relation.object.name):
            raise unknown_object(relation.written)
        return relation

    def _emitting(self, arguments: Sequence[exp.Expr], principal: Principal, schema: str | None) -> Emitting:
        texts = [_text(each, most) for each, most in zip(arguments, _EMITTED, strict=False)]
        if self._journal is None:
            raise NotSupported(
                "this fabric keeps no events", hint="ask a server that is started with `serve`"
            )
        emitter = Emitter(
            principal,
            self._governor,
            lambda written: self._known(written, principal, schema),
            self._catalog.shaped,
        )
        return emitter.judged(texts, self._journal, self._underway)

    def do(self, call: Call) -> pa.Table:
        """Do it.

        Raises:
            LimitError: too many wishes, or events.
            NotFound: no such query, or none that the principal may end.
        """
        if isinstance(call, Defining):
            return self._definitions.do(call)
        if isinstance(call, Emitting):
            return self._emit(call)
        if isinstance(call, Submitting):
            return self._submit(call)
        if isinstance(call, Refreshing):
            return self._refresh(call)
        if isinstance(call, Sharing):
            return self._share(call)
        return self._wish(call) if isinstance(call, Wanted) else self._cancel(call)

    def _emit(self, call: Emitting) -> pa.Table:
        assert self._journal is not None  # noqa: S101 - or it would not have been judged
        events = self._journal.events
        made = events.emit(call.principal.user, call.name, call.source, call.target, call.meta, call.query_id)
        return pa.Table.from_pylist([{"event_id": made}], schema=_SCHEMAS["system.emit"])

    def _submit(self, call: Submitting) -> pa.Table:
        assert self.runs is not None  # noqa: S101 - or it would not have been judged
        run_id = self.runs.submit(call.text, call.principal, call.session)
        return pa.Table.from_pylist([{"run_id": run_id}], schema=_SCHEMAS["system.submit"])

    def _refresh(self, call: Refreshing) -> pa.Table:
        assert self.refresher is not None  # noqa: S101 - or it would not have been judged
        row = {"product": call.product.written, "rows": self.refresher.refresh(call.product)}
        return pa.Table.from_pylist([row], schema=_SCHEMAS[REFRESH])

    def _share(self, call: Sharing) -> pa.Table:
        if self.runs is None:
            raise no_such_run()
        self.runs.runs.share(call.run_id, call.principal.user, call.subject)
        row = {"run_id": call.run_id, "subject": call.subject}
        return pa.Table.from_pylist([row], schema=_SCHEMAS["system.share"])

    def _cancel(self, call: Cancelling) -> pa.Table:
        """Of others' queries and of none that is there, the same is said."""
        user = call.principal.user
        everyone = self._governor.may(call.principal, "admin", "system.queries")
        run = self.runs.cancel(call.query_id, None if everyone else user) if self.runs else None
        if run is not None:
            row = {"query_id": call.query_id, "state": run}
            return pa.Table.from_pylist([row], schema=_SCHEMAS["system.cancel"])
        if not self._underway.stop(call.query_id, user, Cancelled("the query was cancelled")) and not (
            everyone
            and self._underway.stop(call.query_id, None, Cancelled(f"the query was cancelled by {user}"))
        ):
            raise NotFound(
                "no such query runs", hint="system.queries shows yours; it may have ended in the meantime"
            )
        row = {"query_id": call.query_id, "state": "cancelled"}
        return pa.Table.from_pylist([row], schema=_SCHEMAS["system.cancel"])

    def _wish(self, call: Wanted) -> pa.Table:
        if self._journal is None:
            raise NotSupported("this fabric keeps no wishes", hint="ask the owner yourself")
        owner = self._governor.owner(call.object)
        made = self._journal.wishes.wish(
            call.principal.user, call.object.name, call.written, call.reason, owner
        )
        return pa.Table.from_pylist([{"request_id": made, "owner": owner}], schema=_SCHEMAS["system.request"])


def _sharing(principal: Principal, run_id: str, subject: str) -> Sharing:
    if not subject or (":" in subject and not re.fullmatch(r"(role|domain):\S.*", subject)):
        raise InvalidValue(
            "a result is shared with a user, a role or a domain",
            hint="write ana, role:analyst, or domain:claims",
        )
    return Sharing(principal, run_id, subject)


def _text(argument: exp.Expr, most: int = MOST_CHARACTERS) -> str:
    if not isinstance(argument, exp.Literal) or not argument.is_string:
        raise InvalidValue("the arguments of a call are texts", hint="write '…', or bind a text")
    text = str(argument.this).strip()
    if len(text) > most:
        raise InvalidValue(f"this text in a call has at most {most:,} characters, and this one {len(text):,}")
    return text


def _table(written: str) -> exp.Table:
    """The name as a statement would have it; double quotes may enclose a part.

    Raises:
        NotFound: it is no name.
    """
    parts: list[str] = []
    position = 0
    while match := _PART.match(written, position):
        parts.append(match[1].replace('""', '"') if match[1] else match[2])
        position = match.end()
        if position == len(written):
            break
        if written[position] != ".":
            raise unknown_object(written)
        position += 1
    if position != len(written) or not 1 <= len(parts) <= 3:
        raise unknown_object(written)
    quoted = (exp.to_identifier(part, quoted=True) for part in reversed(parts))
    return exp.Table(**dict(zip(("this", "db", "catalog"), quoted, strict=False)))
