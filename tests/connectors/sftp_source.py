"""An embedded SFTP server with known files, and connectors to it: fixtures of the SFTP tests."""

from __future__ import annotations

import gzip
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.sftp import SftpConnector, SftpSettings
from fabric.spi import ScanContext
from fabric.types import FileLayout, FileStat
from server.demo.sftp import EmbeddedSftp

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
