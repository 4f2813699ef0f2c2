"""Types with their ends, and values as masks show them."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from fabric.types import Column
from policies.masks import mask_expression, read_mask

SECRET = b"sixteen or more bytes of a key"
WHOLE = {
    "TINYINT": (-(2**7), 2**7 - 1),
    "SMALLINT": (-(2**15), 2**15 - 1),
    "INTEGER": (-(2**31), 2**31 - 1),
    "BIGINT": (-(2**63), 2**63 - 1),
    "HUGEINT": (-(2**127), 2**127 - 1),
    "UTINYINT": (0, 2**8 - 1),
    "USMALLINT": (0, 2**16 - 1),
    "UINTEGER": (0, 2**32 - 1),
    "UBIGINT": (0, 2**64 - 1),
    "UHUGEINT": (0, 2**128 - 1),
}
DECIMALS = [
    "DECIMAL(1,0)",
    "DECIMAL(5,2)",
    "DECIMAL(18,3)",
    "DECIMAL(38,0)",
    "DECIMAL(38,10)",
    "DECIMAL(38,38)",
]
DATES = {
    "DATE": ("5877642-06-25 (BC)", "5881580-07-10"),
    "TIMESTAMP": ("290309-12-22 (BC) 00:00:00", "294247-01-10 04:00:54.775806"),
    "TIMESTAMP_S": ("290309-12-22 (BC) 00:00:00", "294247-01-10 04:00:54"),
    "TIMESTAMP_MS": ("290309-12-22 (BC) 00:00:00", "294247-01-10 04:00:54.775"),
    "TIMESTAMP_NS": ("1677-09-22 00:00:00", "2262-04-11 23:47:16.854775806"),
    "TIMESTAMP WITH TIME ZONE": ("290309-12-22 (BC) 00:00:00+00", "294247-01-10 04:00:54.775806+00"),
    "TIMESTAMPTZ_NS": ("1677-09-22 00:00:00+00", "2262-04-11 23:47:16.854775806+00"),
}
OTHERS = [
    "BOOLEAN",
    "BLOB",
    "BIT",
    "UUID",
    "TIME",
    "TIME WITH TIME ZONE",
    "INTERVAL",
    "BIGNUM",
    "JSON",
    "VARCHAR[]",
    "INTEGER[3]",
    "DECIMAL(10,2)[]",
    "STRUCT(a INTEGER, b VARCHAR)",
    "MAP(VARCHAR, INTEGER)",
    "ENUM('a', 'b')",
    "UNION(n INTEGER, t VARCHAR)",
    '"NULL"',
]
FITTING = {
    "hash": ["VARCHAR"],
    "email": ["VARCHAR"],
    "last(3)": ["VARCHAR"],
    "first(3)": ["VARCHAR"],
    "year": [*DATES],
    "bucket(10)": [*WHOLE, *DECIMALS, "FLOAT", "DOUBLE"],
}
TYPES = ["VARCHAR", *DATES, *WHOLE, *DECIMALS, "FLOAT", "DOUBLE", *OTHERS]


def masked(
    duck: duckdb.DuckDBPyConnection,
    mask: str,
    type_text: str,
    values: Sequence[object],
    secret: bytes = SECRET,
) -> list[object]:
    """The values as the mask shows them, as text where the type is none of Python's; checks the type of each."""
    expression = mask_expression(read_mask(mask), Column("the column", type_text), secret)
    rows = duck.execute(
        f'SELECT {expression}, typeof({expression}), typeof("the column") '
        f'FROM (SELECT CAST(unnest(?::VARCHAR[]) AS {type_text}) AS "the column")',
        [[None if value is None else str(value) for value in values]],
    ).fetchall()
    assert len(rows) == len(values)
    assert all(row[1] == row[2] for row in rows)
    return [row[0] for row in rows]


def shown(duck: duckdb.DuckDBPyConnection, mask: str, type_text: str, value: str) -> object:
    """One value as DuckDB writes it in UTC."""
    expression = mask_expression(read_mask(mask), Column("c", type_text), SECRET)
    if "TZ" in type_text or "ZONE" in type_text:
        expression = f"timezone('UTC', {expression})"
    found = duck.execute(
        f"SELECT CAST({expression} AS VARCHAR) FROM (SELECT CAST(? AS {type_text}) AS c)", [value]
    )
    row = found.fetchone()
    assert row is not None
    return row[0]
