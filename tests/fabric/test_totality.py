"""What cannot raise is known, and everything that is called so is tried over the extremes of its types."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from fabric.confirm import functions
from fabric.engine import Engine
from fabric.totality import is_total
from fabric.totality_constants import known
from fabric.totality_functions import listed
from tests.fabric.extremes import BITS, DECIMALS, TYPES, failure, table

COLUMNS = {
    "k": "BIGINT", "i": "INTEGER", "h": "HUGEINT", "ti": "TINYINT", "ui": "UINTEGER", "f": "FLOAT", "x": "DOUBLE",
    "d2": "DECIMAL(10,2)", "d38": "DECIMAL(38,10)", "s": "VARCHAR", "b": "BLOB", "bo": "BOOLEAN", "d": "DATE",
    "ts": "TIMESTAMP", "tz": "TIMESTAMPTZ", "ns": "TIMESTAMP_NS", "tm": "TIME", "iv": "INTERVAL", "u": "UUID",
    "en": "ENUM('a', 'b')", "l": "INTEGER[]", "st": "STRUCT(a INTEGER, b VARCHAR)", "m": "MAP(VARCHAR, INTEGER)",
    "j": "JSON",
}  # fmt: skip


@dataclass
class World:
    """An engine, and a connection of its that has ``t`` and ``t2`` with every type, and one table a type."""

    engine: Engine
    cursor: duckdb.DuckDBPyConnection

    def total(self, sql: str) -> bool:
        tables = {name: list(COLUMNS.items()) for name in ("t", "t2")}
        tables |= {f"v {kind}": [("v", kind)] for kind in TYPES if f'"v {kind}"' in sql}
        return is_total(self.engine.bound_plan(sql, tables))

    def failure(self, sql: str) -> str:
        return failure(self.cursor, sql)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    engine = Engine(threads=2)
    with engine.cursor() as cursor:
        for name in ("t", "t2"):
            table(cursor, name, COLUMNS)
        for kind in TYPES:
            table(cursor, f"v {kind}", {"v": kind})
        yield World(engine, cursor)
    engine.close()


# ── what dashboards ask ──────────────────────────────────────────────────────────────────────

TOTAL = """
SELECT * FROM t
SELECT count(*) FROM t
SELECT k FROM t WHERE k = 5 AND k <> -5 AND k > 3000000000 AND k = 5.0 AND k > 1e3 AND k IN (1, 2, 3) AND k IN ('1', '2')
SELECT k FROM t WHERE k = '5' OR ui = 5 OR ui = -5 OR ti = 5 OR h = 5 OR h > 1e3 OR k = h OR k = x OR k = ui OR bo = 1
SELECT k FROM t WHERE d2 > 100 AND d2 > 99.5 AND d2 < 1.2345 AND d2 = k AND d2 = x AND d2 BETWEEN 1 AND 10.5 AND d38 > 1234567890123456789.5
SELECT k FROM t WHERE x > 1 AND x BETWEEN 0 AND 1.5 AND f > 1.5 AND x > f AND x IN (1, 2.5)
SELECT k FROM t WHERE d >= DATE '2024-01-01' AND d >= '2024-01-01' AND d BETWEEN '2024-01-01' AND '2024-12-31'
SELECT k FROM t WHERE d IN (DATE '2024-01-01', '2024-01-02') AND d > today() AND d > current_date - 7
SELECT k FROM t WHERE ts >= DATE '2024-01-01' AND ts > '2024-01-01 10:00' AND ts < TIMESTAMP '2024-01-01 10:00:00.123456'
SELECT k FROM t WHERE ts >= current_date - INTERVAL 7 DAY AND ts < DATE '2024-01-31' + INTERVAL 1 MONTH
SELECT k FROM t WHERE ts >= date_trunc('month', current_date) AND ts::DATE = '2024-01-01'
SELECT k FROM t WHERE tz >= '2024-01-01' AND tz >= TIMESTAMP '2024-01-01' AND tz >= DATE '2024-01-01' AND tz > now() - INTERVAL 7 DAY
SELECT k FROM t WHERE ns >= '2024-01-01' AND ns >= DATE '2024-01-01' AND tm > '10:00' AND iv > INTERVAL 1 DAY
SELECT k FROM t WHERE s = 'a' AND s IN ('a', 'b', NULL) AND s LIKE 'a%' AND s ILIKE '%b' AND s NOT LIKE 'a_' AND s < 'b'
SELECT k FROM t WHERE s LIKE '10!%%' ESCAPE '!' AND s LIKE s AND s ILIKE '%' || s AND s GLOB 'a*' AND s ^@ 'a' AND contains(s, 'a')
SELECT k FROM t WHERE regexp_matches(s, '^a.*') AND s ~ 'a' AND s SIMILAR TO 'a|b' AND regexp_matches(s, 'a', 'i')
SELECT k FROM t WHERE upper(s) = 'A' AND lower(s) LIKE 'a%' AND trim(s) <> '' AND length(s) > 3 AND starts_with(s, 'a')
SELECT k FROM t WHERE u = '00000000-0000-0000-0000-000000000000' AND en = 'a' AND en IN ('a', 'zzz') AND en = s AND bo AND NOT bo
SELECT k FROM t WHERE bo = 'true' OR bo IS TRUE OR s IS NULL OR k IS NOT NULL OR k IS DISTINCT FROM i OR k = NULL
SELECT k FROM t WHERE (k, s) IN ((1, 'a'), (2, 'b')) AND k > 100 * 365
SELECT year(d), extract(month FROM ts), date_part('day', tz), dayname(d), hour(ts), epoch(ts), quarter(d), d - d FROM t
SELECT strftime(d, '%Y-%m'), date_trunc('day', ts), datediff('day', d, DATE '2024-01-01'), date_diff('month', ts, ts), ts::DATE FROM t
SELECT CASE WHEN k = 1 THEN 'a' WHEN x > 2 THEN s END, coalesce(k, 0), nullif(s, ''), ifnull(x, 0), if(bo, 1, 2) FROM t
SELECT CASE s WHEN 'a' THEN 1 WHEN 'b' THEN 2 END, greatest(k, i), least(s, 'a'), CASE WHEN x > 0 THEN 1.5 ELSE 0 END FROM t
SELECT s || ' ' || s, concat(s, d, k), concat_ws(',', s, u), substring(s, 1, 3), left(s, 2), right(s, -1), s[1:3], s[1] FROM t
SELECT replace(s, 'a', 'bb'), lpad(s, 5, '0'), split_part(s, ',', 1), string_split(s, ','), reverse(s), md5(s), hash(s, k) FROM t
SELECT k::VARCHAR, d::VARCHAR, d2::VARCHAR, x::VARCHAR, i::BIGINT, i::DOUBLE, d2::DOUBLE, d2::DECIMAL(12,3), bo::INTEGER FROM t
SELECT x + 1, x * 2, x / 2, x / 0, -x, k / 2, d2 / d2, k % 2, k // 2, h % 100, x % 2, d2 % 2, x // 1.5, abs(x), d2 + 1, d2 - 1.5, d2 + d2, sqrt(x), ln(x), x ^ 2 FROM t
SELECT round(x, 2), round(d2, 1), round(k), floor(d2), ceil(x), sign(k), k & 1, trunc(x), isnan(x), abs(d2), -d2, x::VARCHAR FROM t
SELECT try_cast(s AS INTEGER), try_cast(s AS DATE), TRY(s::DECIMAL(10,2)), TRY(k + 1), TRY(date_trunc('month', d)), TRY(d::TIMESTAMP) FROM t
SELECT l[1], l[k], st.a, st['b'], m['a'], len(l), list_contains(l, 1), [k, 1], {'a': k}, row(k, s) FROM t
SELECT s, count(*), count(k), sum(k), sum(i), sum(x), sum(d2), avg(k), avg(x), avg(d2), min(s), max(d), max(ts) FROM t GROUP BY s
SELECT first(k), any_value(s), arg_min(s, k), max_by(k, x), bool_and(bo), count(DISTINCT s), median(x), stddev(k), mode(s), corr(x, k) FROM t
SELECT sum(k) FILTER (WHERE i = 1), count_if(k > 1 AND bo), quantile_cont(x, 0.9), approx_count_distinct(s), sum(x ORDER BY d) FROM t
SELECT year(d) AS y, sum(x) AS n FROM t GROUP BY ALL HAVING count(*) > 1 AND sum(x) > 10 ORDER BY n DESC NULLS LAST LIMIT 10 OFFSET 2
SELECT k, s FROM t GROUP BY ROLLUP (k, s) HAVING grouping(k) = 0
SELECT k, count(DISTINCT s) FROM t GROUP BY CUBE (k, bo)
SELECT DISTINCT s, k FROM t ORDER BY s
SELECT DISTINCT ON (k) k, s FROM t ORDER BY s
SELECT a.k FROM t a JOIN t2 b ON a.k = b.k AND a.x < b.x LEFT JOIN t2 c ON a.s = c.s AND c.k > 5
SELECT k FROM t JOIN t2 USING (k)
SELECT a.k FROM t a FULL JOIN t2 b ON a.k = b.i
SELECT a.k FROM t a JOIN t2 b ON a.k <> b.k OR a.i = b.i
SELECT t.k FROM t SEMI JOIN t2 ON t.k = t2.k
SELECT t.k FROM t, t2 WHERE t.d = t2.d
SELECT k FROM t WHERE k IN (SELECT k FROM t2) AND EXISTS (SELECT 1 FROM t2 WHERE t2.k = t.k) AND k NOT IN (SELECT i FROM t2)
SELECT k FROM t WHERE x > (SELECT avg(x) FROM t2) AND k > ALL (SELECT k FROM t2) AND (SELECT count(*) FROM t2) > 5
SELECT k, (SELECT max(x) FROM t2 WHERE t2.k = t.k) FROM t
SELECT k FROM t UNION ALL SELECT i FROM t2 EXCEPT SELECT h FROM t
SELECT k, s FROM t UNION SELECT i, s FROM t2 INTERSECT SELECT 1, 'a'
WITH q AS (SELECT k, s FROM t WHERE k > 3) SELECT a.k FROM q a JOIN q b USING (k)
WITH q AS MATERIALIZED (SELECT * FROM t WHERE k = 1) SELECT k FROM q ORDER BY s LIMIT 5
SELECT * FROM (SELECT * FROM t WHERE s = 'a' LIMIT 9223372036854775807) WHERE k = 1
SELECT row_number() OVER (PARTITION BY s ORDER BY d), rank() OVER (ORDER BY k), lag(k, 1, 0) OVER (ORDER BY k), lead(s) OVER (ORDER BY d) FROM t
SELECT sum(k) OVER (ORDER BY d ROWS BETWEEN 6 PRECEDING AND CURRENT ROW), avg(x) OVER (PARTITION BY s), ntile(4) OVER (ORDER BY k) FROM t
SELECT first_value(s) OVER (ORDER BY k), nth_value(s, 2) OVER (ORDER BY k), count(*) OVER (), sum(k) OVER (ORDER BY d) FROM t
SELECT s, row_number() OVER (PARTITION BY s ORDER BY k) AS r FROM t QUALIFY r = 1
SELECT k, v FROM (VALUES (1, 'a'), (2, 'b')) AS q(k, v)
PIVOT (SELECT s, en, k FROM t) ON en IN ('a', 'b') USING sum(k) GROUP BY s
FROM (SELECT s, k, h FROM t) UNPIVOT (v FOR n IN (k, h))
SELECT unnest(l) FROM t
SELECT NULL::BIGINT AS c, NULL::JSON AS j, NULL::ENUM('a') AS e WHERE false
SELECT coalesce(TRY(s::INTEGER) > 5, false) FROM t WHERE coalesce(TRY(s::INTEGER), 0) = 5
SELECT left(sha256('\\x01'::BLOB || unhex(sha256('\\x02'::BLOB || encode(s)))), 16) FROM t
""".strip().splitlines()  # fmt: skip


@pytest.mark.parametrize("sql", TOTAL)
def test_what_dashboards_ask_is_total_and_does_not_raise(world: World, sql: str) -> None:
    assert world.total(sql)
    assert world.failure(sql) == ""


# ── what raises ──────────────────────────────────────────────────────────────────────────────

RAISES = """
SELECT s::INTEGER FROM t
SELECT s::DATE FROM t
SELECT s::JSON FROM t
SELECT s::UUID FROM t
SELECT s::BOOLEAN FROM t
SELECT s::INTERVAL FROM t
SELECT s::BLOB FROM t
SELECT s::ENUM('a', 'b') FROM t
SELECT s::INTEGER[] FROM t
SELECT k::INTEGER FROM t
SELECT i::UINTEGER FROM t
SELECT x::INTEGER FROM t
SELECT x::FLOAT FROM t
SELECT x::DECIMAL(10,2) FROM t
SELECT x::HUGEINT FROM t
SELECT h::BIGINT FROM t
SELECT d2::DECIMAL(9,2) FROM t
SELECT d2::SMALLINT FROM t
SELECT d38::DECIMAL(38,12) FROM t
SELECT k::DECIMAL(18,2) FROM t
SELECT d::TIMESTAMP FROM t
SELECT d::TIMESTAMPTZ FROM t
SELECT ts::TIMESTAMP_NS FROM t
SELECT ts::TIME FROM t
SELECT chr(i) FROM t
SELECT k FROM t WHERE s = 5
SELECT k FROM t WHERE s IN (5, 6)
SELECT k FROM t WHERE s IN (5, 6, 7)
SELECT k FROM t WHERE s IN (5, 6, 7, 8)
SELECT k FROM t WHERE s IN (1, 2, 3, 4, 5)
SELECT k FROM t WHERE s NOT IN (1, 2, 3, 4, 5, 6)
SELECT k FROM t WHERE CAST(s AS INTEGER) IN (0, 1, 2, 3, 4)
SELECT k FROM t WHERE s = k
SELECT k FROM t WHERE s = d
SELECT k FROM t WHERE s = x
SELECT k FROM t WHERE d = ts
SELECT d + INTERVAL 7 DAY > now() FROM t
SELECT k FROM t WHERE ns = ts
SELECT k FROM t WHERE d IN (TIMESTAMP '2024-01-01', DATE '2024-01-02', '2024-01-03')
SELECT k FROM t WHERE d < now()
SELECT a.k FROM t a JOIN t2 b ON CAST(a.d2 AS DECIMAL(38,2)) = b.d38 + CAST(0 AS DECIMAL(38,12))
SELECT k FROM t WHERE CAST(d2 AS DECIMAL(38,2)) = CAST(h AS DECIMAL(38,10))
SELECT a.k FROM t a JOIN t2 b ON a.s = b.k
SELECT a.k FROM (SELECT k, d FROM t) a JOIN (SELECT k, ts AS d FROM t2) b USING (d)
SELECT a.k FROM (SELECT k, s AS c FROM t) a JOIN (SELECT i AS c FROM t2) b USING (c)
SELECT k FROM t WHERE s IN (SELECT k FROM t2)
SELECT s FROM t UNION ALL SELECT CAST(s AS BIGINT)::VARCHAR FROM t2
SELECT k + 1 FROM t
SELECT i * 2 FROM t
SELECT -k FROM t
SELECT abs(i) FROM t
SELECT ui - 1 FROM t
SELECT k // i FROM t
SELECT k % ti FROM t
SELECT x // 0 FROM t
SELECT k % 0 FROM t WHERE k > 1
SELECT k % -1 FROM t
SELECT d2 % 0 FROM t
SELECT d2 * 10000000 * d2 FROM t
SELECT d38 + d38 FROM t
SELECT d38 * d38 FROM t
SELECT k << 1 FROM t
SELECT round(k, -1) FROM t
SELECT round(k, -i) FROM t
SELECT factorial(ti) FROM t
SELECT gcd(k, k) FROM t
SELECT lcm(k, i) FROM t
SELECT to_base(k, 2) FROM t
SELECT d + 1 FROM t
SELECT d + INTERVAL 1 DAY FROM t
SELECT ts + INTERVAL 1 YEAR FROM t
SELECT ts - ts FROM t
SELECT iv + iv FROM t
SELECT iv * 2 FROM t
SELECT to_years(i) FROM t
SELECT date_trunc('month', d) FROM t
SELECT date_trunc('month', ts) FROM t
SELECT date_trunc('year', tz) FROM t
SELECT last_day(d) FROM t
SELECT make_date(i, i, i) FROM t
SELECT make_timestamp(k) FROM t
SELECT to_timestamp(x) FROM t
SELECT epoch_ms(ts) FROM t
SELECT epoch_ns(ts) FROM t
SELECT date_diff('microsecond', ts, TIMESTAMP '2000-01-01') FROM t
SELECT date_diff('foo', d, d) FROM t
SELECT date_sub('day', ts, TIMESTAMP '2000-01-01') FROM t
SELECT time_bucket(INTERVAL 1 DAY, d) FROM t
SELECT week(d) FROM t
SELECT strftime(d, '%U') FROM t
SELECT strptime(s, '%Y') FROM t
SELECT substring(s, k) FROM t
SELECT s[k] FROM t
SELECT left(s, k) FROM t
SELECT lpad(s, 5, '') FROM t
SELECT repeat(s, 100000000000) FROM t
SELECT s LIKE 'a!' ESCAPE '!' FROM t
SELECT s LIKE s ESCAPE '!' FROM t
SELECT s LIKE 'a' ESCAPE s FROM t
SELECT s LIKE 'a' ESCAPE 'é' FROM t
SELECT s NOT ILIKE 'a%' ESCAPE 'é' FROM t
SELECT date_trunc('foo', now()) FROM t
SELECT k FROM t WHERE tz < datetrunc('foo', CAST('2024-01-01' AS TIMESTAMPTZ))
SELECT regexp_matches(s, s) FROM t
SELECT regexp_extract(s, '[') FROM t
SELECT regexp_replace(s, 'a', '\\2') FROM t
SELECT regexp_full_match(s, s) FROM t
SELECT string_split_regex(s, s) FROM t
SELECT unhex(s) FROM t
SELECT unbin(s) FROM t
SELECT from_base64(s) FROM t
SELECT url_decode(b::VARCHAR)::INTEGER FROM t
SELECT printf(s, k) FROM t
SELECT format(s, k) FROM t
SELECT parse_formatted_bytes(s) FROM t
SELECT hamming(s, 'ab') FROM t
SELECT decode(b) FROM t
SELECT json_extract(s, '$.a') FROM t
SELECT json(s) FROM t
SELECT json_transform(s, '"INTEGER"') FROM t
SELECT s->>'a' FROM t
SELECT json_extract(j, s) FROM t
SELECT j::INTEGER FROM t
SELECT j::INTEGER[] FROM t
SELECT list_transform(l, LAMBDA q: q + 1) FROM t
SELECT [q + 1 FOR q IN l] FROM t
SELECT list_extract([1, 2], s::INTEGER) FROM t
SELECT list_zip(l, s::INTEGER[]) FROM t
SELECT list_sum(l)::TINYINT FROM t
SELECT array_value(s, s)::INTEGER[2] FROM t
SELECT map([s::INTEGER], [k]) FROM t
SELECT map([s, s], [1, 2]) FROM t
SELECT m['a'] + 2147483647 FROM t
SELECT st.a + 2147483647 FROM t
SELECT enum_code(s::ENUM('a')) FROM t
SELECT uuid_extract_timestamp(u) FROM t
SELECT set_bit(k::BIT, 1, i) FROM t
SELECT error(s) FROM t
SELECT CASE WHEN s <> 'a' THEN error('x') END FROM t
SELECT sum(h) FROM t
SELECT sum(d38) FROM t
SELECT sum(CAST(s AS INTEGER)) FROM t GROUP BY bo
SELECT count(*) FILTER (WHERE CAST(s AS INTEGER) > 1) FROM t
SELECT count(*) FROM t GROUP BY s::INTEGER
SELECT k FROM t ORDER BY s::INTEGER
SELECT DISTINCT ON (s::INTEGER) k FROM t
SELECT max(k) FROM t HAVING max(s)::INTEGER > 1
SELECT avg(d) FROM t
SELECT skewness(x) FROM t
SELECT sum(k) OVER (ORDER BY s::INTEGER) FROM t
SELECT sum(k) OVER (ORDER BY d RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW) FROM t
SELECT sum(k) OVER (ORDER BY i RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t
SELECT sum(k) OVER (ORDER BY d ROWS BETWEEN ti PRECEDING AND CURRENT ROW) FROM t
SELECT ntile(ti) OVER (ORDER BY k) FROM t
SELECT k FROM t WHERE x = (SELECT x FROM t2)
SELECT (SELECT t2.x FROM t2 WHERE t2.bo = t.bo) FROM t
SELECT k FROM t LIMIT (SELECT -1)
SELECT unnest(range(k)) FROM t
SELECT * FROM t, LATERAL (SELECT t.k + 1)
WITH RECURSIVE r(n) AS (SELECT 1::TINYINT UNION ALL SELECT (n + 1)::TINYINT FROM r) SELECT * FROM r
SELECT 'a'::INTEGER FROM t
SELECT '2024-13-45'::DATE FROM t
SELECT k FROM t WHERE d > '2024-02-30'
SELECT k FROM t WHERE ti = CAST(1000 AS TINYINT)
SELECT 9223372036854775807 + k // 9223372036854775807 + 1 FROM t WHERE k > 0
SELECT CAST(9223372036854775807 AS BIGINT) + CAST(1 AS BIGINT) FROM t
SELECT DATE '9999-12-31' + 2147483647 FROM t
SELECT DATE '2024-01-01' + INTERVAL 900000 YEAR FROM t
SELECT date_trunc('month', DATE '5881580-01-01') FROM t
SELECT TRY(s LIKE s ESCAPE '!') FROM t
""".strip().splitlines()  # fmt: skip


@pytest.mark.parametrize("sql", RAISES)
def test_what_raises_on_some_row_is_not_total(world: World, sql: str) -> None:
    assert world.failure(sql) != "", "this no longer raises: take it from the list"
    assert not world.total(sql)


FATAL = (
    "SELECT ts::VARCHAR FROM t",
    "SELECT try_cast(ts AS VARCHAR) FROM t",
    "SELECT TRY(ts::VARCHAR) FROM t",
    "SELECT ts || '' FROM t",
    'SELECT "="(k, s) FROM t',
    'SELECT "<"(s, k) FROM t',
    'SELECT "IS DISTINCT FROM"(k, s) FROM t',
)


@pytest.mark.parametrize("sql", FATAL)
def test_what_ends_the_whole_instance_is_not_total(world: World, sql: str) -> None:
    engine = Engine(threads=1)
    with engine.cursor() as cursor:
        table(cursor, "t", COLUMNS)
        assert "INTERNAL" in failure(cursor, sql)
    engine.close()
    assert not world.total(sql)


UNKNOWN = (
    "SELECT k FROM t TABLESAMPLE 10%",
    "SELECT k FROM t LIMIT 10 PERCENT",
    "SELECT a.k FROM t a ASOF JOIN t2 b ON a.k = b.k AND a.ts >= b.ts",
    "SELECT a.k FROM t a POSITIONAL JOIN t2 b",
    "SELECT * FROM range(5)",
    "SELECT * FROM t, unnest(l)",
    "SELECT random(), k FROM t",
    "SELECT s COLLATE NOCASE = 'A' FROM t",
    "SELECT fill(x) OVER (ORDER BY k) FROM t",
    "SELECT string_agg(s, ',') FROM t",
    "SELECT list(s) FROM t",
    "SELECT list_filter(l, LAMBDA q: q > 1) FROM t",
    "SELECT replace(s, 'a', repeat('x', 1000)) FROM t",
    "SELECT replace(s, s, s) FROM t",
    "SELECT repeat(s, 2) FROM t",
    "SELECT TRY(lpad(s, i, 'x')) FROM t",
    "SELECT k FROM nowhere",
)


@pytest.mark.parametrize("sql", UNKNOWN)
def test_what_is_not_known_is_not_total(world: World, sql: str) -> None:
    assert not world.total(sql)


def test_no_plan_is_not_total() -> None:
    for plan in (
        None,
        "",
        "{}",
        "[]",
        "null",
        '{"error": false}',
        '{"error": true, "plans": []}',
        "[" * 100_000,
    ):
        assert not is_total(plan)


def test_a_text_cannot_be_doubled_without_end(world: World) -> None:
    def doubled(times: int) -> str:
        steps = ", ".join(f"q{n} AS (SELECT y || y AS y FROM q{n - 1})" for n in range(1, times))
        return f"WITH q0 AS (SELECT s || s AS y FROM t), {steps} SELECT y FROM q{times - 1}"

    assert world.total(doubled(4))
    assert not world.total(doubled(10))
    assert not world.total(f"SELECT {' || '.join(['s'] * 300)} FROM t")
    assert world.total(f"SELECT length({' || '.join(['s'] * 20)}) FROM t")


@pytest.mark.parametrize("sql", TOTAL[:40:3])
def test_a_plan_with_one_thing_more_is_not_total(world: World, sql: str) -> None:
    plan = json.loads(
        world.engine.bound_plan(sql, {name: list(COLUMNS.items()) for name in ("t", "t2")}) or ""
    )
    assert is_total(json.dumps(plan))
    nodes = list(_judged(plan["plans"]))
    changes: list[dict[str, Any]] = [{"more": {}}, {"type": "NEW"}, {"expression_class": "NEW"}]
    for position, change in product(range(len(nodes)), changes):
        changed = copy.deepcopy(plan)
        node = list(_judged(changed["plans"]))[position]
        kinds = ("BOUND_FUNCTION", "BOUND_OPERATOR", "BOUND_WINDOW", None)
        if "type" in change and node.get("expression_class") not in kinds:
            continue  # it says no more than the class
        if change.keys() - {"more"} <= node.keys():
            node.update(change)
            assert not is_total(json.dumps(changed)), (node, change)


def _judged(node: Any) -> Iterator[dict[str, Any]]:
    """The operators and expressions of a plan, but what is reckoned from constants alone."""
    if isinstance(node, list):
        for item in node:
            yield from _judged(item)
    elif isinstance(node, dict):
        if "expression_class" in node:
            if known(node) is not None:
                return
            yield node
        elif str(node.get("type")).startswith("LOGICAL_"):
            yield node
        for item in node.values():
            yield from _judged(item)


# ── each line of the list ────────────────────────────────────────────────────────────────────

PARTS = (
    "millennium", "century", "decade", "year", "quarter", "month", "week", "day", "hour", "minute", "second",
    "millisecond", "microsecond", "isoyear",
)  # fmt: skip
TOKENS: dict[str, Sequence[str]] = {
    "any": TYPES,
    "integer": tuple(BITS),
    "unsigned": tuple(kind for kind in BITS if kind.startswith("U")),
    "word": tuple(kind for kind in BITS if "HUGE" not in kind),
    "float": ("FLOAT", "DOUBLE"),
    "decimal": DECIMALS,
    "summable": tuple(kind for kind in DECIMALS if "38" not in kind),
    "number": (*BITS, "FLOAT", "DOUBLE", *DECIMALS),
    "moment": ("DATE", "TIMESTAMP", "TIMESTAMPTZ"),
    "LIST": ("INTEGER[]", "VARCHAR[]"),
    "STRUCT": ("STRUCT(a INTEGER, b VARCHAR)",),
    "MAP": ("MAP(VARCHAR, INTEGER)",),
}
CONSTANTS: dict[str, Sequence[str]] = {
    "@text": ["''", "'a'", "'b'", "'.*(é|x+)$'", "'i'", "'%'", *[f"'{part}'" for part in PARTS], "'%U %j'"],
    "@offset": ["-4294967295", "-1", "0", "1", "4294967295"],
    "@digits": ["0", "2", "38"],
    "@length": ["0", "7", "10000"],
    "@filler": ["'é'", "'ab'"],
    "@unit": [f"'{part}'" for part in PARTS],
    "@clock": [f"'{part}'" for part in PARTS],
    "@escaped": ["''", "'a'", "'a!'", "'%!%_'", "'!!a'"],
    "@escape": ["'!'", "'!!'", "''", "'é'"],
    "@replacement": ["''", "'é'", "'aa'"],
    "@calendar": [f"'%{letter}'" for letter in "YymdbBaAjHMSwuUWVGcxXpIZzfgn"]
    + ["'%Y-%m'", "'%-d%%é'", "'%'", "''"],
    "@digest": ["md5(a0.v)", "sha1(a0.v)", "sha256(a0.v)"],
    "@divisor": ["2", "-2", "1", "0", "-1"],
    "@nonzero": ["2::DOUBLE", "-1::DECIMAL(4,1)", "1.5", "0::DOUBLE", "0.0", "5e-324"],
    "@fraction": ["0.0", "0.5", "1.0"],
}
_ALIKE = ("integer integer", "float float")


def _calls(name: str, arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """SQL calls with these arguments, each with the FROM that they stand over."""
    words = " ".join(arguments)
    texts = ["'a'", "'.*(é|x+)$'", "'i'"] if name.startswith("regexp") else CONSTANTS["@text"]
    columns = [position for position, word in enumerate(arguments) if not word.startswith("@")]
    kinds = [
        list(TOKENS.get(word.rstrip("*"), (word.rstrip("*"),)))
        for word in arguments
        if not word.startswith("@")
    ]
    if words in _ALIKE or words.endswith("*"):
        least, most = len(arguments), len(arguments) + words.endswith("*")
        chosen = [[kind] * times for kind in kinds[0] for times in range(least, most + 1)]
    elif words == "any any":
        chosen = [[one, ("BIGINT", "VARCHAR", "DATE")[n % 3]] for n, one in enumerate(kinds[0])]
    elif words in ("LIST any", "MAP any"):
        chosen = (
            [["INTEGER[]", "INTEGER"], ["VARCHAR[]", "VARCHAR"]]
            if words[0] == "L"
            else [[*kinds[0], "VARCHAR"]]
        )
    else:
        chosen = [list(picked) for picked in product(*kinds)]
    for picked in chosen:
        constants = product(
            *[texts if word == "@text" else CONSTANTS[word] for word in arguments if word[0] == "@"]
        )
        for given in constants:
            values, fixed = iter(range(len(picked))), iter(given)
            written = [
                f"a{next(values)}.v" if position in columns else next(fixed)
                for position in range(len(arguments))
            ] + [f"a{more}.v" for more in values]
            tables = [
                f'(FROM "v {kind}"{" LIMIT 12" if n > 1 else ""}) a{n}' for n, kind in enumerate(picked)
            ]
            if words == "@digest":
                tables = ['(FROM "v VARCHAR") a0']
            called = (
                f"struct_pack(q := {written[0]})"
                if name == "struct_pack"
                else f'"{name}"({", ".join(written)})'
            )
            yield called, f" FROM {', '.join(tables)}" if tables else ""


LINES = sorted({(group, name) for group, name in listed()})


@pytest.mark.parametrize(("group", "name"), LINES, ids=str)
def test_a_listed_function_never_raises(world: World, group: str, name: str) -> None:
    assert functions().get((name, "scalar")), "users may not call it"
    for arguments, verdict in listed()[group, name]:
        judged = 0
        for call, over in _calls(name, list(arguments)):
            if verdict == "caught":
                raising = f"SELECT {call}{over}"
                call = f"TRY({call})"
                if not world.total(f"SELECT {call}{over}"):
                    continue
                assert not world.total(raising) or world.failure(raising) == ""
            statements = [f"SELECT {call}{over}"]
            if group == "aggregate":
                statements += [
                    f"SELECT {call}{over} GROUP BY hash(a0.v) % 7"
                    if over
                    else f'SELECT {call} FROM "v DATE"',
                    f"SELECT {call} OVER (ROWS BETWEEN 2 PRECEDING AND CURRENT ROW){over}",
                ]
            if world.total(statements[0]):
                judged += 1
                for statement in statements:
                    assert world.failure(statement) == "", statement
        assert judged, f"no call is total: {name}, {arguments}"


@pytest.mark.parametrize("source", TYPES)
def test_a_cast_that_is_total_never_raises(world: World, source: str) -> None:
    widened = []
    for target, form in product(TYPES, ("CAST(v AS {})", "TRY_CAST(v AS {})", "TRY(CAST(v AS {}))")):
        sql = f'SELECT {form.format(target)} AS c FROM "v {source}"'
        if world.total(sql):
            widened.append(target)
            assert world.failure(sql) == "", sql
    assert source in widened


OPERATIONS = (
    "SELECT v FROM {} GROUP BY v", "SELECT DISTINCT v FROM {}", "SELECT v FROM {} ORDER BY v DESC LIMIT 3",
    "SELECT v FROM {} EXCEPT SELECT v FROM {}", "SELECT a.v FROM {} a JOIN {} b ON a.v = b.v",
    "SELECT a.v FROM {} a JOIN {} b ON a.v < b.v", "SELECT a.v FROM {} a LEFT JOIN {} b ON a.v = b.v OR a.v > b.v",
    "SELECT v IN (SELECT v FROM {}) FROM {}", "SELECT v = v, v <> v, v < v, v >= v, v IS DISTINCT FROM v FROM {}",
    "SELECT row_number() OVER (PARTITION BY v ORDER BY v), rank() OVER (ORDER BY v) FROM {}",
    "SELECT lag(v, 2) OVER (ORDER BY v), first_value(v) OVER (ORDER BY v), ntile(3) OVER (ORDER BY v) FROM {}",
    "SELECT count(DISTINCT v), max(v ORDER BY v) FROM {}", "SELECT v IN (v, NULL), coalesce(v, v) FROM {}",
)  # fmt: skip


@pytest.mark.parametrize("kind", TYPES)
def test_every_known_type_is_compared_and_sorted_without_raising(world: World, kind: str) -> None:
    for operation in OPERATIONS:
        sql = operation.replace("{}", f'"v {kind}"')
        assert world.total(sql)
        assert world.failure(sql) == "", sql


SPELLED = (
    "1", "-1", "0", "007", "127", "128", "-128", "255", "256", "32768", "2147483648", "9223372036854775807",
    "9223372036854775808", "-9223372036854775809", "9" * 30, "1.5", "-0.5", "99.95", "99999999.99", "99999999.999",
    "0.0000000001", "1e5", "nan", "", " 1", "1_000", "true", "FALSE", "t", "2024-01-01", "2024-02-29", "2023-02-29",
    "0001-01-01", "0000-01-01", "9999-12-31", "2300-01-01", "1600-01-01", "2024-1-1", "2024-01-01 10:00", "2024-01-01T10:00:00Z",
    "2024-01-01 10:00:00.123456+02:00", "2024-01-01 24:00:00", "2024-01-01 10:00:00+14", "2024-01-01 10:00:00-14:59",
    "12345678901234567890123456789.5", "170141183460469231731687303715884105727", "9" * 38, "9999999999999999999999999999.99",
    "10:00", "23:59:59.999999", "24:00", "10:00:00.1", "infinity", "00000000-0000-0000-0000-000000000000",
    "0000000000000000000000000000-0000-0000", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a", "1 day",
)  # fmt: skip


@pytest.mark.parametrize("text", SPELLED)
def test_a_constant_that_is_taken_for_readable_is_read(world: World, text: str) -> None:
    numeric = text.replace(".", "").replace("-", "").isdigit() and text.count("-") < 2 and text[0] != "."
    for literal, target in product([f"'{text}'", *([text] if numeric else [])], [*TYPES, "TIMESTAMP_S"]):
        sql = f"SELECT k, CAST({literal} AS {target}) AS c FROM t"
        if world.total(sql):
            assert world.failure(sql) == "", sql


@pytest.mark.parametrize(
    "sql",
    ["DATE '9999-12-31' + 1000000", "DATE '0001-01-01' - INTERVAL 20000 YEAR", "now() + INTERVAL 20000 YEAR",
     "TIMESTAMP '9999-12-31 23:59:59' + INTERVAL 18000 YEAR", "date_trunc('millennium', DATE '0001-01-01')",
     "2147483647 + 0", "2147483646 + 1", "46341 * 46340", "-(-2147483647)", "(1 - 2147483647) - 1"],
)  # fmt: skip
def test_reckoned_constants_are_in_range(world: World, sql: str) -> None:
    assert world.total(f"SELECT {sql} FROM t")
    assert world.failure(f"SELECT {sql} FROM t") == ""


# ── the plan ─────────────────────────────────────────────────────────────────────────────────


def test_a_plan_is_of_the_types_that_are_given_and_of_them_alone(world: World) -> None:
    sql = 'SELECT "a b" = 5 FROM "r""1"'
    assert is_total(world.engine.bound_plan(sql, {'r"1': [("a b", "BIGINT")]}))
    assert not is_total(world.engine.bound_plan(sql, {'r"1': [("a b", "VARCHAR")]}))
    assert world.engine.bound_plan(sql, {}) is None
    assert world.engine.bound_plan(sql, {'r"1': [("a b", "NO_SUCH_TYPE")]}) is None
    assert world.engine.bound_plan("SELECT", {}) is None
    with world.engine.cursor() as cursor, pytest.raises(duckdb.CatalogException):
        cursor.sql('FROM "r""1"')


def test_registered_arrow_data_does_not_serialize(world: World) -> None:
    # Why the relations are tables: should this change one day, they need not be.
    with world.engine.cursor() as cursor:
        cursor.register("r", pa.table({"x": [1]}))
        answer = cursor.execute("SELECT json_serialize_plan('SELECT x FROM r', optimize := false)").fetchall()
    assert json.loads(answer[0][0])["error"]


def test_many_plans_at_once_do_not_meet(world: World) -> None:
    def judge(n: int) -> bool:
        kind = "BIGINT" if n % 2 else "VARCHAR"
        return is_total(world.engine.bound_plan("SELECT x = 5 FROM r", {"r": [("x", kind)]}))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(judge, range(200))) == [bool(n % 2) for n in range(200)]
