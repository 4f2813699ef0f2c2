"""A project over real sources of every cheap kind, filled with canaries; users of every right."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import duckdb
import yaml
from argon2 import PasswordHasher

from fabric.types import Principal
from server.demo.http import EmbeddedHttp, Filter
from server.demo.postgres import EmbeddedPostgres
from tests.attacks import vault

HERE = Path(__file__).parent
KEY = "a key for attacks, 0123456789abcdef"
PASSWORD = "open sesame"

USERS: Mapping[str, Principal] = {
    "aud": Principal("aud", frozenset({"role:auditor"})),
    "ana": Principal("ana", frozenset(), {"region": "EU"}),
    "sam": Principal("sam", frozenset({"role:senior"}), {"region": "EU"}),
    "dora": Principal("dora", frozenset({"role:reader"})),
    "finn": Principal("finn", frozenset({"role:partner"})),
    "bo": Principal("bo", frozenset({"role:browser"})),
    "eve": Principal("eve"),
    **{user: Principal(user, frozenset(roles), {"region": "EU"}) for user, roles in vault.USERS.items()},
}

_FILES = {
    "lake/claim/1.parquet": "FROM lake_claim WHERE claim_id <= 150",
    "lake/claim/2.parquet": "FROM lake_claim WHERE claim_id > 150",
    "lake/archive.parquet": "FROM lake_archive",
    "lake/note.csv": "FROM lake_note",
    "lake/event.jsonl": "FROM lake_event",
    "lake/shared.csv": "FROM lake_shared",
    "lake/assigned.csv": "FROM lake_zqdark_assigned",
    "lake/denied.csv": "FROM lake_zqdark_denied",
    "lake/secret.csv": "FROM lake_zqdark_secret",
    "desk/person.parquet": "FROM desk_person",
    "vault/box.parquet": "FROM vault",
    "vault/box.csv": "FROM vault",
    "vault/box.jsonl": "FROM vault",
    "vault/big.parquet": "FROM vault_big",
    "vault/area.csv": "FROM vault_zqdark_area",
    "vault/block.csv": "FROM vault_zqdark_block",
}


def raw_data() -> duckdb.DuckDBPyConnection:
    """Plain DuckDB with every table as nobody but the auditor may see it."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute((HERE / "data.sql").read_text("utf-8"))
    return connection


class Estate:
    """The servers, and a project directory for ``server.app.build``; use it in a ``with`` block.

    Args:
        raw: the connection that ``raw_data`` gives.
    """

    def __init__(self, raw: duckdb.DuckDBPyConnection) -> None:
        self._raw = raw
        self._stack = ExitStack()

    def __enter__(self) -> Estate:
        with ExitStack() as stack:
            # Not below pytest's own folder: as root, Postgres runs as another account and must reach its files.
            folder = Path(tempfile.mkdtemp(prefix="ripstop-attacks-"))
            stack.callback(shutil.rmtree, folder)
            folder.chmod(0o711)
            self.directory = folder / "project"
            shutil.copytree(HERE / "estate", self.directory)
            self.postgres = EmbeddedPostgres(folder / "postgres", {"log_statement": "all"})
            self.http = EmbeddedHttp(secrets.token_urlsafe(12))
            stack.callback(self.postgres.stop)
            stack.callback(self.http.close)
            self.postgres.start()
            self.http.start()
            self._fill()
            self._write()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def postgres_log(self) -> Path:
        """Where Postgres wrote every statement that it was asked."""
        return self.directory.parent / "postgres" / "postgres.log"

    def _fill(self) -> None:
        for file, query in _FILES.items():
            self._copy(query, self.directory / file)
        self._fill_sqlite("ledger.db", "booking", "ledger_booking")
        self._fill_sqlite("vault.db", "box", "vault")
        self.postgres.execute("CREATE SCHEMA vault")
        self._fill_postgres("public.policy", "policy_db_policy")
        self._fill_postgres("vault.box", "vault")
        # A key that holds a hidden column is not to be told either.
        self.postgres.execute(
            "ALTER TABLE public.policy ADD CONSTRAINT policy_key PRIMARY KEY (policy_id, holder_zqhid)"
        )
        self.postgres.execute(vault.LEAKY_POSTGRES)
        self.postgres.execute(
            f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'; GRANT USAGE ON SCHEMA vault TO reader; "
            "GRANT SELECT ON ALL TABLES IN SCHEMA public, vault TO reader; ANALYZE;"
        )
        scores = {
            "claim_id": Filter("claim_id", "in"),
            "region": Filter("region", "in"),
            "model": Filter("model"),
        }
        self.http.table("/v1/scores", self._rows("fraud_api_score"), "page", size=100, filters=scores)
        box = {"id": Filter("id", "in"), "region": Filter("region", "in"), "body": Filter("body")}
        self.http.table("/v1/box", self._rows("vault"), "cursor", size=30, filters=box)

    def _copy(self, query: str, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        kind = {".parquet": "parquet", ".csv": "csv, HEADER true", ".jsonl": "json"}[file.suffix]
        self._raw.execute(f"COPY ({query}) TO '{file}' (FORMAT {kind})")

    def _rows(self, table: str) -> list[dict[str, object]]:
        return self._raw.sql(f"FROM {table}").to_arrow_table().to_pylist()

    def _columns(self, table: str, kinds: Mapping[str, str]) -> str:
        found = self._raw.execute(f"DESCRIBE {table}").fetchall()
        return ", ".join(f'"{name}" {kinds.get(kind, kind)}' for name, kind, *_ in found)

    def _fill_sqlite(self, file: str, table: str, raw: str) -> None:
        kinds = {"BIGINT": "INTEGER", "VARCHAR": "TEXT", "DOUBLE": "REAL"}
        rows = self._raw.execute(f"FROM {raw}").fetchall()
        with closing(sqlite3.connect(self.directory / file)) as database, database:
            database.execute(f"CREATE TABLE {table} ({self._columns(raw, kinds)})")
            database.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)

    def _fill_postgres(self, table: str, raw: str) -> None:
        kinds = {"DOUBLE": "double precision", "VARCHAR": "text"}
        file = self.directory / "copy.csv"
        self._raw.execute(f"COPY (FROM {raw}) TO '{file}' (FORMAT csv, HEADER false, NULL '\\N')")
        self.postgres.execute(
            f"CREATE TABLE {table} ({self._columns(raw, kinds)});\n"
            f"COPY {table} FROM STDIN WITH (FORMAT csv, NULL '\\N');\n{file.read_text('utf-8')}\\.\n"
        )
        file.unlink()

    def _write(self) -> None:
        kinds = {name: kind for name, kind, *_ in self._raw.execute("DESCRIBE vault").fetchall()}
        file = self.directory / "fabric.yaml"
        text = file.read_text("utf-8")
        for key, value in {
            "key": KEY,
            "password": self.http.token,
            "postgres": self.postgres.uri_of("reader", PASSWORD),
            "http": self.http.uri,
            "vault_columns": json.dumps(kinds),
        }.items():
            text = text.replace("{{" + key + "}}", value)
        file.write_text(text, "utf-8")
        (self.directory / "policies/vault.csv").write_text(vault.policies(), "utf-8")
        for name, sql in vault.products().items():
            product = self.directory / f"products/vault/{name}.sql"
            product.parent.mkdir(exist_ok=True)
            product.write_text(sql, "utf-8")
        hashed = PasswordHasher(time_cost=1, memory_cost=1024).hash(PASSWORD)
        users = {
            user: {"password": hashed, "roles": sorted(one.roles), "attributes": dict(one.attributes)}
            for user, one in USERS.items()
        }
        (self.directory / "users.yaml").write_text(yaml.safe_dump({"users": users}), "utf-8")


def rule_free(directory: Path) -> None:
    """Take every restriction out of a project's policies, so that a test can put in its own."""
    for file in (directory / "policies").glob("*.csv"):
        lines = file.read_text("utf-8").splitlines()
        file.write_text("\n".join(line for line in lines if not re.match(r"p[234]\b", line)) + "\n", "utf-8")


@contextmanager
def estate() -> Iterator[tuple[Estate, duckdb.DuckDBPyConnection]]:
    """The servers and their raw data."""
    with closing(raw_data()) as raw, Estate(raw) as made:
        yield made, raw
