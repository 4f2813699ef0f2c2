"""TPC-H where the sources have it, made once a scale and kept outside the repository.

orders, customer, nation and region in Postgres; lineitem, part and partsupp as Parquet on S3; supplier as CSV on SFTP.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from server.demo.postgres import EmbeddedPostgres
from server.demo.s3 import EmbeddedS3
from server.demo.sftp import EmbeddedSftp

ROOT = Path(__file__).parents[2]
PYTHON_155 = ROOT / ".venv-duckdb155" / "bin" / "python"
IN_POSTGRES = ("region", "nation", "customer", "orders")
IN_LAKE = ("lineitem", "part", "partsupp")
SUPPLIER = {
    "s_suppkey": "BIGINT",
    "s_name": "VARCHAR",
    "s_address": "VARCHAR",
    "s_nationkey": "INTEGER",
    "s_phone": "VARCHAR",
    "s_acctbal": "DECIMAL(15,2)",
    "s_comment": "VARCHAR",
}
ACCESS_KEY = "bench"
LOGIN = "bench"

_SCHEMA = """
CREATE TABLE region (r_regionkey integer, r_name varchar(25) NOT NULL, r_comment varchar(152));
CREATE TABLE nation (n_nationkey integer, n_name varchar(25) NOT NULL, n_regionkey integer NOT NULL,
  n_comment varchar(152));
CREATE TABLE customer (c_custkey bigint, c_name varchar(25) NOT NULL, c_address varchar(40) NOT NULL,
  c_nationkey integer NOT NULL, c_phone varchar(15) NOT NULL, c_acctbal numeric(15,2) NOT NULL,
  c_mktsegment varchar(10) NOT NULL, c_comment varchar(117) NOT NULL);
CREATE TABLE orders (o_orderkey bigint, o_custkey bigint NOT NULL, o_orderstatus varchar(1) NOT NULL,
  o_totalprice numeric(15,2) NOT NULL, o_orderdate date NOT NULL, o_orderpriority varchar(15) NOT NULL,
  o_clerk varchar(15) NOT NULL, o_shippriority integer NOT NULL, o_comment varchar(79) NOT NULL);
"""
_KEYS = """
ALTER TABLE region ADD PRIMARY KEY (r_regionkey);
ALTER TABLE nation ADD PRIMARY KEY (n_nationkey);
ALTER TABLE customer ADD PRIMARY KEY (c_custkey);
ALTER TABLE orders ADD PRIMARY KEY (o_orderkey);
CREATE INDEX ON orders (o_custkey);
VACUUM ANALYZE;
"""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where everything is: the servers' addresses, their logins, and the same tables as local Parquet files."""

    files: Path
    postgres_port: int
    postgres_password: str
    s3_port: int
    s3_secret: str
    sftp_port: int
    sftp_password: str

    def postgres_uri(self, port: int | None = None) -> str:
        """The reader's URI, through another port where one is given."""
        return (
            f"postgresql://postgres:{self.postgres_password}@127.0.0.1:{port or self.postgres_port}/postgres"
        )


@contextmanager
def served(scale: float) -> Iterator[Sources]:
    """Postgres, S3 and SFTP on loopback with TPC-H at this scale.

    Raises:
        BlockingIOError: another run uses the same data.
    """
    folder = _home() / f"sf{scale:g}"
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        lock = stack.enter_context((folder / "lock").open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        files = folder / "files"
        _make(scale, files)
        settings = {"shared_buffers": "512MB", "max_wal_size": "4GB"}
        postgres = stack.enter_context(EmbeddedPostgres(folder / "postgres", settings))
        password = (folder / "postgres" / "password").read_text()
        _fill(postgres, files, folder / "postgres" / "filled")
        secret = _kept(folder / "s3.key")
        s3 = stack.enter_context(EmbeddedS3(folder / "s3", ACCESS_KEY, secret))
        _upload(s3, files)
        outbox = folder / "sftp"
        outbox.mkdir(exist_ok=True)
        (outbox / "supplier.csv").write_bytes((files / "supplier.csv").read_bytes())
        sftp_password = secrets.token_urlsafe(18)
        sftp = EmbeddedSftp(outbox, {LOGIN: sftp_password}).start()
        stack.callback(sftp.stop)
        s3_port = int(s3.endpoint.rpartition(":")[2])
        yield Sources(files, postgres.port, password, s3_port, secret, sftp.port, sftp_password)


def run_155(command: str, **told: object) -> None:
    """One command in the environment of DuckDB 1.5.5."""
    if not PYTHON_155.exists():
        raise RuntimeError("the environment of DuckDB 1.5.5 is missing; make peers")
    program = [str(PYTHON_155), "-m", "benchmarks.federation.duckdb155", command]
    subprocess.run(program, input=json.dumps(told), text=True, check=True, cwd=ROOT)


def _home() -> Path:
    said = os.environ.get("RIPSTOP_BENCH_DATA")
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(said) if said else Path(cache) / "ripstop-bench"


def _make(scale: float, files: Path) -> None:
    if files.exists():
        return
    fresh = files.with_name("files.new")
    fresh.mkdir(exist_ok=True)
    run_155("make", scale=scale, folder=str(fresh))
    fresh.rename(files)


def _fill(postgres: EmbeddedPostgres, files: Path, done: Path) -> None:
    if done.exists():
        return
    drop = "".join(f"DROP TABLE IF EXISTS {table};" for table in IN_POSTGRES)
    postgres.execute(f"SET client_min_messages = error; {drop} {_SCHEMA}")
    run_155("load", uri=postgres.uri, folder=str(files), tables=list(IN_POSTGRES))
    postgres.execute(_KEYS)
    done.touch()


def _upload(s3: EmbeddedS3, files: Path) -> None:
    """Lake tables in one bucket; the peer's copy of the SFTP's file in another, which no relay slows."""
    from botocore.exceptions import ClientError

    objects = {("lake", f"{name}/{name}.parquet"): files / f"{name}.parquet" for name in IN_LAKE}
    objects["outbox", "supplier.csv"] = files / "supplier.csv"
    client = s3.client()
    try:
        for (bucket, key), file in objects.items():
            try:
                if client.head_object(Bucket=bucket, Key=key)["ContentLength"] == file.stat().st_size:
                    continue
            except ClientError:
                if bucket not in [each["Name"] for each in client.list_buckets()["Buckets"]]:
                    client.create_bucket(Bucket=bucket)
            client.upload_file(str(file), bucket, key)
    finally:
        client.close()


def _kept(file: Path) -> str:
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(18))
    return file.read_text()
