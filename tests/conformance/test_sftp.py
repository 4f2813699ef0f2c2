from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.conformance import NAME, FileConformance
from connectors.sftp import SftpConnector
from server.demo.sftp import EmbeddedSftp
from tests.conformance.stores import FolderSubject


class SftpSubject(FolderSubject):
    secret = "sftp-s3cret"

    def connect(
        self, *, port: int = 0, secret: str = "", known: str = "", **changes: object
    ) -> SftpConnector:
        hosts = self.folder.with_name("known_hosts")
        hosts.write_text(known or self.known.replace(str(self.port), str(port or self.port)))
        login = {"password": secret or self.secret, "known_hosts_file": str(hosts), "tables": self.tables}
        uri = f"sftp://ripstop@127.0.0.1:{port or self.port}/"
        settings = {"type": "sftp", "domain": "d", "uri": uri} | login | self.limits(**changes)
        return SftpConnector(NAME, SftpConnector.Settings.model_validate(settings), Path())

    def stranger(self) -> SftpConnector:
        other = EmbeddedSftp(self.folder, {}).start()
        other.stop()
        return self.connect(known=other.known_hosts_line().replace(str(other.port), str(self.port)))


class TestSftp(FileConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def subject(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpSubject]:
        subject = SftpSubject(tmp_path_factory.mktemp("sftp") / "root")
        subject.folder.mkdir()
        server = EmbeddedSftp(subject.folder, {"ripstop": subject.secret}).start()
        subject.port, subject.known = server.port, server.known_hosts_line()
        yield subject
        server.stop()
