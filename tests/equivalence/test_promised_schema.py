"""The schema that GetFlightInfo promises, and that preparing promises, is the one that streams: types and nullability."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import flight  # noqa: TID251

from fabric.config_model import UserSettings
from server import flightsql
from server.auth import Authenticator
from server.flight import FlightServer
from tests.equivalence.conftest import Both
from tests.equivalence.sources import USER
from tests.equivalence.test_queries import ALL, Query
from tests.server.tiny import Raw


@pytest.fixture(scope="module")
def client(both: Both) -> Iterator[Raw]:
    users = {USER: UserSettings(password="secret", roles=["role:auditor"])}
    known = Authenticator(users, both.app.signer)
    served = SimpleNamespace(
        line=both.app.line, visible=both.app.visible, signer=both.app.signer, authenticator=known
    )
    server = FlightServer(lambda: served, fabric="acme")  # type: ignore[arg-type,return-value]
    try:
        with flight.connect(f"grpc://127.0.0.1:{server.port}") as client:
            yield Raw(client, client.authenticate_basic_token(USER, "secret"))
    finally:
        server.close()


def prepared(client: Raw, sql: str) -> tuple[bytes, pa.Schema, pa.Schema]:
    """A handle, and the schemas of the result and of the parameters as they were promised."""
    body = flightsql.pack("ActionCreatePreparedStatementRequest", query=sql)
    (answer,) = client.act("CreatePreparedStatement", body)
    _, result = flightsql.unpack(answer)
    promised = (pa.ipc.read_schema(pa.py_buffer(s)) for s in (result.dataset_schema, result.parameter_schema))
    return (result.prepared_statement_handle, *promised)


def streamed(client: Raw, info: flight.FlightInfo) -> pa.Schema:
    reader = client.client.do_get(info.endpoints[0].ticket, client.options())
    schema = reader.schema
    assert all(chunk.data.schema.equals(schema) for chunk in reader)
    return schema


@pytest.mark.parametrize("query", ALL, ids=lambda query: f"{query.theme}: {query.name}")
def test_what_streams_is_what_was_promised(client: Raw, query: Query) -> None:
    info = client.query(query.sql)
    found = streamed(client, info)
    assert info.schema.equals(found, check_metadata=True)
    _, promised, _ = prepared(client, query.sql)
    assert promised.equals(found, check_metadata=True)


KINDS = {
    "BOOLEAN": True,
    "TINYINT": -1,
    "UINTEGER": 4_000_000_000,
    "BIGINT": 2**40,
    "HUGEINT": 7,
    "FLOAT": 0.5,
    "DOUBLE": 0.1,
    "DECIMAL(9,2)": None,
    "VARCHAR": "ü",
    "BLOB": b"\x00",
    "DATE": 3,
    "TIME": 4,
    "TIMESTAMP": 5,
    "TIMESTAMPTZ": "2026-01-01 00:00:00+02",
    "UUID": "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "INTERVAL": "3 days",
    "INTEGER[]": [1, None],
    "ENUM('a', 'b')": "b",
    "STRUCT(a INTEGER, b VARCHAR[])": "{'a': 1, 'b': ['x']}",
}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(list(KINDS)), st.booleans()), min_size=1, max_size=6))
def test_bound_as_promised_a_prepared_statement_streams_as_promised(
    client: Raw, columns: list[tuple[str, bool]]
) -> None:
    sql = "SELECT " + ", ".join(f"CAST(? AS {kind}) AS c{n}" for n, (kind, _) in enumerate(columns))
    handle, promised, parameters = prepared(client, sql)
    values = [None if null else KINDS[kind] for kind, null in columns]
    row = [pa.array([v], kind) for v, kind in zip(values, parameters.types, strict=True)]
    command = flightsql.pack("CommandPreparedStatementQuery", prepared_statement_handle=handle)
    descriptor = flight.FlightDescriptor.for_command(command)
    writer, answer = client.client.do_put(descriptor, parameters, client.options())
    with writer:
        writer.write_batch(pa.record_batch(row, schema=parameters))
        writer.done_writing()
        bound = flightsql.read("DoPutPreparedStatementResult", answer.read().to_pybytes())
    info = client.info(
        "CommandPreparedStatementQuery", prepared_statement_handle=bound.prepared_statement_handle
    )
    assert info.schema.equals(promised, check_metadata=True)
    assert streamed(client, info).equals(promised, check_metadata=True)
