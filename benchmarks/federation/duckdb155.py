"""What runs in the environment of DuckDB 1.5.5: its extensions, and one command that makes and loads the data.

``python -m benchmarks.federation.duckdb155 make`` and ``… load`` read what they need as JSON from standard input, so
that no password stands among a process's arguments.
"""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb

TABLES = ("region", "nation", "customer", "orders", "part", "partsupp", "supplier", "lineitem")
ROW_GROUP = 122_880


def load(connection: duckdb.DuckDBPyConnection, *names: str) -> None:
    """Load extensions from their wheels: nothing is fetched."""
    for name in names:
        package = find_spec(f"duckdb_extension_{name}")
        if package is None or not package.submodule_search_locations:
            raise RuntimeError(f"duckdb_extension_{name} is not installed; make peers")
        folder = Path(package.submodule_search_locations[0])
        connection.execute(f"LOAD '{next(folder.rglob('*.duckdb_extension'))}'")


def make(scale: float, folder: str) -> None:
    """TPC-H as one Parquet file a table, zstd, and ``supplier`` as CSV beside them."""
    with duckdb.connect(config={"threads": 2}) as connection:
        load(connection, "tpch")
        connection.execute(f"CALL dbgen(sf = {scale})")
        for table in TABLES:
            options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP}"
            connection.execute(f"COPY {table} TO '{folder}/{table}.parquet' ({options})")
        connection.execute(f"COPY supplier TO '{folder}/supplier.csv' (FORMAT csv, HEADER)")


def fill(uri: str, folder: str, tables: list[str]) -> None:
    """Copy tables from the Parquet files into a Postgres that has them, empty."""
    with duckdb.connect(config={"threads": 2}) as connection:
        load(connection, "postgres_scanner")
        connection.execute(f"ATTACH '{uri}' AS pg (TYPE postgres)")
        for table in tables:
            connection.execute(f"INSERT INTO pg.public.{table} FROM '{folder}/{table}.parquet'")


def main() -> None:
    """Do the one thing that the first argument names."""
    told: dict[str, Any] = json.load(sys.stdin)
    if sys.argv[1] == "make":
        make(**told)
    else:
        fill(**told)


if __name__ == "__main__":
    main()
