"""polars and pandas over an ADBC connection."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pandas as pd
import polars as pl
import pytest
from adbc_driver_flightsql import dbapi

from tests.clients.conftest import Fabric

shows = pytest.mark.shows

TYPES = (
    "SELECT 200::UTINYINT AS u, 1.50::DECIMAL(9,2) AS d, 'ü' AS s, DATE '2026-01-02' AS day, [1, 2] AS l,"
    " {'a': 1} AS r, 'b'::ENUM('a', 'b') AS e, TIMESTAMPTZ '2026-01-02 03:04:05+00' AS at, NULL::BIGINT AS none"
)


@pytest.fixture
def connection(fabric: Fabric) -> Iterator[Any]:
    with dbapi.connect(fabric.uri, db_kwargs={"username": "aud", "password": "secret"}) as connection:
        yield connection


@shows("polars", "parameters")
def test_polars_binds(connection: Any) -> None:
    query = "SELECT claim_id FROM lake.claim WHERE claim_id < ? ORDER BY 1"
    frame = pl.read_database(query, connection, execute_options={"parameters": [3]})
    assert frame["claim_id"].to_list() == [0, 1, 2]


@shows("polars", "result types")
def test_polars_reads_each_type(connection: Any) -> None:
    frame = pl.read_database(TYPES, connection)
    assert frame.schema["u"] == pl.UInt8
    assert frame.schema["d"] == pl.Decimal(9, 2)
    row = frame.row(0, named=True)
    assert (row["u"], row["d"], row["s"], row["e"]) == (200, Decimal("1.50"), "ü", "b")
    assert (row["l"], row["r"], row["none"]) == ([1, 2], {"a": 1}, None)
    assert row["at"].isoformat() == "2026-01-02T03:04:05+00:00"


@shows("polars", "errors")
def test_polars_sees_the_code(connection: Any) -> None:
    with pytest.raises(Exception, match="NOT_FOUND: there is no"):
        pl.read_database("SELECT * FROM lake.nothing", connection)


@shows("pandas", "parameters", "no")
def test_pandas_does_not_bind_over_adbc(connection: Any) -> None:
    with pytest.raises(NotImplementedError, match="'params' is not implemented for ADBC drivers"):
        pd.read_sql("SELECT claim_id FROM lake.claim WHERE claim_id < ?", connection, params=[3])


@shows("pandas", "result types")
def test_pandas_reads_each_type(connection: Any) -> None:
    frame = pd.read_sql(TYPES, connection, dtype_backend="pyarrow")
    row = frame.iloc[0]
    assert (row["u"], row["d"], row["s"], row["e"]) == (200, Decimal("1.50"), "ü", "b")
    assert (list(row["l"]), row["r"], row["none"]) == ([1, 2], {"a": 1}, pd.NA)


@shows("pandas", "errors")
def test_pandas_sees_the_code(connection: Any) -> None:
    with pytest.raises(Exception, match="NOT_FOUND: there is no"):
        pd.read_sql("SELECT * FROM lake.nothing", connection)
