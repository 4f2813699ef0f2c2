"""adbc-driver-flightsql, the driver beneath Python's DB-API, R and Go: what it can be asked, and values as they arrive."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import adbc_driver_manager
import pyarrow as pa
import pytest
from adbc_driver_flightsql import dbapi

from tests.clients.conftest import Fabric
from tests.server.tiny import Served, keep_option, serving

shows = pytest.mark.shows

LONG = "SELECT count(*) FROM range(1000000) a(x), range(1000000) b(y) WHERE x + y = 1"


@pytest.fixture
def connection(fabric: Fabric) -> Iterator[Any]:
    with dbapi.connect(fabric.uri, db_kwargs={"username": "aud", "password": "secret"}) as connection:
        yield connection


@pytest.fixture
def cursor(connection: Any) -> Iterator[Any]:
    with connection.cursor() as cursor:
        yield cursor


@pytest.fixture(scope="module")
def tiny() -> Iterator[Served]:
    with serving() as served:
        yield served


def bound(cursor: Any, column: pa.Array, kind: str) -> pa.Scalar:
    cursor.execute(f"SELECT CAST(? AS {kind}) AS v", pa.record_batch([column], names=["0"]))
    return cursor.fetch_arrow_table()["v"][0]


utf8, utc = pa.utf8(), pa.timestamp("us", "UTC")
SAME = [
    *((pa.array([2**7 - 1], pa.int8()), "TINYINT"), (pa.array([2**8 - 1], pa.uint8()), "UTINYINT")),
    *((pa.array([-(2**15)], pa.int16()), "SMALLINT"), (pa.array([2**16 - 1], pa.uint16()), "USMALLINT")),
    *((pa.array([-(2**31)], pa.int32()), "INTEGER"), (pa.array([2**32 - 1], pa.uint32()), "UINTEGER")),
    *((pa.array([-(2**63)], pa.int64()), "BIGINT"), (pa.array([2**64 - 1], pa.uint64()), "UBIGINT")),
    *((pa.array([0.1], pa.float32()), "FLOAT"), (pa.array([0.1], pa.float64()), "DOUBLE")),
    (pa.array([float("-inf")], pa.float64()), "DOUBLE"),
    (pa.array([Decimal("-1.50")], pa.decimal128(9, 2)), "DECIMAL(9,2)"),
    (pa.array([Decimal("9" * 38)], pa.decimal128(38, 0)), "DECIMAL(38,0)"),
    *((pa.array([True]), "BOOLEAN"), (pa.array(["it's ü 😀 \\ \n"]), "VARCHAR"), (pa.array([""]), "VARCHAR")),
    (pa.array([b"\x00\xff'"], pa.binary()), "BLOB"),
    (pa.array([dt.date(1, 1, 1)]), "DATE"),
    (pa.array([-1], pa.timestamp("us")), "TIMESTAMP"),
    (pa.array([-1], pa.timestamp("ns")), "TIMESTAMP_NS"),
    (pa.array([1_700_000_000_000_001], utc), "TIMESTAMPTZ"),
    (pa.array([86_399_999_999], pa.time64("us")), "TIME"),
    (pa.array([1_000_000_001], pa.time64("ns")), "TIME_NS"),
    (pa.array([(1, -2, 3000)], pa.month_day_nano_interval()), "INTERVAL"),
    (pa.array([[1, None]], pa.list_(pa.int32())), "INTEGER[]"),
    (pa.array([[]], pa.list_(pa.int32())), "INTEGER[]"),
    (pa.array([[["a"], []]], pa.list_(pa.list_(utf8))), "VARCHAR[][]"),
    (
        pa.array([{"a": 1, "b c": ["x"]}], pa.struct([("a", pa.int32()), ("b c", pa.list_(utf8))])),
        'STRUCT(a INTEGER, "b c" VARCHAR[])',
    ),
    *(
        (pa.array([None], kind), name)
        for kind, name in ((pa.int64(), "BIGINT"), (utf8, "VARCHAR"), (utc, "TIMESTAMPTZ"))
    ),
]


@shows("ADBC", "parameters")
@pytest.mark.parametrize(("column", "kind"), SAME, ids=lambda it: it if isinstance(it, str) else "")
def test_a_parameter_comes_back_as_it_was_bound(cursor: Any, column: pa.Array, kind: str) -> None:
    found = bound(cursor, column, kind)
    assert found.as_py() == column[0].as_py()
    if getattr(column.type, "unit", "") == "ns":  # which Python's times do not show
        assert found.value == column[0].value


@pytest.mark.parametrize(
    ("column", "kind", "value"),
    [
        (pa.array(["x"]).dictionary_encode(), "VARCHAR", "x"),
        (pa.array(["x"], pa.large_utf8()), "VARCHAR", "x"),
        (pa.array(["x"], pa.string_view()), "VARCHAR", "x"),
        (pa.array([b"x"], pa.large_binary()), "BLOB", b"x"),
        (pa.array([b"xy"], pa.binary(2)), "BLOB", b"xy"),
        (pa.array([1.5], pa.float16()), "FLOAT", 1.5),
        (pa.array([Decimal("1.5")], pa.decimal32(3, 1)), "DECIMAL(3,1)", Decimal("1.5")),
        (pa.array([Decimal("1.5")], pa.decimal256(76, 1)), "DECIMAL(3,1)", Decimal("1.5")),
        (pa.array([86_400_000], pa.date64()), "DATE", dt.date(1970, 1, 2)),
        (pa.array([1], pa.timestamp("s")), "TIMESTAMP", dt.datetime(1970, 1, 1, 0, 0, 1)),
        (pa.array([1], pa.time32("ms")), "TIME", dt.time(0, 0, 0, 1000)),
        (pa.array([1], pa.duration("s")), "BIGINT", None),
        (pa.array([[1, 2]], pa.list_(pa.int32(), 2)), "INTEGER[]", [1, 2]),
        (pa.array([[1]], pa.large_list(pa.int32())), "INTEGER[]", [1]),
        (pa.nulls(1), "DATE", None),
    ],
    ids=lambda it: str(it.type) if isinstance(it, pa.Array) else "",
)
def test_a_parameter_of_a_type_that_duckdb_lacks_keeps_its_value(
    cursor: Any, column: pa.Array, kind: str, value: object
) -> None:
    if pa.types.is_duration(column.type):
        cursor.execute("SELECT ? = INTERVAL 1 SECOND", pa.record_batch([column], names=["0"]))
        assert cursor.fetchall() == [(True,)]
    else:
        assert bound(cursor, column, kind).as_py() == value


def test_an_instant_of_another_zone_is_the_same_instant(cursor: Any) -> None:
    column = pa.array([1_700_000_000_000_001], pa.timestamp("us", "America/New_York"))
    assert bound(cursor, column, "TIMESTAMPTZ").value == 1_700_000_000_000_001


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1], pa.timestamp("ns", "UTC")),
        pa.array([(0, 0, 1)], pa.month_day_nano_interval()),
        pa.array([[("k", 1)]], pa.map_(utf8, pa.int32())),
    ],
    ids=lambda it: str(it.type),
)
def test_a_parameter_that_would_not_be_exact_is_refused(cursor: Any, column: pa.Array) -> None:
    with pytest.raises(adbc_driver_manager.Error, match="INVALID_VALUE: parameter 1 has no exact value"):
        bound(cursor, column, "VARCHAR")


def test_a_call_that_needs_its_parameter_s_type_takes_it(cursor: Any) -> None:
    cursor.execute("SELECT date_trunc('month', ?) AS v", (dt.datetime(2026, 5, 6, 7),))
    assert cursor.fetchall() == [(dt.datetime(2026, 5, 1),)]


def test_preparing_says_the_types_of_the_parameters(cursor: Any) -> None:
    found = cursor.adbc_prepare("SELECT * FROM lake.claim WHERE claim_id = ? AND amount > ? AND status = ?")
    assert found.types == [pa.int64(), pa.decimal128(38, 2), pa.utf8()]


@shows("ADBC", "several rows of parameters", "no")
def test_a_query_of_several_rows_of_parameters_is_refused_with_a_hint(cursor: Any) -> None:
    with pytest.raises(adbc_driver_manager.Error, match=r"one row of parameters, not 2.*VALUES"):
        cursor.execute("SELECT CAST(? AS INTEGER)", pa.record_batch([pa.array([1, 2])], names=["0"]))
    cursor.executemany(
        "SELECT CAST(? AS INTEGER)", [(1,), (2,)]
    )  # for their effect: the rows are thrown away
    with pytest.raises(adbc_driver_manager.Error, match="INVALID_VALUE"):
        cursor.executemany("SELECT CAST(? AS INTEGER)", [("1",), ("x",)])


@shows("ADBC", "result types")
def test_types_of_results_are_duckdb_s_own(cursor: Any) -> None:
    cursor.execute(
        "SELECT 200::UTINYINT, [1]::BIGINT[], {'a': 1}, MAP {'k': 1}, 'b'::ENUM('a', 'b'), 1.50::DECIMAL(9,2)"
    )
    assert cursor.fetchall() == [(200, [1], {"a": 1}, [("k", 1)], "b", Decimal("1.50"))]


@shows("ADBC", "queries")
def test_a_result_is_read_while_it_is_made(cursor: Any) -> None:
    cursor.execute("SELECT range AS n FROM range(500000)")
    reader = cursor.fetch_record_batch()
    first = reader.read_next_batch()
    assert first.num_rows < 500_000
    assert first.num_rows + sum(batch.num_rows for batch in reader) == 500_000


def test_the_low_level_statement_runs_without_preparing(connection: Any) -> None:
    with adbc_driver_manager.AdbcStatement(connection.adbc_connection) as statement:
        statement.set_sql_query("SELECT count(*) AS n FROM claims.open")
        stream, _ = statement.execute_query()
        with pa.RecordBatchReader._import_from_c(stream.address) as reader:
            assert reader.read_all().to_pylist() == [{"n": 132}]


def _objects(connection: Any, **filters: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = connection.adbc_get_objects(**filters).read_all().to_pylist()
    return found


@shows("ADBC", "catalog")
def test_objects_are_listed_to_every_depth(connection: Any) -> None:
    assert [c["catalog_name"] for c in _objects(connection, depth="catalogs")] == ["acme", "desk", "lake"]
    schemas = _objects(connection, depth="db_schemas", catalog_filter="lake")
    assert [s["db_schema_name"] for s in schemas[0]["catalog_db_schemas"]] == ["main"]
    assert schemas[0]["catalog_db_schemas"][0]["db_schema_tables"] is None
    tables = _objects(
        connection, depth="tables", catalog_filter="acme", db_schema_filter="cl%", table_name_filter="op_n"
    )
    ((table,),) = [
        s["db_schema_tables"] for c in tables for s in c["catalog_db_schemas"] if s["db_schema_tables"]
    ]
    assert (table["table_name"], table["table_type"], table["table_columns"]) == ("open", "VIEW", None)
    everything = _objects(
        connection,
        depth="all",
        db_schema_filter="claims",
        table_name_filter="open",
        column_name_filter="amount",
    )
    columns = [
        column["column_name"]
        for c in everything
        for s in c["catalog_db_schemas"]
        for t in s["db_schema_tables"]
        for column in t["table_columns"]
    ]
    assert columns == ["amount"]
    assert _objects(connection, depth="tables", table_types_filter=["TABLE"], table_name_filter="open") != []
    schema = connection.adbc_get_table_schema("open", catalog_filter="acme", db_schema_filter="claims")
    assert schema.field("amount").type == pa.decimal128(10, 2)
    with pytest.raises(adbc_driver_manager.Error):
        connection.adbc_get_table_schema("nothing")


@shows("ADBC", "keys", "no")
def test_the_driver_does_not_ask_for_keys(tiny: Served) -> None:
    with tiny.adbc() as connection:
        found = _objects(connection, depth="all", table_name_filter="policy")
    constraints = [
        t["table_constraints"]
        for c in found
        for s in c["catalog_db_schemas"]
        for t in s["db_schema_tables"] or ()
    ]
    assert constraints == [[]]


@shows("ADBC", "server information")
def test_information_is_given_and_statistics_are_refused_in_words(connection: Any) -> None:
    info = connection.adbc_get_info()
    assert (info["vendor_name"], info["driver_name"]) == ("Ripstop", "ADBC Flight SQL Driver - Go")
    with pytest.raises(adbc_driver_manager.NotSupportedError, match="not supported"):
        connection.adbc_get_statistics()


@shows("ADBC", "session options")
def test_catalog_and_schema_are_the_session_s(connection: Any, cursor: Any) -> None:
    assert connection.adbc_current_catalog == "acme"
    keep_option(connection, "adbc.connection.db_schema", "claims")
    cursor.execute("SELECT count(*) FROM open")
    assert cursor.fetchall() == [(132,)]
    with pytest.raises(adbc_driver_manager.Error, match="invalid value"):
        connection.adbc_current_catalog = "nope"


@shows("ADBC", "cancel and timeout")
def test_cancel_from_another_thread_ends_a_query(connection: Any, cursor: Any) -> None:
    threading.Timer(0.5, cursor.adbc_cancel).start()
    start = time.monotonic()
    with pytest.raises(adbc_driver_manager.Error):
        cursor.execute(LONG).fetchall()
    assert time.monotonic() - start < 5
    cursor.execute("SELECT 1")
    assert cursor.fetchall() == [(1,)]


@shows("ADBC", "errors")
def test_an_error_carries_code_and_hint(cursor: Any) -> None:
    with pytest.raises(
        adbc_driver_manager.ProgrammingError, match=r"NOT_FOUND: there is no 'lake.no'.*Hint: SHOW"
    ):
        cursor.execute("SELECT * FROM lake.no")


@shows("ADBC", "transactions")
def test_a_transaction_reads_and_ends(connection: Any, cursor: Any) -> None:
    for end in (connection.commit, connection.rollback):
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [(1,)]
        end()


@shows("ADBC", "logins")
def test_a_token_logs_in(fabric: Fabric) -> None:
    from pyarrow import flight  # noqa: TID251

    with flight.connect(fabric.uri) as client:
        token = client.authenticate_basic_token("ana", "secret")[1].decode()
    header = {"adbc.flight.sql.authorization_header": token}
    with dbapi.connect(fabric.uri, db_kwargs=header) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM claims.open")
        assert cursor.fetchall() == [(132,)]
        with pytest.raises(adbc_driver_manager.Error, match="NOT_FOUND"):
            cursor.execute("SELECT * FROM lake.claim")
