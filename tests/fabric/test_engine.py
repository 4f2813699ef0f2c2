"""The engine is locked, and says its errors in our words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from fabric.engine import Engine
from fabric.engine_errors import translate, translated
from fabric.errors import (
    Cancelled,
    FabricError,
    InternalError,
    InvalidValue,
    MemoryLimit,
    NotFound,
    SyntaxProblem,
)
from fabric.types import Column

SECRET = "Wagner-4711"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    made.close()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd.csv'",
        "SELECT * FROM glob('/*')",
        "COPY (SELECT 1) TO '/tmp/ripstop-must-not-exist.csv'",
        "ATTACH '/tmp/ripstop-must-not-exist.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SET python_enable_replacements = true",
        "SELECT * FROM read_parquet('https://127.0.0.1/x.parquet')",
        "SELECT * FROM read_csv('file:///etc/passwd')",
    ],
)
def test_nothing_outside_can_be_reached_even_past_the_allow_lists(engine: Engine, sql: str) -> None:
    with engine.cursor() as cursor, pytest.raises(duckdb.Error):
        cursor.sql(sql).fetchall()
    assert not Path("/tmp/ripstop-must-not-exist.csv").exists()


def test_the_servers_own_variables_cannot_be_read(engine: Engine) -> None:
    mine = pa.table({"secret": [SECRET]})
    assert mine.num_rows
    with engine.cursor() as cursor, pytest.raises(duckdb.CatalogException):
        cursor.sql("SELECT * FROM mine").fetchall()


def test_what_one_query_registers_no_other_sees(engine: Engine) -> None:
    with engine.cursor() as one, engine.cursor() as other:
        one.register("r_1", pa.table({"x": [1]}))
        assert one.sql("SELECT * FROM r_1").fetchall() == [(1,)]
        with pytest.raises(duckdb.CatalogException):
            other.sql("SELECT * FROM r_1").fetchall()


def test_a_probe_reads_and_computes_nothing(engine: Engine) -> None:
    probe = engine.probe("SELECT count(*) AS n FROM range(1000000000000)", {})
    assert probe.schema == pa.schema([pa.field("n", pa.int64())])
    assert probe.types == ("BIGINT",)


@pytest.mark.parametrize(
    "kind",
    ["TINYINT", "UBIGINT", "HUGEINT", "DECIMAL(38,10)", "DOUBLE", "VARCHAR", "BLOB", "DATE", "TIME", "TIMESTAMP",
     "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS", "INTERVAL", "UUID", "JSON", "BOOLEAN", "INTEGER[]",
     "STRUCT(a INTEGER, b VARCHAR[])", "MAP(VARCHAR, BIGINT)", "ENUM('a', 'b')", '"NULL"'],
)  # fmt: skip
def test_the_arrow_type_is_the_one_that_duckdb_hands_over(engine: Engine, kind: str) -> None:
    schema = engine.arrow_schema((Column("c", kind),))
    with engine.cursor() as cursor:
        cast = "" if kind == '"NULL"' else f"::{kind}"
        assert cursor.sql(f"SELECT NULL{cast} AS c").to_arrow_reader(1).schema.types == schema.types


def test_an_unknown_type_is_an_error_of_ours(engine: Engine) -> None:
    with pytest.raises(FabricError):
        engine.arrow_type("NO_SUCH_TYPE")


@pytest.mark.parametrize(
    ("sql", "kind", "says"),
    [
        ("SELECT nope FROM t", NotFound, "no column 'nope'"),
        ("SELECT t.nope FROM t", NotFound, "no column 'nope'"),
        ("SELECT x.s FROM t", NotFound, "no relation 'x'"),
        ("SELECT s FROM t a JOIN t b ON a.s = b.s", SyntaxProblem, "'s' is in more than one relation"),
        ("SELECT sum(s) FROM t", SyntaxProblem, "no function takes these argument types"),
        ("SELECT s, count(*) FROM t", SyntaxProblem, "GROUP BY"),
        ("SELECT CAST(s AS INTEGER) FROM t", InvalidValue, "cannot be converted"),
        ("SELECT CAST(strlen(s) * 100 AS TINYINT) FROM t", InvalidValue, "out of range"),
        ("SELECT s FROM t WHERE", SyntaxProblem, "cannot be read"),
        ("SELECT s[1:2:3:4] FROM t", SyntaxProblem, ""),
    ],
)
def test_errors_are_in_our_words(engine: Engine, sql: str, kind: type[FabricError], says: str) -> None:
    with engine.cursor() as cursor:
        cursor.register("t", pa.table({"s": [SECRET]}))
        with pytest.raises(FabricError) as caught, translated():
            cursor.sql(sql).fetchall()
    assert isinstance(caught.value, kind)
    assert says in caught.value.message
    assert SECRET not in str(caught.value)
    assert "Candidate" not in str(caught.value)


def test_an_error_raised_midway_through_a_stream_is_translated_too(engine: Engine) -> None:
    values = ["1"] * 300_000 + [SECRET]
    with engine.cursor() as cursor:
        cursor.register("t", pa.table({"s": values}))
        reader = cursor.sql("SELECT CAST(s AS INTEGER) AS n FROM t").to_arrow_reader(1000)
        with reader, pytest.raises(InvalidValue) as caught, translated():
            for _ in reader:
                pass
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "value", ["send it to ALICE", "into BOB", "type CAROL", "to DATE of EVE", "out of range to DAVE"]
)
def test_no_word_of_a_value_is_taken_for_a_type(engine: Engine, value: str) -> None:
    with engine.cursor() as cursor:
        cursor.register("t", pa.table({"s": [value]}))
        for kind in ("INTEGER", "DATE", "DECIMAL(9,2)", "UUID", "TIMESTAMP", "BOOLEAN"):
            with pytest.raises(FabricError) as caught, translated():
                cursor.sql(f"SELECT CAST(s AS {kind}) FROM t").fetchall()
            assert not [
                word for word in ("ALICE", "BOB", "CAROL", "EVE", "DAVE") if word in str(caught.value)
            ]


def test_a_value_that_speaks_of_an_interrupt_is_no_cancellation(engine: Engine) -> None:
    with engine.cursor() as cursor:
        cursor.register("t", pa.table({"s": ["interrupt"]}))
        with pytest.raises(InvalidValue), translated():
            cursor.sql("SELECT CAST(s AS INTEGER) FROM t").fetchall()


def test_a_query_that_needs_more_memory_than_it_may_have_is_told_the_limit() -> None:
    engine = Engine(memory=100 * 10**6)
    try:
        with (
            engine.cursor() as cursor,
            pytest.raises(MemoryLimit, match="than the 100 MB that"),
            translated(),
        ):
            cursor.sql("SELECT len(list(i)) FROM range(300000000) t(i)").fetchall()
    finally:
        engine.close()


def test_an_interrupt_is_a_cancellation() -> None:
    assert isinstance(translate(OSError("INTERRUPT Error: Interrupted!")), Cancelled)


def test_a_fault_is_a_reference_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    failure = translate(OSError(f"Internal Error: {SECRET}"))
    assert isinstance(failure, InternalError)
    assert SECRET not in str(failure)
    assert failure.reference in caplog.text
