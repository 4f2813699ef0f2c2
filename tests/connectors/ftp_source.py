"""Embedded FTP servers with known files, and connectors to them: fixtures of the FTP tests."""

from __future__ import annotations

import gzip
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from connectors.ftp import FtpConnector, FtpSettings
from fabric.spi import ScanContext
from fabric.types import FileLayout, FileStat
from server.demo.ftp import EmbeddedFtp

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
