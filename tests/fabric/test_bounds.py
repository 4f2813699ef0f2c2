"""Sizes are bounded: what is within gives DuckDB's own answer, what is beyond an error that names the bound."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st

from fabric import bounds
from fabric.bounds import MOST, MOST_A_ROW, bounded
from fabric.confirm import confirm, functions
from fabric.engine import Engine
from fabric.engine_errors import translate
from fabric.errors import FabricError, InvalidValue, NotSupported


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = Engine(threads=1)
    yield made
    made.close()


def rewritten(sql: str) -> str:
    return bounded(sqlglot.parse_one(sql, dialect="duckdb")).sql(dialect="duckdb")


def answer(sql: str, engine: Engine) -> tuple[list[str], list[str], list[Any]]:
    """Names, types and rows."""
    with engine.cursor() as cursor:
        relation = cursor.sql(sql)
        return relation.columns, [str(kind) for kind in relation.types], relation.fetchall()


def run(sql: str, engine: Engine) -> list[Any]:
    """The rows of the bounded statement; errors as a user gets them."""
    text = rewritten(sql)
    confirm(text, engine.serialize, [])
    try:
        return answer(text, engine)[2]
    except duckdb.Error as error:
        raise translate(error) from None


CONSTANTS = [
    ("repeat('x', 1000001)", "repeat() may make at most 1,000,000 bytes"),
    ("repeat('ä', 500001)", "repeat() may make at most 1,000,000 bytes"),
    ("lpad('x', 2000000000, 'y')", "lpad() may make at most 1,000,000 characters"),
    ("rpad(name, 100001, 'y')", "rpad() may make at most 100,000 characters"),
    ("range(3000000000)", "range() may make at most 1,000,000 elements"),
    ("range(0, -1000001, -1)", "range() may make at most 1,000,000 elements"),
    ("generate_series(0, 1000000)", "generate_series() may make at most 1,000,000 elements"),
    ("generate_series(0, 2000000::BIGINT)", "generate_series() may make at most 1,000,000 elements"),
    ("list_resize([1], 3000000000)", "list_resize() may make at most 100,000 elements"),
    ("array_resize(ids, 100001, 0)", "array_resize() may make at most 100,000 elements"),
    ("bitstring('1', 1000001)", "bitstring() may make at most 1,000,000 bits"),
    ("equi_width_bins(0, 10000000, 1000001, true)", "equi_width_bins() may make at most 1,000,000 elements"),
    ("list_transform([1, 2], lambda x: range(100001))", "range() may make at most 100,000 elements"),
    ("[range(100001) for x in [1, 2]]", "range() may make at most 100,000 elements"),
    ("format('{:2000000000d}', 1)", "format() takes widths of at most four digits"),
    ("format('{:{}d}', 1, 2000000000)", "format() takes widths of at most four digits"),
    ("format('{:.{}f}', 1.0, 2000000000)", "format() takes widths of at most four digits"),
    ("printf('%2000000000d', 1)", "printf() takes widths of at most four digits"),
    ("printf('%-*d', 2000000000, 1)", "printf() takes widths of at most four digits"),
    ("'x'.repeat(2000000)", "repeat() may make at most 1,000,000 bytes"),
    ("\"REPEAT\"('x', 2000000)", "repeat() may make at most 1,000,000 bytes"),
    ("SPACE(2000000)", "repeat() may make at most 1,000,000 bytes"),
    ("approx_top_k(n, 999999)", "approx_top_k() takes a number of at most 10,000"),
    ("approx_top_k(n, 9 * 111111)", "approx_top_k() takes a number of at most 10,000"),
    ("list_aggr(ids, 'approx_top_k', 999999)", "approx_top_k() takes a number of at most 10,000"),
]


@pytest.mark.parametrize(("call", "message"), CONSTANTS, ids=[call for call, _ in CONSTANTS])
def test_a_constant_beyond_its_bound_is_refused_before_anything_runs(call: str, message: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        rewritten(f"SELECT {call} AS made FROM t")
    assert message in caught.value.message


@pytest.mark.parametrize(
    "call",
    [
        "length(repeat('x', 1000000))",
        "len(range(1000000))",
        "len(range(5000000, 0, -5))",
        "length(lpad(name, 100000, 'y'))",
        "len(list_resize(ids, 100000))",
        "format('{:9999d}', n) IS NULL",
        "lpad(n::VARCHAR, 8, '0')",
        "approx_top_k(n, 10000)",
        "list_aggregate(ids, 'sum')",
    ],
)
def test_a_constant_within_its_bound_stays_as_it_is(call: str) -> None:
    tree = sqlglot.parse_one(f"SELECT {call} AS made FROM t", dialect="duckdb")
    assert bounded(tree) == tree


ROWS = (
    "(SELECT i, i * 3 AS n, 'ab' || i AS name, [i, i] AS ids, [1::TINYINT] AS small, '{:' || i || 'd}' AS f, "
    "'%' || i || 'd' AS p, DATE '2024-01-30' + i::INT AS d FROM range(1, 6) r(i)) t"
)

COMPUTED = [
    "repeat(name, n)",
    "repeat(ids, i)",
    "repeat(encode(name), i)",
    "repeat(NULL, i)",
    "repeat('x', -i)",
    "repeat(repeat(name, i), n)",
    "length(repeat(name, n)) + i",
    "name.repeat(i)",
    "repeat(name, i).repeat(i).lpad(n::INT, 'x')",
    "repeat('x', '5')",
    "lpad(name, '5', '*')",
    "printf('%%99999 %d', i)",
    "format('{{99999}} {}', i)",
    "lpad(name, n::INT, '*')",
    "rpad(name, n::INT, '*')",
    "range(n)",
    "range(i, n)",
    "range(n, i, -2)",
    "range(n, 0, -i)",
    "generate_series(i, n, i)",
    "generate_series(d, d + INTERVAL 3 MONTH, INTERVAL 1 MONTH)",
    "generate_series(d::TIMESTAMP, TIMESTAMP '2023-01-01', INTERVAL '-9 day')",
    "range(TIMESTAMPTZ '2024-01-01 00:00:00+00', d::TIMESTAMPTZ, INTERVAL 7 HOUR)",
    "range(0, i, 9223372036854775807)",
    "range(-9223372036854775807, i, 9223372036854775807)",
    "list_resize(ids, n)",
    "list_resize(small, n, 5)",
    "list_resize(ids, n, NULL)",
    "array_resize(ids, i, n)",
    "ids.list_resize(n)",
    "bitstring('1', i::INT)",
    "equi_width_bins(0, n, i, true)",
    "format(f, n)",
    "format('{{\"a\": {}}}', n)",
    "format(name || '{{{}}}', n)",
    "printf(p, n)",
    "printf('%d %% of %s', n, name)",
    "levenshtein(name, 'ab' || n)",
    "damerau_levenshtein(name, 'ba' || n)",
    "jaro_similarity(name, 'ab' || n)",
    "jaro_winkler_similarity(name, 'ab' || n)",
    "[repeat('x', x) for x in ids]",
    "list_transform(ids, lambda x: range(x))",
    "list_filter(ids, lambda x: len(range(x + n)) > 3)",
    "sum(length(repeat(name, n))) OVER (ORDER BY i)",
    "(SELECT repeat(t.name, t.i))",
    "CASE WHEN i < 3 THEN repeat(name, i) END",
    "TRY(repeat(name, n))",
    "list_aggr(ids, 'approx_top_k', 3)",
]


@pytest.mark.parametrize("call", COMPUTED)
def test_a_computed_size_within_its_bound_gives_duckdb_s_own_answer(call: str, engine: Engine) -> None:
    sql = f"SELECT i, {call} AS made FROM {ROWS} ORDER BY i"
    assert answer(rewritten(sql), engine) == answer(sql, engine)


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT repeat(name, n) AS r, count(*) AS c FROM {ROWS} GROUP BY repeat(name, n) ORDER BY ALL",
        f"SELECT i FROM {ROWS} ORDER BY repeat('x', n) DESC",
        f"SELECT i FROM {ROWS} WHERE length(repeat(name, n)) > 20",
        f"SELECT a.i, b.i FROM {ROWS} JOIN (SELECT 3 AS i) b ON length(repeat('x', t.i)) = b.i, {ROWS[:-1]} a",
        f"SELECT max(repeat(name, n)) AS m FROM {ROWS} HAVING max(length(repeat(name, n))) > 3",
        f"SELECT name, count(*) AS c FROM {ROWS} GROUP BY name HAVING repeat(name, max(n)) <> '' ORDER BY ALL",
        f"SELECT i, u FROM {ROWS}, unnest(range(n)) x(u) ORDER BY ALL",
        f"SELECT i, unnest(range(n)) AS u FROM {ROWS} ORDER BY ALL",
        f"WITH a AS (SELECT repeat(name, i) AS r FROM {ROWS}) SELECT r FROM a ORDER BY r",
        f"SELECT repeat(name, i) AS r FROM {ROWS} UNION ALL SELECT repeat('x', 2) ORDER BY r",
        "SELECT 1 AS a1, repeat('x', sized0.n) AS r FROM (SELECT 3 AS n, 7 AS a1) sized0",
        "SELECT * FROM range(3), generate_series(1, 3) s(j), LATERAL range(s.j) l(k) ORDER BY ALL",
        "VALUES (repeat('x', 3)), (lpad('y', 2 + 1, 'z'))",
    ],
)
def test_it_may_stand_anywhere(sql: str, engine: Engine) -> None:
    assert answer(rewritten(sql), engine) == answer(sql, engine)


@pytest.mark.parametrize("call", ["repeat('x', n)", "range(1, n)", "length(lpad(name, n, 'x'))"])
def test_an_unnamed_result_keeps_its_name(call: str, engine: Engine) -> None:
    sql = f"SELECT {call} FROM (SELECT 3::INT AS n, 'a' AS name)"
    assert answer(rewritten(sql), engine)[0] == [name.replace('"', "") for name in answer(sql, engine)[0]]


BEYOND = [
    ("repeat(name, n)", "repeat() may make at most 100,000 bytes"),
    ("repeat(ids, n)", "repeat() may make at most 100,000 bytes"),
    ("lpad(name, n, 'x')", "lpad() may make at most 100,000 characters"),
    ("range(n)", "range() may make at most 100,000 elements"),
    ("range(0, -n, -1)", "range() may make at most 100,000 elements"),
    ("range(0::INT, n * 9000000000, 5000::INT)", "range() may make at most 100,000 elements"),
    ("generate_series(d, d + INTERVAL 1 YEAR, INTERVAL 1 MINUTE)", "generate_series() may make at most"),
    (
        "generate_series(TIMESTAMP '0001-01-01', TIMESTAMP '2000-01-01', INTERVAL 1 SECOND)",
        "1,000,000 elements",
    ),
    ("list_resize(ids, n)", "list_resize() may make at most 100,000 elements"),
    ("bitstring('1', n)", "bitstring() may make at most 100,000 bits"),
    ("equi_width_bins(0, 1000000000, n, false)", "equi_width_bins() may make at most 100,000 elements"),
    ("format(f, 1)", "format() takes widths of at most four digits"),
    ("format(f2, 1, n)", "format() takes widths of at most four digits"),
    ("printf(p, 1)", "printf() takes widths of at most four digits"),
    (
        "levenshtein(long, long)",
        "levenshtein() takes texts whose lengths in bytes multiply to at most 1,000,000",
    ),
    ("damerau_levenshtein(long, name)", "multiply to at most 100,000"),
    ("repeat('x', (random() * 0)::BIGINT + n)", "repeat() may make at most 100,000 bytes"),
    ("repeat('x', '2000000')", "repeat() may make at most 1,000,000 bytes"),
    ("repeat('x', CAST('2000000' AS BIGINT))", "repeat() may make at most 1,000,000 bytes"),
    ("repeat('x', n).repeat(2)", "repeat() may make at most 100,000 bytes"),
    ("repeat(name, 2).repeat(n)", "repeat() may make at most 100,000 bytes"),
    ("list_resize(ids, '2000000')", "list_resize() may make at most 100,000 elements"),
    ("range(1000 * 1000 * 10)", "range() may make at most"),
]


@pytest.mark.parametrize(("call", "message"), BEYOND, ids=[call for call, _ in BEYOND])
def test_a_computed_size_beyond_its_bound_is_an_error_that_names_it(
    call: str, message: str, engine: Engine
) -> None:
    rows = (
        "SELECT 2000000 + (random() * 0)::INT AS n, 'ab' AS name, [1] AS ids, DATE '2024-01-01' AS d, "
        "'{:100000d}' AS f, '{:{}d}' AS f2, '%100000d' AS p, repeat('x', 60000) AS long"
    )
    with pytest.raises(InvalidValue) as caught:
        run(f"SELECT {call} AS made FROM ({rows})", engine)
    assert message in caught.value.message
    assert not caught.value.retryable


def test_the_arguments_are_evaluated_once(engine: Engine) -> None:
    # Of two draws one could pass the check, and the other be used.
    sql = "SELECT length(repeat('x', (random() * 200000)::BIGINT)) AS n FROM range(300)"
    for _ in range(20):
        with pytest.raises(InvalidValue, match="100,000 bytes"):
            run(sql, engine)
    text = rewritten("SELECT repeat(name, n) FROM t")
    assert text.count("name") == text.count("'a0': name") + text.count("repeat(name, n)")


def test_another_conversion_error_in_the_same_statement_is_not_taken_for_it(engine: Engine) -> None:
    with pytest.raises(InvalidValue) as caught:
        run("SELECT repeat('x', i) AS a, CAST('y' || i AS INTEGER) AS b FROM range(3) t(i)", engine)
    assert "cannot be converted" in caught.value.message


@pytest.mark.parametrize(
    "said",
    [
        "Conversion Error: Could not convert string 'ripstop bound secret 100000' to BOOL",
        "Conversion Error: Could not convert string 'ripstop bound repeat 4711' to BOOL",
        "Conversion Error: Could not convert string 'ripstop bound repeat' to BOOL",
    ],
)
def test_nothing_of_a_value_is_repeated(said: str) -> None:
    assert bounds.exceeded(said) is None


@pytest.mark.parametrize(
    "call",
    [
        "repeat(s := 'x', n := 5)",
        "list_resize([1])",
        "list_aggr([1], 'combine_aggr')",
        "list_aggr([1], 'su' || 'm')",
    ],
)
def test_a_form_that_cannot_be_bounded_is_refused(call: str) -> None:
    with pytest.raises(NotSupported):
        rewritten(f"SELECT {call} AS made")


def test_an_aggregate_that_breaks_the_engine_is_closed_by_every_way(engine: Engine) -> None:
    # It takes memory by an argument, for each group; when there is none, DuckDB gives itself up.
    assert not functions()["reservoir_quantile", "scalar"]
    with pytest.raises(NotSupported):
        rewritten("SELECT list_aggr([1], 'RESERVOIR_QUANTILE', 0.5, 100) AS q")


def test_every_bounded_function_is_one_that_users_may_call() -> None:
    assert all(functions()[name, "scalar"] for name in bounds._NAMES)


def test_a_statement_without_such_calls_is_left_alone() -> None:
    tree = sqlglot.parse_one("SELECT a, upper(b) FROM t WHERE ranger > 'x'", dialect="duckdb")
    assert bounded(tree) is tree
    tree = sqlglot.parse_one("SELECT a FROM repeat_orders ORDER BY a", dialect="duckdb")
    assert bounded(tree) is tree


SMALL = st.integers(-60, 60)


@settings(max_examples=300, deadline=None)
@given(start=SMALL, end=SMALL, step=SMALL.filter(bool), inclusive=st.booleans())
def test_a_range_is_refused_exactly_when_it_has_more_elements(
    start: int, end: int, step: int, inclusive: bool
) -> None:
    name = "generate_series" if inclusive else "range"
    elements = math.ceil((end - start + (math.copysign(1, step) if inclusive else 0)) / step)
    with pytest.MonkeyPatch.context() as patch, duckdb.connect() as connection:
        patch.setattr(bounds, "MOST_A_ROW", 20)
        text = rewritten(
            f"SELECT {name}(a, b, s) AS made FROM (SELECT {start} AS a, {end} AS b, {step} AS s)"
        )
        try:
            made = connection.sql(text).fetchall()[0][0]
        except duckdb.ConversionException:
            assert elements > 20
        else:
            assert len(made) == max(0, elements) <= 20


@settings(max_examples=200, deadline=None)
@given(left=st.sampled_from([-1, 1]), width=st.integers(0, 10), digits=st.integers(1, 7), star=st.booleans())
def test_a_format_is_refused_exactly_when_its_width_is_wide(
    left: int, width: int, digits: int, star: bool
) -> None:
    written = "*" if star else str(10 ** (digits - 1) + width)
    flag = "-" if left < 0 else ""
    wide = star or len(written) > 4
    for call in (f"printf('a%{flag}{written}db', 1)", f"format('a{{:{'{}' if star else written}d}}b', 1)"):
        try:
            rewritten(f"SELECT {call} AS made")
        except FabricError:
            assert wide
        else:
            assert not wide


def test_a_statement_of_many_such_calls_is_refused() -> None:
    calls = ", ".join(["repeat('x', i)"] * 1001)
    with pytest.raises(NotSupported, match="1,000 calls"):
        rewritten(f"SELECT {calls} FROM t")


def test_the_bounds_are_those_that_the_documentation_names() -> None:
    assert (MOST, MOST_A_ROW) == (1_000_000, 100_000)
