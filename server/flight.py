"""The Flight SQL server: each call is decoded, handed to the line, and its answer streamed.

    GetFlightInfo  describe → schema, a signed ticket, the receipt
    DoGet          run → batches; metadata commands are answered from the catalog
    DoPut          bind parameters to a prepared statement, or run a statement for its effect
    DoAction       see ``flight_actions``

PollFlightInfo is not offered: docs/adr/0018.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import flight  # noqa: TID251

from fabric.catalog import Entry
from fabric.config_model import TlsSettings
from fabric.errors import Cancelled, InternalError, InvalidConfig, InvalidValue, NotSupported, SchemaChanged
from fabric.parse_definitions import begins_as_definition
from fabric.pipeline import Reply
from fabric.pushdown import literal
from fabric.types import Principal
from server import flight_actions, flightsql, metadata, sessions
from server.app import App
from server.flight_actions import Desk, Request
from server.flight_calls import Call, Calls, NoHandshakePayload, Running
from server.flight_errors import guarded, to_flight
from server.ingest import to_target
from server.plain import plain, plainly
from server.statements import Bindings, Statement, bindings, bound, fingerprint, seal, unseal

# The Go driver takes messages of at most 16 MB unless it is told otherwise.
_MESSAGE_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Proxied:
    """One of several workers behind a proxy: the socket where it listens without TLS, and a way to ask the others."""

    socket: str
    elsewhere: Callable[[Mapping[str, Any]], list[Any]]


class FlightServer(flight.FlightServerBase):  # type: ignore[misc]
    """Serves from the moment that it is made until ``close``.

    Args:
        app: the app that serves now; asked anew by every call.
        fabric: the fabric's name, which is the default catalog.
        host: where to listen.
        port: 0 takes any free one; ``port`` then says which.
        tls: certificate and key, and the authority of the clients'.
        proxied: how it is one of several; with TLS it listens on ``port`` of the loopback.

    Raises:
        InvalidConfig: the port cannot be listened on, or a TLS file not be read.
    """

    def __init__(
        self,
        app: Callable[[], App],
        *,
        fabric: str,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: TlsSettings | None = None,
        proxied: Proxied | None = None,
    ) -> None:
        certificates = _certificates(tls) if tls else {}
        # Arrow tells a handler of handshakes nothing of certificates, and whoever has one is told nothing else.
        certified = bool(tls and tls.client_ca and app().authenticator.takes_certificates)
        elsewhere = proxied.elsewhere if proxied else None
        self._calls = Calls(app, handshake=not certified, elsewhere=elsewhere)
        self._desk = Desk(app, self._calls, Bindings(elsewhere=elsewhere), fabric)
        shown = f"[{host}]" if ":" in host else host
        place = f"{'grpc+tls' if tls else 'grpc'}://{shown}:{port}"
        if proxied is not None and tls is None:
            place = f"grpc+unix://{proxied.socket}"
        try:
            super().__init__(
                place,
                auth_handler=None if certified else NoHandshakePayload(),
                middleware={"call": self._calls},
                **certificates,
            )
        except (pa.ArrowException, OSError):
            raise InvalidConfig(
                f"cannot listen on {shown}:{port}",
                hint="is another server running there? server.port in fabric.yaml says which port to take",
            ) from None

    def close(self, seconds: float = 0.0) -> None:
        """Refuse new statements, give running ones ``seconds`` to end, cancel the rest, and stop."""
        self._calls.drain(seconds)
        self.shutdown()

    def answer(self, question: Mapping[str, Any]) -> Any:
        """Answer another worker."""
        if question["ask"] == "call":
            return self._calls.cancel_here(question["id"], question["user"])
        return self._desk.bindings.answer(question)

    # ── statements and metadata ──────────────────────────────────────────────────────────────

    @guarded
    def get_flight_info(
        self, context: flight.ServerCallContext, descriptor: flight.FlightDescriptor
    ) -> flight.FlightInfo:
        """Called by pyarrow for GetFlightInfo."""
        call, principal = self._enter(context)
        name, message = flightsql.unpack(descriptor.command or b"")
        statement = self._statement(name, message, call, context, principal)
        if statement is None:
            schema = metadata.schema_of(name, message)
            return flight.FlightInfo(schema, descriptor, [_endpoint(descriptor.command)], -1, -1)
        if begins_as_definition(statement.text):
            statement = self._defined(statement, call, context, principal)
        described = self._desk.line.describe(
            statement.text,
            sessions.asking(principal, statement.options),
            sessions.to_session(statement.options, call.caller(context)),
            statement.parameters if statement.binding else None,
        )
        if described.parameters and not statement.binding:
            raise InvalidValue(
                f"the statement has {described.parameters} parameters and none were bound",
                hint="prepare it and bind one value for every placeholder, in order",
            )
        schema = plain(described.schema, call.in_java)
        promised = replace(
            statement,
            policy_version=described.policy_version,
            columns=fingerprint(schema),
            signed=call.in_java,
        )
        ticket = flightsql.pack(
            "TicketStatementQuery", statement_handle=seal(promised, "ticket", self._desk.signer)
        )
        return flight.FlightInfo(
            schema,
            descriptor,
            [_endpoint(ticket)],
            described.rows,
            -1,
            app_metadata=json.dumps(described.receipt, default=str).encode(),
        )

    @guarded
    def get_schema(
        self, context: flight.ServerCallContext, descriptor: flight.FlightDescriptor
    ) -> flight.SchemaResult:
        """Called by pyarrow for GetSchema."""
        call, principal = self._enter(context)
        name, message = flightsql.unpack(descriptor.command or b"")
        statement = self._statement(name, message, call, context, principal)
        if statement is None:
            return flight.SchemaResult(metadata.schema_of(name, message))
        described = self._desk.line.describe(
            statement.text,
            sessions.asking(principal, statement.options),
            sessions.to_session(statement.options, call.caller(context)),
            statement.parameters if statement.binding else None,
        )
        return flight.SchemaResult(plain(described.schema, call.in_java))

    @guarded
    def do_get(self, context: flight.ServerCallContext, ticket: flight.Ticket) -> flight.FlightDataStream:
        """Called by pyarrow for DoGet."""
        call, principal = self._enter(context)
        name, message = flightsql.unpack(ticket.ticket)
        if name == "TicketStatementQuery":
            statement = unseal(message.statement_handle, "ticket", self._desk.signer, principal)
            answer = self._run(statement, call, context, principal)
            schema = plain(answer.schema, statement.signed)
            if fingerprint(schema) != statement.columns:
                raise SchemaChanged(
                    self._desk.fabric, "the result has other columns than were promised", hint="ask again"
                )
            return flight.GeneratorStream(schema, _batches(answer, schema))
        metadata.schema_of(name, message)
        desk = self._desk
        desk.line.metadata_asked(name, principal, sessions.to_session({}, call.caller(context)))
        table = metadata.answer(name, message, lambda: _plain(desk.visible(principal), call), desk.fabric)
        return flight.RecordBatchStream(table)

    @guarded
    def do_put(
        self,
        context: flight.ServerCallContext,
        descriptor: flight.FlightDescriptor,
        reader: flight.MetadataRecordBatchReader,
        writer: flight.FlightMetadataWriter,
    ) -> None:
        """Called by pyarrow for DoPut."""
        call, principal = self._enter(context)
        name, message = flightsql.unpack(descriptor.command or b"")
        if name == "CommandPreparedStatementQuery":
            statement = self._prepared(message, principal)
            statement = bound(statement, bindings(statement, _read(reader)))
            self._desk.bindings.remember(statement)
            handle = seal(statement, "handle", self._desk.signer)
            result = flightsql.new("DoPutPreparedStatementResult", prepared_statement_handle=handle)
        elif name == "CommandPreparedStatementUpdate":
            statement = self._prepared(message, principal)
            rows = bindings(statement, _read(reader)) if statement.expects else [statement.binding]
            for row in rows:
                self._effect(replace(statement, binding=row), call, context, principal)
            result = flightsql.new("DoPutUpdateResult", record_count=-1)
        elif name == "CommandStatementUpdate":
            options = call.options(context)
            statement = Statement(user=principal.user, text=message.query, options=options)
            self._effect(statement, call, context, principal)
            result = flightsql.new("DoPutUpdateResult", record_count=-1)
        elif name == "CommandStatementIngest":
            count = self._ingest(message, reader, call, context, principal)
            result = flightsql.new("DoPutUpdateResult", record_count=count)
        else:
            raise NotSupported(f"{name} is not offered", hint="send a SQL statement")
        writer.write(pa.py_buffer(result.SerializeToString()))

    @guarded
    def do_action(self, context: flight.ServerCallContext, action: flight.Action) -> list[bytes]:
        """Called by pyarrow for DoAction."""
        call, principal = self._enter(context)
        request = Request(self._desk, call, context, principal, action.body.to_pybytes())
        return flight_actions.perform(action.type, request)

    @guarded
    def list_actions(self, context: flight.ServerCallContext) -> list[tuple[str, str]]:
        """Called by pyarrow for ListActions."""
        self._enter(context)
        return flight_actions.names()

    @guarded
    def list_flights(self, context: flight.ServerCallContext, criteria: bytes) -> None:
        """Called by pyarrow for ListFlights."""
        raise NotSupported("ListFlights is not offered", hint="GetTables lists what you may see")

    @guarded
    def do_exchange(self, context: flight.ServerCallContext, *others: Any) -> None:
        """Called by pyarrow for DoExchange."""
        raise NotSupported("DoExchange is not offered", hint="send a SQL statement")

    # ── from a call to a statement, and from that to an answer ───────────────────────────────

    def _enter(self, context: flight.ServerCallContext) -> tuple[Call, Principal]:
        call: Call = context.get_middleware("call")
        return call, call.principal(context)

    def _prepared(self, message: Any, principal: Principal) -> Statement:
        handle = message.prepared_statement_handle
        return self._desk.bindings.complete(unseal(handle, "handle", self._desk.signer, principal))

    def _statement(
        self, name: str, message: Any, call: Call, context: flight.ServerCallContext, principal: Principal
    ) -> Statement | None:
        """The statement that a command asks for; None for a metadata command."""
        if name == "CommandPreparedStatementQuery":
            return self._prepared(message, principal)
        if name == "CommandStatementQuery":
            return Statement(user=principal.user, text=message.query, options=call.options(context))
        return None

    def _run(
        self, statement: Statement, call: Call, context: flight.ServerCallContext, principal: Principal
    ) -> Reply:
        """The statement's answer, which is watched from now on and closed when the call is over."""
        running = Running(statement.id, principal.user)
        self._calls.watch(call, context, running)
        answer = self._desk.line.run(
            statement.text,
            sessions.asking(principal, statement.options),
            replace(sessions.to_session(statement.options, call.caller(context)), stop=running.cancel),
            statement.parameters,
            statement.policy_version,
        )
        running.attach(answer)
        return answer

    def _defined(
        self, statement: Statement, call: Call, context: flight.ServerCallContext, principal: Principal
    ) -> Statement:
        """Define a product now, and what asks for the answer that it gave.

        Drivers ask for an answer when somebody reads it, and nobody reads what CREATE VIEW answers.
        """
        with self._run(statement, call, context, principal) as answer:
            (row,) = [row for batch in answer.batches() for row in batch.to_pylist()]
        told = ", ".join(f"{literal(value).sql(dialect='duckdb')} AS {name}" for name, value in row.items())
        return Statement(user=principal.user, text=f"SELECT {told}")

    def _effect(
        self, statement: Statement, call: Call, context: flight.ServerCallContext, principal: Principal
    ) -> None:
        """Run a statement for what it does, and read its answer to the end."""
        with self._run(statement, call, context, principal) as answer:
            for _ in answer.batches():
                pass

    def _ingest(
        self,
        message: Any,
        reader: flight.MetadataRecordBatchReader,
        call: Call,
        context: flight.ServerCallContext,
        principal: Principal,
    ) -> int:
        """Land a table; transactions are no-ops here as everywhere."""

        def whole() -> None:
            # A client that is gone looks like one that has sent all.
            if context.is_cancelled():
                raise Cancelled("the client went away")

        batches = (chunk.data for chunk in reader if chunk.data is not None)
        options = call.options(context)
        return self._desk.app().ingest.land(
            to_target(message),
            reader.schema,
            batches,
            sessions.asking(principal, options),
            options,
            call.caller(context),
            whole,
        )


def _plain(entries: Sequence[Entry], call: Call) -> list[Entry]:
    """The entries with the columns that their rows will have."""
    return [replace(entry, schema=plain(entry.schema, call.in_java)) for entry in entries]


def _endpoint(ticket: bytes) -> flight.FlightEndpoint:
    return flight.FlightEndpoint(flight.Ticket(ticket), [])


def _read(reader: flight.MetadataRecordBatchReader) -> list[pa.RecordBatch]:
    return [chunk.data for chunk in reader if chunk.data is not None]


def _batches(answer: Reply, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    try:
        for batch in answer.batches():
            if batch.schema != answer.schema:
                raise InternalError
            yield from _cut(plainly(batch, schema))
    except Exception as error:  # noqa: BLE001
        raise to_flight(error) from None


def _cut(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in parts that fit into a message, as far as single rows do."""
    if batch.nbytes <= _MESSAGE_BYTES or batch.num_rows < 2:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _cut(batch.slice(0, half))
    yield from _cut(batch.slice(half))


def _certificates(tls: TlsSettings) -> dict[str, Any]:
    try:
        found = {"tls_certificates": [(Path(tls.cert).read_bytes(), Path(tls.key).read_bytes())]}
        if tls.client_ca is None:
            return found
        return found | {"verify_client": True, "root_certificates": Path(tls.client_ca).read_bytes()}
    except OSError as error:
        raise InvalidConfig(
            f"server.tls: cannot read '{error.filename}'", hint="give cert, key and client_ca as PEM files"
        ) from error
