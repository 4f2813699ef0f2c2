from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from connectors.conformance import NAME, FileConformance, FileSubject
from connectors.s3 import S3Connector
from server.demo.s3 import EmbeddedS3
from tests.conformance.stores import limits


class S3Subject(FileSubject):
    secret = "s3-s3cret-key"

    def __init__(self, server: EmbeddedS3) -> None:
        super().__init__()
        self.port = int(server.endpoint.rpartition(":")[2])
        self.client = server.client()
        self.client.create_bucket(Bucket="lake")

    def put(self, path: str, data: bytes) -> None:
        self.client.put_object(Bucket="lake", Key=f"root/{path}", Body=data)

    def remove(self, path: str) -> None:
        self.client.delete_object(Bucket="lake", Key=f"root/{path}")

    def connect(
        self, *, port: int = 0, secret: str = "", connections: int = 4, timeout: float = 20.0
    ) -> S3Connector:
        keys = {"access_key_id": "proof", "secret_access_key": secret or self.secret, "tables": self.tables}
        where = {"uri": "s3://lake/root", "endpoint": f"http://127.0.0.1:{port or self.port}"}
        settings = {"type": "s3", "domain": "d"} | where | keys | limits(connections, timeout)
        return S3Connector(NAME, S3Connector.Settings.model_validate(settings), Path())


class TestS3(FileConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def subject(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Subject]:
        with EmbeddedS3(tmp_path_factory.mktemp("s3"), "proof", S3Subject.secret) as server:
            subject = S3Subject(server)
            with closing(subject.client):
                yield subject
