"""Settings, check, introspection, and every way in which a Postgres can refuse."""

from __future__ import annotations

import contextlib
import re
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from pydantic import ValidationError

from connectors.postgres import PostgresConnector, PostgresSettings
from connectors.postgres.address import Address
from fabric.errors import (
    FabricError,
    IdentityRefused,
    SourceLoginRefused,
    SourceTimeout,
    Throttled,
    Unreachable,
)
from fabric.spi import ScanConnector
from fabric.types import Column, ForeignKey, TableName
from server.demo.postgres import EmbeddedPostgres
from tests.connectors.postgres_source import SOURCE, read, scan_of, source, table_of
from tests.embedded import embedded_postgres

SECRET = "s3cr3t@:/word"
TABLES = """
CREATE ROLE reader LOGIN PASSWORD 's3cr3t@:/word'; CREATE ROLE locked NOLOGIN PASSWORD 's3cr3t@:/word';
CREATE ROLE narrow LOGIN PASSWORD 's3cr3t@:/word' CONNECTION LIMIT 1;
CREATE SCHEMA "Mixed Case"; CREATE SCHEMA closed; GRANT USAGE ON SCHEMA "Mixed Case" TO reader;
CREATE TABLE customer (customer_id bigint PRIMARY KEY, email text);
CREATE TABLE policy (policy_id int, part int, customer_id bigint NOT NULL REFERENCES customer,
                     premium numeric, PRIMARY KEY (policy_id, part));
COMMENT ON TABLE policy IS 'A contract.'; COMMENT ON COLUMN policy.premium IS 'Per year, in euro';
CREATE VIEW dear AS SELECT * FROM policy WHERE premium > 100;
CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS n FROM policy;
CREATE TABLE event (at date, body text) PARTITION BY RANGE (at);
CREATE TABLE event_2025 PARTITION OF event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE event_2026 PARTITION OF event FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE FOREIGN DATA WRAPPER none; CREATE SERVER far FOREIGN DATA WRAPPER none;
CREATE FOREIGN TABLE remote (x int) SERVER far;
CREATE TABLE "Mixed Case"."Odd 'Table'" ("a b" int, "Ünïcode" text, "sel""ect" int, "sel" int, "SEL" int);
INSERT INTO "Mixed Case"."Odd 'Table'" VALUES (1, 'é', 2, 3, 4);
CREATE TABLE secret (x int); CREATE TABLE partly (seen int, unseen int); CREATE TABLE closed.inside (x int);
INSERT INTO event SELECT '2025-06-01'::date + i, 'x' FROM generate_series(1, 400) i;
INSERT INTO customer SELECT i FROM generate_series(1, 500) i;
GRANT SELECT ON customer, policy, "Mixed Case"."Odd 'Table'", closed.inside TO reader;
GRANT SELECT (seen) ON partly TO reader;
ANALYZE customer, event;
"""


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    for server in embedded_postgres():
        server.execute(TABLES)
        yield server


def reader_uri(server: EmbeddedPostgres) -> str:
    return server.uri_of("reader", SECRET)


def test_a_connector_is_a_scan_connector(server: EmbeddedPostgres) -> None:
    with source(server.uri) as connector:
        assert isinstance(connector, ScanConnector)


def test_check_proves_the_source_step_by_step(server: EmbeddedPostgres) -> None:
    with source(reader_uri(server)) as connector:
        steps = list(connector.check())
    assert [step.name for step in steps] == ["resolved", "connected", "logged in", "listed", "warning"]
    assert steps[0].detail == "127.0.0.1"
    assert steps[1].detail == f"127.0.0.1:{server.port}"
    assert steps[2].detail.startswith("as reader, PostgreSQL ")
    assert steps[3].detail == "3 tables in public"
    assert steps[4].detail.endswith("DOUBLE: public.policy.premium")
    assert SECRET not in str(steps)


def test_tables_of_every_kind_come_with_comments_keys_and_estimates(server: EmbeddedPostgres) -> None:
    with source(server.uri) as connector:
        tables = {table.name.name: table for table in connector.tables()}
    assert {name: table.kind for name, table in tables.items()} == {
        "customer": "table",
        "dear": "view",
        "event": "partitioned table",
        "partly": "table",
        "policy": "table",
        "remote": "foreign table",
        "secret": "table",
        "totals": "materialized view",
    }
    policy = tables["policy"]
    assert policy.comment == "A contract."
    assert policy.primary_key == ("policy_id", "part")
    customer = TableName(SOURCE, "public", "customer")
    assert policy.foreign_keys == (
        ForeignKey(("customer_id",), customer, ("customer_id",), "policy_customer_id_fkey"),
    )
    assert policy.columns[2:] == (
        Column("customer_id", "BIGINT", nullable=False, native="bigint", never_null=True),
        Column("premium", "DOUBLE", comment="Per year, in euro", native="numeric"),
    )
    assert (tables["customer"].rows, tables["event"].rows, tables["dear"].rows) == (500, 400, None)


def test_only_what_our_role_may_select_is_listed(server: EmbeddedPostgres) -> None:
    with source(reader_uri(server), schemas=["public", "Mixed Case", "closed", "nowhere"]) as connector:
        tables = {str(table.name): table for table in connector.tables()}
        assert sorted(tables) == [
            "policy_db.Mixed Case.Odd 'Table'",
            "policy_db.public.customer",
            "policy_db.public.partly",
            "policy_db.public.policy",
        ]
        assert [column.name for column in tables["policy_db.public.partly"].columns] == ["seen"]


def test_names_of_any_spelling_are_read(server: EmbeddedPostgres) -> None:
    with source(server.uri, schemas=["Mixed Case"]) as connector:
        table = table_of(connector, "Odd 'Table'")
        assert [column.name for column in table.columns] == ["a b", "Ünïcode", 'sel"ect', "sel"]
        found = read(connector, scan_of(table))
        assert found is not None
        assert found.to_pylist() == [{"a b": 1, "Ünïcode": "é", 'sel"ect': 2, "sel": 3}]
        warning = list(connector.check())[-1]
        assert warning.detail.endswith("Mixed Case.Odd 'Table'.SEL")


def test_tags_and_descriptions_are_added_to_columns(server: EmbeddedPostgres) -> None:
    declared = {"Customer": {"columns": {"EMAIL": {"tags": ["pii"], "description": "Where to write"}}}}
    with source(server.uri, tables=declared) as connector:
        email = table_of(connector, "customer").column("email")
    assert email == Column("email", "VARCHAR", comment="Where to write", tags=("pii",), native="text")


def test_a_table_that_became_forbidden_is_a_refusal(server: EmbeddedPostgres) -> None:
    with source(reader_uri(server)) as connector:
        table = table_of(connector, "customer")
        server.execute("REVOKE SELECT ON customer FROM reader")
        try:
            with pytest.raises(SourceLoginRefused, match=r"policy_db.public.customer: our role may not"):
                read(connector, scan_of(table))
        finally:
            server.execute("GRANT SELECT ON customer TO reader")


def failure(uri: str, **keys: object) -> FabricError:
    with source(uri, **keys) as connector, pytest.raises(FabricError) as caught:
        list(connector.check())
    with source(uri, **keys) as connector, pytest.raises(FabricError) as again:
        connector.tables()
    assert type(caught.value) is type(again.value)
    shown = str(caught.value) + str(again.value)
    assert caught.value.hint
    for hidden in (SECRET, "s3cr3t", "127.0.0.1", "FATAL", "libpq"):
        assert hidden not in shown
    assert caught.value.__cause__ is None
    return caught.value


@pytest.mark.parametrize(
    ("user", "password", "database"),
    [
        ("reader", "wrong", "postgres"),
        ("nobody", SECRET, "postgres"),
        ("locked", SECRET, "postgres"),
        ("reader", SECRET, "nowhere"),
    ],
)
def test_a_refused_login_is_named(server: EmbeddedPostgres, user: str, password: str, database: str) -> None:
    assert isinstance(failure(server.uri_of(user, password, database)), SourceLoginRefused)


def test_a_full_server_can_be_tried_again(server: EmbeddedPostgres) -> None:
    uri = server.uri_of("narrow", SECRET)
    with source(uri) as connector:
        connector.tables()
        error = failure(uri)
    assert isinstance(error, Throttled)
    assert error.retryable


def test_nothing_that_listens_is_unreachable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert isinstance(failure(f"postgresql://reader:s3cr3t@127.0.0.1:{port}/postgres"), Unreachable)


def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    assert isinstance(failure("postgresql://reader:s3cr3t@no.such.host.invalid/postgres"), Unreachable)


def test_a_server_that_never_answers_the_login_is_a_timeout() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        began = time.monotonic()
        uri = f"postgresql://reader:s3cr3t@127.0.0.1:{deaf.getsockname()[1]}/postgres"
        with source(uri, connect_timeout="1s") as connector, pytest.raises(SourceTimeout):
            connector.tables()
        assert time.monotonic() - began < 6


# ── TLS: a proxy that speaks it, before the embedded server, which is built without ────────────

_SSL_REQUEST = bytes.fromhex("00000008 04d2162f")


@contextlib.contextmanager
def tls_proxy(port: int, authority: trustme.CA, name: str) -> Iterator[int]:
    """Answer Postgres's SSLRequest, then carry bytes to ``port`` in the clear."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(tls)

    class Carrier(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if self.request.recv(8) != _SSL_REQUEST:
                return
            self.request.sendall(b"S")
            try:
                client = tls.wrap_socket(self.request, server_side=True)
            except OSError:
                return
            with client, socket.create_connection(("127.0.0.1", port)) as upstream:
                back = threading.Thread(target=carry, args=(upstream, client))
                back.start()
                carry(client, upstream)
                back.join()

    class Proxy(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Proxy(("127.0.0.1", 0), Carrier) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield proxy.server_address[1]
        proxy.shutdown()
        thread.join()


def carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    made = trustme.CA()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    made.cert_pem.write_to_path(str(path))
    return made, path


def test_a_certificate_that_proves_the_host_is_accepted(
    server: EmbeddedPostgres, authority: tuple[trustme.CA, Path]
) -> None:
    made, path = authority
    with tls_proxy(server.port, made, "127.0.0.1") as port:
        uri = re.sub(r":\d+/", f":{port}/", reader_uri(server))
        settings = PostgresSettings.model_validate(
            {
                "type": "postgres",
                "domain": "d",
                "uri": uri,
                "sslmode": "verify-full",
                "sslrootcert": path.name,
            }
        )
        connector = PostgresConnector(SOURCE, settings, path.parent)  # a relative path is the project's
        assert len(connector.tables()) == 3
        connector.close()


@pytest.mark.parametrize("fault", ["another name", "another authority", "no authority's file"])
def test_a_certificate_that_proves_nothing_is_refused(
    server: EmbeddedPostgres, authority: tuple[trustme.CA, Path], fault: str
) -> None:
    made, path = authority
    signer = trustme.CA() if fault == "another authority" else made
    name = "other.example" if fault == "another name" else "127.0.0.1"
    root = path if fault != "no authority's file" else path.with_name("absent.pem")
    with tls_proxy(server.port, signer, name) as port:
        uri = re.sub(r":\d+/", f":{port}/", reader_uri(server))
        assert isinstance(failure(uri, sslmode="verify-full", sslrootcert=str(root)), IdentityRefused)


def test_a_server_without_tls_is_refused_where_tls_is_required(server: EmbeddedPostgres) -> None:
    assert isinstance(failure(reader_uri(server), sslmode="require"), IdentityRefused)


# ── settings ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "keys", [{"uri": "mysql://x"}, {"sslmode": "maybe"}, {"schemas": []}, {"shcemas": ["a"]}]
)
def test_settings_that_make_no_sense_are_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        PostgresSettings.model_validate(
            {"type": "postgres", "domain": "d", "uri": "postgresql://u:s3cr3t@h/d", **keys}
        )
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "endpoints"),
    [
        ("postgresql://u@h/d", (("h", 5432),)),
        ("postgresql:///d", (("localhost", 5432),)),
        ("postgresql://u@a:1,b:2/d", (("a", 1), ("b", 2))),
        ("postgresql://u@[::1]:5433/d", (("::1", 5433),)),
        ("postgresql:///d?host=/run/pg&port=5433", (("/run/pg", 5433),)),
        ("postgresql://u@%2Frun%2Fpg/d", (("/run/pg", 5432),)),
    ],
)
def test_the_uri_says_where_the_server_is(uri: str, endpoints: tuple[tuple[str, int], ...]) -> None:
    assert Address.of(uri, {}, 10, 60).endpoints == endpoints


def test_settings_win_over_the_uri_and_the_uri_over_defaults() -> None:
    address = Address.of(
        "postgresql://u:p@h/d?sslmode=disable&application_name=mine", {"sslmode": "require"}, 10, 60
    )
    uri = address.uri.get_secret_value()
    assert "sslmode=require" in uri
    assert "application_name=mine" in uri
    assert "connect_timeout=10" in uri
    assert "p@h" not in repr(address)
