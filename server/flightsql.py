"""The Flight SQL messages: how commands, actions and tickets stand on the wire.

The messages are declared here field by field in a descriptor pool of our own: a second copy of them in
protobuf's default pool (flightsql-dbapi brings one) would be a TypeError at import. Names and numbers
are those of FlightSql.proto and Flight.proto, Arrow 26. Enums are declared as the integers that they
are on the wire, maps as the repeated entries that they are, and every field knows whether it was sent.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from fabric.errors import InvalidValue

# A line is `Message: field=number:type`, a type in capitals is another message, * is a repeated field.
_SQL = """
CommandGetSqlInfo: info=1:uint32*
CommandGetXdbcTypeInfo: data_type=1:int32
CommandGetCatalogs:
CommandGetDbSchemas: catalog=1:string db_schema_filter_pattern=2:string
CommandGetTables: catalog=1:string db_schema_filter_pattern=2:string table_name_filter_pattern=3:string table_types=4:string* include_schema=5:bool
CommandGetTableTypes:
CommandGetPrimaryKeys: catalog=1:string db_schema=2:string table=3:string
CommandGetExportedKeys: catalog=1:string db_schema=2:string table=3:string
CommandGetImportedKeys: catalog=1:string db_schema=2:string table=3:string
CommandGetCrossReference: pk_catalog=1:string pk_db_schema=2:string pk_table=3:string fk_catalog=4:string fk_db_schema=5:string fk_table=6:string
CommandStatementQuery: query=1:string transaction_id=2:bytes
CommandStatementUpdate: query=1:string transaction_id=2:bytes
CommandStatementSubstraitPlan: plan=1:SubstraitPlan transaction_id=2:bytes
CommandPreparedStatementQuery: prepared_statement_handle=1:bytes
CommandPreparedStatementUpdate: prepared_statement_handle=1:bytes
CommandStatementIngest: table_definition_options=1:TableDefinitionOptions table=2:string schema=3:string catalog=4:string temporary=5:bool transaction_id=6:bytes options=1000:OptionsEntry*
TableDefinitionOptions: if_not_exist=1:int32 if_exists=2:int32
OptionsEntry: key=1:string value=2:string
SubstraitPlan: plan=1:bytes version=2:string
TicketStatementQuery: statement_handle=1:bytes
DoPutUpdateResult: record_count=1:int64
DoPutPreparedStatementResult: prepared_statement_handle=1:bytes
ActionCreatePreparedStatementRequest: query=1:string transaction_id=2:bytes
ActionCreatePreparedSubstraitPlanRequest: plan=1:SubstraitPlan transaction_id=2:bytes
ActionCreatePreparedStatementResult: prepared_statement_handle=1:bytes dataset_schema=2:bytes parameter_schema=3:bytes is_update=4:bool
ActionClosePreparedStatementRequest: prepared_statement_handle=1:bytes
ActionBeginTransactionRequest:
ActionBeginTransactionResult: transaction_id=1:bytes
ActionEndTransactionRequest: transaction_id=1:bytes action=2:int32
ActionBeginSavepointRequest: transaction_id=1:bytes name=2:string
ActionEndSavepointRequest: savepoint_id=1:bytes action=2:int32
ActionCancelQueryRequest: info=1:bytes
ActionCancelQueryResult: result=1:int32
"""

_FLIGHT = """
Ticket: ticket=1:bytes
FlightEndpoint: ticket=1:Ticket
FlightInfo: schema=1:bytes endpoint=3:FlightEndpoint*
CancelFlightInfoRequest: info=1:FlightInfo
CancelFlightInfoResult: status=1:int32
StringListValue: values=1:string*
SessionOptionValue: string_value=1:string bool_value=2:bool int64_value=3:sfixed64 double_value=4:double string_list_value=5:StringListValue
SessionOption: key=1:string value=2:SessionOptionValue
SetSessionOptionsRequest: session_options=1:SessionOption*
SessionError: value=1:int32
SessionErrorEntry: key=1:string value=2:SessionError
SetSessionOptionsResult: errors=1:SessionErrorEntry*
GetSessionOptionsRequest:
GetSessionOptionsResult: session_options=1:SessionOption*
CloseSessionRequest:
CloseSessionResult: status=1:int32
"""

_TYPE_URL = "type.googleapis.com/arrow.flight.protocol.sql."

CANCELLED = 1
"""CancelStatus and CancelResult: the query was cancelled."""

SESSION_CLOSED = 1
"""CloseSessionResult.Status: the session is closed."""

INVALID_NAME, INVALID_VALUE = 1, 2
"""SetSessionOptionsResult.ErrorValue: no such option; the option does not take that value."""


def _declare(pool: descriptor_pool.DescriptorPool, package: str, text: str) -> dict[str, type]:
    file = descriptor_pb2.FileDescriptorProto(name=f"ripstop/{package}.proto", package=package)
    kinds = descriptor_pb2.FieldDescriptorProto.Type
    for line in text.strip().splitlines():
        name, _, fields = line.partition(":")
        message = file.message_type.add(name=name)
        for field in fields.split():
            label, _, rest = field.partition("=")
            number, _, kind = rest.partition(":")
            entry = message.field.add(name=label, number=int(number))
            entry.label = entry.LABEL_REPEATED if kind.endswith("*") else entry.LABEL_OPTIONAL
            kind = kind.rstrip("*")
            if kind[0].isupper():
                entry.type, entry.type_name = entry.TYPE_MESSAGE, f".{package}.{kind}"
            else:
                entry.type = kinds.Value(f"TYPE_{kind.upper()}")
    pool.Add(file)
    return {
        m.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{m.name}"))
        for m in file.message_type
    }


_pool = descriptor_pool.DescriptorPool()
_sql_messages = _declare(_pool, "arrow.flight.protocol.sql", _SQL)
_messages: dict[str, Any] = _sql_messages | _declare(_pool, "arrow.flight.protocol", _FLIGHT)
_any: Any = _declare(_pool, "ripstop.wire", "Any: type_url=1:string value=2:bytes")["Any"]


def new(name: str, **fields: Any) -> Any:
    """A message of that name with those fields set; ``SerializeToString`` gives its bytes."""
    return _messages[name](**fields)


def read(name: str, data: bytes) -> Any:
    """The message of that name that the bytes hold.

    Raises:
        InvalidValue: the bytes are no such message.
    """
    try:
        return _messages[name].FromString(data)
    except DecodeError:
        raise InvalidValue(f"the bytes are not a {name}", hint="is the client a Flight SQL client?") from None


def pack(name: str, **fields: Any) -> bytes:
    """The bytes of an Any that holds the Flight SQL message of that name."""
    wrapped: bytes = _any(
        type_url=_TYPE_URL + name, value=new(name, **fields).SerializeToString()
    ).SerializeToString()
    return wrapped


def unpack(data: bytes) -> tuple[str, Any]:
    """The name and the message of an Any that holds a Flight SQL message.

    Raises:
        InvalidValue: the bytes hold no Flight SQL message that Ripstop knows.
    """
    try:
        wrapped = _any.FromString(data)
    except DecodeError:
        wrapped = _any()
    name = wrapped.type_url.removeprefix(_TYPE_URL)
    if name not in _sql_messages or not wrapped.type_url.startswith(_TYPE_URL):
        raise InvalidValue("not a Flight SQL command", hint="connect with a Flight SQL client")
    return name, read(name, wrapped.value)


def sent(message: Any, field: str) -> Any:
    """The field's value, or None when the message does not carry it."""
    return getattr(message, field) if message.HasField(field) else None
