# ruff: noqa: F811 (pytest finds the imported fixtures by the names of arguments)
from __future__ import annotations

import gzip
import itertools
import os
import random
import threading
import time
from pathlib import Path

import asyncssh
import pytest

from fabric.errors import (
    BadData,
    Cancelled,
    FabricError,
    SourceChanged,
    SourceError,
    SourceLoginRefused,
    SourceTimeout,
    Unreachable,
)
from fabric.spi import ScanContext
from fabric.types import FileLayout
from server.demo.sftp import EmbeddedSftp
from tests.connectors.cutting_proxy import cutting, dead_port, mute
from tests.connectors.sftp_source import (  # noqa: F401
    BIG,
    SECRET,
    Bench,
    bench,
    folder,
    listed,
    one,
    read,
    server,
)
from tests.patience import PATIENCE


def test_globs_list_what_they_name_and_links_count_as_what_they_lead_to(bench: Bench) -> None:
    connector = bench.connect()
    assert listed(connector, "repair_*.csv") == ["repair_1.csv"]
    assert listed(connector, "*.csv") == ["empty.csv", "link.csv", "repair_1.csv"]
    assert listed(connector, "2026/**/*.csv") == ["2026/11/Rechnung ä€😀.csv", "2026/repair_2.csv"] + [
        f"2026/up/{name}.csv" for name in ("empty", "link", "repair_1")
    ]
    assert listed(connector, "repair_1.csv") == ["repair_1.csv"]
    assert listed(connector, "nothing/*.csv") == []
    file = one(connector, "repair_1.csv")
    assert (file.size, file.modified is not None) == (5, True)


def test_the_path_of_the_uri_is_absolute_and_a_tilde_is_the_login_folder(bench: Bench) -> None:
    for path in ("/outbox", "/~/outbox", "/outbox/", "/%6Futbox"):
        assert listed(bench.connect(path=path), "repair_*.csv") == ["repair_1.csv"]
    assert listed(bench.connect(path=""), "*/repair_*.csv") == ["outbox/repair_1.csv"]


def test_a_root_that_is_not_there_is_an_error_and_not_an_empty_table(bench: Bench) -> None:
    with pytest.raises(SourceError, match="uri does not exist"):
        listed(bench.connect(path="/outbux"), "*.csv")


def test_ranges_come_back_in_order_whatever_they_overlap(bench: Bench) -> None:
    connector = bench.connect()
    file = one(connector, "big.bin")
    chance = random.Random(3)
    ranges = [
        (o := chance.randrange(len(BIG)), chance.randrange(min(200_000, len(BIG) - o) + 1)) for _ in range(40)
    ]
    ranges += [(0, len(BIG)), (len(BIG) - 1, 1), (17, 0), (17, 5), (17, 5)]
    assert connector.read(file, ranges, ScanContext()) == [BIG[o : o + n] for o, n in ranges]
    assert connector.read(file, [], ScanContext()) == []


def test_empty_and_oddly_named_files_are_read(bench: Bench) -> None:
    connector = bench.connect()
    assert read(connector, one(connector, "empty.csv")) == b""
    assert read(connector, one(connector, "2026/11/Rechnung ä€😀.csv")) == b"id\n3\n"


def test_members_of_archives_are_files(bench: Bench) -> None:
    connector = bench.connect()
    assert gzip.decompress(read(connector, one(connector, "packed.csv.gz"))) == b"id\n4\n"
    member = one(connector, "packed.zip")
    assert member.path == "packed.zip!/inner.csv"
    assert read(connector, member) == b"id\n5\n" * 10_000


def test_eight_readers_share_two_connections(bench: Bench) -> None:
    connector = bench.connect(limits={"connections": 2})
    file = one(connector, "big.bin")
    wrong: list[int] = []
    most: list[int] = []

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(10):
            offset = chance.randrange(len(BIG) - 100_000)
            (data,) = connector.read(file, [(offset, 100_000)], ScanContext())
            most.append(connector._pool.open_sessions)
            if data != BIG[offset : offset + 100_000]:
                wrong.append(offset)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(most) == 80
    assert max(most) <= 2


def test_check_tells_each_step(bench: Bench) -> None:
    connector = bench.connect(tables={"repair": {"path": "repair_*.csv", "format": "csv"}})
    steps = [(step.name, step.detail) for step in connector.check()]
    assert steps == [
        ("resolved", ""),
        ("connected", ""),
        ("logged in", "as ripstop"),
        ("listed", "1 tables, 1 files"),
    ]


def test_a_server_that_is_down_is_unreachable_at_once(bench: Bench) -> None:
    started = time.monotonic()
    with dead_port() as port, pytest.raises(Unreachable, match="nothing accepts"):
        listed(bench.connect(port), "*.csv")
    assert time.monotonic() - started < PATIENCE * 1


def test_a_server_that_says_nothing_times_out(bench: Bench) -> None:
    with mute() as port, pytest.raises(SourceTimeout, match="no SSH answer"):
        listed(bench.connect(port, connect_timeout=0.5), "*.csv")


def test_a_server_that_falls_silent_in_a_file_times_out(bench: Bench) -> None:
    with cutting(bench.server.port, [400_000], silent=True) as proxy:
        connector = bench.connect(proxy.port, timeout=0.5)
        file = one(connector, "big.bin")
        with pytest.raises(SourceTimeout, match=r"silent for 0\.5 s"):
            read(connector, file)


def test_a_broken_connection_is_resumed_to_the_exact_bytes(bench: Bench) -> None:
    with cutting(bench.server.port, [1_000_000, 2_000_000]) as proxy:
        connector = bench.connect(proxy.port)
        assert read(connector, one(connector, "big.bin")) == BIG
        assert proxy.connections == 3


def test_a_connection_that_always_breaks_is_an_error_and_writes_nothing_to_stderr(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    with cutting(bench.server.port, itertools.repeat(300_000)) as proxy:
        connector = bench.connect(proxy.port)
        file = one(connector, "big.bin")
        with pytest.raises(Unreachable) as caught:
            read(connector, file)
        assert proxy.connections == 4
    assert SECRET not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_file_that_was_rewritten_after_it_was_listed_is_an_error(bench: Bench, folder: Path) -> None:
    path = folder / "outbox" / "changing.csv"
    for change in (lambda: path.write_text("id\n22\n"), lambda: os.utime(path, (1, 1)), path.unlink):
        path.write_text("id\n1\n")
        connector = bench.connect()
        file = one(connector, "changing.csv")
        change()
        with pytest.raises(SourceChanged, match=r"'changing\.csv' changed"):
            read(connector, file)


@pytest.mark.parametrize("change", ["touched", "truncated"])
def test_a_file_that_changes_while_it_is_read_is_an_error(bench: Bench, folder: Path, change: str) -> None:
    path = folder / "outbox" / "moving.bin"
    path.write_bytes(BIG)

    def spoil(total: int) -> None:
        if total > 500_000:
            os.utime(path, (1, 1))
            if change == "truncated":
                os.truncate(path, 0)

    with cutting(bench.server.port, [1 << 40], seen=spoil) as proxy:
        connector = bench.connect(proxy.port)
        file = one(connector, "moving.bin")
        with pytest.raises(SourceChanged):
            read(connector, file)


def test_a_cancelled_read_gives_the_connection_back_within_half_a_second(bench: Bench) -> None:
    with cutting(bench.server.port, [400_000], silent=True) as proxy:
        connector = bench.connect(proxy.port, limits={"connections": 1})
        file = one(connector, "big.bin")
        context = ScanContext()
        threading.Timer(0.3, context.cancel).start()
        started = time.monotonic()
        with pytest.raises(Cancelled):
            read(connector, file, context)
        assert time.monotonic() - started < PATIENCE * 0.8
        assert connector._pool.open_sessions == 0
        assert read(connector, file) == BIG


def test_a_reader_that_waits_for_a_connection_can_be_cancelled(bench: Bench) -> None:
    with cutting(bench.server.port, [400_000], silent=True) as proxy:
        connector = bench.connect(proxy.port, limits={"connections": 1})
        file = one(connector, "big.bin")
        first, second = ScanContext(), ScanContext()
        ended: list[FabricError] = []

        def work() -> None:
            try:
                read(connector, file, first)
            except FabricError as error:
                ended.append(error)

        holder = threading.Thread(target=work)
        holder.start()
        time.sleep(0.2)
        threading.Timer(0.1, second.cancel).start()
        with pytest.raises(Cancelled):
            read(connector, file, second)
        first.cancel()
        holder.join(1)
        assert [type(error) for error in ended] == [Cancelled]


def test_cancelling_a_query_that_is_done_leaves_the_connection_to_others(bench: Bench) -> None:
    connector = bench.connect(limits={"connections": 1})
    file = one(connector, "repair_1.csv")
    context = ScanContext()
    read(connector, file, context)
    context.cancel()
    assert connector._pool.open_sessions == 1
    assert read(connector, file) == b"id\n1\n"
    with pytest.raises(Cancelled):
        read(connector, file, context)


def test_a_server_that_was_restarted_is_used_again(folder: Path, tmp_path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(tmp_path / "host")
    server = EmbeddedSftp(folder, {"ripstop": SECRET}, host_key=tmp_path / "host").start()
    connector = Bench(server, tmp_path).connect()
    file = one(connector, "repair_1.csv")
    server.stop()
    again = EmbeddedSftp(folder, {"ripstop": SECRET}, host_key=tmp_path / "host").start(server.port)
    try:
        assert read(connector, file) == b"id\n1\n"
    finally:
        connector.close()
        again.stop()


def test_a_file_that_may_not_be_read_is_named(bench: Bench, folder: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    path = folder / "outbox" / "private.csv"
    path.write_text("id\n")
    path.chmod(0)
    connector = bench.connect()
    with pytest.raises(SourceLoginRefused, match=r"'private\.csv'"):
        read(connector, one(connector, "private.csv"))


def test_a_table_without_files_and_columns_says_so(bench: Bench) -> None:
    with pytest.raises(BadData, match="no file matches"):
        bench.connect().files(FileLayout("nothing_*.csv", "csv"))
