import base64
import json

import pyarrow as pa
import pytest
from pyarrow import flight  # noqa: TID251

from server import flightsql
from server.statements import HANDLE_SECONDS
from tests.server.tiny import serving, until


@pytest.fixture(scope="module")
def served():
    with serving() as served:
        yield served


@pytest.fixture
def ana(served):
    with served.raw() as raw:
        yield raw


def test_a_statement_streams_in_the_promised_schema_with_its_receipt(ana):
    info = ana.query("SELECT id, name FROM claim ORDER BY id")
    table = ana.read(info)
    assert table.num_rows == 10
    assert table.schema == info.schema
    assert (info.total_records, info.total_bytes) == (-1, -1)
    assert json.loads(info.app_metadata)["restricted"] == {"claims.claim": "none"}


def test_an_empty_answer_still_has_its_schema(ana):
    info = ana.query("SELECT id FROM claim WHERE false")
    assert ana.read(info).schema == info.schema


def test_get_schema_answers_for_statements_and_metadata(ana):
    for name, fields, names in (
        ("CommandStatementQuery", {"query": "SELECT 1 AS one"}, ["one"]),
        ("CommandGetCatalogs", {}, ["catalog_name"]),
    ):
        descriptor = flight.FlightDescriptor.for_command(flightsql.pack(name, **fields))
        assert ana.client.get_schema(descriptor, ana.options()).schema.names == names


@pytest.mark.parametrize("header", ["Basic YW5hOnNlY3JldA", "basic YW5hOnNlY3JldA=="])
def test_basic_works_on_any_call_padded_or_not(served, header):
    assert header.split()[1].rstrip("=") == base64.b64encode(b"ana:secret").decode().rstrip("=")
    with flight.connect(served.uri) as client:
        options = flight.FlightCallOptions(headers=[(b"authorization", header.encode())])
        assert list(client.list_actions(options))


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"Basic YW5hOndyb25n")],
        [(b"authorization", b"Basic ???")],
        [(b"authorization", b"Bearer nonsense")],
        [(b"authorization", b"Digest x")],
        [(b"authorization", b"Bearer a~b")],
    ],
)
def test_whoever_does_not_log_in_is_refused(served, headers):
    descriptor = flight.FlightDescriptor.for_command(flightsql.pack("CommandGetCatalogs"))
    with flight.connect(served.uri) as client, pytest.raises(flight.FlightUnauthenticatedError):
        client.get_flight_info(descriptor, flight.FlightCallOptions(headers=headers))


def test_a_handshake_with_a_wrong_password_is_refused(served):
    with flight.connect(served.uri) as client, pytest.raises(flight.FlightUnauthenticatedError):
        client.authenticate_basic_token("ana", "wrong")


def test_a_password_may_hold_colons(served):
    with served.raw("bob") as bob:
        assert bob.read(bob.query("SELECT 1")).num_rows == 1


def test_a_ticket_is_useless_to_another_user(served, ana):
    info = ana.query("SELECT 1")
    with served.raw("bob") as bob, pytest.raises(flight.FlightUnauthorizedError, match="another user"):
        bob.read(info)


STATUS = [
    ("SELEC", pa.ArrowInvalid, "SYNTAX"),
    ("SELECT * FROM nowhere", pa.ArrowKeyError, "NOT_FOUND"),
    ("BUG", flight.FlightInternalError, "reference"),
    ("FAIL", flight.FlightUnavailableError, "SOURCE_UNREACHABLE: source 'policy_db': the connection broke"),
    ("FAIL BUG", flight.FlightInternalError, "reference"),
    ("SELECT CAST(name AS INT) FROM claim", pa.ArrowInvalid, "INVALID_VALUE"),
    ("SELECT ?", pa.ArrowInvalid, "1 parameters and none were bound"),
]


@pytest.mark.parametrize(("sql", "kind", "text"), STATUS)
def test_an_error_keeps_its_status_and_message_and_leaks_nothing(ana, sql, kind, text):
    with pytest.raises(kind) as caught:
        ana.read(ana.query(sql))
    shown = str(caught.value) + str(getattr(caught.value, "extra_info", ""))
    assert text in shown
    assert "Hint: " in shown or "INVALID_VALUE" in shown
    for secret in ("Traceback", ".py", "hunter2", "ZeroDivision", "File "):
        assert secret not in shown


@pytest.mark.parametrize(
    ("sql", "text"), [("SELEC", "SYNTAX"), ("BUG", "reference"), ("SELECT * FROM x", "NOT_F")]
)
def test_errors_of_get_schema_leak_nothing_either(ana, sql, text):
    descriptor = flight.FlightDescriptor.for_command(flightsql.pack("CommandStatementQuery", query=sql))
    with pytest.raises(pa.ArrowException, match=text) as caught:
        ana.client.get_schema(descriptor, ana.options())
    assert "Traceback" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_an_error_in_the_middle_comes_after_the_rows_before_it(ana):
    reader = ana.client.do_get(ana.query("FAIL").endpoints[0].ticket, ana.options())
    assert reader.read_chunk().data.num_rows == 1
    with pytest.raises(flight.FlightUnavailableError):
        reader.read_chunk()


def test_whatever_is_not_offered_says_so(ana):
    calls = [
        lambda: ana.info("CommandStatementSubstraitPlan"),
        lambda: list(ana.client.list_flights(b"", ana.options())),
        lambda: ana.act("CreatePreparedSubstraitPlan", b""),
        lambda: ana.act("BeginSavepoint", b""),
    ]
    for call in calls:
        with pytest.raises(NotImplementedError, match="NOT_SUPPORTED"):
            call()


@pytest.mark.parametrize("command", [b"", b"\xff\xff", b"SELECT 1"])
def test_what_is_no_flight_sql_is_an_error_of_the_caller(ana, command):
    with pytest.raises(pa.ArrowInvalid, match="not a Flight SQL command"):
        ana.client.get_flight_info(flight.FlightDescriptor.for_command(command), ana.options())
    with pytest.raises(pa.ArrowInvalid, match="not a Flight SQL command"):
        ana.client.do_get(flight.Ticket(command), ana.options())


def prepare(ana, sql):
    [body] = ana.act(
        "CreatePreparedStatement", flightsql.pack("ActionCreatePreparedStatementRequest", query=sql)
    )
    return flightsql.unpack(body)[1]


def put(ana, name, handle, batch):
    descriptor = flight.FlightDescriptor.for_command(flightsql.pack(name, prepared_statement_handle=handle))
    writer, reader = ana.client.do_put(descriptor, batch.schema, ana.options())
    with writer:
        writer.write_batch(batch)
        writer.done_writing()
        return reader.read().to_pybytes()


def test_a_prepared_statement_runs_with_the_handle_that_its_binding_returned(ana):
    made = prepare(ana, "SELECT id FROM claim WHERE id = ?")
    assert pa.ipc.read_schema(pa.py_buffer(made.dataset_schema)).names == ["id"]
    assert len(pa.ipc.read_schema(pa.py_buffer(made.parameter_schema))) == 1
    assert not made.is_update
    result = flightsql.read(
        "DoPutPreparedStatementResult",
        put(ana, "CommandPreparedStatementQuery", made.prepared_statement_handle, batch_of(3)),
    )
    info = ana.info(
        "CommandPreparedStatementQuery", prepared_statement_handle=result.prepared_statement_handle
    )
    assert ana.read(info)["id"].to_pylist() == [3]


def test_a_client_that_keeps_its_first_handle_gets_its_last_binding(served, ana):
    handle = prepare(ana, "SELECT id FROM claim WHERE id = ?").prepared_statement_handle
    for value in (3, 4):
        put(ana, "CommandPreparedStatementQuery", handle, batch_of(value))
        info = ana.info("CommandPreparedStatementQuery", prepared_statement_handle=handle)
        assert ana.read(info)["id"].to_pylist() == [value]
    close = flightsql.pack("ActionClosePreparedStatementRequest", prepared_statement_handle=handle)
    assert ana.act("ClosePreparedStatement", close) == []
    with pytest.raises(pa.ArrowInvalid, match="none were bound"):
        ana.info("CommandPreparedStatementQuery", prepared_statement_handle=handle)


def test_a_statement_without_a_result_is_an_update_and_runs_once_for_every_row(served, ana):
    made = prepare(ana, "DO it ?")
    assert made.is_update
    batch = pa.record_batch([pa.array([1, 2])], names=["0"])
    result = put(ana, "CommandPreparedStatementUpdate", made.prepared_statement_handle, batch)
    assert flightsql.read("DoPutUpdateResult", result).record_count == -1
    assert served.app.line.done[-2:] == [("DO it ?", (1,)), ("DO it ?", (2,))]


def batch_of(value):
    return pa.record_batch([pa.array([value])], names=["0"])


def test_answers_are_closed_whether_they_were_read_to_the_end_or_not(served, ana):
    ana.read(ana.query("SELECT 1"))
    reader = ana.client.do_get(ana.query("SELECT * FROM range(100000000)").endpoints[0].ticket, ana.options())
    reader.read_chunk()
    reader.cancel()
    until(lambda: all(answer.closed.is_set() for answer in served.app.line.answers))


def test_big_batches_are_cut_to_what_a_go_client_takes(ana):
    info = ana.query("SELECT repeat('x', 1000) AS a FROM range(100000)")
    reader = ana.client.do_get(info.endpoints[0].ticket, ana.options())
    sizes = [chunk.data.nbytes for chunk in reader]
    assert sum(sizes) > 100_000_000
    assert max(sizes) <= 8 * 2**20


def test_transactions_are_opened_and_ended_without_effect(ana):
    [body] = ana.act("BeginTransaction", flightsql.pack("ActionBeginTransactionRequest"))
    id = flightsql.unpack(body)[1].transaction_id
    assert ana.act("EndTransaction", flightsql.pack("ActionEndTransactionRequest", transaction_id=id)) == []


def test_prepared_handles_live_as_long_as_sql_info_says(ana):
    rows = ana.read(ana.info("CommandGetSqlInfo", info=[100])).to_pylist()
    assert rows == [{"info_name": 100, "value": HANDLE_SECONDS * 1000}]


def test_changed_columns_between_info_and_get_are_an_error_to_try_again_after(served, ana):
    connection = served.app.line.connection
    connection.execute("CREATE OR REPLACE TABLE moving AS SELECT 1 AS a")
    info = ana.query("SELECT * FROM moving")
    connection.execute("CREATE OR REPLACE TABLE moving AS SELECT 'x' AS a")
    with pytest.raises(flight.FlightUnavailableError, match="other columns"):
        ana.read(info)
