from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import duckdb
import pytest

from connectors.postgres import PostgresConnector
from connectors.postgres.types import normal_type
from fabric.errors import BadData, InvalidConfig
from fabric.predicates import Comparison, NullTest
from server.demo.postgres import EmbeddedPostgres
from tests.connectors.postgres_source import read, scan_of, source, table_of
from tests.embedded import embedded_postgres


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    yield from embedded_postgres()


# Postgres type, values in Postgres's text, DuckDB type, the same values in DuckDB's text (None: equal).
CASES: dict[str, tuple[str, list[str], str, list[str] | None]] = {
    "smallint": ("smallint", ["-32768", "0", "32767"], "SMALLINT", None),
    "integer": ("integer", ["-2147483648", "2147483647"], "INTEGER", None),
    "bigint": ("bigint", ["-9223372036854775808", "9223372036854775807"], "BIGINT", None),
    "oid": ("oid", ["0", "4294967295"], "BIGINT", None),
    "real": ("real", ["1.5", "-0", "NaN", "Infinity", "-Infinity", "3.4028235e38"], "FLOAT",
             ["1.5", "-0.0", "nan", "inf", "-inf", "3.4028235e+38"]),
    "double": ("double precision", ["0.1", "NaN", "-Infinity", "5e-324", "1.7976931348623157e308"], "DOUBLE",
               ["0.1", "nan", "-inf", "5e-324", "1.7976931348623157e+308"]),
    "boolean": ("boolean", ["t", "f"], "BOOLEAN", ["true", "false"]),
    "numeric_2": ("numeric(10,2)", ["-99999999.99", "0.00", "-0.01", "99999999.99"], "DECIMAL(10,2)", None),
    "numeric_0": ("numeric(18)", ["-999999999999999999", "999999999999999999"], "DECIMAL(18,0)", None),
    "numeric_18": ("numeric(18,18)", ["-0.999999999999999999", "0.000000000000000001"], "DECIMAL(18,18)",
                   ["-.999999999999999999", ".000000000000000001"]),
    "numeric_19": ("numeric(19,4)", ["-999999999999999.9999", "1.0000"], "DECIMAL(19,4)", None),
    "numeric_38": ("numeric(38,10)", ["9999999999999999999999999999.9999999999", "-0.0000000001"],
                   "DECIMAL(38,10)", None),
    "numeric_whole": ("numeric(38,0)", ["-99999999999999999999999999999999999999"], "DECIMAL(38,0)", None),
    "numeric_left": ("numeric(3,-2)", ["-99900", "100"], "DECIMAL(5,0)", None),
    "numeric_tiny": ("numeric(2,5)", ["0.00099", "-0.00001"], "DECIMAL(5,5)", [".00099", "-.00001"]),
    "numeric_free": ("numeric", ["1.5", "NaN", "Infinity", "1e300"], "DOUBLE", ["1.5", "nan", "inf", "1e+300"]),
    "numeric_wide": ("numeric(60,2)", ["1.50"], "DOUBLE", ["1.5"]),
    "money": ("money", ["-92233720368547758.08", "92233720368547758.07", "0.01"], "DECIMAL(19,2)", None),
    "text": ("text", ["", "a\tb\nc", "Ünïcödé 😀 é", "quote ' \"", "\\N", "NULL"], "VARCHAR", None),
    "varchar": ("varchar(5)", ["abc", "  x  "], "VARCHAR", None),
    "char": ("char(4)", ["ab", "abcd"], "VARCHAR", ["ab  ", "abcd"]),
    "one_char": ('"char"', ["x"], "VARCHAR", None),
    "name": ("name", ["pg_class"], "VARCHAR", None),
    "bytea": ("bytea", ["\\x", "\\x00ff41"], "BLOB", ["", "\\x00\\xFFA"]),
    "date": ("date", ["4713-01-01 BC", "0001-01-01", "1969-12-31", "5874897-12-31", "infinity", "-infinity"],
             "DATE",
             ["4713-01-01 (BC)", "0001-01-01", "1969-12-31", "5874897-12-31", "infinity", "-infinity"]),
    "time": ("time", ["00:00:00", "23:59:59.999999", "24:00:00"], "TIME", None),
    "timestamp": ("timestamp", ["4713-01-01 00:00:00 BC", "1969-12-31 23:59:59.999999", "infinity",
                                "-infinity", "294247-01-10 04:00:54.775806"], "TIMESTAMP",
                  ["4713-01-01 (BC) 00:00:00", "1969-12-31 23:59:59.999999", "infinity", "-infinity",
                   "294247-01-10 04:00:54.775806"]),
    "timestamp_3": ("timestamp(3)", ["2026-01-02 03:04:05.678"], "TIMESTAMP", None),
    "timestamptz": ("timestamptz", ["2026-03-29 02:30:00+02", "infinity", "-infinity"],
                    "TIMESTAMP WITH TIME ZONE", ["2026-03-29 00:30:00+00", "infinity", "-infinity"]),
    "timetz": ("timetz", ["12:00:00+02", "24:00:00-15:59"], "VARCHAR", None),
    "interval": ("interval", ["1 mon -2 days 03:00:00.000001", "-178956970 years -8 mons", "2562047 hours"],
                 "INTERVAL",
                 ["1 month -2 days 03:00:00.000001", "-178956970 years -8 months", "2562047:00:00"]),
    "interval_field": ("interval day to second(0)", ["5 days 00:00:01"], "INTERVAL", ["5 days 00:00:01"]),
    "uuid": ("uuid", ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"], "UUID",
             None),
    "json": ("json", ['{"a": [1, null]}', "null", '"é\\u0041"'], "JSON", None),
    "jsonb": ("jsonb", ['{"a": 1e2}', "1"], "JSON", ['{"a": 100}', "1"]),
    "inet": ("inet", ["10.0.0.1/8", "::1"], "VARCHAR", None),
    "cidr": ("cidr", ["10.0.0.0/8"], "VARCHAR", None),
    "macaddr": ("macaddr", ["08:00:2b:01:02:03"], "VARCHAR", None),
    "int4range": ("int4range", ["[1,5)", "empty"], "VARCHAR", None),
    "multirange": ("int4multirange", ["{[1,3),[5,7)}"], "VARCHAR", None),
    "xml": ("xml", [], "VARCHAR", None),  # the embedded server is built without libxml
    "bit": ("bit(3)", ["101"], "VARCHAR", None),
    "varbit": ("bit varying(8)", ["1", "10101010"], "VARCHAR", None),
    "tsvector": ("tsvector", ["'a':1 'b':2"], "VARCHAR", None),
    "point": ("point", ["(1,2.5)"], "VARCHAR", None),
    "enum": ("mood", ["sad", "über happy"], "VARCHAR", None),
    "domain": ("positive", ["1"], "INTEGER", None),
    "domain_numeric": ("price", ["1.50"], "DECIMAL(12,2)", None),
    "domain_domain": ("low_price", ["1.50"], "DECIMAL(12,2)", None),
    "composite": ("address", ['(1,"a b")', '(,)'], "VARCHAR", None),
    "integers": ("integer[]", ["{1,NULL,3}", "{}", "[0:1]={5,6}"], "INTEGER[]",
                 ["[1, NULL, 3]", "[]", "[5, 6]"]),
    "texts": ("text[]", ['{a,NULL,"","NULL"}'], "VARCHAR[]", ["[a, NULL, '', 'NULL']"]),
    "numerics": ("numeric(6,2)[]", ["{1.50,NULL}"], "DECIMAL(6,2)[]", ["[1.50, NULL]"]),
    "free_numerics": ("numeric[]", ["{1.5,NaN}"], "DOUBLE[]", ["[1.5, nan]"]),
    "dates": ("date[]", ["{infinity,2026-01-01,NULL}"], "DATE[]", ["[infinity, 2026-01-01, NULL]"]),
    "stamps": ("timestamp[]", ["{-infinity}", "{\"2026-01-01 00:00:00\"}"], "TIMESTAMP[]",
               ["[-infinity]", "['2026-01-01 00:00:00']"]),
    "uuids": ("uuid[]", ["{00000000-0000-0000-0000-000000000001}"], "UUID[]",
              ["[00000000-0000-0000-0000-000000000001]"]),
    "moods": ("mood[]", ["{sad,NULL}"], "VARCHAR[]", ["[sad, NULL]"]),
    "inets": ("inet[]", ["{10.0.0.1}"], "VARCHAR[]", ["[10.0.0.1]"]),
    "matrix": ("integer[][]", ["{{1,2},{3,4}}", "{1}"], "VARCHAR", None),
}  # fmt: skip


@pytest.fixture(scope="module")
def typed(server: EmbeddedPostgres) -> Iterator[PostgresConnector]:
    quoted = {name: [value.replace("'", "''") for value in case[1]] for name, case in CASES.items()}
    statements = [
        "CREATE TYPE mood AS ENUM ('sad', 'über happy'); CREATE TYPE address AS (number int, street text);"
        "CREATE DOMAIN positive AS int CHECK (VALUE > 0); CREATE DOMAIN price AS numeric(12,2);"
        "CREATE DOMAIN low_price AS price CHECK (VALUE < 100);",
    ]
    for name, case in CASES.items():
        statements.append(f"CREATE TABLE t_{name} (i serial, x {case[0]});")
        statements += [f"INSERT INTO t_{name} (x) VALUES ('{value}');" for value in quoted[name]]
        statements.append(f"INSERT INTO t_{name} (x) VALUES (NULL);")
    server.execute("\n".join(statements))
    with source(server.uri) as connector:
        yield connector


@pytest.mark.parametrize("rows", [None, 5], ids=["streamed", "at once"])
@pytest.mark.parametrize("name", CASES)
def test_a_type_arrives_as_declared_with_every_value(
    typed: PostgresConnector, name: str, rows: int | None
) -> None:
    _, given, type_, expected = CASES[name]
    table = replace(table_of(typed, f"t_{name}"), rows=rows)
    assert bool(typed.offer(scan_of(table)).splits[0].payload.at_once) == (rows is not None)
    column = table.column("x")
    assert column is not None
    assert column.type == type_
    arrow = read(typed, scan_of(table))
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        engine.register("t", arrow)
        described = dict(row[:2] for row in engine.sql("DESCRIBE t").fetchall())
        assert described["x"] == type_
        texts = [row[0] for row in engine.sql("SELECT x::VARCHAR FROM t ORDER BY i").fetchall()]
    assert texts == [*(expected or given), None]


def test_every_type_can_be_asked_for_null(typed: PostgresConnector) -> None:
    for table in typed.tables():
        found = read(typed, scan_of(table, NullTest("x"), columns=["i"]))
        assert found is not None
        assert found.num_rows == 1, table.name


@pytest.mark.parametrize("rows", [None, 5], ids=["streamed", "at once"])
@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("numeric(10,2)", "NaN"),
        ("numeric(30,2)", "NaN"),
        ("numeric", "1e400"),
        ("interval", "3000000 hours"),
        ("interval", "infinity"),
        ("timestamp", "294276-12-31"),
        ("timestamp", "294247-01-10 04:00:54.775807"),
        ("timestamptz", "294276-12-31"),
        ("integer[]", "{{1,2},{3,4}}"),
        ("timestamp[]", "{294276-12-31}"),
    ],
)
def test_a_value_without_a_place_in_its_type_is_an_error_that_names_table_and_column(
    server: EmbeddedPostgres, type_: str, value: str, rows: int | None
) -> None:
    server.execute(
        f"DROP TABLE IF EXISTS odd; CREATE TABLE odd (i int, x {type_}); INSERT INTO odd VALUES (1, '{value}')"
    )
    with source(server.uri) as connector:
        table = replace(table_of(connector, "odd"), rows=rows)
        with pytest.raises(BadData, match=r"policy_db.public.odd: a value of column 'x'") as caught:
            read(connector, scan_of(table))
        assert value == "NaN" or value not in str(caught.value)
        assert "VARCHAR" in caught.value.hint
    with source(server.uri, tables={"odd": {"columns": {"x": "VARCHAR"}}}) as connector:
        assert read(connector, scan_of(table_of(connector, "odd"))) is not None
    server.execute("DROP TABLE odd")


@pytest.mark.parametrize("sent_once", [False, True])
def test_what_is_no_number_is_an_error_among_sums_too(server: EmbeddedPostgres, sent_once: bool) -> None:
    server.execute(
        "DROP TABLE IF EXISTS odd; CREATE TABLE odd (i int, x numeric(10,2));"
        "INSERT INTO odd VALUES (1, 'NaN'), (1, 2), (1, NULL), (2, 3)"
    )
    with source(server.uri) as connector:
        table = table_of(connector, "odd")
        scan = scan_of(table)
        scan = replace(scan, counts=True, summed=("x",)) if sent_once else scan
        with pytest.raises(BadData, match=r"policy_db.public.odd: a value of column 'x'"):
            read(connector, scan)
        assert read(connector, replace(scan, predicates=(Comparison("i", ">", 1),))) is not None
    server.execute("DROP TABLE odd")


_MOMENTS = [
    "-infinity", "4713-11-24 BC", "4713-12-31 BC", "0044-03-15 BC", "0001-12-31 BC", "0001-01-01", "0001-03-31", "1582-10-15", "1900-02-28",
    "1995-12-31 23:59:59.999999", "1996-02-29 12:00", "9998-12-31 23:59:59.999999", "9999-01-01", "9999-12-31", "12345-06-07", "infinity",
]  # fmt: skip


@pytest.mark.parametrize("unit", ["month", "quarter", "year"])
@pytest.mark.parametrize("type_", ["date", "timestamp", "timestamp(0)"])
def test_a_date_of_any_time_is_sent_as_the_beginning_of_its_unit_or_as_it_is(
    server: EmbeddedPostgres, type_: str, unit: str
) -> None:
    values = ", ".join(f"('{moment}')" for moment in _MOMENTS)
    server.execute(f"CREATE TABLE begun (x {type_}); INSERT INTO begun VALUES {values}, (NULL)")
    try:
        with source(server.uri) as connector:
            table = table_of(connector, "begun")
            if "x" not in connector.capabilities(table).truncated:
                assert type_ == "timestamp(0)"
                return
            scan = replace(scan_of(table), counts=True, truncated=(("x", unit),))
            found, plain = read(connector, scan), read(connector, scan_of(table))
            inside = "x >= '0001-01-01' AND x < '9999-01-01'"
            begun = f"CASE WHEN {inside} THEN CAST(date_trunc('{unit}', x) AS {{}}) ELSE x END".format(
                table.columns[0].type
            )
            got = duckdb.from_arrow(found).project("CAST(x AS VARCHAR)").fetchall()
            wanted = duckdb.from_arrow(plain).project(f"CAST({begun} AS VARCHAR)").fetchall()
            assert sorted(got, key=str) == sorted(wanted, key=str)
            assert len(got) == len(_MOMENTS) + 1
    finally:
        server.execute("DROP TABLE begun")


# Postgres type, declared type, values: what is summed is what would be sent, and of what is not sent so nothing is summed.
_SUMMED = {
    "oid": ("oid", "", "4294967295, 4294967295, 1", 2 * 4294967295 + 1),
    "beyond": ("bigint", "", "9223372036854775807, 9223372036854775807, -1", 2**64 - 3),
    "below": ("bigint", "", "-9223372036854775808, -9223372036854775808, NULL", -(2**64)),
    "tens": ("numeric(3,-2)", "", "99900, -100, 1234", 99900 - 100 + 1200),
    "small": ("numeric(2,4)", "", "0.0099, -0.0001, 0.00994", Decimal("0.0197")),
    "large": ("numeric(18,2)", "", "9999999999999999.99, 9999999999999999.99, 0.01", Decimal("19999999999999999.99")),
    "longer": ("numeric(19,2)", "", "1, 2, 3", None),
    "free": ("numeric", "", "1, 2, 3", None),
    "declared": ("numeric", "DECIMAL(10,2)", "1, 2, 3", None),
    "text": ("integer", "VARCHAR", "1, 2, 3", None),
    "floating": ("double precision", "", "1, 2, 3", None),
    "money": ("money", "", "1, 2, 3", None),
}  # fmt: skip


@pytest.mark.parametrize("name", _SUMMED)
def test_sums_of_a_type_are_exact(server: EmbeddedPostgres, name: str) -> None:
    type_, declared, values, expected = _SUMMED[name]
    rows = ", ".join(f"({value})" for value in values.split(", "))
    server.execute(f"CREATE TABLE summed (x {type_}); INSERT INTO summed VALUES {rows}")
    tables = {"summed": {"columns": {"x": declared}}} if declared else {}
    try:
        with source(server.uri, tables=tables) as connector:
            table = table_of(connector, "summed")
            assert connector.capabilities(table).summed == (frozenset() if expected is None else {"x"})
            if expected is not None:
                found = read(connector, replace(scan_of(table), counts=True, summed=("x",)))
                plain = read(connector, scan_of(table))
                sums = "sum(x), avg(x), count(x), count(*)"
                got, wanted = (duckdb.from_arrow(each).aggregate(sums).fetchall() for each in (found, plain))
                assert got == wanted
                assert got[0][0] == expected
    finally:
        server.execute("DROP TABLE summed")


def test_a_numeric_without_precision_is_exact_when_declared(server: EmbeddedPostgres) -> None:
    server.execute(
        "DROP TABLE IF EXISTS exact; CREATE TABLE exact (i int, x numeric);"
        "INSERT INTO exact VALUES (1, '1234567890123456.789'), (2, '1.5000000'), (3, NULL)"
    )
    declared = {"public.exact": {"columns": {"X": "numeric(20, 4)"}}}
    with source(server.uri, tables=declared) as connector:
        table = table_of(connector, "exact")
        assert [column.type for column in table.columns] == ["INTEGER", "DECIMAL(20,4)"]
        arrow = read(connector, scan_of(table))
        texts = duckdb.from_arrow(arrow).project("x::VARCHAR").fetchall()
        assert texts == [("1234567890123456.7890",), ("1.5000",), (None,)]
        server.execute("INSERT INTO exact VALUES (4, '0.00001')")
        with pytest.raises(BadData, match="column 'x'"):
            read(connector, scan_of(table))
    server.execute("DROP TABLE exact")


def test_a_declaration_that_cannot_be_read_exactly_is_refused(server: EmbeddedPostgres) -> None:
    server.execute("CREATE TABLE IF NOT EXISTS plain (i int)")
    with (
        source(server.uri, tables={"plain": {"columns": {"i": "DATE"}}}) as connector,
        pytest.raises(InvalidConfig, match="'i' is integer in Postgres and cannot be read as DATE"),
    ):
        connector.tables()
    with (
        source(server.uri, tables={"plain": {"columns": {"j": "DATE"}}}) as connector,
        pytest.raises(InvalidConfig, match="has no column 'j'"),
    ):
        connector.tables()


@pytest.mark.parametrize(
    ("text", "normal"),
    [("numeric(20, 4)", "DECIMAL(20,4)"), ("text", "VARCHAR"), ("timestamptz", "TIMESTAMP WITH TIME ZONE"),
     ("int", "INTEGER"), ("double precision", "DOUBLE"), ("real", "FLOAT")],
)  # fmt: skip
def test_a_declared_type_is_spelled_as_duckdb_spells_it(text: str, normal: str) -> None:
    assert normal_type(text) == normal
