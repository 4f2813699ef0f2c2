"""What an expression makes of a date it makes of the beginning of its unit too, as DuckDB reckons."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabric.engine import Engine
from fabric.truncations import UNITS, finest

_TABLES = {
    "a": [("k", "BIGINT"), ("d", "DATE"), ("ts", "TIMESTAMP"), ("s", "VARCHAR"), ("z", "TIMESTAMP WITH TIME ZONE")],
    "b": [("k", "BIGINT"), ("d", "DATE"), ("ts", "TIMESTAMP")],
}  # fmt: skip
# By expression, of a date or a timestamp alike, the unit that decides.
_EXPRESSIONS = {
    "year({})": "year", "extract(year FROM {})": "year", "date_part('year', {})": "year", "datepart('quarter', {})": "quarter",
    "decade({})": "year", "century({})": "year", "millennium({})": "year", "era({})": "year", "extract(quarter FROM {})": "quarter",
    "quarter({})": "quarter", "month({})": "month", "monthname({})": "month", "last_day({})": "month",
    "date_trunc('month', {})": "month", "date_trunc('QUARTER', {})": "quarter", "datetrunc('year', {})": "year",
    "date_trunc('decade', {})": "year", "date_trunc('century', {})": "year", "date_trunc('millennium', {})": "year",
    "CAST(date_trunc('month', {}) AS DATE)": "month", "strftime({}, '%Y-%m')": "month", "strftime({}, 'Year %Y, 100 %%')": "year",
    "strftime({}, '%B %b %-m %y')": "month", "year(CAST({} AS DATE))": "year", "month(CAST({} AS TIMESTAMP))": "month",
    "date_trunc('month', CAST({} AS DATE))": "month", "{} IS NULL": "year", "{} IS NOT NULL": "year",
    "{} >= DATE '1995-01-01'": "year", "{} < DATE '1995-04-01'": "quarter", "{} > DATE '1995-01-31'": "month",
    "{} <= DATE '1995-12-31'": "year", "DATE '1995-02-01' <= {}": "month", "DATE '1995-01-01' > {}": "year",
    "{} >= TIMESTAMP '1995-01-01'": "year", "CAST({} AS TIMESTAMP) <= TIMESTAMP '1995-12-31 23:59:59.999999'": "year",
    "CAST({} AS DATE) < DATE '1995-07-01'": "quarter", "year({}) * 100 + month({})": "month",
    "CASE WHEN {} < DATE '1995-01-01' THEN quarter({}) END": "quarter", "coalesce(year({}), 0)": "year",
    "year({}) = 1995 AND month({}) IN (1, 2)": "month", "{} >= DATE '1995-01-01' AND {} < DATE '1995-03-01'": "month",
}  # fmt: skip
# Whose last day is not the end of its timestamps.
_DAYS_ONLY = [("{} > DATE '1995-01-31'", "ts"), ("{} <= DATE '1995-12-31'", "ts")]
_READ_FURTHER = [
    "{}", "day({})", "week({})", "isoyear({})", "yearweek({})", "dayofweek({})", "dayofyear({})", "date_trunc('week', {})", "date_trunc('day', {})",
    "strftime({}, '%Y-%m-%d')", "strftime({}, '%x')", "strftime({}, '%G')", "strftime({}, '%')", "strftime({}, s)", "date_trunc(s, {})", "CAST({} AS VARCHAR)",
    "date_part(['year', 'month'], {})", "{} >= DATE '1995-01-02'", "{} > DATE '1995-01-01'", "{} <= DATE '1995-01-01'",
    "{} = DATE '1995-01-01'", "{} <> DATE '1995-01-01'", "{} IN (DATE '1995-01-01', DATE '1996-01-01')", "{} < DATE 'infinity'",
    "{} IS DISTINCT FROM DATE '1995-01-01'", "{} < TIMESTAMP '1995-01-01 00:00:00.000001'", "{} <= TIMESTAMP '1995-12-30 23:59:59'",
    "year({}) + day({})", "year({} + INTERVAL 1 DAY)", "year({} - 1)", "year(CAST({} AS TIMESTAMPTZ))", "month(CAST(CAST({} AS VARCHAR) AS DATE))",
    "date_diff('month', {}, DATE '2000-01-31')", "age({}, TIMESTAMP '2000-01-31')", "make_date(year({}), 1, day({}))", "epoch({})", "greatest({}, DATE '1995-01-01')",
    "coalesce({}, DATE '1995-01-01') > DATE '1994-12-31'", "struct_pack(a := {}).a", "CASE WHEN month({}) = 1 THEN {} END",
]  # fmt: skip
_DAYS = [
    "-infinity", "0044-03-15 (BC)", "0001-01-01 (BC)", "0001-12-31 (BC)", "0001-01-01", "0001-02-28", "1582-10-15", "1600-02-29", "1899-12-31",
    "1900-01-01", "1969-12-31", "1970-01-01", "1994-12-31", "1995-01-01", "1995-01-31", "1995-02-01", "1995-03-31", "1995-12-31", "2000-02-29",
    "2000-12-31", "2001-01-01", "9998-12-31", "9999-12-31", "12345-06-07", "infinity",
]  # fmt: skip


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    made.close()


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("CREATE TABLE days (d DATE, ts TIMESTAMP)")
        for day in _DAYS:
            clocks = ("",) if "infinity" in day else ("", " 00:00:00.000001", " 13:14:15", " 23:59:59.999999")
            for clock in clocks:
                connection.execute(
                    "INSERT INTO days VALUES (?::VARCHAR::DATE, ?::VARCHAR::TIMESTAMP)", [day, day + clock]
                )
        connection.execute(
            "INSERT INTO days SELECT DATE '1890-01-01' + i::INTEGER, TIMESTAMP '1890-01-01' + to_seconds(i * 86399) FROM range(60000) t(i)"
        )
        connection.execute("INSERT INTO days VALUES (NULL, NULL)")
        yield connection


def begun(column: str, unit: str) -> str:
    """What a source sends of a column."""
    kind = "DATE" if column == "d" else "TIMESTAMP"
    inside = f"{column} >= {kind} '0001-01-01' AND {column} < {kind} '9999-01-01'"
    return f"CASE WHEN {inside} THEN CAST(date_trunc('{unit}', {column}) AS {kind}) ELSE {column} END"


def truncated(engine: Engine, sql: str) -> dict[str, str]:
    """By column, its unit."""
    found = engine.join_graph(sql, _TABLES).truncated
    return {f"{key.relation}.{_TABLES[key.relation][key.column][0]}": unit for key, unit in found.items()}


def assert_the_same(duck: duckdb.DuckDBPyConnection, expression: str, column: str, unit: str) -> None:
    """The expression is the same of every value, and of what is sent for it."""
    one, other = (expression.replace("{}", text) for text in (column, begun(column, unit)))
    sql = f"SELECT count(*) FROM days WHERE ({one}) IS DISTINCT FROM ({other})"
    assert duck.execute(sql).fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("expression", "column"),
    [(each, column) for each in _EXPRESSIONS for column in ("d", "ts") if (each, column) not in _DAYS_ONLY],
)
def test_the_beginning_of_its_unit_stands_for_a_date(
    engine: Engine, duck: duckdb.DuckDBPyConnection, expression: str, column: str
) -> None:
    sql = f"SELECT {expression.replace('{}', column)} AS x, count(*) FROM a GROUP BY x"
    unit = truncated(engine, sql)[f"a.{column}"]
    assert UNITS.index(unit) >= UNITS.index(_EXPRESSIONS[expression])
    assert_the_same(duck, expression, column, unit)


@pytest.mark.parametrize("column", ["d", "ts"])
@pytest.mark.parametrize("expression", _READ_FURTHER)
def test_what_reads_more_of_a_date_has_all_of_it(engine: Engine, expression: str, column: str) -> None:
    assert f"a.{column}" not in truncated(
        engine, f"SELECT {expression.replace('{}', column)} AS x, count(*) FROM a GROUP BY x"
    )


_CONSTANTS = st.dates().map(lambda day: f"DATE '{day}'") | st.sampled_from(
    ["DATE '1995-01-01'", "DATE '1994-12-31'", "DATE '1995-03-31'", "DATE '2000-02-29'", "TIMESTAMP '1995-01-01'",
     "TIMESTAMP '1994-12-31 23:59:59.999999'", "TIMESTAMP '1995-01-01 00:00:00.000001'", "DATE '0001-01-01'", "DATE '9999-12-31'", "DATE 'infinity'"]
)  # fmt: skip
_SOME = st.sampled_from(sorted(_EXPRESSIONS)) | st.builds(
    "{} {} {}".format, st.just("{}"), st.sampled_from(["<", "<=", ">", ">=", "=", "<>"]), _CONSTANTS
)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.lists(_SOME, min_size=1, max_size=3), st.sampled_from(["d", "ts"]))
def test_of_several_expressions_the_finest_unit_counts(
    engine: Engine, duck: duckdb.DuckDBPyConnection, expressions: list[str], column: str
) -> None:
    listed = ", ".join(each.replace("{}", column) for each in expressions)
    unit = truncated(engine, f"SELECT {listed} FROM a").get(f"a.{column}")
    for each in expressions if unit else ():
        assert_the_same(duck, each, column, str(unit))


def test_the_finest() -> None:
    assert (finest(["year", "month", "quarter"]), finest(["year", "quarter"])) == ("month", "quarter")


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("SELECT year(d), sum(k) FROM a WHERE d >= DATE '1995-01-01' AND d < DATE '1997-01-01' GROUP BY 1", {"a.d": "year"}),
        ("SELECT year(d), sum(k) FROM a WHERE d BETWEEN DATE '1995-01-01' AND DATE '1996-12-31' GROUP BY 1", {"a.d": "year"}),
        ("SELECT year(d) FROM a WHERE ts < TIMESTAMP '1995-04-01' AND s = 'x'", {"a.d": "year", "a.ts": "quarter"}),
        ("SELECT year(x) FROM (SELECT d AS x FROM a WHERE month(d) = 3)", {"a.d": "month"}),
        ("SELECT year(a.d), quarter(b.d) FROM a LEFT JOIN b USING (k)", {"a.d": "year", "b.d": "quarter"}),
        ("SELECT a.k FROM a JOIN b ON year(a.d) = year(b.d)", {"a.d": "year", "b.d": "year"}),
        ("SELECT k, count(d), count(*) FILTER (d < DATE '1995-01-01') FROM a GROUP BY k", {"a.d": "year"}),
        ("SELECT year(d) FROM a ORDER BY quarter(d) LIMIT 3", {"a.d": "quarter"}),
        ("SELECT year(d), row_number() OVER (PARTITION BY month(d) ORDER BY k) FROM a", {"a.d": "month"}),
        ("SELECT DISTINCT year(d) FROM a UNION SELECT year(d) FROM b", {"a.d": "year", "b.d": "year"}),
        ("SELECT max(year(d)) FROM a", {"a.d": "year"}),
        ("SELECT year(z), month(z) FROM a", {}),
        ("SELECT year(d) FROM a ORDER BY d", {}),
        ("SELECT year(max(d)) FROM a", {}),
        ("SELECT year(d), max(d) FROM a GROUP BY 1", {}),
        ("SELECT year(ts), avg(ts) FROM a GROUP BY 1", {}),
        ("SELECT year(d), count(DISTINCT d) FROM a GROUP BY 1", {}),
        ("SELECT year(d) FROM a GROUP BY d", {}),
        ("SELECT year(d) FROM a WHERE d = DATE '1995-01-01'", {}),
        ("SELECT year(d) FROM a WHERE d < DATE '1995-06-15'", {}),
        ("SELECT year(d) FROM a WHERE d >= DATE '1995-01-01' OR d = DATE '1990-03-03'", {}),
        ("SELECT year(d) FROM a WHERE d < CAST(ts AS DATE)", {}),
        ("SELECT year(a.d) FROM a JOIN b ON a.d = b.d", {}),
        ("SELECT year(a.d) FROM a JOIN b ON a.k = b.k AND a.d >= b.d", {}),
        ("SELECT year(d) FROM (SELECT DISTINCT k, d FROM a)", {}),
        ("SELECT year(d) FROM (SELECT d FROM a UNION ALL SELECT d FROM b)", {}),
        ("SELECT year(d) FROM (SELECT DISTINCT ON (k) * FROM a ORDER BY d)", {}),
        ("SELECT year(d), d FROM a", {}),
        ("SELECT year(d), lag(d) OVER (ORDER BY k) FROM a", {}),
        ("SELECT year(x.d) FROM a x JOIN a y USING (k)", {}),
        ("WITH m AS MATERIALIZED (SELECT * FROM a) SELECT year(d) FROM m", {}),
    ],
)  # fmt: skip
def test_dates_of_which_a_unit_is_enough(engine: Engine, sql: str, columns: dict[str, str]) -> None:
    assert {name: unit for name, unit in truncated(engine, sql).items() if name[2:] in ("d", "ts")} == columns
