from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from pydantic import ValidationError

from connectors.adbc import AdbcConnector, AdbcSettings
from connectors.adbc.catalog import listed_tables, schema_names
from connectors.adbc.types import landed, type_text
from fabric.errors import BadData, InvalidConfig, MissingExtra, SchemaChanged, Unreachable
from fabric.predicates import AllOf, AnyOf, Comparison, Membership, NullTest, Pattern, Predicate
from fabric.pushdown import describe
from fabric.spi import ScanConnector, ScanContext
from fabric.types import OrderKey, Scan, Table
from tests.patience import PATIENCE

TABLES = """
CREATE TABLE entry (entry_id INTEGER PRIMARY KEY, amount REAL, memo TEXT, raw BLOB, day DATE, paid BOOLEAN,
                    price DECIMAL(10,2));
INSERT INTO entry VALUES (-9223372036854775808, 1.5, 'ä ''x''', x'00ff', '2026-01-01', 1, 2),
                         (0, NULL, NULL, NULL, NULL, NULL, NULL), (7, 1e308, '', x'', 'x', 0, 2.25),
                         (9223372036854775807, -0.5, '😀', x'41', NULL, 1, -1);
CREATE VIEW paid AS SELECT entry_id, memo FROM entry WHERE paid;
CREATE TABLE empty (i INTEGER, t TEXT, r REAL, b BLOB);
CREATE TABLE late (i INTEGER, t TEXT, r REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
INSERT INTO late SELECT i, CASE WHEN i > 4000 THEN 'text' END, CASE WHEN i > 4000 THEN i + 0.5 END FROM n;
CREATE TABLE "Odd ""name" ("a b" INT UNIQUE, "É" TEXT); INSERT INTO "Odd ""name" VALUES (1, 'x');
CREATE TABLE pair (a INT, b INT REFERENCES entry (entry_id), PRIMARY KEY (b, a));
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    run(path, TABLES)
    return path


def run(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(sql)


@contextmanager
def source(path: Path, **keys: Any) -> Iterator[AdbcConnector]:
    given = {"driver": "adbc_driver_sqlite", "dialect": "sqlite", "options": {"uri": path.name}}
    settings = AdbcSettings.model_validate({"type": "adbc", "domain": "claims", **given, **keys})
    with closing(AdbcConnector("ledger", settings, path.parent)) as connector:
        yield connector


def table_of(connector: AdbcConnector, name: str) -> Table:
    return next(table for table in connector.tables() if table.name.name == name)


def read(connector: AdbcConnector, scan: Scan) -> pa.Table:
    offer = connector.offer(scan)
    with closing(connector.open()) as session:
        return pa.Table.from_batches(list(session.read(offer, offer.splits[0], ScanContext())))


def whole(table: Table, *predicates: Predicate, **more: Any) -> Scan:
    return Scan(table, tuple(column.name for column in table.columns), predicates, **more)


def test_tables_and_views_are_listed_with_types_and_keys(ledger: Path) -> None:
    with source(ledger) as connector:
        assert isinstance(connector, ScanConnector)
        tables = {str(table.name): table for table in connector.tables()}
    assert sorted(tables) == [
        'ledger.Odd "name', "ledger.empty", "ledger.entry", "ledger.late", "ledger.paid", "ledger.pair",
    ]  # fmt: skip
    assert [(column.name, column.type) for column in tables["ledger.entry"].columns] == [
        ("entry_id", "BIGINT"), ("amount", "DOUBLE"), ("memo", "VARCHAR"), ("raw", "BLOB"), ("day", "VARCHAR"),
        ("paid", "BIGINT"), ("price", "DOUBLE"),
    ]  # fmt: skip
    assert tables["ledger.paid"].kind == "view"
    assert tables["ledger.entry"].primary_key == ("entry_id",)
    assert tables["ledger.entry"].columns[0].native == "INTEGER"


@pytest.mark.parametrize("name", ["entry", "empty", "late", 'Odd "name', "paid"])
def test_every_table_arrives_as_declared_and_equal(ledger: Path, name: str) -> None:
    with source(ledger) as connector:
        table = table_of(connector, name)
        found = read(connector, whole(table))
    quoted = name.replace('"', '""')
    with duckdb.connect() as engine, closing(sqlite3.connect(ledger)) as database:
        engine.register("t", found)
        described = [row[:2] for row in engine.sql("DESCRIBE t").fetchall()]
        assert described == [(column.name, column.type) for column in table.columns]
        rows = [tuple(row) for row in database.execute(f'SELECT * FROM "{quoted}"')]
        assert engine.sql("SELECT * FROM t").fetchall() == rows


PUSHED = [
    Comparison("entry_id", ">", 0),
    Comparison("ENTRY_ID", "=", -(2**63)),
    Comparison("entry_id", "<>", 7),
    Membership("entry_id", (7, 2**63 - 1)),
    Membership("paid", (1,), negated=True),
    NullTest("memo"),
    NullTest("amount", negated=True),
    AnyOf((Comparison("entry_id", "<", 0), AllOf((NullTest("memo"), Comparison("entry_id", "<=", 0))))),
]
KEPT = [
    Comparison("memo", "=", ""),
    Comparison("amount", ">", 1.0),
    Comparison("entry_id", "=", 2**63),
    Comparison("entry_id", "=", Decimal("7.0")),
    Comparison("entry_id", "=", True),
    Pattern("memo", "%x%"),
    AnyOf((Comparison("entry_id", "<", 0), Comparison("memo", "=", "x"))),
]


@pytest.mark.parametrize("predicate", PUSHED, ids=str)
def test_integers_and_null_are_filtered_there_as_in_duckdb(ledger: Path, predicate: Predicate) -> None:
    with source(ledger) as connector, duckdb.connect() as engine:
        table = table_of(connector, "entry")
        engine.register("t", read(connector, whole(table)))
        offer = connector.offer(whole(table, predicate, limit=9))
        assert offer.taken == (predicate,)
        assert offer.limit_taken
        ids = engine.sql(f"SELECT entry_id FROM t WHERE {describe(predicate)}").fetchall()
        found = read(connector, whole(table, predicate, limit=9))
        assert sorted(found["entry_id"].to_pylist()) == sorted(row[0] for row in ids)


@pytest.mark.parametrize("predicate", KEPT, ids=str)
def test_what_databases_answer_differently_stays(ledger: Path, predicate: Predicate) -> None:
    with source(ledger) as connector:
        offer = connector.offer(whole(table_of(connector, "entry"), predicate, limit=1))
    assert not offer.taken
    assert not offer.limit_taken
    assert {refusal.what for refusal in offer.refused} == {describe(predicate), "LIMIT 1"}
    assert "WHERE" not in offer.request
    assert "LIMIT" not in offer.request


def test_only_the_asked_columns_and_rows_are_read(ledger: Path) -> None:
    with source(ledger) as connector:
        table = table_of(connector, "late")
        scan = Scan(table, ("t", "i"), (Comparison("i", ">=", 4000),), limit=2)
        assert connector.offer(scan).request == (
            """SELECT 1, '', 0 UNION ALL SELECT 0, * FROM (SELECT "t", "i" FROM "main"."late" """
            """WHERE "i" >= 4000 LIMIT 2) AS rest"""
        )
        assert read(connector, scan).to_pylist() == [{"t": None, "i": 4000}, {"t": "text", "i": 4001}]
        assert not connector.offer(Scan(table, ("i",), order=(OrderKey("i"),), limit=1)).limit_taken


def test_scans_of_one_query_never_wait_for_each_other(ledger: Path) -> None:
    with source(ledger, limits={"connections": 1}) as connector:
        offer = connector.offer(whole(table_of(connector, "late")))
        with closing(connector.open()) as session:
            runs = [iter(session.read(offer, offer.splits[0], ScanContext())) for _ in range(3)]
            counts = [next(each).num_rows for each in runs]
            counts = [
                n + sum(b.num_rows for b in each) for n, each in zip(counts[::-1], runs[::-1], strict=True)
            ]
        assert counts == [5000] * 3


def test_a_scan_that_is_left_early_or_cancelled_frees_its_connection(ledger: Path) -> None:
    run(
        ledger,
        "CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
    )
    with source(ledger, limits={"connections": 1}) as connector:
        tiny, endless = table_of(connector, "pair"), table_of(connector, "endless")
        offer = connector.offer(whole(endless))
        for leave in ("close", "cancel"):
            context = ScanContext()
            session = connector.open()
            running = session.read(offer, offer.splits[0], context)
            next(iter(running))
            began = time.monotonic()
            running.close() if leave == "close" else context.cancel()  # type: ignore[attr-defined]
            assert read(connector, whole(tiny)).num_rows == 0 if leave == "cancel" else True
            session.close()
            assert time.monotonic() - began < PATIENCE * 0.5
            running.close()  # type: ignore[attr-defined]
        assert read(connector, whole(tiny)).num_rows == 0


def test_readers_at_once_each_get_every_row(ledger: Path) -> None:
    with source(ledger) as connector:
        scan = whole(table_of(connector, "late"))
        found: list[int] = []
        threads = [
            threading.Thread(target=lambda: found.append(read(connector, scan).num_rows)) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [5000] * 8


def test_a_changed_table_is_an_error(ledger: Path) -> None:
    with source(ledger) as connector:
        scan = whole(table_of(connector, "late"))
        run(ledger, "DROP TABLE late")
        with pytest.raises(SchemaChanged, match=r"ledger.late is gone"):
            read(connector, scan)


@pytest.mark.parametrize("value", ["'word'", "1.5", "x'00'"])
def test_a_value_of_another_type_is_an_error(ledger: Path, value: str) -> None:
    run(ledger, f"INSERT INTO late (i) VALUES ({value})")
    with source(ledger) as connector:
        scan = whole(table_of(connector, "late"))
        with pytest.raises((BadData, SchemaChanged), match=r"ledger.late"):
            read(connector, scan)


def test_a_database_that_is_not_there_is_unreachable(ledger: Path) -> None:
    absent = ledger.parent / "none" / "ledger.db"
    with source(absent, options={"uri": str(absent)}) as connector, pytest.raises(Unreachable) as caught:
        list(connector.check())
    assert str(absent) not in str(caught.value)


def test_a_driver_that_is_not_installed_is_named(ledger: Path) -> None:
    with source(ledger, driver="adbc_driver_oracle") as connector, pytest.raises(MissingExtra) as caught:
        connector.tables()
    assert caught.value.hint == "pip install adbc-driver-oracle"


def test_check_says_what_it_proved(ledger: Path) -> None:
    with source(ledger) as connector:
        assert [step.name for step in connector.check()] == ["connected", "listed"]


def test_tags_are_added_and_types_are_the_drivers(ledger: Path) -> None:
    with source(ledger, tables={"entry": {"columns": {"MEMO": {"tags": ["pii"]}}}}) as connector:
        column = table_of(connector, "entry").column("memo")
        assert column is not None
        assert column.tags == ("pii",)
    with (
        pytest.raises(InvalidConfig, match="'memo' cannot be declared"),
        source(ledger, tables={"entry": {"columns": {"memo": "DATE"}}}),
    ):
        pass


def test_a_dialect_that_nobody_speaks_is_refused() -> None:
    with pytest.raises(ValidationError):
        AdbcSettings.model_validate({"type": "adbc", "domain": "d", "driver": "x", "dialect": "klingon"})


ARROW = [
    pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(),
    pa.float16(), pa.float32(), pa.float64(), pa.string(), pa.large_string(), pa.string_view(), pa.binary(),
    pa.large_binary(), pa.binary_view(), pa.binary(4), pa.date32(), pa.date64(), pa.time32("s"), pa.time32("ms"),
    pa.time64("us"), pa.time64("ns"), pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("us"),
    pa.timestamp("ns"), pa.timestamp("s", "Europe/Berlin"), pa.timestamp("us", "UTC"), pa.duration("s"),
    pa.month_day_nano_interval(), pa.decimal32(5, 2), pa.decimal64(18, 3), pa.decimal128(38, 10),
    pa.decimal256(20, 2), pa.decimal256(60, 2), pa.null(), pa.uuid(), pa.json_(pa.string()),
    pa.dictionary(pa.int8(), pa.string()), pa.list_(pa.int32()), pa.large_list(pa.string()),
    pa.list_(pa.int8(), 3), pa.struct([("a", pa.int32()), ("b c", pa.list_(pa.date32()))]),
    pa.map_(pa.string(), pa.float64()),
]  # fmt: skip


@pytest.mark.parametrize("kind", ARROW, ids=str)
def test_an_arrow_type_has_the_name_that_duckdb_gives_it(kind: pa.DataType) -> None:
    empty = pa.table(
        {
            "x": pa.array(
                [],
                landed(kind).storage_type if isinstance(landed(kind), pa.BaseExtensionType) else landed(kind),
            )
        }
    )
    if isinstance(landed(kind), pa.BaseExtensionType):
        empty = pa.table({"x": pa.ExtensionArray.from_storage(landed(kind), empty["x"].combine_chunks())})
    with duckdb.connect() as engine:
        engine.register("t", empty)
        assert engine.sql("DESCRIBE t").fetchall()[0][1] == type_text(landed(kind))


def objects(*places: tuple[str | None, str | None, str, str]) -> list[dict[str, Any]]:
    table = {"table_columns": [], "table_constraints": []}
    return [
        {
            "catalog_name": catalog,
            "catalog_db_schemas": [
                {
                    "db_schema_name": schema,
                    "db_schema_tables": [{"table_name": name, "table_type": kind, **table}],
                }
            ],
        }
        for catalog, schema, name, kind in places
    ]


def test_tables_of_every_remote_catalog_keep_a_name_of_their_own() -> None:
    found = listed_tables(
        objects(
            ("acme", "claims", "open_claims", "BASE TABLE"),
            ("policy_db", "public", "policy", "TABLE"),
            ("lake", "main", "claim", "TABLE"),
            ("two", "a", "t", "VIEW"),
            ("two", "b", "t", "VIEW"),
            ("acme", "information_schema", "tables", "VIEW"),
            ("acme", "claims", "index", "INDEX"),
        )
    )
    assert schema_names(found, "acme") == {
        ("acme", "claims"): "claims",
        ("policy_db", "public"): "policy_db",
        ("lake", "main"): "lake",
        ("two", "a"): "two.a",
        ("two", "b"): "two.b",
    }
    assert schema_names(listed_tables(objects((None, None, "t", "table"))), "") == {("", ""): "main"}
