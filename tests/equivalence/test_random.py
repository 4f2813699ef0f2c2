"""Random predicates, projections, orders and limits over each kind of source answer as DuckDB does."""

from __future__ import annotations

from functools import cache

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fabric.errors import UserError
from tests.equivalence.comparison import ask, assert_same, expect
from tests.equivalence.conftest import Both
from tests.equivalence.sources import local_copies

TABLES = [
    "policy_db.public.policy",
    "policy_db.public.customer",
    "policy_db.public.extreme",
    "claims_lake.main.claim",
    "claims_lake.main.extreme",
    "partner_files.main.repair",
    "tariff_files.main.tariff",
    "fraud_api.main.score",
    "fraud_api.main.signal",
    "desk.main.note",
    "ledger.main.booking",
]
OF_CLAIMS = [
    "claims_lake.claim",
    "partner_files.repair",
    "fraud_api.score",
    "fraud_api.signal",
    "desk.note",
    "ledger.booking",
    "(SELECT policy_id - 1000 AS claim_id, * EXCLUDE policy_id FROM policy_db.policy)",
]
PATTERNS = ["%", "_%", "m%", "%o_", "%\\%", "mo\\_r", "a%'%", "%☃%", "%é", "", "100%", "%%_", "Ana%", "%e%r%"]
NUMBERS = ["0", "-1", "5", "2.5", "0.1", "1e0", "-0.0", "99999999999", "1e17", "0.3333333333333333"]
MOMENTS = ["'2024-02-29'", "DATE '2019-06-01'", "TIMESTAMP '2024-03-05 06:07:08.9'", "'infinity'"]
# Expressions that raise for no value of their column's type, each with values of its own.
_WORDS = ["'a'", "'motor'", "'EU'", "''", "'Ana'", "'m1'", "'home'"]
_YEARS = ["2019", "2020", "2024", "2025", "1970", "9999"]
_DAYS = [
    "DATE '2020-01-05'",
    "DATE '2024-02-29'",
    "DATE '2024-03-01'",
    "DATE '1970-01-01'",
    "DATE 'infinity'",
]
EXPRESSIONS = {
    "VARCHAR": [("lower({})", _WORDS), ("upper({})", ["'MOTOR'", "'EU'", "'R1'", "'ÅSA MÜLLER'"]), ("left({}, 2)", ["'mo'", "'c1'", "'IN'", "'a'"]),
                ("substring({}, 2, 3)", ["'oto'", "'na '", "'om'"]), ("right({}, 1)", ["'e'", "'U'", "'1'"]), ("trim({})", _WORDS),
                ("length({})", ["0", "1", "2", "5"]), ("coalesce({}, 'a')", _WORDS), ("nullif(lower({}), '')", _WORDS), ("{} || 'x'", ["'ax'", "'homex'"])],
    "DATE": [("year({})", _YEARS), ("coalesce({}, DATE '2024-03-01')", _DAYS), ("strftime({}, '%Y-%m')", ["'2020-01'", "'2024-02'", "'1970-01'"]),
             ("CAST({} AS VARCHAR)", ["'2024-02-29'", "'1970'"]), ("date_diff('day', {}, DATE '2024-03-01')", ["0", "30", "-30", "1000"])],
    "TIMESTAMP": [("CAST({} AS DATE)", _DAYS), ("year({})", _YEARS), ("strftime({}, '%Y-%m-%d')", ["'2024-02-29'", "'2025-01-01'"]),
                  ("year(CAST({} AS DATE))", _YEARS)],
    "TIMESTAMP WITH TIME ZONE": [("year({})", _YEARS)],
    "BIGINT": [("{} // 7", ["0", "3", "150"]), ("{} / 4", ["2.5", "0", "260"]), ("coalesce({}, 0)", ["0", "5", "1010"]), ("CAST({} AS DOUBLE)", NUMBERS),
               ("CAST({} AS VARCHAR)", ["'5'", "'1010'", "'x'"]), ("{}::HUGEINT * 3", ["15", "3030", "1"]), ("CASE WHEN {0} > 3 THEN {0} ELSE 3 END", ["3", "5"])],
    "DECIMAL": [("CAST({} AS DOUBLE)", NUMBERS), ("coalesce({}, 5)", NUMBERS), ("{} / 3", NUMBERS), ("abs({})", NUMBERS)],
    "DOUBLE": [("{} * -2", NUMBERS), ("{} + 0.5", NUMBERS), ("floor({})", NUMBERS), ("coalesce({}, 1)", NUMBERS), ("abs({})", NUMBERS)],
}  # fmt: skip
EXPRESSIONS["INTEGER"] = EXPRESSIONS["SMALLINT"] = EXPRESSIONS["BIGINT"]


@cache
def columns_of(table: str) -> dict[str, tuple[str, list[str]]]:
    """Each column's type, and literals of values that it holds."""
    found = {}
    with local_copies() as copies:
        for name, kind, *_ in copies.execute(f"DESCRIBE FROM {table}").fetchall():
            rows = copies.execute(
                f'SELECT DISTINCT CAST("{name}" AS VARCHAR) AS v FROM {table} WHERE "{name}" IS NOT NULL ORDER BY v LIMIT 60'
            ).fetchall()
            literals = [f"CAST({quoted(text)} AS {kind})" for (text,) in rows]
            found[name] = (kind, literals or ["NULL"])
    return found


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@st.composite
def leaves(draw: st.DrawFn, table: str, prefix: str = "") -> str:
    """A test of one column, at times with a literal of another type than the column's."""
    name, (kind, own) = draw(st.sampled_from(list(columns_of(table).items())))
    column = f'{prefix}"{name}"'
    values = st.sampled_from(own)
    if kind in ("SMALLINT", "INTEGER", "BIGINT", "DOUBLE", "FLOAT") or kind.startswith("DECIMAL"):
        values |= st.sampled_from(NUMBERS)
    elif kind.startswith(("DATE", "TIMESTAMP")):
        values |= st.sampled_from(MOMENTS)
    shape = draw(
        st.sampled_from(["compare", "compare", "in", "null", "between", "like", "expression", "expression"])
    )
    known = EXPRESSIONS.get(kind.partition("(")[0])
    if shape == "expression" and known:
        expression, own = draw(st.sampled_from(known))
        column, values, shape = (
            expression.format(column),
            st.sampled_from(own),
            draw(st.sampled_from(["compare", "in"])),
        )
    if shape == "null":
        return f"{column} IS {draw(st.sampled_from(['', 'NOT ']))}NULL"
    if shape == "in":
        listed = draw(st.lists(values, min_size=1, max_size=20))
        with_null = ["NULL"] if draw(st.integers(0, 5)) == 0 else []
        return f"{column} {draw(st.sampled_from(['', 'NOT ']))}IN ({', '.join(listed + with_null)})"
    if shape == "between":
        return f"{column} BETWEEN {draw(values)} AND {draw(values)}"
    if shape == "like" and kind == "VARCHAR":
        word = draw(st.sampled_from(["LIKE", "NOT LIKE", "ILIKE"]))
        return f"{column} {word} {quoted(draw(st.sampled_from(PATTERNS)))}"
    operator = draw(st.sampled_from(["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM"]))
    return f"{column} {operator} {draw(values)}"


def conditions(table: str, prefix: str = "") -> st.SearchStrategy[str]:
    """Trees of tests."""
    return st.recursive(
        leaves(table, prefix),
        lambda inner: st.one_of(
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({' AND '.join(parts)})"),
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({' OR '.join(parts)})"),
            inner.map(lambda part: f"NOT ({part})"),
        ),
        max_leaves=5,
    )


@st.composite
def queries(draw: st.DrawFn, table: str) -> str:
    """A SELECT; with a limit it is ordered by every selected column, so that ties are equal rows."""
    chosen = draw(st.lists(st.sampled_from(list(columns_of(table))), min_size=1, max_size=5, unique=True))
    names = [f'"{name}"' for name in chosen]
    sql = f"SELECT {', '.join(names)} FROM {table} WHERE {draw(conditions(table))}"
    if draw(st.booleans()):
        ways = st.sampled_from(["", " DESC", " NULLS FIRST", " DESC NULLS FIRST", " DESC NULLS LAST"])
        sql += " ORDER BY " + ", ".join(name + draw(ways) for name in names)
        sql += f" LIMIT {draw(st.integers(0, 30))} OFFSET {draw(st.integers(0, 8))}"
    return sql


@st.composite
def joins(draw: st.DrawFn) -> str:
    """Two tables of claims, joined; conditions stand in ON, in WHERE, or in a subquery with a limit."""
    one, other = draw(st.lists(st.sampled_from(OF_CLAIMS), min_size=2, max_size=2))
    left, right = _side(draw, one, "a"), _side(draw, other, "b")
    kind = draw(st.sampled_from(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN"]))
    on = f"a.claim_id = b.claim_id AND {draw(conditions(one, 'a.'))}"
    if draw(st.booleans()):
        on = f"a.claim_id = b.claim_id AND {draw(conditions(other, 'b.'))}"
    both = kind not in ("SEMI JOIN", "ANTI JOIN")
    where = draw(conditions(other, "b.") if both and draw(st.booleans()) else conditions(one, "a."))
    selected = "a.claim_id AS k, " + ("b.*" if both else "a.*")
    if draw(st.integers(0, 3)) == 0:
        selected = "count(*) AS n, count(a.claim_id) AS m" + (", min(b.claim_id) AS l" if both else "")
    return f"SELECT {selected} FROM {left} {kind} {right} ON {on} WHERE {where}"


def _side(draw: st.DrawFn, table: str, alias: str) -> str:
    if draw(st.integers(0, 2)):
        return f"{table} {alias}"
    columns = ", ".join(f'"{name}"' for name in columns_of(table))
    limited = f" ORDER BY {columns} LIMIT {draw(st.integers(0, 60))}" if draw(st.booleans()) else ""
    return f"(SELECT * FROM {table} WHERE {draw(conditions(table))}{limited}) {alias}"


TOTALLED = ["policy_db.public.policy", "policy_db.public.customer", "policy_db.public.extreme"]
_TOTALS = ["sum({})", "sum({})", "avg({})", "count({})", "count(*)", "sum({}) FILTER ({if})", "count({}) FILTER ({if})",
           "sum({}::BIGINT)", "max({})", "count(DISTINCT {})", "sum({} + 1)", "sum(CASE WHEN {if} THEN {} END)", "avg(DISTINCT {})"]  # fmt: skip


_UNITS = ["year({})", "quarter({})", "month({})", "date_trunc('month', {})", "date_trunc('year', {})", "strftime({}, '%Y-%m')", "monthname({})",
          "extract(year FROM CAST({} AS DATE))", "year({}) * 100 + month({})", "day({})", "date_trunc('week', {})"]  # fmt: skip
_TURNS = ["< DATE '2022-01-01'", ">= DATE '2020-01-01'", "BETWEEN DATE '2019-01-01' AND DATE '2022-12-31'", ">= DATE '2021-04-01'",
          "< TIMESTAMP '2021-02-01'", "> DATE '2021-02-15'", "<= DATE '2022-06-30'", "IS NOT NULL", "= DATE '2020-03-01'"]  # fmt: skip


@st.composite
def totals(draw: st.DrawFn) -> str:
    """Sums, averages and counts of one or two tables of Postgres, by groups or of all, over rows, joins, limits and windows."""
    one, other = draw(st.sampled_from([(each, "") for each in TOTALLED] + [(TOTALLED[0], TOTALLED[1])] * 3))
    tables = {"a.": one} | ({"b.": other} if other else {})
    source, both = f"{_part(draw, one)} a", True
    if other:
        kind = draw(
            st.sampled_from(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN"])
        )
        prefix, tested = draw(st.sampled_from(list(tables.items())))
        source += f" {kind} {_part(draw, other)} b ON a.customer_id = b.customer_id"
        source += f" AND {draw(conditions(tested, prefix))}" if draw(st.booleans()) else ""
        both = kind not in ("SEMI JOIN", "ANTI JOIN")
    if not both:
        del tables["b."]
    known = [
        (prefix, name, kind)
        for prefix, table in tables.items()
        for name, (kind, _) in columns_of(table).items()
    ]
    numbers = [
        f'{prefix}"{name}"'
        for prefix, name, kind in known
        if kind in ("SMALLINT", "INTEGER", "BIGINT") or (kind.startswith("DECIMAL") and name != "huge")
    ]
    groups = [f'{prefix}"{name}"' for prefix, name, kind in known if not kind.endswith("[]")]
    moments = [f'{prefix}"{name}"' for prefix, name, kind in known if kind in ("DATE", "TIMESTAMP")]
    units = st.builds(str.replace, st.sampled_from(_UNITS), st.just("{}"), st.sampled_from(moments))
    chosen = draw(st.lists(st.sampled_from(groups) | units, max_size=2, unique=True))
    prefix, tested = draw(st.sampled_from(list(tables.items())))
    made = [
        draw(st.sampled_from(_TOTALS))
        .replace("{}", draw(st.sampled_from(numbers)))
        .replace("{if}", draw(leaves(tested, prefix)))
        for _ in range(draw(st.integers(1, 4)))
    ]
    selected = ", ".join(f"{each} AS c{n}" for n, each in enumerate(chosen + made))
    sql = f"SELECT {selected} FROM {source}"
    where = [draw(conditions(tested, prefix))] if draw(st.booleans()) else []
    where += (
        [f"{draw(st.sampled_from(moments))} {draw(st.sampled_from(_TURNS))}"] if draw(st.booleans()) else []
    )
    sql += f" WHERE {' AND '.join(where)}" if where else ""
    if chosen:
        way = draw(st.sampled_from(["{}", "{}", "ROLLUP ({})"]))
        sql += f" GROUP BY {way.format(', '.join(chosen))}"
        if draw(st.integers(0, 3)) == 0:
            sql += f" HAVING sum({draw(st.sampled_from(numbers))}) > 5 OR count(*) = 1"
    return sql


def _part(draw: st.DrawFn, table: str) -> str:
    columns = ", ".join(f'"{name}"' for name in columns_of(table))
    return draw(
        st.sampled_from(
            [table] * 5
            + [
                f"(SELECT * FROM {table} WHERE {draw(conditions(table))})",
                f"(SELECT * FROM {table} ORDER BY {columns} LIMIT 40)",
                f"(SELECT *, row_number() OVER (ORDER BY {columns}) AS place FROM {table} QUALIFY place < 30)",
                f"(SELECT DISTINCT * FROM {table})",
                f"(FROM {table} UNION ALL FROM {table})",
            ]
        )
    )


def assert_equal(both: Both, sql: str) -> None:
    """The line and DuckDB answer alike, or both refuse."""
    try:
        wanted = expect(both.copies, sql)
    except duckdb.Error:
        with pytest.raises(UserError):
            ask(both.app.line, sql)
        return
    assert_same(both.copies, ask(both.app.line, sql), wanted, is_ordered(sql))


def is_ordered(sql: str) -> bool:
    """Whether a query orders its result: an ORDER BY of a window, or within parentheses, does not."""
    before, _, after = sql.rpartition("ORDER BY")
    return (
        bool(before)
        and before.count("(") == before.count(")")
        and "JOIN" not in sql
        and "GROUP BY" not in after
    )


# Derandomized: the same examples in every run, so that a failure is news of a change.
def bounded(examples: int) -> settings:
    """So many examples, however slow the machine."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.parametrize("table", TABLES)
def test_random_queries_answer_as_duckdb_does(both: Both, table: str) -> None:
    @bounded(30)
    @given(queries(table))
    def check(sql: str) -> None:
        assert_equal(both, sql)

    check()


def test_random_joins_answer_as_duckdb_does(both: Both) -> None:
    @bounded(80)
    @given(joins())
    def check(sql: str) -> None:
        assert_equal(both, sql)

    check()


def test_random_totals_answer_as_duckdb_does(both: Both) -> None:
    @bounded(40)
    @given(totals())
    def check(sql: str) -> None:
        assert_equal(both, sql)

    check()
