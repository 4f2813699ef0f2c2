"""Statements put together at random: those that are called total never raise."""

from __future__ import annotations

import re
from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fabric.engine import Engine
from fabric.totality import is_total
from tests.fabric.extremes import failure, table

COLUMNS = {
    "k": "BIGINT", "i": "INTEGER", "h": "HUGEINT", "ti": "TINYINT", "ui": "UINTEGER", "f": "FLOAT", "x": "DOUBLE",
    "d2": "DECIMAL(10,2)", "d38": "DECIMAL(38,10)", "s": "VARCHAR", "en": "ENUM('a', 'b')", "bo": "BOOLEAN",
    "d": "DATE", "ts": "TIMESTAMP", "l": "INTEGER[]",
}  # fmt: skip

# What an expression of each kind may be; a word in braces is another expression, of that kind.
LEAVES = {
    "int": "k|i|ti|ui|h|5|-1|3000000000|'7'::BIGINT",
    "float": "x|f|1.5|0e0|'2.5'::DOUBLE",
    "dec": "d2|d38|100.25|CAST(1 AS DECIMAL(38,2))",
    "text": "s|en|'a'|'%a_'|'2024-01-01'|NULL",
    "date": "d|DATE '2024-01-01'|current_date|current_date - 7",
    "time": "ts|TIMESTAMP '2024-01-01 10:00'|current_date - INTERVAL 7 DAY|date_trunc('month', current_date)",
    "bool": "bo|true|NULL",
}
BRANCHES = {
    "int": """{int} + {int}|{int} * 2|-{int}|{int} % 7|{int} // -2|{int} % {int}|abs({int})|{int} & 7|{int} << 2|length({text})
        |year({date})|month({time})|CAST({text} AS INTEGER)|TRY_CAST({text} AS INTEGER)|TRY(CAST({text} AS INTEGER))
        |TRY({int} + {int})|TRY(CAST({text} AS INTEGER) + {int})|coalesce({int}, {int})|sign({float})|{date} - {date}
        |datediff('day', {date}, {date})|datediff('month', {time}, {time})|greatest({int}, {int})|CAST({float} AS BIGINT)
        |CAST({dec} AS INTEGER)|CASE WHEN {bool} THEN {int} ELSE {int} END|nullif({int}, {int})|l[{int}]|CAST({bool} AS INTEGER)
        |strpos({text}, {text})|(SELECT max({int}) FROM t2)|(SELECT count(*) FROM t2 WHERE {bool})|2147483647 + {int}|1 + 2 * 3""",
    "float": """{float} + {float}|{float} * {float}|{float} / {float}|{int} / {int}|{dec} / {int}|sqrt({float})|ln({float})
        |CAST({int} AS DOUBLE)|CAST({dec} AS DOUBLE)|CAST({text} AS DOUBLE)|CAST({float} AS FLOAT)|round({float}, 2)|epoch({time})
        |CASE WHEN {bool} THEN {float} END|{float} % {float}|{float} // {float}|power({float}, {float})|TRY_CAST({float} AS FLOAT)""",
    "dec": """{dec} + 1|{dec} + {dec}|{dec} - 0.5|{dec} * {dec}|{dec} % {dec}|-{dec}|round({dec}, 1)|floor({dec})|abs({dec})
        |CAST({int} AS DECIMAL(18,2))|CAST({dec} AS DECIMAL(12,4))|CAST({dec} AS DECIMAL(38,2))|coalesce({dec}, {dec})
        |TRY(CAST({dec} AS DECIMAL(5,1)))|CAST({float} AS DECIMAL(9,2))|CASE WHEN {bool} THEN {dec} ELSE {int} END""",
    "text": """upper({text})|lower({text})|trim({text})|{text} || {text}|concat({text}, {int}, {date})|substring({text}, 2, 3)
        |substring({text}, {int})|left({text}, 2)|right({text}, {int})|replace({text}, 'a', 'bc')|CAST({int} AS VARCHAR)
        |CAST({date} AS VARCHAR)|CAST({float} AS VARCHAR)|CAST({dec} AS VARCHAR)|strftime({date}, '%Y-%m')|split_part({text}, ',', 1)
        |regexp_replace({text}, 'a', 'b')|nullif({text}, {text})|coalesce({text}, 'x')|CASE WHEN {bool} THEN {text} END|chr({int})
        |md5({text})|lpad({text}, 5, 'x')|{text}[1:3]|string_split({text}, ',')[1]|reverse({text})|dayname({date})""",
    "date": """CAST({time} AS DATE)|{date} + 1|{date} + {int}|CAST({text} AS DATE)|TRY_CAST({text} AS DATE)|last_day({date})
        |greatest({date}, {date})|coalesce({date}, {date})|CASE WHEN {bool} THEN {date} END|TRY({date} + 1)|make_date({int}, 1, 1)""",
    "time": """CAST({date} AS TIMESTAMP)|TRY_CAST({date} AS TIMESTAMP)|TRY(CAST({date} AS TIMESTAMP))|date_trunc('day', {time})
        |date_trunc('month', {time})|TRY(date_trunc('month', {date}))|{time} + INTERVAL 1 DAY|CASE WHEN {bool} THEN {time} END
        |coalesce({time}, {date})|least({time}, {time})|CAST({text} AS TIMESTAMP)""",
    "bool": """{int} = {int}|{int} > {dec}|{int} < {float}|{dec} = {dec}|{dec} > 99.5|{float} >= {float}|{text} = {text}|{text} = {int}
        |{text} < {text}|{date} = {date}|{date} >= '2024-01-01'|{time} > {date}|{date} < {time}|{text} = {date}|{bool} AND {bool}
        |{bool} OR {bool}|NOT {bool}|{int} IS NULL|{int} IN (1, {int}, 3, 4, {int}, 6)|{text} IN ('a', {text})|{text} NOT IN (1, 2, 3)
        |{int} BETWEEN {int} AND {dec}|{text} LIKE {text}|{text} ILIKE '%a'|{text} LIKE 'a!%' ESCAPE '!'|{text} LIKE {text} ESCAPE '!'
        |regexp_matches({text}, 'a+')|regexp_matches({text}, {text})|contains({text}, {text})|{int} IS DISTINCT FROM {int}
        |{int} IN (SELECT {int} FROM t2)|EXISTS (SELECT 1 FROM t2 WHERE {bool})|CAST({int} AS BOOLEAN)|CAST({text} AS BOOLEAN)
        |({int}, {text}) = ({int}, {text})|TRY({text} = {int})""",
}  # fmt: skip
STATEMENTS = """SELECT {any} AS p, {any} AS q, {any} AS r FROM t WHERE {bool}
    |SELECT {any} AS p FROM t WHERE {bool} ORDER BY {any} LIMIT 7
    |SELECT {any} AS g, count(*), min({any}), sum({float}), avg({int}), max({date}), sum({dec}) FROM t WHERE {bool} GROUP BY g
    |SELECT {any} AS g, sum({int}) AS n FROM t GROUP BY g HAVING count(*) > 1 AND sum({float}) > 1 ORDER BY n
    |SELECT q.p FROM (SELECT {any} AS p FROM t WHERE {bool}) q JOIN (SELECT {any} AS p FROM t2) r ON q.p = r.p
    |SELECT q.p FROM (SELECT {any} AS p FROM t) q LEFT JOIN (SELECT {any} AS p FROM t2 WHERE {bool}) r USING (p)
    |SELECT rank() OVER (PARTITION BY {any} ORDER BY {any}), lag({any}, 1) OVER (ORDER BY k) FROM t
    |SELECT {any} AS p FROM t UNION SELECT {any} FROM t2
    |WITH q AS (SELECT {any} AS p, {int} AS n FROM t WHERE {bool}) SELECT a.p FROM q a JOIN q b USING (n) WHERE a.n > 3
    |SELECT p FROM (SELECT {any} AS p, {any} AS q FROM t LIMIT 9223372036854775807) WHERE {bool}"""
KINDS = tuple(LEAVES)


def options(text: str) -> list[str]:
    return [" ".join(option.split()) for option in re.split(r"(?<!\|)\|(?!\|)", text)]


@st.composite
def expressions(draw: st.DrawFn, kind: str, depth: int) -> str:
    if kind == "any":
        kind = draw(st.sampled_from(KINDS))
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(options(LEAVES[kind])))
    return filled(draw, draw(st.sampled_from(options(BRANCHES[kind]))), depth - 1)


def filled(draw: st.DrawFn, template: str, depth: int) -> str:
    return re.sub(r"{(\w+)}", lambda match: f"({draw(expressions(match[1], depth))})", template)


@st.composite
def statements(draw: st.DrawFn) -> str:
    return filled(draw, draw(st.sampled_from(options(STATEMENTS))), draw(st.integers(0, 2)))


def test_a_statement_that_is_total_does_not_raise_whatever_it_is_made_of() -> None:
    engine = Engine(threads=2)
    seen: Counter[str] = Counter()
    columns = {name: list(COLUMNS.items()) for name in ("t", "t2")}
    with engine.cursor() as cursor:
        for name in columns:
            table(cursor, name, COLUMNS)

        @settings(
            max_examples=600,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(statements())
        def judged(sql: str) -> None:
            total = is_total(engine.bound_plan(sql, columns))
            said = failure(cursor, sql)
            kind = (
                "total"
                if total
                else "does not bind"
                if "Binder" in said
                else "raises"
                if said
                else "not known"
            )
            seen[kind] += 1
            assert not (total and said), f"{sql}\n{said}"

        judged()
    engine.close()
    print(seen)
    assert min(seen["total"], seen["raises"]) > 60
