from contextlib import contextmanager

import pytest
import trustme
from adbc_driver_flightsql import DatabaseOptions, dbapi
from pyarrow import flight  # noqa: TID251
from typer.testing import CliRunner

from fabric.config_model import TlsSettings
from fabric.errors import InvalidConfig
from server import flightsql
from server.auth import Authenticator
from server.cli import app as command_line
from server.flight import FlightServer
from tests.server.tiny import USERS, Raw, Served, TinyApp, serving


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    """A server's certificate, a client's, and the authority of both, as files."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name, leaf in (
        ("server", authority.issue_cert("localhost", "127.0.0.1")),
        ("client", authority.issue_cert("ana@acme.example")),
        ("named", authority.issue_cert(common_name="ana")),
        ("both", authority.issue_cert("bob@acme.example", common_name="ana@acme.example")),
        ("second", authority.issue_cert("laptop.acme.example", "ana@acme.example")),
        ("nobody", authority.issue_cert("eve@acme.example")),
        ("stranger", trustme.CA().issue_cert("ana@acme.example")),
    ):
        leaf.private_key_pem.write_to_path(folder / f"{name}.key")
        for number, blob in enumerate(leaf.cert_chain_pems):
            blob.write_to_path(folder / f"{name}.pem", append=number > 0)
    return folder


def settings(papers, client_ca=None):
    return TlsSettings(cert=str(papers / "server.pem"), key=str(papers / "server.key"), client_ca=client_ca)


def ask(served, papers, **options):
    uri = f"grpc+tls://localhost:{served.server.port}"
    with flight.connect(uri, tls_root_certs=(papers / "ca.pem").read_bytes(), **options) as client:
        token = client.authenticate_basic_token("ana", USERS["ana"])
        command = flightsql.pack("CommandStatementQuery", query="SELECT 1")
        call = flight.FlightCallOptions(headers=[token], timeout=5)
        info = client.get_flight_info(flight.FlightDescriptor.for_command(command), call)
        return client.do_get(info.endpoints[0].ticket, call).read_all().num_rows


def test_tls_answers_who_trusts_the_authority(papers):
    with serving(tls=settings(papers)) as served:
        assert ask(served, papers) == 1


def test_with_a_client_authority_only_its_clients_come_in(papers):
    with serving(tls=settings(papers, str(papers / "ca.pem"))) as served:
        own = {
            "cert_chain": (papers / "client.pem").read_bytes(),
            "private_key": (papers / "client.key").read_bytes(),
        }
        assert ask(served, papers, **own) == 1
        with pytest.raises(flight.FlightError):
            ask(served, papers)


def test_a_missing_certificate_is_an_error_that_names_the_file(papers, tmp_path):
    missing = TlsSettings(cert=str(tmp_path / "none.pem"), key=str(papers / "server.key"))
    with pytest.raises(InvalidConfig, match=r"none\.pem"), serving(tls=missing):
        pass


def test_a_port_that_is_taken_is_an_error_that_names_it():
    with serving() as served:
        port = served.server.port
        with pytest.raises(InvalidConfig, match=str(port)), serving(port=port):
            pass


# ── a certificate as the login ───────────────────────────────────────────────────────────────


@contextmanager
def certified(papers, anonymous=None):
    """A server where two names in certificates are ana's, and one is bob's."""
    app = TinyApp()
    names = {"ana@acme.example": "ana", "ana": "ana", "bob@acme.example": "bob"}
    users = app.authenticator._users
    app.authenticator = Authenticator(users, app.signer, anonymous, certificates=names)
    tls = settings(papers, str(papers / "ca.pem"))
    server = FlightServer(lambda: app, fabric="acme", tls=tls)
    try:
        yield Served(app, server)
    finally:
        server.close()
        app.close()


@contextmanager
def client(served, papers, certificate, *headers):
    own = {"cert_chain": papers / f"{certificate}.pem", "private_key": papers / f"{certificate}.key"}
    own = {name: file.read_bytes() for name, file in own.items()} if certificate else {}
    uri = f"grpc+tls://localhost:{served.server.port}"
    with flight.connect(uri, tls_root_certs=(papers / "ca.pem").read_bytes(), **own) as client:
        yield Raw(client, *(headers or [(b"x-nothing", b"")]))


def who(raw):
    """Whose call it is: the tiny line says so in the receipt."""
    return raw.query("SELECT 1").app_metadata.decode().partition('"user": "')[2].partition('"')[0]


@pytest.fixture(scope="module")
def locked(papers):
    with certified(papers) as served:
        yield served


@pytest.mark.parametrize(("certificate", "user"), [("client", "ana"), ("named", "ana"), ("both", "bob")])
def test_the_name_in_a_certificate_is_the_login(locked, papers, certificate, user):
    """The first alternative name counts, and the common name only where there is none."""
    with client(locked, papers, certificate) as raw:
        info = raw.query("SELECT 1")
        assert raw.read(info).num_rows == 1
        assert who(raw) == user


@pytest.mark.parametrize("certificate", ["nobody", "second", "server"])
def test_a_trusted_certificate_of_nobody_is_no_login(locked, papers, certificate):
    with (
        client(locked, papers, certificate) as raw,
        pytest.raises(flight.FlightUnauthenticatedError, match=r"no user's.*auth\.certificates"),
    ):
        raw.query("SELECT 1")


@pytest.mark.parametrize("certificate", ["stranger", None])
def test_a_certificate_that_nobody_trusts_does_not_even_connect(locked, papers, certificate):
    with client(locked, papers, certificate) as raw, pytest.raises(flight.FlightUnavailableError):
        raw.client.get_flight_info(
            flight.FlightDescriptor.for_command(flightsql.pack("CommandStatementQuery", query="SELECT 1")),
            raw.options(timeout=5),
        )


def test_headers_do_not_say_whose_certificate_it_is(locked, papers):
    for header in (
        (b"x-forwarded-client-cert", b"Subject=CN=ana"),
        (b"auth-token-bin", b"ana"),
        (b"cn", b"ana"),
    ):
        with (
            client(locked, papers, "nobody", header) as raw,
            pytest.raises(flight.FlightUnauthenticatedError),
        ):
            raw.query("SELECT 1")


def test_another_login_in_the_call_counts_before_the_certificate(locked, papers):
    token = locked.app.authenticator.issue("bob")
    with client(locked, papers, "client", (b"authorization", f"Bearer {token}".encode())) as raw:
        assert who(raw) == "bob"
    for bad in (b"Bearer x.y", b"Basic YW5hOndyb25n"):
        with (
            client(locked, papers, "client", (b"authorization", bad)) as raw,
            pytest.raises(flight.FlightUnauthenticatedError),
        ):
            raw.query("SELECT 1")


def test_a_ticket_by_one_certificate_is_useless_with_another(locked, papers):
    with client(locked, papers, "client") as ana, client(locked, papers, "both") as bob:
        info = ana.query("SELECT 1")
        with pytest.raises(flight.FlightUnauthorizedError, match="another user"):
            bob.read(info)


def test_a_handshake_is_refused_in_words(locked, papers):
    """Arrow shows a certificate's name only where no handler of handshakes is set."""
    with (
        client(locked, papers, "client") as raw,
        pytest.raises(NotImplementedError, match="answers no Handshake"),
    ):
        raw.client.authenticate_basic_token("ana", USERS["ana"])


def test_a_user_whose_entry_is_gone_is_out_at_once(locked, papers):
    before = locked.app.authenticator
    with client(locked, papers, "client") as raw:
        assert who(raw) == "ana"
        locked.app.authenticator = Authenticator(before._users, locked.app.signer, certificates={"x": "bob"})
        try:
            with pytest.raises(flight.FlightUnauthenticatedError, match="no user's"):
                raw.query("SELECT 1")
        finally:
            locked.app.authenticator = before


def test_who_has_no_entry_is_a_guest_where_guests_are_taken(papers):
    with certified(papers, anonymous="role:guest") as served:
        for certificate, user in (("nobody", "anonymous"), ("client", "ana")):
            with client(served, papers, certificate) as raw:
                assert who(raw) == user


def test_without_entries_a_certificate_opens_the_door_and_says_nobodys_name(papers):
    with (
        serving(tls=settings(papers, str(papers / "ca.pem"))) as served,
        client(served, papers, "client") as raw,
        pytest.raises(flight.FlightUnauthenticatedError, match="wants a login"),
    ):
        raw.query("SELECT 1")


def test_adbc_logs_in_with_a_certificate(locked, papers):
    options = {
        DatabaseOptions.TLS_ROOT_CERTS.value: (papers / "ca.pem").read_text(),
        DatabaseOptions.MTLS_CERT_CHAIN.value: (papers / "client.pem").read_text(),
        DatabaseOptions.MTLS_PRIVATE_KEY.value: (papers / "client.key").read_text(),
    }
    uri = f"grpc+tls://localhost:{locked.server.port}"
    with dbapi.connect(uri, db_kwargs=options) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 42")
        assert cursor.fetchall() == [(42,)]


@pytest.mark.parametrize("beside", [[], ["--user", "bob"]])
def test_the_shell_logs_in_with_a_certificate(locked, papers, beside, monkeypatch):
    """Where certificates log in, a password beside one must come with every call."""
    monkeypatch.setenv("RIPSTOP_PASSWORD", USERS["bob"])
    uri = f"grpc+tls://localhost:{locked.server.port}"
    own = [
        "--ca",
        str(papers / "ca.pem"),
        "--cert",
        str(papers / "client.pem"),
        "--key",
        str(papers / "client.key"),
    ]
    done = CliRunner().invoke(command_line, ["sql", "--uri", uri, *own, *beside, "-c", "SELECT 42 AS n"])
    assert (done.exit_code, done.output.split()) == (0, ["|", "n", "|", "|----|", "|", "42", "|"]), (
        done.output
    )
