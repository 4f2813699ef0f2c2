from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from connectors.adbc import AdbcConnector
from connectors.conformance import NAME, ScanConformance, Subject
from connectors.conformance.subject import KINDS
from tests.conformance.stores import limits, quoted

TYPES = {"BIGINT": "INTEGER", "DOUBLE": "REAL", "VARCHAR": "TEXT COLLATE NOCASE", "BLOB": "BLOB"}


class SqliteSubject(Subject):
    nan = False  # SQLite stores it as NULL
    lacks = frozenset(name for name, (kind, _) in KINDS.items() if kind not in TYPES)

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def load(self, table: str, rows: pa.Table, kinds: Mapping[str, str]) -> None:
        made = ", ".join(f"{quoted(name)} {TYPES[kind]}" for name, kind in kinds.items())
        with closing(sqlite3.connect(self.file)) as database, database:
            database.executescript(
                f"DROP TABLE IF EXISTS {quoted(table)}; CREATE TABLE {quoted(table)} ({made})"
            )
            places = ", ".join("?" * len(kinds))
            values = zip(*(column.to_pylist() for column in rows.columns), strict=True)
            database.executemany(f"INSERT INTO {quoted(table)} VALUES ({places})", values)

    def drop(self, table: str) -> None:
        with closing(sqlite3.connect(self.file)) as database, database:
            database.execute(f"DROP TABLE {quoted(table)}")

    def connect(self, *, connections: int = 4, timeout: float = 20.0, **_: object) -> AdbcConnector:
        driver = {"driver": "adbc_driver_sqlite", "dialect": "sqlite", "options": {"uri": str(self.file)}}
        settings = {"type": "adbc", "domain": "d"} | driver | limits(connections, timeout)
        return AdbcConnector(NAME, AdbcConnector.Settings.model_validate(settings), Path())


class TestSqlite(ScanConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def subject(cls, tmp_path_factory: pytest.TempPathFactory) -> SqliteSubject:
        return SqliteSubject(tmp_path_factory.mktemp("adbc") / "proof.db")
