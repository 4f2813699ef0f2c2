"""Bring the demo company's tables to the servers that hold them."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from server.demo.company import Company
from server.demo.postgres import EmbeddedPostgres

BUCKET = "claims-lake"
_TABLES = Path(__file__).with_name("tables.sql")

READER = "ripstop_reader"
_READER = f"""
CREATE ROLE {READER} LOGIN PASSWORD '{{password}}';
GRANT USAGE ON SCHEMA crm, public TO {READER};
GRANT SELECT ON ALL TABLES IN SCHEMA crm, public TO {READER};
ANALYZE;
"""


def load_postgres(server: EmbeddedPostgres, reader_password: str, company: Company) -> Iterator[int]:
    """Make the typed tables and fill them by COPY, and a role that reads them and can do nothing else.

    Yields the rows of each table once it is in. The password holds no quote.
    """
    from adbc_driver_postgresql import dbapi

    server.execute(_TABLES.read_text("utf-8"))
    with dbapi.connect(server.uri, autocommit=True) as connection, connection.cursor() as cursor:
        for schema, name, table in (
            ("crm", "customer", company.customers),
            ("public", "broker", company.brokers),
            ("public", "policy", company.policies),
        ):
            cursor.adbc_ingest(name, table, mode="append", db_schema_name=schema)
            yield table.num_rows
    server.execute(_READER.format(password=reader_password))


def load_lake(endpoint: str, access_key: str, secret_key: str, company: Company) -> Iterator[int]:
    """Write the claims as Parquet under ``claim/year=…/month=…``; yields the rows of each file."""
    from obstore.store import S3Store

    _bucket(endpoint, access_key, secret_key)
    store = S3Store(
        BUCKET,
        endpoint=endpoint,
        region="us-east-1",
        access_key_id=access_key,
        secret_access_key=secret_key,
        client_options={"allow_http": True},
    )
    for (year, month), part in _months(company.claims, "reported_at"):
        sink = io.BytesIO()
        pq.write_table(part.drop_columns(["year", "month"]), sink, compression="zstd", row_group_size=4096)
        store.put(f"claim/year={year}/month={month}/part-0.parquet", sink.getvalue())
        yield part.num_rows


def write_repairs(folder: Path, company: Company) -> Iterator[int]:
    """Write the invoices as one CSV a month, the first one gzipped; yields the rows of each file."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, ((year, month), part) in enumerate(_months(company.repairs, "issued_on")):
        sink = io.BytesIO()
        pyarrow.csv.write_csv(part, sink)
        name = f"repair_{year}_{month:02}.csv"
        if number:
            (folder / name).write_bytes(sink.getvalue())
        else:
            (folder / f"{name}.gz").write_bytes(gzip.compress(sink.getvalue(), mtime=0))
        yield part.num_rows


def write_tariffs(folder: Path, company: Company) -> Iterator[int]:
    """Write the tariffs as one Parquet file a year; yields the rows of each file."""
    folder.mkdir(parents=True, exist_ok=True)
    for (year, _), part in _months(company.tariffs, "valid_from"):
        pq.write_table(part, folder / f"tariff_{year}.parquet")
        yield part.num_rows


def _bucket(endpoint: str, access_key: str, secret_key: str) -> None:
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
    )
    try:
        client.create_bucket(Bucket=BUCKET)
    finally:
        client.close()


def _months(table: pa.Table, column: str) -> Iterator[tuple[tuple[int, int], pa.Table]]:
    """The table cut by the month of a date column: ``(year, month)`` and its rows, in order."""
    months = table[column].to_numpy().astype("datetime64[M]").astype(int)
    for month in np.unique(months).tolist():
        yield (1970 + month // 12, month % 12 + 1), table.filter(pc.equal(pa.array(months), month))
