"""Run inside the environment of pyarrow 18: asks a served fabric and prints what came, as JSON lines."""

import json
import sys

import pyarrow as pa
from pyarrow import flight  # noqa: TID251

port = int(sys.argv[1])


def show(name: str, value: object) -> None:
    print(json.dumps({name: value}, default=str))


def field(number: int, data: bytes) -> bytes:
    """A protobuf field of bytes."""
    size, length = b"", len(data)
    while length > 127:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + data


def command(name: str, message: bytes) -> flight.FlightDescriptor:
    url = f"type.googleapis.com/arrow.flight.protocol.sql.{name}".encode()
    return flight.FlightDescriptor.for_command(field(1, url) + field(2, message))


with flight.connect(f"grpc://127.0.0.1:{port}") as client:
    options = flight.FlightCallOptions(headers=[client.authenticate_basic_token("aud", "secret")])

    def ask(name: str, message: bytes = b"") -> tuple[pa.Schema, pa.Table]:
        info = client.get_flight_info(command(name, message), options)
        return info.schema, client.do_get(info.endpoints[0].ticket, options).read_all()

    show("version", pa.__version__)
    schema, table = ask("CommandStatementQuery", field(1, b"SELECT * FROM claims.open ORDER BY claim_id"))
    show("rows", table.num_rows)
    show("same schema", schema.equals(table.schema))
    kinds = b"SELECT 1::UTINYINT, 'a'::ENUM('a'), [1.50::DECIMAL(9,2)], {'a': 1}, MAP {'k': 1}, uuid(), INTERVAL 1 DAY,"
    schema, table = ask(
        "CommandStatementQuery", field(1, kinds + b" TIMESTAMPTZ '2026-01-01 00:00:00+00', ''::BLOB")
    )
    show("types", [str(kind) for kind in table.schema.types])
    show("catalogs", ask("CommandGetCatalogs")[1]["catalog_name"].to_pylist())
    show("tables", ask("CommandGetTables")[1].num_rows)
    show("info", ask("CommandGetSqlInfo")[1].num_rows)
    try:
        ask("CommandStatementQuery", field(1, b"SELECT * FROM lake.nothing"))
    except pa.ArrowKeyError as error:
        show("refused", str(error))
