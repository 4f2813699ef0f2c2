from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.conformance import NAME, FileConformance
from connectors.ftp import FtpConnector
from server.demo.ftp import EmbeddedFtp
from tests.conformance.stores import FolderSubject


class FtpSubject(FolderSubject):
    secret = "ftp-s3cret"

    def connect(self, *, port: int = 0, secret: str = "", **changes: object) -> FtpConnector:
        uri = f"ftp://ripstop@127.0.0.1:{port or self.port}/"
        login = {"password": secret or self.secret, "tables": self.tables}
        settings = {"type": "ftp", "domain": "d", "uri": uri} | login | self.limits(**changes)
        return FtpConnector(NAME, FtpConnector.Settings.model_validate(settings), Path())


class TestFtp(FileConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def subject(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FtpSubject]:
        subject = FtpSubject(tmp_path_factory.mktemp("ftp"))
        server = EmbeddedFtp(subject.folder, {"ripstop": subject.secret}).start()
        subject.port = server.port
        yield subject
        server.stop()
