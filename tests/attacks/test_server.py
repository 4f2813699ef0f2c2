"""The ways in that a client has beside a statement: metadata calls, tickets, handles and sessions, over real Flight."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pytest
from adbc_driver_flightsql import dbapi
from pyarrow import flight  # noqa: TID251

from server import flightsql
from server.flight import FlightServer
from tests.attacks.canary import NAMES
from tests.attacks.conftest import Tally
from tests.attacks.judge import LEAK, Court, Wrong
from tests.attacks.project import PASSWORD
from tests.server.tiny import Raw, keep_option

CLAIMS = "SELECT * FROM lake.claim ORDER BY claim_id"
METADATA = {
    "CommandGetCatalogs": {},
    "CommandGetDbSchemas": {},
    "CommandGetTables": {"include_schema": True},
    "CommandGetTableTypes": {},
    "CommandGetSqlInfo": {},
    "CommandGetXdbcTypeInfo": {},
    "CommandGetPrimaryKeys": {"catalog": "policy_db", "table": "policy"},
    "CommandGetImportedKeys": {"table": "policy"},
    "CommandGetExportedKeys": {"table": "policy"},
}
USERS = ("ana", "dora", "finn", "bo", "eve", "v_in_query")


@pytest.fixture(scope="module")
def server(court: Court) -> Iterator[FlightServer]:
    made = FlightServer(lambda: court.app, fabric="acme")
    try:
        yield made
    finally:
        made.close()


@contextmanager
def client(server: FlightServer, user: str) -> Iterator[Raw]:
    with flight.connect(f"grpc://127.0.0.1:{server.port}") as connection:
        yield Raw(connection, connection.authenticate_basic_token(user, PASSWORD))


def search(court: Court, user: str, text: str, written: str = "") -> None:
    found = court.oracle.canaries(user).leaks(text, written)
    if found:
        raise Wrong(LEAK, f"{user}: {found[:5]} in {text[:500]}")


def refused(court: Court, user: str, call: object) -> str:
    """The text of the error that the call must end with, searched."""
    with pytest.raises((pa.ArrowException, NotImplementedError, KeyError)) as caught:
        call()  # type: ignore[operator]
    text = f"{caught.value} {getattr(caught.value, 'extra_info', '')!r}"
    search(court, user, text, "zqhid zqdark")
    return text


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("command", METADATA)
def test_a_metadata_call_names_nothing_hidden(
    court: Court, server: FlightServer, tally: Tally, command: str, user: str
) -> None:
    tally.add("metadata calls")
    with client(server, user) as raw:
        info = raw.info(command, **METADATA[command])
        table = raw.read(info)
    text = str(
        [value for column in table.columns for value in column.to_pylist() if not isinstance(value, bytes)]
    )
    if "table_schema" in table.schema.names:
        schemas = [pa.ipc.read_schema(pa.py_buffer(one)) for one in table["table_schema"].to_pylist()]
        text += "\n".join(schema.to_string(show_schema_metadata=True) for schema in schemas)
    search(court, user, text)


def test_the_auditor_is_told_of_keys_and_columns_that_others_are_not(
    court: Court, server: FlightServer
) -> None:
    with client(server, "aud") as aud, client(server, "ana") as ana:
        keys = {"catalog": "policy_db", "db_schema": "public", "table": "policy"}
        assert aud.read(aud.info("CommandGetPrimaryKeys", **keys)).num_rows == 2
        assert ana.read(ana.info("CommandGetPrimaryKeys", **keys)).num_rows == 0
        tables = {"catalog": "lake", "table_name_filter_pattern": "claim", "include_schema": True}
        seen = []
        for raw in (aud, ana):
            [schema] = raw.read(raw.info("CommandGetTables", **tables))["table_schema"].to_pylist()
            seen.append(pa.ipc.read_schema(pa.py_buffer(schema)).names)
    assert set(seen[0]) - set(seen[1]) == {"ssn_zqhid"}


@pytest.mark.parametrize("user", ["ana", "dora", "finn"])
def test_what_a_driver_reads_by_itself_names_nothing_hidden(
    court: Court, server: FlightServer, tally: Tally, user: str
) -> None:
    tally.add("metadata calls")
    login = {"username": user, "password": PASSWORD}
    with dbapi.connect(f"grpc://127.0.0.1:{server.port}", db_kwargs=login, autocommit=True) as connection:
        objects = connection.adbc_get_objects(depth="all").read_all()
        search(court, user, str(objects.to_pylist()))
        info = connection.adbc_get_info()
        search(court, user, str(info))


def test_the_receipt_and_the_promised_schema_say_how_and_not_what(
    court: Court, server: FlightServer, tally: Tally
) -> None:
    with client(server, "ana") as raw:
        for sql, names in (
            (CLAIMS, {"lake.claim": "both"}),
            ("SELECT count(*) AS n FROM lake.archive", {"lake.archive": "rows"}),
            ("SELECT * FROM claims.open_claim", {"claims.open_claim": "both"}),
            ("SELECT * FROM claims.region_count", {"claims.region_count": "columns"}),
            ("SELECT claim_id FROM claims.secret_part", {"claims.secret_part": "none"}),
            ("SELECT * FROM fraud.note_zq", {"fraud.note_zq": "both"}),
            ("SELECT * FROM lake.claim, ledger.booking", {"lake.claim": "both", "ledger.booking": "both"}),
        ):
            tally.add("receipts")
            info = raw.query(sql)
            search(court, "ana", info.schema.to_string() + bytes(info.app_metadata).decode(), sql)
            restricted = json.loads(info.app_metadata)["restricted"]
            assert restricted == names, sql


# ── tickets and handles ──────────────────────────────────────────────────────────────────────


def test_a_ticket_is_worth_nothing_to_another(court: Court, server: FlightServer, tally: Tally) -> None:
    with client(server, "aud") as aud:
        ticket = aud.query(CLAIMS)
    for user in USERS:
        tally.add("tickets and handles")
        with client(server, user) as raw:
            assert "ACCESS_DENIED" in refused(court, user, lambda raw=raw: raw.read(ticket))


def test_a_ticket_cannot_be_rewritten(court: Court, server: FlightServer, tally: Tally) -> None:
    with client(server, "ana") as ana:
        info = ana.query("SELECT claim_id FROM lake.claim")
        command = info.endpoints[0].ticket.ticket
        name, message = flightsql.unpack(command)
        body, _, mac = message.statement_handle.decode().partition(".")
        content = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        assert content["payload"]["u"] == "ana"
        for change in ({"u": "aud"}, {"q": "SELECT ssn_zqhid FROM lake.claim"}, {"v": None}):
            tally.add("tickets and handles")
            forged = {**content, "payload": {**content["payload"], **change}}
            text = (
                base64.urlsafe_b64encode(json.dumps(forged, separators=(",", ":")).encode())
                .rstrip(b"=")
                .decode()
            )
            for sealed in (f"{text}.{mac}", f"{text}.", text, f"{body}.{mac}x"):
                ticket = flight.Ticket(flightsql.pack(name, statement_handle=sealed.encode()))
                refused(
                    court, "ana", lambda ticket=ticket: ana.client.do_get(ticket, ana.options()).read_all()
                )


def prepared(raw: Raw, sql: str) -> bytes:
    [body] = raw.act(
        "CreatePreparedStatement", flightsql.pack("ActionCreatePreparedStatementRequest", query=sql)
    )
    return bytes(flightsql.unpack(body)[1].prepared_statement_handle)


def test_a_prepared_handle_is_worth_nothing_to_another(
    court: Court, server: FlightServer, tally: Tally
) -> None:
    with client(server, "aud") as aud:
        handle = prepared(aud, CLAIMS)
    for user in USERS:
        tally.add("tickets and handles")
        with client(server, user) as raw:
            refused(
                court,
                user,
                lambda raw=raw: raw.info("CommandPreparedStatementQuery", prepared_statement_handle=handle),
            )


def test_a_handle_is_no_ticket_and_a_ticket_no_handle(
    court: Court, server: FlightServer, tally: Tally
) -> None:
    with client(server, "ana") as ana:
        handle = prepared(ana, "SELECT claim_id FROM lake.claim")
        ticket = flight.Ticket(flightsql.pack("TicketStatementQuery", statement_handle=handle))
        tally.add("tickets and handles")
        refused(court, "ana", lambda: ana.client.do_get(ticket, ana.options()).read_all())
        sealed = flightsql.unpack(ana.query("SELECT 1").endpoints[0].ticket.ticket)[1].statement_handle
        tally.add("tickets and handles")
        refused(
            court, "ana", lambda: ana.info("CommandPreparedStatementQuery", prepared_statement_handle=sealed)
        )


def test_a_prepared_statement_promises_the_columns_of_its_user(
    court: Court, server: FlightServer, tally: Tally
) -> None:
    for user, hidden in (("ana", False), ("aud", True)):
        tally.add("tickets and handles")
        with client(server, user) as raw:
            [body] = raw.act(
                "CreatePreparedStatement",
                flightsql.pack("ActionCreatePreparedStatementRequest", query=CLAIMS),
            )
            schema = pa.ipc.read_schema(pa.py_buffer(flightsql.unpack(body)[1].dataset_schema))
        assert ("ssn_zqhid" in schema.names) == hidden


def test_another_cannot_end_a_query(court: Court, server: FlightServer, tally: Tally) -> None:
    with client(server, "aud") as aud, client(server, "ana") as ana:
        info = aud.query("SELECT count(*) AS n FROM lake.claim")
        tally.add("tickets and handles")
        request = flightsql.pack("ActionCancelQueryRequest", info=info.serialize())
        try:
            ana.act("CancelQuery", request)
        except pa.ArrowException as error:
            search(court, "ana", str(error))
        assert aud.read(info)["n"].to_pylist() == [313]


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO lake.claim SELECT * FROM lake.claim",
        "DROP TABLE lake.claim",
        "SELECT ssn_zqhid FROM lake.claim",
        "SET x = 1",
    ],
)
def test_an_update_is_no_way_in(court: Court, server: FlightServer, tally: Tally, sql: str) -> None:
    tally.add("metadata calls")

    def update(raw: Raw) -> None:
        descriptor = flight.FlightDescriptor.for_command(flightsql.pack("CommandStatementUpdate", query=sql))
        writer, reader = raw.client.do_put(descriptor, pa.schema([]), raw.options())
        with writer:
            writer.done_writing()
            reader.read()

    with client(server, "ana") as ana:
        refused(court, "ana", lambda: update(ana))


@pytest.mark.parametrize(
    "schema", ["lake", "lake.main", "claims", "system", "LAKE", "lake.main.claim", "a.b.c.d", "'; --"]
)
def test_a_session_schema_opens_nothing(
    court: Court, server: FlightServer, tally: Tally, schema: str
) -> None:
    """One-part names find what their two-part names find."""
    tally.add("sessions")
    login = {
        "username": "ana",
        "password": PASSWORD,
        "adbc.flight.sql.rpc.with_cookie_middleware": "true",
    }
    uri = f"grpc://127.0.0.1:{server.port}"
    with dbapi.connect(uri, db_kwargs=login, autocommit=True) as connection, connection.cursor() as cursor:
        try:
            keep_option(connection, "adbc.flight.sql.session.option.schema", schema)
        except dbapi.Error as error:
            search(court, "ana", str(error))
            return
        for name in ("zqdark_secret", "zqdark_assigned", "claim", "open_claim", "shared_masked"):
            try:
                cursor.execute(f"SELECT * FROM {name}")
                search(court, "ana", str(cursor.fetch_arrow_table().to_pydict()), name)
            except dbapi.Error as error:
                search(court, "ana", str(error), name)
                assert name != "claim" or schema.lower() not in ("lake", "lake.main")
            else:
                assert not any(mark in name for mark in NAMES)


@pytest.mark.parametrize("user", ["ana", "v_in_query", "v_raises"])
def test_an_error_in_the_stream_tells_no_value(
    court: Court, server: FlightServer, tally: Tally, user: str
) -> None:
    table = "lake.claim" if user == "ana" else "vfiles.pq"
    login = {"username": user, "password": PASSWORD}
    uri = f"grpc://127.0.0.1:{server.port}"
    with dbapi.connect(uri, db_kwargs=login, autocommit=True) as connection, connection.cursor() as cursor:
        for expression in (
            "CAST(region AS INTEGER)",
            "CAST(region || body AS DATE)",
            "CAST(body AS INTEGER) // 0",
        ):
            tally.add("errors in a stream")
            with pytest.raises(dbapi.Error) as caught:  # noqa: PT012 - either of the two may meet it
                cursor.execute(f"SELECT {expression} AS x FROM {table}")
                cursor.fetch_arrow_table()
            search(court, user, f"{caught.value} {getattr(caught.value, 'details', '')}")
