"""What each user must be answered: the very same SQL in plain DuckDB, over copies restricted by hand."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from tests.attacks import vault
from tests.attacks.canary import Canaries, digests, values
from tests.attacks.project import HERE, KEY

CATALOGS = ("acme", "lake", "ledger", "desk", "policy_db", "fraud_api", "vfiles", "vsql", "vpg", "vrest")
SCHEMAS = ("claims", "crm", "fraud", "underwriting", "vault", "beneath", "lifted")
_RESTRICTED = HERE / "restricted"


def _keyed(text: str) -> str:
    """The mask ``hash``: under a key that is derived from the fabric's for masks alone."""
    key = hmac.digest(KEY.encode(), b"ripstop key: mask", "sha256")
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:16]


class Oracle:
    """Plain DuckDB, one for each user, that holds what the user may see and nothing else.

    Args:
        raw: every table as it is.
        folder: where the raw data may be written down for a moment.
    """

    def __init__(self, raw: duckdb.DuckDBPyConnection, folder: Path) -> None:
        self._file = folder / "raw.duckdb"
        raw.execute(f"ATTACH '{self._file}' AS kept")
        for (table,) in raw.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = 'memory'"
        ).fetchall():
            raw.execute(f"CREATE TABLE kept.{table} AS FROM memory.{table}")
        self._secret = digests(values(_everything(raw, "memory")))
        raw.execute("DETACH kept")
        self._writer = duckdb.connect()
        self._writer.execute("SET GLOBAL TimeZone = 'UTC'")
        self._users: dict[str, tuple[duckdb.DuckDBPyConnection, Canaries]] = {}

    def close(self) -> None:
        """Close every connection."""
        for connection in (self._writer, *(connection for connection, _ in self._users.values())):
            connection.close()

    def ask(self, user: str, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        """The full expected answer.

        Raises:
            duckdb.Error: over what the user may see, the statement is wrong.
        """
        with self._of(user)[0].sql(sql, params=list(parameters) or None).to_arrow_reader() as reader:
            return reader.read_all()

    def canaries(self, user: str) -> Canaries:
        """The judge of what the user is shown."""
        return self._of(user)[1]

    def texts(self, table: pa.Table) -> list[tuple[str | None, ...]]:
        """The rows as DuckDB writes their values."""
        if not table.num_columns or not table.num_rows:
            return [()] * table.num_rows
        plain = table.rename_columns([f"c{n}" for n in range(table.num_columns)])
        with self._writer.cursor() as cursor:
            cursor.register("answer", plain)
            return cursor.execute("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM answer").fetchall()

    def _of(self, user: str) -> tuple[duckdb.DuckDBPyConnection, Canaries]:
        if user not in self._users:
            connection = self._build(user)
            visible = "\n".join(_everything(connection, catalog) for catalog in CATALOGS)
            self._users[user] = connection, Canaries(visible, self._secret)
        return self._users[user]

    def _build(self, user: str) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        for catalog in CATALOGS:
            connection.execute(f"ATTACH ':memory:' AS {catalog}")
        connection.execute("USE acme")
        for schema in (*SCHEMAS, "policy_db.public", "vpg.vault"):
            connection.execute(f"CREATE SCHEMA {schema}")
        connection.execute(f"ATTACH '{self._file}' AS raw (READ_ONLY)")
        connection.create_function("keyed", _keyed, ["VARCHAR"], "VARCHAR")
        if user in vault.USERS:
            _build_vault(connection, user)
        elif (_RESTRICTED / f"{user}.sql").exists():
            connection.execute((_RESTRICTED / "macros.sql").read_text("utf-8"))
            connection.execute((_RESTRICTED / f"{user}.sql").read_text("utf-8"))
            _views(connection, (_RESTRICTED / "products.sql").read_text("utf-8"))
            if user in ("ana", "sam", "aud"):
                _views(connection, (_RESTRICTED / "analysts.sql").read_text("utf-8"))
        connection.execute("DETACH raw")
        connection.remove_function("keyed")
        connection.execute("SET enable_external_access = false")
        return connection


def _views(connection: duckdb.DuckDBPyConnection, script: str) -> None:
    """Every view whose relations are there for this user."""
    for statement in duckdb.extract_statements(script):
        try:
            connection.execute(statement)
        except (duckdb.CatalogException, duckdb.BinderException):
            continue


def _build_vault(connection: duckdb.DuckDBPyConnection, user: str) -> None:
    seen = "false" if user == "v_nothing" else "region = 'EU'"
    for table in vault.TABLES.values():
        name = table.replace("vpg.", "vpg.vault.")
        connection.execute(f"CREATE TABLE {name} AS FROM raw.vault WHERE {seen}")
    connection.execute("CREATE VIEW vpg.main.box AS FROM vpg.vault.box")
    connection.execute(f"CREATE TABLE {vault.BIG} AS FROM raw.vault_big WHERE {seen}")
    for name, sql in vault.products().items():
        if not name.startswith("over_"):
            connection.execute(f"CREATE VIEW vault.{name} AS {sql}")
    for name, sql in vault.products().items():
        if name.startswith("over_"):
            connection.execute(f"CREATE VIEW vault.{name} AS {sql}")


def _everything(connection: duckdb.DuckDBPyConnection, catalog: str) -> str:
    """Every value of every table and view of a catalog, as one text."""
    names = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = $1 AND schema_name NOT IN ('beneath', 'lifted') "
        "UNION ALL SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = $1 AND NOT internal",
        [catalog],
    ).fetchall()
    texts = []
    for schema, name in names:
        try:
            rows = connection.execute(
                f'SELECT CAST(COLUMNS(*) AS VARCHAR) FROM "{catalog}"."{schema}"."{name}"'
            ).fetchall()
        except duckdb.ConversionException:
            continue  # a product whose body raises over what this user may see
        texts += [" ".join(value for value in row if value is not None) for row in rows]
    return "\n".join(texts)


@contextmanager
def oracle(raw: duckdb.DuckDBPyConnection, folder: Path) -> Iterator[Oracle]:
    """The oracle over the raw data; it is closed at the end."""
    made = Oracle(raw, folder)
    try:
        yield made
    finally:
        made.close()
