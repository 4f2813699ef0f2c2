"""Seven sources of every kind, filled from the local copies, and a project directory over them."""

from __future__ import annotations

import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import duckdb
from argon2 import PasswordHasher

from server.demo.ftp import EmbeddedFtp
from server.demo.http import EmbeddedHttp, Filter
from server.demo.postgres import EmbeddedPostgres
from server.demo.s3 import EmbeddedS3
from server.demo.sftp import EmbeddedSftp

HERE = Path(__file__).parent
SOURCES = ("policy_db", "claims_lake", "partner_files", "tariff_files", "fraud_api", "desk", "ledger")
USER = "aud"

_POSTGRES = {
    "customer": "customer_id bigint PRIMARY KEY, name text, email varchar, region text, birth_date date, "
    "segment varchar(20), lifetime_value numeric(12,2), marketing_consent boolean, created_at timestamptz",
    "policy": "policy_id bigint PRIMARY KEY, customer_id bigint, product_line text, premium numeric(10,2), "
    "sum_insured numeric(20,4), start_date date, end_date date, issued_at timestamp, renewals integer, "
    "risk double precision",
    "empty": "id bigint, name text, amount numeric(9,2), moment timestamp",
    "extreme": "id bigint, small smallint, whole integer, big bigint, single real, number double precision, "
    "money numeric(18,2), huge numeric(38,10), word text, flag boolean, day date, moment timestamp, "
    "instant timestamptz, clock time, uid uuid, bytes bytea, doc jsonb, list bigint[], words text[], span interval, "
    "uids uuid[]",
}


def local_copies() -> duckdb.DuckDBPyConnection:
    """Plain DuckDB with every table, and every product as a view, under the names that the fabric gives."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for catalog in ("acme", *SOURCES):
        connection.execute(f"ATTACH ':memory:' AS {catalog}")
    connection.execute("USE acme")
    connection.execute("CREATE SCHEMA policy_db.public")
    connection.execute((HERE / "tables.sql").read_text("utf-8"))
    for table in _POSTGRES:
        connection.execute(f"CREATE VIEW policy_db.main.{table} AS FROM policy_db.public.{table}")
    for domain in ("underwriting", "claims"):  # claims builds on underwriting
        connection.execute(f"CREATE SCHEMA {domain}")
        for file in sorted((HERE / "project" / "products" / domain).glob("*.sql")):
            body = file.read_text("utf-8").partition("---*/")[2]
            connection.execute(f"CREATE VIEW {domain}.{file.stem} AS {body}")
    return connection


class Sources:
    """Real servers on loopback, filled; ``project`` is a directory for ``server.app.build``.

    Use it in a ``with`` block, with a connection to the local copies.
    """

    def __init__(self, copies: duckdb.DuckDBPyConnection) -> None:
        self._copies = copies
        self._stack = ExitStack()
        self._password = secrets.token_urlsafe(12)

    def __enter__(self) -> Sources:
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self, stack: ExitStack) -> None:
        # Not below pytest's own folder: as root, Postgres runs as another account and must reach its files.
        folder = Path(tempfile.mkdtemp(prefix="ripstop-equivalence-"))
        stack.callback(shutil.rmtree, folder)
        folder.chmod(0o711)
        for name in ("sftp", "ftp", "http"):
            (folder / name).mkdir()
        self.project = folder / "project"
        shutil.copytree(HERE / "project", self.project)
        self.postgres = EmbeddedPostgres(folder / "postgres")
        self.s3 = EmbeddedS3(folder / "s3", "equivalence", self._password)
        self.sftp = EmbeddedSftp(folder / "sftp", {"ripstop": self._password})
        self.ftp = EmbeddedFtp(folder / "ftp", {"ripstop": self._password})
        self.http = EmbeddedHttp(self._password, folder / "http")
        servers = (self.postgres, self.s3, self.sftp, self.ftp, self.http)
        for server in servers:
            stack.callback(getattr(server, "stop", None) or server.close)  # type: ignore[union-attr]
        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(server.start) for server in servers]:
                future.result()
        self._fill(folder)
        self._write_project()

    def _fill(self, folder: Path) -> None:
        self._fill_postgres()
        self._fill_lake(folder)
        self._fill_files(folder)
        self._fill_api()
        with closing(sqlite3.connect(self.project / "ledger.db")) as database, database:
            database.execute(
                "CREATE TABLE booking (booking_id INTEGER, claim_id INTEGER, amount REAL, account TEXT, reference INTEGER)"
            )
            rows = self._copies.execute("FROM ledger.booking").fetchall()
            database.executemany("INSERT INTO booking VALUES (?, ?, ?, ?, ?)", rows)

    def _copy(self, query: str, file: Path, options: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._copies.execute(f"COPY ({query}) TO '{file}' ({options})")

    def _fill_postgres(self) -> None:
        for table, columns in _POSTGRES.items():
            file = self.project / "copy.csv"
            self._copy(_as_postgres_text(self._copies, table), file, "FORMAT csv, HEADER false, NULL '\\N'")
            data = file.read_text("utf-8")
            self.postgres.execute(
                f"CREATE TABLE {table} ({columns});\n"
                f"COPY {table} FROM STDIN WITH (FORMAT csv, NULL '\\N');\n{data}\\.\n"
            )
            file.unlink()
        self.postgres.execute(
            f"CREATE ROLE reader LOGIN PASSWORD '{self._password}'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader; ANALYZE;"
        )

    def _fill_lake(self, folder: Path) -> None:
        lake = folder / "lake"
        self._copy(
            "FROM claims_lake.claim",
            lake / "claim",
            "FORMAT parquet, PARTITION_BY (year, month), ROW_GROUP_SIZE 2048",
        )
        for half in (0, 1):
            part = f"FROM claims_lake.event WHERE event_id % 2 = {half} ORDER BY event_id"
            self._copy(part, lake / f"event/{half}.jsonl", "FORMAT json")
        self._copy("FROM claims_lake.extreme", lake / "extreme.parquet", "FORMAT parquet")
        old = "SELECT payment_id, claim_id, CAST(amount AS INTEGER) AS amount FROM claims_lake.payment WHERE payment_id < 60"
        self._copy(old, lake / "payment/1.parquet", "FORMAT parquet")
        self._copy(
            "FROM claims_lake.payment WHERE payment_id >= 60", lake / "payment/2.parquet", "FORMAT parquet"
        )
        with closing(self.s3.client()) as client:
            client.create_bucket(Bucket="claims-lake")
            for file in sorted(path for path in lake.rglob("*") if path.is_file()):
                client.put_object(
                    Bucket="claims-lake", Key=file.relative_to(lake).as_posix(), Body=file.read_bytes()
                )

    def _fill_files(self, folder: Path) -> None:
        outbox = folder / "sftp/outbox"
        csv = "FORMAT csv, HEADER true, NULL '\\N', FORCE_QUOTE (shop, remark)"
        for month in range(3):
            query = f"FROM partner_files.repair WHERE month(issued_on) % 3 = {month} ORDER BY invoice_no"
            name = f"repair_{month}.csv" + (".gz" if month == 2 else "")
            self._copy(query, outbox / name, csv + (", COMPRESSION gzip" if month == 2 else ""))
        for name, part in (("a", "class = 0"), ("b", "class > 0")):
            self._copy(
                f"FROM tariff_files.tariff WHERE {part}",
                folder / f"ftp/tariff_{name}.parquet",
                "FORMAT parquet",
            )
        self._copy(
            "FROM tariff_files.region", folder / "ftp/region.csv", "FORMAT csv, HEADER true, DELIM ';'"
        )
        self._copy("FROM fraud_api.model", folder / "http/model.parquet", "FORMAT parquet")
        self._copy("FROM desk.note ORDER BY note_id", self.project / "data/notes/all.jsonl", "FORMAT json")
        self._copy("FROM desk.budget", self.project / "data/budget.parquet", "FORMAT parquet")

    def _fill_api(self) -> None:
        filters = {
            "claim_id": Filter("claim_id", "in"),
            "min_score": Filter("score", ">="),
            "since": Filter("scored_at", ">="),
            "model": Filter("model", "="),
        }
        scores = self._copies.sql("FROM fraud_api.score").to_arrow_table().to_pylist()
        self.http.table("/v1/scores", scores, "page", size=50, filters=filters)
        signals = self._copies.sql("FROM fraud_api.signal").to_arrow_table().to_pylist()
        self.http.table("/v1/signals", signals, "cursor", size=80, filters={"kind": Filter("kind", "in")})
        for kind in {row["kind"] for row in signals}:
            self.http.table(f"/v1/kinds/{kind}", [row for row in signals if row["kind"] == kind], "cursor")

    def _write_project(self) -> None:
        known_hosts = self.project / "known_hosts"
        known_hosts.write_text(self.sftp.known_hosts_line(), "utf-8")
        text = (self.project / "fabric.yaml").read_text("utf-8")
        for key, value in {
            "password": self._password,
            "postgres": self.postgres.uri_of("reader", self._password),
            "s3": self.s3.endpoint,
            "sftp": str(self.sftp.port),
            "ftp": str(self.ftp.port),
            "http": self.http.uri,
        }.items():
            text = text.replace("{{" + key + "}}", value)
        (self.project / "fabric.yaml").write_text(text, "utf-8")
        hashed = PasswordHasher(time_cost=1, memory_cost=1024).hash(self._password)
        (self.project / "users.yaml").write_text(
            f"users: {{{USER}: {{password: '{hashed}', roles: [role:auditor]}}}}\n"
        )


def _as_postgres_text(copies: duckdb.DuckDBPyConnection, table: str) -> str:
    """The table as text that Postgres reads: its own spelling of arrays, bytes and years before Christ."""
    parts = []
    for name, kind, *_ in copies.execute(f"DESCRIBE policy_db.public.{table}").fetchall():
        if kind == "BLOB":
            parts.append(f"'\\x' || lower(hex({name}))")
        elif kind in ("VARCHAR[]", "UUID[]"):
            quoted = "'\"' || replace(replace(CAST(x AS VARCHAR), '\\', '\\\\'), '\"', '\\\"') || '\"'"
            items = f"list_transform({name}, lambda x: coalesce({quoted}, 'NULL'))"
            parts.append(f"'{{' || array_to_string({items}, ',') || '}}'")
        elif kind.endswith("[]"):
            items = f"list_transform({name}, lambda x: coalesce(CAST(x AS VARCHAR), 'NULL'))"
            parts.append(f"'{{' || array_to_string({items}, ',') || '}}'")
        elif kind.startswith(("DATE", "TIMESTAMP")):
            # DuckDB writes the era before the time, Postgres wants it last.
            text = f"CAST({name} AS VARCHAR)"
            parts.append(
                f"CASE WHEN {text} LIKE '%(BC)%' THEN replace({text}, ' (BC)', '') || ' BC' ELSE {text} END"
            )
        else:
            parts.append(f"CAST({name} AS VARCHAR)")
    return f"SELECT {', '.join(parts)} FROM policy_db.public.{table}"


@contextmanager
def sources() -> Iterator[tuple[Sources, duckdb.DuckDBPyConnection]]:
    """The servers, and the connection that holds their local copies."""
    with closing(local_copies()) as copies, Sources(copies) as made:
        yield made, copies
