# ruff: noqa: F811 (pytest finds the imported fixtures by the names of arguments)
from __future__ import annotations

import gzip
import itertools
import os
import random
import threading
import time
from pathlib import Path

import pytest

from fabric.errors import (
    BadData,
    Cancelled,
    FabricError,
    SourceChanged,
    SourceError,
    SourceTimeout,
    Unreachable,
)
from fabric.spi import ScanContext
from fabric.types import FileLayout
from server.demo.ftp import EmbeddedFtp
from tests.connectors.cutting_proxy import cutting, dead_port, mute, saying
from tests.connectors.ftp_source import (  # noqa: F401
    BIG,
    OLD,
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
    read,
    server,
    trust,
)
from tests.patience import PATIENCE


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


def test_a_server_that_is_down_is_unreachable_at_once(connect: Connect) -> None:
    started = time.monotonic()
    with dead_port() as port, pytest.raises(Unreachable, match="nothing accepts"):
        listed(connect(port), "*.csv")
    assert time.monotonic() - started < PATIENCE * 1


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
        assert time.monotonic() - started < PATIENCE * 0.8
        assert connector._pool.open_sessions == 0
        assert read(connector, file) == BIG


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
