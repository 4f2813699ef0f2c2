import datetime as dt
from decimal import Decimal

import adbc_driver_manager
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tests.server.tiny import keep_option, serving


@pytest.fixture(scope="module")
def served():
    with serving() as served:
        yield served


@pytest.fixture
def connection(served):
    with served.adbc() as connection:
        yield connection


@pytest.fixture
def cursor(connection):
    with connection.cursor() as cursor:
        yield cursor


def test_adbc_connects_without_a_warning_and_says_whom_it_talks_to(connection):
    assert connection.adbc_get_info()["vendor_name"] == "Ripstop"


def test_adbc_queries(cursor):
    cursor.execute("SELECT id, name FROM claim WHERE id > 7 ORDER BY id")
    assert cursor.fetchall() == [(8, "c8"), (9, "c9")]
    assert [column[0] for column in cursor.description] == ["id", "name"]


@pytest.mark.parametrize(
    "value",
    [
        *(1, -(2**62), 1.5, float("inf"), "ü'; --", "", b"\x00\xff", True, None, Decimal("-1.25")),
        dt.date(2026, 1, 2),
        dt.datetime(2026, 1, 2, 3, 4, 5, 6),
        dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC),
        dt.time(1, 2, 3, 4),
    ],
)
def test_adbc_binds_each_type(cursor, value):
    cursor.execute("SELECT ? AS v", (value,))
    assert cursor.fetchall() == [(value,)]


def test_adbc_binds_by_position_again_and_again(cursor):
    for low, high in ((1, 3), (5, 6)):
        cursor.execute("SELECT id FROM claim WHERE id >= ? AND id < ? ORDER BY id", (low, high))
        assert [row[0] for row in cursor.fetchall()] == list(range(low, high))


def test_adbc_is_told_when_it_binds_too_little(cursor):
    with pytest.raises(adbc_driver_manager.ProgrammingError, match="2 parameters and 1 were bound"):
        cursor.execute("SELECT ? + ?", (1,))


def test_adbc_runs_statements_for_their_effect(served, cursor):
    cursor.executemany("DO it ?", [(1,), (2,)])
    assert served.app.line.done == [("DO it ?", (1,)), ("DO it ?", (2,))]


def test_adbc_lists_objects_columns_and_schemas(connection):
    found = connection.adbc_get_objects(depth="all").read_all().to_pylist()
    tables = {
        (catalog["catalog_name"], schema["db_schema_name"], table["table_name"]): [
            column["column_name"] for column in table["table_columns"]
        ]
        for catalog in found
        for schema in catalog["catalog_db_schemas"]
        for table in schema["db_schema_tables"]
    }
    assert tables["policy_db", "public", "customer"] == ["id", "email"]
    assert tables["acme", "claims", "open_claims"] == ["claim_id"]
    schema = connection.adbc_get_table_schema(
        "customer", catalog_filter="policy_db", db_schema_filter="public"
    )
    assert schema.field("email").type == pa.utf8()
    assert connection.adbc_get_table_types() == ["SYSTEM TABLE", "TABLE", "VIEW"]


@pytest.mark.parametrize("options", [{}, {"adbc.flight.sql.rpc.with_cookie_middleware": "true"}])
def test_adbc_keeps_its_session(served, options):
    with served.adbc(**options) as connection, connection.cursor() as cursor:
        assert connection.adbc_current_catalog == "acme"
        keep_option(connection, "adbc.connection.db_schema", "claims")
        assert connection.adbc_current_db_schema == "claims"
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [(1,)]
        assert served.app.line.sessions[-1].schema == "claims"
        with pytest.raises(adbc_driver_manager.Error, match="invalid value"):
            connection.adbc_current_db_schema = "nope"


@pytest.mark.parametrize(
    ("sql", "kind", "text"),
    [
        ("SELEC", adbc_driver_manager.ProgrammingError, "SYNTAX"),
        ("SELECT * FROM nowhere", adbc_driver_manager.ProgrammingError, "NOT_FOUND"),
        ("FAIL", adbc_driver_manager.OperationalError, "SOURCE_UNREACHABLE"),
        ("FAIL BUG", adbc_driver_manager.InternalError, "reference"),
    ],
)
def test_adbc_sees_the_message_and_no_traceback(cursor, sql, kind, text):
    with pytest.raises(kind, match=text) as caught:
        cursor.execute(sql).fetchall()
    assert "Traceback" not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert all(b"Traceback" not in value for _, value in caught.value.details)


def test_adbc_refuses_a_wrong_password(served):
    with pytest.raises(adbc_driver_manager.Error, match="LOGIN_REFUSED"), served.adbc(password="wrong"):
        pass


def test_adbc_reads_rows_of_more_bytes_than_its_largest_message(cursor):
    cursor.execute("SELECT repeat('x', 1000) AS a FROM range(50000)")
    assert cursor.fetch_arrow_table().num_rows == 50_000


def test_adbc_commits_and_rolls_back(connection, cursor):
    cursor.execute("SELECT 1")
    cursor.fetchall()
    connection.commit()
    connection.rollback()


@pytest.mark.shows("pandas", "queries")
def test_pandas_reads(connection):
    frame = pd.read_sql("SELECT id, name FROM claim ORDER BY id", connection)
    assert frame.shape == (10, 2)
    assert frame["name"][9] == "c9"


@pytest.mark.shows("polars", "queries")
def test_polars_reads(connection):
    frame = pl.read_database("SELECT id, name FROM claim ORDER BY id", connection)
    assert frame.rows()[9] == (9, "c9")
