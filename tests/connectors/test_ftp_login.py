# ruff: noqa: F811 (pytest finds the imported fixtures by the names of arguments)
from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from connectors.ftp import FtpSettings
from fabric.errors import (
    Cancelled,
    IdentityRefused,
    InvalidConfig,
    SourceLoginRefused,
    Throttled,
)
from fabric.spi import ScanContext
from fabric.types import FileStat
from server.demo.ftp import EmbeddedFtp
from tests.connectors.cutting_proxy import saying
from tests.connectors.ftp_source import (  # noqa: F401
    BIG,
    SECRET,
    USERS,
    Connect,
    connect,
    folder,
    forward,
    listed,
    old,
    one,
    plain,
    protected,
    server,
    trust,
)
from tests.patience import PATIENCE


def test_a_server_that_allows_one_login_is_read_all_the_same(folder: Path, connect: Connect) -> None:
    server = EmbeddedFtp(folder, USERS, clients=1).start()
    try:
        connector = connect(server)
        assert forward(connector, one(connector, "big.bin"), 4 << 20) == BIG
        with pytest.raises(Throttled) as caught:
            listed(connect(server), "*.csv")
        assert "limits.connections" in caught.value.hint
        connector.close()
    finally:
        server.stop()


def test_check_tells_each_step(server: EmbeddedFtp, connect: Connect) -> None:
    connector = connect(server, tables={"repair": {"path": "repair_*.csv", "format": "csv"}})
    steps = [(step.name, step.detail) for step in connector.check()]
    assert steps == [
        ("resolved", ""),
        ("connected", "with TLS" if server.protected else ""),
        ("logged in", "as ripstop"),
        ("listed", "1 tables, 1 files"),
    ]


def test_a_wrong_password_is_a_refused_login_that_does_not_show_it(
    server: EmbeddedFtp, connect: Connect
) -> None:
    with pytest.raises(SourceLoginRefused) as caught:
        listed(connect(server, password="wrong-" + SECRET), "*.csv")
    assert SECRET not in str(caught.value)
    assert caught.value.hint


def test_a_certificate_that_is_not_trusted_is_refused(
    folder: Path, trust: Path, protected: EmbeddedFtp, connect: Connect
) -> None:
    with pytest.raises(IdentityRefused, match="certificate is not trusted"):
        listed(connect(protected, ca_file="stranger.pem"), "*.csv")
    elsewhere = EmbeddedFtp(folder, USERS, certificate=trust / "elsewhere.pem").start()
    try:
        with pytest.raises(IdentityRefused, match="certificate is not trusted"):
            listed(connect(elsewhere), "*.csv")
        assert listed(connect(elsewhere, certificate="accept-any"), "repair_*.csv") == ["repair_1.csv"]
    finally:
        elsewhere.stop()


def test_ftps_never_goes_on_without_tls(plain: EmbeddedFtp, connect: Connect) -> None:
    with pytest.raises(IdentityRefused, match="offers no TLS"):
        listed(connect(plain, type="ftps"), "*.csv")


def test_ftp_to_a_server_that_insists_on_tls_is_a_refused_login(
    protected: EmbeddedFtp, connect: Connect
) -> None:
    with pytest.raises(SourceLoginRefused):
        listed(connect(protected, type="ftp"), "*.csv")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"type": "ftp", "uri": "ftps://h/p"}, "must look like ftp://"),
        ({"type": "ftps", "uri": "ftp://h/p"}, "must look like ftps://"),
        ({"type": "ftp", "uri": "ftp://u:pw@h/p", "password": SECRET}, "say it once"),
        ({"type": "ftp", "uri": "ftp://u@h/p", "ca_file": "ca.pem"}, "keys of type ftps"),
        ({"type": "ftp", "uri": "ftp://u@h/p?x=1"}, "%3F"),
        (
            {"type": "ftps", "uri": "ftps://u@h/p", "ca_file": "c", "certificate": "accept-any"},
            "say one of the two",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused(keys: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        FtpSettings.model_validate({"domain": "d", **keys})
    assert SECRET not in str(caught.value)


def test_a_ca_file_that_holds_no_certificate_is_told_so(
    protected: EmbeddedFtp, connect: Connect, trust: Path
) -> None:
    (trust / "junk.pem").write_text("nothing")
    for name in ("junk.pem", "nowhere.pem"):
        with pytest.raises(InvalidConfig, match="ca_file"):
            connect(protected, ca_file=name)


def test_cancelling_ends_a_tls_handshake_too(connect: Connect) -> None:
    with saying(b"220 hello\r\n", b"234 go on\r\n") as port:
        connector = connect(port, type="ftps")
        context = ScanContext()
        threading.Timer(0.3, context.cancel).start()
        started = time.monotonic()
        with pytest.raises(Cancelled):
            connector.read(FileStat("x.csv", 5, "v"), [(0, 5)], context)
        assert time.monotonic() - started < PATIENCE * 0.8
