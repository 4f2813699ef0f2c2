from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from connectors.conformance import NAME, FileConformance, ScanConformance, Subject
from connectors.http import HttpConnector
from server.demo.http import EmbeddedHttp, Filter
from tests.conformance.stores import FolderSubject, as_json_rows, limits

SECRET = "http-s3cret-token"
PARAMS = {
    "id": Filter("id", "in"),
    "word": Filter("word", "in"),
    "least": Filter("big", ">="),
    "below": Filter("day", "<"),
}


def connector(tables: dict[str, Any], port: int, secret: str, **changes: Any) -> HttpConnector:
    keys = {"uri": f"http://127.0.0.1:{port}", "auth": {"bearer": secret}, "tables": tables} | limits(
        **changes
    )
    settings = HttpConnector.Settings.model_validate({"type": "http", "domain": "d"} | keys)
    return HttpConnector(NAME, settings, Path())


class RestSubject(Subject):
    lacks = frozenset({"bytes", "doc"})
    tame = declared = True
    many = 10_000
    secret = SECRET

    def __init__(self, server: EmbeddedHttp) -> None:
        super().__init__()
        self.server, self.port = server, int(server.uri.rpartition(":")[2])

    def load(self, table: str, rows: pa.Table, kinds: Mapping[str, str]) -> None:
        held = {key: each for key, each in PARAMS.items() if each.column in rows.column_names}
        self.server.table(f"/{table}", as_json_rows(rows), "page", size=500, filters=held)
        kinds = self.tables.get(table, {}).get("columns") or dict(kinds)
        params = {each.column: {"name": key, "op": each.op, "max_values": 40} for key, each in held.items()}
        paging = {"type": "page", "param": "page", "size_param": "size", "size": 500, "total": "$.total"}
        declared = {
            "path": table,
            "records": "$.items",
            "columns": kinds,
            "params": params,
            "pagination": paging,
        }
        self.tables[table] = declared

    def drop(self, table: str) -> None:
        del self.server.endpoints[f"/{table}"]

    def connect(self, *, port: int = 0, secret: str = "", **changes: Any) -> HttpConnector:
        return connector(self.tables, port or self.port, secret or SECRET, **changes)


class TestRest(ScanConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def subject(cls) -> Iterator[RestSubject]:
        with EmbeddedHttp(SECRET) as server:
            yield RestSubject(server)


class HttpFileSubject(FolderSubject):
    lists = False
    secret = SECRET

    def connect(self, *, port: int = 0, secret: str = "", **changes: Any) -> HttpConnector:
        tables = {name: table | {"path": f"files/{table['path']}"} for name, table in self.tables.items()}
        return connector(tables, port or self.port, secret or SECRET, **changes)


class TestHttpFiles(FileConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def subject(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpFileSubject]:
        subject = HttpFileSubject(tmp_path_factory.mktemp("http"))
        with EmbeddedHttp(SECRET, subject.folder) as server:
            subject.port = int(server.uri.rpartition(":")[2])
            yield subject
