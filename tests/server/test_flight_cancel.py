import threading
import time

import pyarrow as pa
import pytest
from pyarrow import flight  # noqa: TID251

from server import flightsql
from tests.patience import PATIENCE
from tests.server.tiny import serving, until

ENDLESS = "SELECT count(*) AS n FROM range(1000000000) a, range(1000000) b"


@pytest.fixture
def served():
    with serving() as served:
        yield served


@pytest.fixture
def ana(served):
    with served.raw() as raw:
        yield raw


def test_a_client_that_gives_up_stops_duckdb_while_it_computes(served, ana):
    info = ana.query(ENDLESS)
    with pytest.raises(flight.FlightTimedOutError):
        ana.read(info, timeout=0.5)
    gone = time.monotonic()
    until(lambda: bool(served.app.line.answers[-1].ended_at))
    assert served.app.line.answers[-1].ended_at - gone < PATIENCE * 0.5
    until(served.app.line.answers[-1].closed.is_set)


def test_an_adbc_cancel_stops_duckdb_while_it_computes(served):
    with served.adbc() as connection, connection.cursor() as cursor:
        threading.Timer(0.5, cursor.adbc_cancel).start()
        with pytest.raises(connection.OperationalError):
            cursor.execute(ENDLESS).fetchall()
        until(lambda: bool(served.app.line.answers[-1].ended_at), seconds=0.5)


def test_a_client_that_drops_the_stream_stops_it(served, ana):
    reader = ana.client.do_get(
        ana.query("SELECT * FROM range(10000000000)").endpoints[0].ticket, ana.options()
    )
    reader.read_chunk()
    reader.cancel()
    assert until(served.app.line.answers[-1].closed.is_set) < PATIENCE * 0.5


@pytest.mark.parametrize("action", ["CancelFlightInfo", "CancelQuery"])
def test_a_running_query_is_cancelled_by_its_info_from_another_connection(served, ana, action):
    info = ana.query(ENDLESS)
    thread, ended = reading(ana, info)
    until(lambda: bool(served.app.line.answers))
    if action == "CancelFlightInfo":
        message = flightsql.read("FlightInfo", info.serialize())
        body = flightsql.new("CancelFlightInfoRequest", info=message).SerializeToString()
    else:
        body = flightsql.pack("ActionCancelQueryRequest", info=info.serialize())
    with served.raw() as other:
        [result] = other.act(action, body)
    name = "CancelFlightInfoResult"
    status = (
        flightsql.read(name, result).status
        if action == "CancelFlightInfo"
        else flightsql.unpack(result)[1].result
    )
    assert status == flightsql.CANCELLED
    thread.join(2)
    # Not FlightCancelledError: pyarrow's read_all would interrupt this whole process.
    assert type(ended[0]) is flight.FlightServerError
    assert "CANCELLED: the query was cancelled" in str(ended[0])


def test_a_query_of_another_user_or_one_that_does_not_run_cannot_be_cancelled(served, ana):
    info = ana.query("SELECT 1")
    message = flightsql.read("FlightInfo", info.serialize())
    body = flightsql.new("CancelFlightInfoRequest", info=message).SerializeToString()
    with pytest.raises(pa.ArrowKeyError, match="does not run"):
        ana.act("CancelFlightInfo", body)
    with served.raw("bob") as bob, pytest.raises(flight.FlightUnauthorizedError):
        bob.act("CancelFlightInfo", body)


def test_closing_gives_running_queries_time_and_then_cancels_them():
    with serving() as served, served.raw() as ana:
        info = ana.query(ENDLESS)
        thread, ended = reading(ana, info)
        until(lambda: bool(served.app.line.answers))
        start = time.monotonic()
        served.server.close(seconds=0.5)
        assert 0.5 <= time.monotonic() - start < 2
        thread.join(2)
        assert isinstance(ended[0], flight.FlightUnavailableError)
        assert "shutting down" in str(ended[0])


def test_many_dropped_clients_leave_nothing_behind(served):
    def drop():
        with served.raw() as raw:
            info = raw.query("SELECT * FROM range(10000000000)")
            reader = raw.client.do_get(info.endpoints[0].ticket, raw.options())
            reader.read_chunk()
            reader.cancel()

    threads = [threading.Thread(target=drop) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers = served.app.line.answers
    assert len(answers) == 20
    until(lambda: all(answer.closed.is_set() for answer in answers))


def reading(raw, info):
    """A thread that reads the answer, and the list in which its error will be."""
    ended = []

    def read():
        try:
            raw.read(info)
        except Exception as error:
            ended.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    return thread, ended
