from __future__ import annotations

import gzip
import itertools
import os
import random
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from pydantic import ValidationError

from connectors.ftp import FtpConnector, FtpSettings
from fabric.errors import (
    BadData,
    Cancelled,
    FabricError,
    IdentityRefused,
    InvalidConfig,
    SourceChanged,
    SourceError,
    SourceLoginRefused,
    SourceTimeout,
    Throttled,
    Unreachable,
)
from fabric.spi import ScanContext
from fabric.types import FileLayout, FileStat
from server.demo.ftp import EmbeddedFtp
from tests.connectors.cutting_proxy import cutting, dead_port, mute, saying

SECRET = "correct-horse-battery"
BIG = random.Random(7).randbytes(12_000_000)
USERS = {"ripstop": SECRET}
OLD = ("MLSD", "MLST")

Connect = Callable[..., FtpConnector]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ftp")
    outbox = root / "outbox"
    (outbox / "2026" / "11").mkdir(parents=True)
    (outbox / "big.bin").write_bytes(BIG)
    (outbox / "empty.csv").touch()
    (outbox / "repair_1.csv").write_text("id\n1\n")
    (outbox / "2026" / "repair 2.csv").write_text("id\n2\n")
    (outbox / "2026" / "11" / "Rechnung ä€😀.csv").write_text("id\n3\n")
    (outbox / "link.csv").symlink_to("repair_1.csv")
    (outbox / "packed.csv.gz").write_bytes(gzip.compress(b"id\n4\n"))
    with zipfile.ZipFile(outbox / "packed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.csv", "id\n5\n" * 10_000)
    return root


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("trust")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(made / "ca.pem"))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(made / "server.pem"))
    authority.issue_cert("elsewhere.example").private_key_and_cert_chain_pem.write_to_path(
        str(made / "elsewhere.pem")
    )
    trustme.CA().cert_pem.write_to_path(str(made / "stranger.pem"))
    return made


@pytest.fixture(scope="module")
def plain(folder: Path) -> Iterator[EmbeddedFtp]:
    running = EmbeddedFtp(folder, USERS).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def old(folder: Path) -> Iterator[EmbeddedFtp]:
    """Offers what vsftpd does: LIST, SIZE and MDTM."""
    running = EmbeddedFtp(folder, USERS, without=OLD).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def protected(folder: Path, trust: Path) -> Iterator[EmbeddedFtp]:
    running = EmbeddedFtp(folder, USERS, certificate=trust / "server.pem").start()
    yield running
    running.stop()


@pytest.fixture(params=["plain", "old", "protected"])
def server(request: pytest.FixtureRequest) -> EmbeddedFtp:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, EmbeddedFtp)
    return found


@pytest.fixture
def connect(trust: Path) -> Iterator[Connect]:
    made: list[FtpConnector] = []

    def make(server: EmbeddedFtp | int, path: str = "/outbox", **keys: object) -> FtpConnector:
        port = server if isinstance(server, int) else server.port
        kind = "ftp" if isinstance(server, int) or not server.protected else "ftps"
        kind = str(keys.pop("type", kind))
        keys.setdefault("password", SECRET)
        if kind == "ftps" and keys.get("certificate") != "accept-any":
            keys.setdefault("ca_file", "ca.pem")
        uri = f"{kind}://ripstop@127.0.0.1:{port}{path}"
        settings = FtpSettings.model_validate({"type": kind, "domain": "partners", "uri": uri, **keys})
        connector = FtpConnector("tariffs", settings, trust)
        made.append(connector)
        return connector

    yield make
    for connector in made:
        connector.close()


def listed(connector: FtpConnector, pattern: str) -> list[str]:
    return [file.path for file in connector.files(FileLayout(pattern, "csv", declared={"id": "INT"}))]


def one(connector: FtpConnector, path: str) -> FileStat:
    (file,) = connector.files(FileLayout(path, "csv"))
    return file


def read(connector: FtpConnector, file: FileStat, context: ScanContext | None = None) -> bytes:
    (data,) = connector.read(file, [(0, file.size)], context or ScanContext())
    return data


def forward(connector: FtpConnector, file: FileStat, block: int) -> bytes:
    starts = range(0, file.size, block)
    return b"".join(
        connector.read(file, [(start, min(block, file.size - start))], ScanContext())[0] for start in starts
    )


def test_globs_list_what_they_name(server: EmbeddedFtp, connect: Connect) -> None:
    connector = connect(server)
    assert listed(connector, "repair_*.csv") == ["repair_1.csv"]
    assert listed(connector, "*.csv") == ["empty.csv", "link.csv", "repair_1.csv"]
    assert listed(connector, "2026/**/*.csv") == ["2026/11/Rechnung ä€😀.csv", "2026/repair 2.csv"]
    assert listed(connector, "repair_1.csv") == ["repair_1.csv"]
    assert listed(connector, "nothing/*.csv") == []
    assert listed(connector, "nothing.csv") == []
    assert listed(connector, "2026") == []


def test_a_file_is_listed_alike_by_glob_and_by_name(server: EmbeddedFtp, connect: Connect) -> None:
    connector = connect(server)
    file = one(connector, "repair_1.csv")
    assert one(connector, "repair_?.csv") == file
    assert file.size == 5
    assert file.modified is not None
    assert abs(time.time() - file.modified.timestamp()) < 600


def test_the_path_of_the_uri_lies_in_the_login_folder(plain: EmbeddedFtp, connect: Connect) -> None:
    for path in ("/outbox", "/outbox/", "/%6Futbox", "/%2Foutbox"):
        assert listed(connect(plain, path), "repair_*.csv") == ["repair_1.csv"]
    assert listed(connect(plain, ""), "*/repair_*.csv") == ["outbox/repair_1.csv"]


def test_a_root_that_is_not_there_is_an_error_and_not_an_empty_table(
    server: EmbeddedFtp, connect: Connect
) -> None:
    with pytest.raises(SourceError, match="uri does not exist"):
        listed(connect(server, "/outbux"), "*.csv")


def test_ranges_come_back_in_order_whatever_they_overlap(server: EmbeddedFtp, connect: Connect) -> None:
    connector = connect(server)
    file = one(connector, "big.bin")
    chance = random.Random(3)
    starts = [chance.randrange(len(BIG)) for _ in range(8)]
    ranges = [(o, chance.randrange(min(200_000, len(BIG) - o) + 1)) for o in starts]
    ranges += [(0, len(BIG)), (len(BIG) - 1, 1), (17, 0), (17, 5), (17, 5)]
    assert connector.read(file, ranges, ScanContext()) == [BIG[o : o + n] for o, n in ranges]
    assert connector.read(file, [(5_000_000, 10), (300, 10)], ScanContext()) == [
        BIG[5_000_000:5_000_010],
        BIG[300:310],
    ]


@pytest.mark.parametrize("connections", [1, 2])
def test_blocks_read_forward_make_up_the_file(
    server: EmbeddedFtp, connect: Connect, connections: int
) -> None:
    connector = connect(server, limits={"connections": connections})
    assert forward(connector, one(connector, "big.bin"), 1 << 20) == BIG


def test_reading_forward_is_one_transfer(plain: EmbeddedFtp, connect: Connect) -> None:
    with cutting(plain.port, passive=True) as proxy:
        connector = connect(proxy.port)
        file = one(connector, "big.bin")
        logins_and_listing = proxy.connections
        assert forward(connector, file, 1 << 20) == BIG
        second_login_and_transfer = 2
        assert proxy.connections - logins_and_listing == second_login_and_transfer


def test_empty_and_oddly_named_files_are_read(server: EmbeddedFtp, connect: Connect) -> None:
    connector = connect(server)
    assert read(connector, one(connector, "empty.csv")) == b""
    assert read(connector, one(connector, "2026/11/Rechnung ä€😀.csv")) == b"id\n3\n"
    assert read(connector, one(connector, "2026/repair 2.csv")) == b"id\n2\n"


def test_members_of_archives_are_files(server: EmbeddedFtp, connect: Connect) -> None:
    connector = connect(server)
    assert gzip.decompress(read(connector, one(connector, "packed.csv.gz"))) == b"id\n4\n"
    member = one(connector, "packed.zip")
    assert member.path == "packed.zip!/inner.csv"
    assert read(connector, member) == b"id\n5\n" * 10_000


@pytest.mark.parametrize("connections", [1, 3])
def test_eight_readers_share_a_few_connections(
    server: EmbeddedFtp, connect: Connect, connections: int
) -> None:
    connector = connect(server, limits={"connections": connections})
    file = one(connector, "big.bin")
    wrong: list[int] = []
    most: list[int] = []

    def work(seed: int) -> None:
        chance = random.Random(seed)
        offset = chance.randrange(len(BIG) // 2)
        for _ in range(6):
            (data,) = connector.read(file, [(offset, 100_000)], ScanContext())
            most.append(connector._pool.open_sessions)
            if data != BIG[offset : offset + 100_000]:
                wrong.append(offset)
            offset = offset + 100_000 if seed % 2 else chance.randrange(len(BIG) - 100_000)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(most) == 48
    assert max(most) <= connections


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


def test_a_server_that_is_down_is_unreachable_at_once(connect: Connect) -> None:
    started = time.monotonic()
    with dead_port() as port, pytest.raises(Unreachable, match="nothing accepts"):
        listed(connect(port), "*.csv")
    assert time.monotonic() - started < 1


def test_a_server_that_says_nothing_times_out(connect: Connect) -> None:
    with mute() as port, pytest.raises(SourceTimeout):
        listed(connect(port, connect_timeout=0.5), "*.csv")


def test_a_server_that_speaks_something_else_is_unreachable(connect: Connect) -> None:
    with saying(b"hello\r\n") as port, pytest.raises(Unreachable):
        listed(connect(port), "*.csv")


def test_a_server_that_falls_silent_in_a_file_times_out(plain: EmbeddedFtp, connect: Connect) -> None:
    with cutting(plain.port, [1 << 40, 400_000], silent=True, passive=True) as proxy:
        connector = connect(proxy.port, timeout=0.5)
        file = one(connector, "big.*")
        with pytest.raises(SourceTimeout, match=r"silent for 0\.5 s"):
            read(connector, file)


@pytest.mark.parametrize("fixture", ["plain", "protected"])
def test_a_cut_transfer_is_resumed_to_the_exact_bytes(
    request: pytest.FixtureRequest, connect: Connect, fixture: str
) -> None:
    server = request.getfixturevalue(fixture)
    with cutting(server.port, [1_000_000, 4_000_000], passive=fixture == "plain") as proxy:
        kind = "ftps" if fixture == "protected" else "ftp"
        connector = connect(proxy.port, type=kind)
        assert read(connector, one(connector, "big.bin")) == BIG


def test_a_cut_listing_is_asked_for_again_and_never_short(folder: Path, connect: Connect) -> None:
    many = folder / "many"
    many.mkdir()
    for number in range(300):
        (many / f"{number:03}.csv").touch()
    server = EmbeddedFtp(folder, USERS).start()
    try:
        with cutting(server.port, [5_000], passive=True) as proxy:
            assert len(listed(connect(proxy.port, "/many"), "*.csv")) == 300
        with cutting(server.port, itertools.repeat(5_000), passive=True) as proxy, pytest.raises(Unreachable):
            listed(connect(proxy.port, "/many"), "*.csv")
    finally:
        server.stop()


def test_a_transfer_that_is_always_cut_is_an_error(
    plain: EmbeddedFtp, connect: Connect, capfd: pytest.CaptureFixture[str]
) -> None:
    with cutting(plain.port, itertools.repeat(300_000), passive=True) as proxy:
        connector = connect(proxy.port)
        file = one(connector, "big.bin")
        with pytest.raises(Unreachable) as caught:
            read(connector, file)
    assert SECRET not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_file_that_was_rewritten_after_it_was_listed_is_an_error(
    server: EmbeddedFtp, connect: Connect, folder: Path
) -> None:
    path = folder / "outbox" / "changing.csv"
    connector = connect(server)
    for change in (lambda: path.write_text("id\n22\n"), lambda: os.utime(path, (1, 1)), path.unlink):
        path.write_text("id\n1\n")
        file = one(connector, "changing.csv")
        change()
        with pytest.raises(SourceChanged, match=r"'changing\.csv' changed"):
            read(connector, file)


@pytest.mark.parametrize("connections", [1, 2])
def test_a_file_that_changes_between_two_blocks_is_an_error(
    server: EmbeddedFtp, connect: Connect, folder: Path, connections: int
) -> None:
    path = folder / "outbox" / "moving.bin"
    path.write_bytes(BIG)
    connector = connect(server, limits={"connections": connections})
    file = one(connector, "moving.bin")
    assert connector.read(file, [(0, 1000)], ScanContext()) == [BIG[:1000]]
    os.utime(path, (1, 1))
    with pytest.raises(SourceChanged):
        connector.read(file, [(1000, 1000)], ScanContext())


def test_a_file_that_grows_while_it_is_read_is_an_error(
    plain: EmbeddedFtp, connect: Connect, folder: Path
) -> None:
    path = folder / "outbox" / "growing.bin"
    path.write_bytes(BIG)

    def spoil(total: int) -> None:
        if 500_000 < total < 1_000_000:
            with path.open("ab") as file:
                file.write(b"more")

    with cutting(plain.port, [1 << 40] * 9, passive=True, seen=spoil) as proxy:
        connector = connect(proxy.port)
        file = one(connector, "growing.bin")
        with pytest.raises(SourceChanged):
            read(connector, file)


def test_a_cancelled_read_gives_the_connection_back_within_half_a_second(
    plain: EmbeddedFtp, connect: Connect
) -> None:
    with cutting(plain.port, [400_000], silent=True, passive=True) as proxy:
        connector = connect(proxy.port, limits={"connections": 1})
        file = one(connector, "big.bin")
        context = ScanContext()
        threading.Timer(0.3, context.cancel).start()
        started = time.monotonic()
        with pytest.raises(Cancelled):
            read(connector, file, context)
        assert time.monotonic() - started < 0.8
        assert connector._pool.open_sessions == 0
        assert read(connector, file) == BIG


def test_cancelling_ends_a_tls_handshake_too(connect: Connect) -> None:
    with saying(b"220 hello\r\n", b"234 go on\r\n") as port:
        connector = connect(port, type="ftps")
        context = ScanContext()
        threading.Timer(0.3, context.cancel).start()
        started = time.monotonic()
        with pytest.raises(Cancelled):
            connector.read(FileStat("x.csv", 5, "v"), [(0, 5)], context)
        assert time.monotonic() - started < 0.8


def test_a_server_that_was_restarted_is_used_again(folder: Path, connect: Connect) -> None:
    server = EmbeddedFtp(folder, USERS).start()
    connector = connect(server)
    file = one(connector, "repair_1.csv")
    server.stop()
    again = EmbeddedFtp(folder, USERS).start(server.port)
    try:
        assert read(connector, file) == b"id\n1\n"
    finally:
        connector.close()
        again.stop()


def test_a_file_that_may_not_be_read_is_an_error_that_names_it(folder: Path, connect: Connect) -> None:
    server = EmbeddedFtp(folder, USERS, without=("RETR",)).start()
    try:
        connector = connect(server)
        with pytest.raises(FabricError, match=r"'repair_1\.csv'"):
            read(connector, one(connector, "repair_1.csv"))
        connector.close()
    finally:
        server.stop()


def test_a_server_without_mdtm_is_read_by_its_listing(folder: Path, connect: Connect) -> None:
    server = EmbeddedFtp(folder, USERS, without=(*OLD, "MDTM")).start()
    try:
        connector = connect(server)
        assert read(connector, one(connector, "repair_*.csv")) == b"id\n1\n"
        connector.close()
    finally:
        server.stop()


def test_a_table_without_files_and_columns_says_so(plain: EmbeddedFtp, connect: Connect) -> None:
    with pytest.raises(BadData, match="no file matches"):
        connect(plain).files(FileLayout("nothing_*.csv", "csv"))
