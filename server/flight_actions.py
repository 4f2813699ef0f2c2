"""The actions of Flight SQL: prepared statements, transactions, cancelling, sessions.

Transactions are what read-committed reading needs, which is nothing: every statement sees one state of
its sources, and DDL takes effect at once (GetSqlInfo 562 and 565 say so). Begin and End are answered so
that DB-API clients, which open a transaction by themselves, work without being told otherwise.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pyarrow import flight  # noqa: TID251

from fabric.catalog import Entry
from fabric.errors import InvalidValue, NotFound, NotSupported, SyntaxProblem
from fabric.parse import parameter_count, parse
from fabric.pipeline import Description, Line, Session
from fabric.types import Principal
from server import flightsql, sessions
from server.app import App
from server.flight_calls import Call, Calls
from server.keys import Signer
from server.parameters import parameter_schema
from server.plain import plain
from server.statements import Bindings, Statement, fingerprint, seal, unseal


@dataclass(frozen=True, slots=True)
class Desk:
    """What calls are answered with."""

    app: Callable[[], App]
    calls: Calls
    bindings: Bindings
    fabric: str

    @property
    def line(self) -> Line:
        """Runs statements."""
        return self.app().line

    @property
    def signer(self) -> Signer:
        """Makes tickets, handles and sessions."""
        return self.app().signer

    def visible(self, principal: Principal) -> Sequence[Entry]:
        """What a principal may know of."""
        return self.app().visible(principal)


@dataclass(frozen=True, slots=True)
class Request:
    """One action of one caller."""

    desk: Desk
    call: Call
    context: flight.ServerCallContext
    principal: Principal
    body: bytes

    def message(self, name: str) -> Any:
        """The body as the Flight SQL message of that name, which travels in an Any."""
        found, message = flightsql.unpack(self.body)
        if found != name:
            raise InvalidValue(f"{name} was expected, and {found} was sent")
        return message


def _create_prepared(request: Request) -> list[bytes]:
    text = request.message("ActionCreatePreparedStatementRequest").query
    options = request.call.options(request.context)
    session = sessions.to_session(options, request.call.caller(request.context))
    described = _described(request, text, session)
    if isinstance(described, Description):
        schema = plain(described.schema, request.call.in_java)
        count, types = described.parameters, described.parameter_types
    else:
        count, schema, types = described, None, ()
    statement = Statement(
        user=request.principal.user,
        text=text,
        options=options,
        expects=count,
        columns=fingerprint(schema) if schema is not None else "",
    )
    parameters = parameter_schema(count, types)
    return [
        flightsql.pack(
            "ActionCreatePreparedStatementResult",
            prepared_statement_handle=seal(statement, "handle", request.desk.signer),
            dataset_schema=schema.serialize().to_pybytes() if schema is not None else b"",
            parameter_schema=parameters.serialize().to_pybytes(),
            is_update=schema is not None and len(schema) == 0,
        )
    ]


def _described(request: Request, text: str, session: Session) -> Description | int:
    """The description before parameters are bound.

    Only their number where DuckDB needs their types to go on: the statement is then described when it is asked
    for with its parameters.
    """
    try:
        asking = sessions.asking(request.principal, session.options)
        return request.desk.line.describe(text, asking, session)
    except SyntaxProblem:
        count = parameter_count(parse(text))
        if not count:
            raise
        return count


def _close_prepared(request: Request) -> list[bytes]:
    handle = request.message("ActionClosePreparedStatementRequest").prepared_statement_handle
    request.desk.bindings.forget(unseal(handle, "handle", request.desk.signer, request.principal))
    return []


def _begin_transaction(request: Request) -> list[bytes]:
    request.message("ActionBeginTransactionRequest")
    return [flightsql.pack("ActionBeginTransactionResult", transaction_id=secrets.token_bytes(16))]


def _end_transaction(request: Request) -> list[bytes]:
    request.message("ActionEndTransactionRequest")
    return []


def _cancel_flight_info(request: Request) -> list[bytes]:
    info = flightsql.read("CancelFlightInfoRequest", request.body).info
    _cancel(request, info)
    return [flightsql.new("CancelFlightInfoResult", status=flightsql.CANCELLED).SerializeToString()]


def _cancel_query(request: Request) -> list[bytes]:
    info = flightsql.read("FlightInfo", request.message("ActionCancelQueryRequest").info)
    _cancel(request, info)
    return [flightsql.pack("ActionCancelQueryResult", result=flightsql.CANCELLED)]


def _cancel(request: Request, info: Any) -> None:
    found = False
    for endpoint in info.endpoint:
        name, ticket = flightsql.unpack(endpoint.ticket.ticket)
        if name == "TicketStatementQuery":
            statement = unseal(ticket.statement_handle, "ticket", request.desk.signer, request.principal)
            found |= request.desk.calls.cancel(statement.id, request.principal.user)
    if not found:
        raise NotFound("this query does not run", hint="it has ended, or was never started")


def _set_session_options(request: Request) -> list[bytes]:
    message = flightsql.read("SetSessionOptionsRequest", request.body)
    wanted = {option.key: _option_text(option.value) for option in message.session_options}
    options, errors = sessions.changed(
        request.call.kept_options(request.context),
        wanted,
        request.desk.visible(request.principal),
        request.desk.fabric,
    )
    request.call.keep_options(request.context, options)
    result = flightsql.new("SetSessionOptionsResult")
    for name, problem in errors.items():
        result.errors.add(key=name).value.value = problem
    return [result.SerializeToString()]


def _option_text(value: Any) -> str | None:
    for field in ("string_value", "bool_value", "int64_value", "double_value"):
        if value.HasField(field):
            return str(getattr(value, field))
    if value.HasField("string_list_value"):
        return ",".join(value.string_list_value.values)
    return None


def _get_session_options(request: Request) -> list[bytes]:
    flightsql.read("GetSessionOptionsRequest", request.body)
    options = {"catalog": request.desk.fabric, "timezone": "UTC"} | dict(
        request.call.options(request.context)
    )
    result = flightsql.new("GetSessionOptionsResult")
    for name, value in options.items():
        result.session_options.add(key=name).value.string_value = value
    return [result.SerializeToString()]


def _close_session(request: Request) -> list[bytes]:
    flightsql.read("CloseSessionRequest", request.body)
    request.call.keep_options(request.context, {})
    return [flightsql.new("CloseSessionResult", status=flightsql.SESSION_CLOSED).SerializeToString()]


_ACTIONS: dict[str, tuple[Callable[[Request], list[bytes]], str]] = {
    "CreatePreparedStatement": (_create_prepared, "Plan a statement and return a handle to run it with."),
    "ClosePreparedStatement": (_close_prepared, "Forget a prepared statement."),
    "BeginTransaction": (_begin_transaction, "Begin a transaction; every statement reads its newest state."),
    "EndTransaction": (_end_transaction, "End a transaction."),
    "CancelFlightInfo": (_cancel_flight_info, "Cancel a running query."),
    "CancelQuery": (_cancel_query, "Cancel a running query (the form before Arrow 13)."),
    "SetSessionOptions": (
        _set_session_options,
        "Set catalog, schema, timezone, dialect, purpose, pushdown, assert_pushed or max_staleness.",
    ),
    "GetSessionOptions": (_get_session_options, "Get the session's options."),
    "CloseSession": (_close_session, "Forget the session's options."),
}


def names() -> list[tuple[str, str]]:
    """Every action with its description."""
    return [(name, text) for name, (_, text) in _ACTIONS.items()]


def perform(action: str, request: Request) -> list[bytes]:
    """Perform the action of that name; the results as they go to the client.

    Raises:
        NotSupported: there is no such action.
    """
    if action not in _ACTIONS:
        raise NotSupported(
            f"the action {action[:60]} is not offered", hint="ListActions names those that are"
        )
    return _ACTIONS[action][0](request)
