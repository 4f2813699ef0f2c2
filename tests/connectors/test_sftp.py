from __future__ import annotations

import gzip
import itertools
import os
import random
import shutil
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pydantic import ValidationError

from connectors.sftp import SftpConnector, SftpSettings
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
    Unreachable,
)
from fabric.spi import ScanContext
from fabric.types import FileLayout, FileStat
from server.demo.sftp import EmbeddedSftp
from tests.connectors.cutting_proxy import cutting, dead_port, mute

SECRET = "correct-horse-battery"
BIG = random.Random(7).randbytes(5_000_000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sftp")
    outbox = root / "outbox"
    (outbox / "2026" / "11").mkdir(parents=True)
    (outbox / "big.bin").write_bytes(BIG)
    (outbox / "empty.csv").touch()
    (outbox / "repair_1.csv").write_text("id\n1\n")
    (outbox / "2026" / "repair_2.csv").write_text("id\n2\n")
    (outbox / "2026" / "11" / "Rechnung ä€😀.csv").write_text("id\n3\n")
    (outbox / "2026" / "up").symlink_to(outbox, target_is_directory=True)
    (outbox / "link.csv").symlink_to("repair_1.csv")
    (outbox / "dangling.csv").symlink_to("nowhere")
    (outbox / "packed.csv.gz").write_bytes(gzip.compress(b"id\n4\n"))
    with zipfile.ZipFile(outbox / "packed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.csv", "id\n5\n" * 10_000)
    return root


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[EmbeddedSftp]:
    running = EmbeddedSftp(folder, {"ripstop": SECRET}).start()
    yield running
    running.stop()


class Bench:
    """Makes connectors to one server, and closes them."""

    def __init__(self, server: EmbeddedSftp, directory: Path) -> None:
        self.server = server
        self.directory = directory
        self.made: list[SftpConnector] = []
        (directory / "known_hosts").write_text(server.known_hosts_line())

    def connect(
        self, port: int = 0, path: str = "/outbox", user: str = "ripstop", **keys: object
    ) -> SftpConnector:
        port = port or self.server.port
        key = self.server.known_hosts_line().split(" ", 1)[1]
        with (self.directory / "known_hosts").open("a") as file:
            file.write(f"[127.0.0.1]:{port} {key}")
        if not {"private_key_file", "agent"} & set(keys):
            keys.setdefault("password", SECRET)
        if keys.get("host_key") != "accept-any":
            keys.setdefault("known_hosts_file", "known_hosts")
        settings = SftpSettings.model_validate(
            {"type": "sftp", "domain": "partners", "uri": f"sftp://{user}@127.0.0.1:{port}{path}", **keys}
        )
        connector = SftpConnector("partners", settings, self.directory)
        self.made.append(connector)
        return connector


@pytest.fixture
def bench(server: EmbeddedSftp, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(server, tmp_path)
    yield made
    for connector in made.made:
        connector.close()


def listed(connector: SftpConnector, pattern: str) -> list[str]:
    return [file.path for file in connector.files(FileLayout(pattern, "csv", declared={"id": "INT"}))]


def one(connector: SftpConnector, path: str) -> FileStat:
    (file,) = connector.files(FileLayout(path, "csv"))
    return file


def read(connector: SftpConnector, file: FileStat, context: ScanContext | None = None) -> bytes:
    (data,) = connector.read(file, [(0, file.size)], context or ScanContext())
    return data


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


@pytest.mark.parametrize("form", [PrivateFormat.OpenSSH, PrivateFormat.PKCS8])
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
@pytest.mark.parametrize("passphrase", ["", SECRET])
def test_a_private_key_logs_in(
    folder: Path, tmp_path: Path, kind: str, form: PrivateFormat, passphrase: str
) -> None:
    key = {
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
    }[kind]()
    sealed = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    (tmp_path / "id").write_bytes(key.private_bytes(Encoding.PEM, form, sealed))
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    server = EmbeddedSftp(folder, {}, keys={"robot": public}).start()
    bench = Bench(server, tmp_path)
    try:
        keys = {"private_key_file": "id", **({"passphrase": passphrase} if passphrase else {})}
        connector = bench.connect(user="robot", **keys)
        assert listed(connector, "repair_*.csv") == ["repair_1.csv"]
        connector.close()
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("sealed", "keys", "error", "words"),
    [
        (BestAvailableEncryption(b"other"), {}, InvalidConfig, "is encrypted"),
        (
            BestAvailableEncryption(b"other"),
            {"passphrase": SECRET},
            InvalidConfig,
            "no private key that opens",
        ),
        (NoEncryption(), {}, SourceLoginRefused, "takes no login of this kind"),
    ],
)
def test_a_key_that_does_not_fit_is_told_so(
    bench: Bench,
    sealed: KeySerializationEncryption,
    keys: dict[str, str],
    error: type[FabricError],
    words: str,
) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    (bench.directory / "id").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, sealed))
    with pytest.raises(error, match=words) as caught:
        listed(bench.connect(private_key_file="id", **keys), "*.csv")
    assert SECRET not in str(caught.value)


@pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="needs OpenSSH's agent")
def test_the_agent_logs_in(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(tmp_path / "id")
    os.chmod(tmp_path / "id", 0o600)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    server = EmbeddedSftp(folder, {}, keys={"robot": key.export_public_key().decode()}).start()
    with subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(tmp_path / "agent")], stdout=subprocess.DEVNULL
    ) as agent:
        try:
            while not (tmp_path / "agent").exists():
                time.sleep(0.01)
            bench = Bench(server, tmp_path)
            with pytest.raises(SourceLoginRefused, match="offers no key"):
                listed(bench.connect(user="robot", agent=True), "*.csv")
            subprocess.run(["ssh-add", "-q", str(tmp_path / "id")], check=True, stderr=subprocess.DEVNULL)
            connector = bench.connect(user="robot", agent=True)
            assert listed(connector, "repair_*.csv") == ["repair_1.csv"]
            connector.close()
        finally:
            agent.terminate()
            server.stop()


def test_a_wrong_password_is_a_refused_login_that_does_not_show_it(bench: Bench) -> None:
    with pytest.raises(SourceLoginRefused) as caught:
        listed(bench.connect(password="wrong-" + SECRET), "*.csv")
    assert SECRET not in str(caught.value)
    assert caught.value.hint


def test_a_server_with_another_host_key_or_none_that_is_known_is_refused(bench: Bench) -> None:
    stranger = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().split()
    true_line = bench.server.known_hosts_line()
    for line, words in (
        (f"[127.0.0.1]:{bench.server.port} {stranger[0]} {stranger[1]}\n", "not the one"),
        (f"127.0.0.1 {true_line.split(' ', 1)[1]}", "does not name"),
        ("", "does not name"),
        (f"{true_line}@revoked * {true_line.split(' ', 1)[1]}", "not the one"),
    ):
        (bench.directory / "hosts").write_text(line)
        with pytest.raises(IdentityRefused, match=words):
            listed(bench.connect(known_hosts_file="hosts"), "*.csv")
    assert listed(bench.connect(host_key="accept-any"), "repair_*.csv") == ["repair_1.csv"]


@pytest.mark.parametrize(
    ("uri", "keys", "words"),
    [
        ("sftp://u@h/p", {"password": SECRET}, "known_hosts_file is required"),
        ("sftp://u@h/p", {"known_hosts_file": "k"}, "exactly one of password"),
        ("sftp://u:pw@h/p", {"known_hosts_file": "k", "password": SECRET}, "exactly one of password"),
        (
            "sftp://u@h/p",
            {"known_hosts_file": "k", "password": SECRET, "agent": True},
            "exactly one of password",
        ),
        ("sftp://h/p", {"known_hosts_file": "k", "password": SECRET}, "names no user"),
        ("ftp://u@h/p", {"known_hosts_file": "k", "password": SECRET}, "must look like sftp://"),
        ("sftp://u@h:x/p", {"known_hosts_file": "k", "password": SECRET}, "must look like sftp://"),
        (
            "sftp://u@h/p",
            {"known_hosts_file": "k", "password": SECRET, "passphrase": "x"},
            "private_key_file",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused(uri: str, keys: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        SftpSettings.model_validate({"type": "sftp", "domain": "d", "uri": uri, **keys})
    assert SECRET not in str(caught.value)


def test_files_that_the_settings_name_must_be_there(bench: Bench) -> None:
    with pytest.raises(InvalidConfig, match="known_hosts_file does not exist"):
        bench.connect(known_hosts_file="nowhere")
    (bench.directory / "junk").write_text("no key")
    with pytest.raises(InvalidConfig, match="no private key that opens"):
        listed(bench.connect(private_key_file="junk"), "*.csv")


def test_a_server_that_is_down_is_unreachable_at_once(bench: Bench) -> None:
    started = time.monotonic()
    with dead_port() as port, pytest.raises(Unreachable, match="nothing accepts"):
        listed(bench.connect(port), "*.csv")
    assert time.monotonic() - started < 1


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
        assert time.monotonic() - started < 0.8
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
