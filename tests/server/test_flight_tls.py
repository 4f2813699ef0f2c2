import pytest
import trustme
from pyarrow import flight  # noqa: TID251

from fabric.config_model import TlsSettings
from fabric.errors import InvalidConfig
from server import flightsql
from tests.server.tiny import USERS, serving


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    """A server's certificate, a client's, and the authority of both, as files."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name, leaf in (
        ("server", authority.issue_cert("localhost", "127.0.0.1")),
        ("client", authority.issue_cert("ana@acme.example")),
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
