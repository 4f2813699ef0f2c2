import pytest
from pyarrow import flight  # noqa: TID251

from server import flightsql
from tests.server.tiny import USERS, keep_option, serving


@pytest.fixture(scope="module")
def served():
    with serving() as served:
        yield served


class Cookies(flight.ClientMiddlewareFactory):
    """Keeps cookies as the JDBC driver does."""

    def __init__(self):
        self.jar = {}

    def start_call(self, info):
        return Jar(self.jar)


class Jar(flight.ClientMiddleware):
    def __init__(self, jar):
        self.jar = jar

    def sending_headers(self):
        return {"cookie": "; ".join(f"{k}={v}" for k, v in self.jar.items())} if self.jar else {}

    def received_headers(self, headers):
        for cookie in headers.get("set-cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.jar[name] = value


class Client:
    def __init__(self, client, token, jar):
        self.client, self.token, self.jar = client, token, jar
        self.options = flight.FlightCallOptions(headers=[token])

    def act(self, name, message):
        [result] = self.client.do_action((name, message.SerializeToString()), self.options)
        return result.body.to_pybytes()

    def set(self, **options):
        request = flightsql.new("SetSessionOptionsRequest")
        for name, value in options.items():
            option = request.session_options.add(key=name)
            if value is None:
                option.value.SetInParent()
            else:
                option.value.string_value = value
        result = flightsql.read("SetSessionOptionsResult", self.act("SetSessionOptions", request))
        return {error.key: error.value.value for error in result.errors}

    def get(self):
        body = self.act("GetSessionOptions", flightsql.new("GetSessionOptionsRequest"))
        found = flightsql.read("GetSessionOptionsResult", body).session_options
        return {option.key: option.value.string_value for option in found}

    def query(self, sql):
        command = flight.FlightDescriptor.for_command(flightsql.pack("CommandStatementQuery", query=sql))
        info = self.client.get_flight_info(command, self.options)
        return self.client.do_get(info.endpoints[0].ticket, self.options).read_all()


@pytest.fixture
def client(served):
    cookies = Cookies()
    with flight.connect(served.uri, middleware=[cookies]) as client:
        yield Client(client, client.authenticate_basic_token("ana", USERS["ana"]), cookies.jar)


def test_options_are_kept_by_cookie_and_reach_the_line(served, client):
    assert client.get() == {"catalog": "acme", "timezone": "UTC"}
    assert client.set(schema="claims", timezone="Europe/Berlin", max_staleness="60s") == {}
    assert client.get()["schema"] == "claims"
    client.query("SELECT 1")
    session = served.app.line.sessions[-1]
    assert (session.schema, session.timezone) == ("claims", "Europe/Berlin")
    assert session.options == {"max_staleness": "60s"}
    assert client.set(schema=None) == {}
    assert "schema" not in client.get()


def test_wrong_names_and_values_are_told_apart_and_change_nothing(client):
    wrong = {"catalog": "nope", "schema": "nope", "timezone": "Mars/Base", "colour": "red"}
    assert client.set(**wrong) == {
        "catalog": flightsql.INVALID_VALUE,
        "schema": flightsql.INVALID_VALUE,
        "timezone": flightsql.INVALID_VALUE,
        "colour": flightsql.INVALID_NAME,
    }
    assert client.get() == {"catalog": "acme", "timezone": "UTC"}


def test_a_dialect_is_kept_and_reaches_the_line(served, client):
    assert client.set(dialect="cobol") == {"dialect": flightsql.INVALID_VALUE}
    assert client.set(dialect="tsql") == {}
    client.query("SELECT 1")
    assert served.app.line.sessions[-1].dialect == "tsql"


def test_a_header_says_the_dialect_and_an_option_wins_over_it(served, client):
    client.options = flight.FlightCallOptions(headers=[client.token, (b"dialect", b"bigquery")])
    client.query("SELECT 1")
    assert served.app.line.sessions[-1].dialect == "bigquery"
    client.set(schema="claims")
    client.options = flight.FlightCallOptions(headers=[client.token, (b"dialect", b"spark")])
    client.query("SELECT 1")
    assert served.app.line.sessions[-1].dialect == "spark"
    client.set(dialect="trino")
    client.query("SELECT 1")
    assert served.app.line.sessions[-1].dialect == "trino"


def test_a_closed_session_is_forgotten(client):
    client.set(schema="claims")
    client.act("CloseSession", flightsql.new("CloseSessionRequest"))
    assert "schema" not in client.get()


def test_a_session_survives_a_new_server_with_the_same_key(client):
    client.set(schema="claims")
    with serving() as other, flight.connect(other.uri) as raw:
        assert carried(raw, "ana", client).get()["schema"] == "claims"


def test_another_user_s_session_is_refused(served, client):
    client.set(schema="claims")
    with (
        flight.connect(served.uri) as raw,
        pytest.raises(flight.FlightUnauthenticatedError, match="another user"),
    ):
        carried(raw, "bob", client).get()


def carried(raw, user, client):
    """A client of that user with the other client's cookie."""
    [(name, value)] = client.jar.items()
    taken = Client(raw, raw.authenticate_basic_token(user, USERS[user]), {})
    cookie = (b"cookie", f"{name}={value}".encode())
    taken.options = flight.FlightCallOptions(headers=[taken.token, cookie])
    return taken


def test_options_that_come_with_every_call_are_the_session_s_until_it_keeps_its_own(served):
    with served.adbc(**{"adbc.flight.sql.rpc.call_header.schema": "claims"}) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert served.app.line.sessions[-1].schema == "claims"
        keep_option(connection, "adbc.connection.db_schema", "public")
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert served.app.line.sessions[-1].schema == "public"
