"""What keys say of other rows is read from DuckDB's logical plan, and nothing more than it says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fabric.engine import Engine
from fabric.join_graph import JoinGraph, join_graph
from fabric.plan_outputs import Key

_TABLES = {
    "a": [("k", "BIGINT"), ("n", "INTEGER"), ("s", "VARCHAR")],
    "b": [("k", "BIGINT"), ("n", "INTEGER"), ("s", "VARCHAR")],
    "c": [("k", "BIGINT"), ("n", "INTEGER"), ("s", "VARCHAR")],
}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    made.close()


def found(engine: Engine, sql: str) -> set[str]:
    """Each edge as ``target.column < source.column``."""
    return {
        f"{edge.target.relation}.{_TABLES[edge.target.relation][edge.target.column][0]}"
        f" < {edge.source.relation}.{_TABLES[edge.source.relation][edge.source.column][0]}"
        for edge in engine.join_graph(sql, _TABLES).edges
    }


BOTH = {"a.k < b.k", "b.k < a.k"}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM a JOIN b ON a.k = b.k", BOTH),
        ("SELECT * FROM a, b WHERE a.k = b.k AND a.s = 'x'", BOTH),
        ("SELECT * FROM a LEFT JOIN b ON a.k = b.k", {"b.k < a.k"}),
        ("SELECT * FROM a RIGHT JOIN b ON a.k = b.k", {"a.k < b.k"}),
        ("SELECT * FROM a FULL JOIN b ON a.k = b.k", set()),
        ("SELECT * FROM (SELECT a.n, b.s FROM a FULL JOIN b USING (k)) x LEFT JOIN c ON c.n = x.n", {"c.n < a.n"}),
        ("SELECT * FROM a SEMI JOIN b ON a.k = b.k", BOTH),
        ("SELECT * FROM a WHERE k IN (SELECT k FROM b)", BOTH),
        ("SELECT * FROM a WHERE k NOT IN (SELECT k FROM b)", set()),
        ("SELECT * FROM a WHERE k IN (SELECT k FROM b) OR n = 1", set()),
        ("SELECT * FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.k = a.k AND b.n = 3)", BOTH),
        ("SELECT * FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.k = a.k)", {"b.k < a.k"}),
        ("SELECT * FROM a WHERE k < 4 AND NOT EXISTS (SELECT 1 FROM b WHERE b.k = a.k)", {"b.k < a.k"}),
        ("SELECT * FROM a WHERE k < 4 AND k NOT IN (SELECT k FROM b)", set()),
        ("SELECT * FROM a WHERE k < 4 AND k NOT IN (SELECT k FROM b WHERE k IS NOT NULL)", set()),
        ("SELECT * FROM a JOIN b ON a.k IS NOT DISTINCT FROM b.k", set()),
        ("SELECT * FROM a JOIN b ON a.k < b.k", set()),
        ("SELECT * FROM a JOIN b ON a.k = b.k AND a.n + b.n > 3", BOTH),
        ("SELECT * FROM a LEFT JOIN b ON a.k = b.k AND a.n + b.n > 3", {"b.k < a.k"}),
        ("SELECT * FROM a JOIN b ON a.k = b.k + 1", set()),
        ("SELECT * FROM a JOIN b ON a.n = b.k", {"a.n < b.k", "b.k < a.n"}),
        ("SELECT * FROM a JOIN b ON a.s = b.k::VARCHAR", set()),
        ("SELECT * FROM a JOIN b ON a.k::INTEGER = b.n", set()),
        # through what stands between
        ("SELECT * FROM (SELECT k AS x FROM a WHERE s > 'm') a JOIN b ON a.x = b.k", BOTH),
        ("SELECT * FROM (SELECT k, count(*) FROM a GROUP BY k) a JOIN b USING (k)", BOTH),
        ("SELECT * FROM (SELECT k, count(*) FROM a GROUP BY ROLLUP (k)) a JOIN b USING (k)", set()),
        ("SELECT * FROM (SELECT max(k) AS k FROM a) a JOIN b USING (k)", set()),
        # who goes on depends on the others: its keys count, it is not reduced
        ("SELECT * FROM (SELECT * FROM a LIMIT 5) a JOIN b USING (k)", {"b.k < a.k"}),
        ("SELECT * FROM (SELECT * FROM a ORDER BY n LIMIT 5) a JOIN b USING (k)", {"b.k < a.k"}),
        ("SELECT * FROM (SELECT *, row_number() OVER () AS r FROM a) a JOIN b USING (k)", {"b.k < a.k"}),
        ("SELECT * FROM (SELECT DISTINCT ON (n) * FROM a) a JOIN b USING (k)", {"b.k < a.k"}),
        # NULL where nobody was met
        ("SELECT * FROM a LEFT JOIN b ON a.n = b.n JOIN c ON c.s = a.s",
         {"b.n < a.n", "c.s < a.s", "a.s < c.s"}),
        ("SELECT * FROM (SELECT a.n, b.k FROM a LEFT JOIN b ON a.n = b.n) x LEFT JOIN c ON c.k = x.k",
         {"b.n < a.n", "c.k < b.k"}),
        # several readings of one relation
        ("WITH x AS NOT MATERIALIZED (SELECT * FROM a) SELECT * FROM b JOIN x USING (k) LEFT JOIN x y ON y.k = b.n",
         {"b.k < a.k"}),
        ("SELECT k FROM a UNION ALL SELECT b.k FROM b JOIN c USING (k)", {"b.k < c.k", "c.k < b.k"}),
        ("SELECT * FROM (SELECT k FROM a UNION ALL SELECT k FROM c) u JOIN b USING (k)", set()),
        # of what is not known, only how many columns it has: what stands beside it keeps its place
        ("SELECT * FROM (SELECT n, k FROM a UNION ALL SELECT n, k FROM a) u JOIN b ON u.n = b.n JOIN c ON u.n = c.k",
         set()),
        ("SELECT * FROM (SELECT n, k FROM a UNION ALL SELECT n, k FROM a) u JOIN b ON u.n = b.n JOIN c ON b.k = c.k",
         {"b.k < c.k", "c.k < b.k"}),
        ("SELECT * FROM range(5) u(x) JOIN b ON b.n > u.x JOIN c ON u.x = c.k", set()),
        ("SELECT * FROM (VALUES (1, 2)) u(x, y) JOIN b ON b.n > u.y JOIN c ON u.y = c.n", set()),
        ("SELECT * FROM (SELECT unnest([1, 2]) AS x, n FROM a) u JOIN b ON b.n > u.x JOIN c ON u.n = c.n",
         {"c.n < a.n"}),
        ("WITH m AS MATERIALIZED (SELECT n, k FROM a) SELECT * FROM m JOIN m o ON m.n > o.k JOIN b ON b.n > m.k "
         "JOIN c ON c.n = m.n", set()),
        ("SELECT * FROM (SELECT a.n, x.k FROM a POSITIONAL JOIN a x) u JOIN b ON u.n > b.n JOIN c ON u.n = c.n", set()),
    ],
)  # fmt: skip
def test_edges(engine: Engine, sql: str, expected: set[str]) -> None:
    assert found(engine, sql) == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.k = a.k)", {"b.k < a.k"}),
        ("SELECT * FROM a ANTI JOIN b ON a.k = b.k", {"b.k < a.k"}),
        ("SELECT * FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.k = a.k)", set()),
        ("SELECT * FROM a LEFT JOIN b ON a.k = b.k", set()),
        (
            "SELECT * FROM a JOIN c ON a.k = c.k WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.k = a.k AND b.s = 'x')",
            {"b.k < a.k"},
        ),
    ],
)
def test_edges_along_which_duckdb_carries_no_keys(engine: Engine, sql: str, expected: set[str]) -> None:
    graph = engine.join_graph(sql, _TABLES)
    assert graph.unfollowed <= set(graph.edges)
    assert {f"{e.target.relation}.k < {e.source.relation}.k" for e in graph.unfollowed} == expected


def test_a_plan_of_another_shape_says_nothing() -> None:
    plan = '{"plans": [{"type": "LOGICAL_NEWS", "children": [{"type": "LOGICAL_OTHER", "children": []}]}]}'
    assert join_graph(plan, lambda table, n: None) == JoinGraph()


def test_what_does_not_bind_has_no_edges(engine: Engine) -> None:
    assert engine.join_graph("SELECT nothing FROM a JOIN b USING (k)", _TABLES) == JoinGraph()


@pytest.mark.parametrize(
    ("sql", "sets"),
    [
        ("SELECT * FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.k = a.k AND b.n = 3)", "b"),
        ("SELECT * FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.k = a.k)", "b"),
        ("SELECT * FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.k = a.k AND b.n > a.n)", ""),
        ("SELECT DISTINCT n FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.k = a.k)", "ab"),
        ("SELECT * FROM a WHERE EXISTS (SELECT 1 FROM b SEMI JOIN c USING (k) WHERE b.n = a.n)", "bc"),
        ("SELECT * FROM a WHERE k NOT IN (SELECT k FROM b)", "b"),
        ("SELECT k IN (SELECT n + 1 FROM b) FROM a", "b"),
        ("SELECT DISTINCT k, n FROM a", "a"),
        ("SELECT k, n FROM a GROUP BY ALL", "a"),
        ("SELECT k, max(n), count(DISTINCT s) FROM a WHERE n > 1 GROUP BY k", "a"),
        ("SELECT k FROM a UNION SELECT k FROM b", ""),
        ("SELECT k, n FROM a", ""),
        ("SELECT k, count(*) FROM a GROUP BY k", ""),
        ("SELECT k, max(n), sum(n) FROM a GROUP BY k", ""),
        ("SELECT sum(DISTINCT n), list(s) FROM a", ""),
        ("SELECT string_agg(DISTINCT s, ',' ORDER BY s) FROM a", ""),
        ("SELECT DISTINCT ON (k) k, n FROM a", ""),
        ("SELECT DISTINCT k, row_number() OVER () FROM a", ""),
        ("SELECT DISTINCT k FROM (SELECT * FROM a LIMIT 5)", ""),
        ("SELECT DISTINCT k FROM (SELECT k, count(*) OVER (PARTITION BY n) AS c FROM a) WHERE c > 1", ""),
        ("SELECT * FROM a WHERE (SELECT count(*) FROM b WHERE b.k = a.k) > 1", ""),
        ("SELECT * FROM a WHERE k = (SELECT n FROM b)", ""),
        ("SELECT * FROM a WHERE EXISTS (SELECT 1 FROM b JOIN c USING (k) WHERE b.n = a.n)", ""),
        ("SELECT DISTINCT x.k FROM a x UNION ALL SELECT k FROM a", ""),
    ],
)
def test_sets(engine: Engine, sql: str, sets: str) -> None:
    assert engine.join_graph(sql, _TABLES).sets == frozenset(sets)


@pytest.mark.parametrize(
    ("sql", "filtered", "counted"),
    [
        ("SELECT k FROM a WHERE s LIKE 'x%y%' AND n > 3", "a.n a.s", ""),
        ("SELECT k FROM a WHERE s LIKE 'x%y%' ORDER BY s", "", ""),
        ("SELECT k, n FROM a WHERE n > 3", "", ""),
        ("SELECT count(*) FROM a WHERE n > 3 OR s = 'x'", "a.n a.s", ""),
        ("SELECT k, count(n), count(*) FROM a WHERE s = 'x' GROUP BY k", "a.s", "a.n"),
        ("SELECT k, count(n) FROM a WHERE n > 3 GROUP BY k", "", ""),
        ("SELECT k, count(n), sum(n) FROM a GROUP BY k", "", ""),
        ("SELECT k, count(DISTINCT n) FROM a GROUP BY k", "", ""),
        ("SELECT k, count(n) FILTER (s = 'x') FROM a GROUP BY k", "", ""),
        ("SELECT k, count(n + 1) FROM a GROUP BY k", "", ""),
        ("SELECT n, count(n) FROM a GROUP BY n", "", ""),
        ("SELECT k, count(n) OVER () FROM a", "", ""),
        ("SELECT a.k, count(b.n) FROM a LEFT JOIN b ON a.k = b.k AND b.s NOT LIKE 'x%y' GROUP BY a.k", "b.s", "b.n"),
        ("SELECT a.k FROM a JOIN b USING (k) WHERE a.s = 'x' AND a.n < b.n", "a.s", ""),
        ("SELECT a.k FROM a JOIN b USING (k) WHERE (a.n = 1 AND b.n = 2) OR (a.n = 3 AND b.n = 4)", "", ""),
        ("SELECT a.k FROM a LEFT JOIN b USING (k) WHERE b.s = 'x' OR b.k IS NULL", "", ""),
        ("SELECT k FROM a WHERE n = 3 UNION SELECT k FROM b", "a.n", ""),
        ("SELECT DISTINCT k FROM a WHERE n = 3", "a.n", ""),
        ("SELECT DISTINCT ON (n) k FROM a WHERE s = 'x'", "a.s", ""),
        ("SELECT k FROM a WHERE n = 3 LIMIT 2", "a.n", ""),
        ("SELECT k FROM a WHERE n = (SELECT max(n) FROM b)", "", ""),
        ("SELECT k FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.k = a.k AND b.n = 3)", "b.n", ""),
        ("SELECT k FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.k > a.k AND b.n = a.n)", "", ""),
        ("SELECT count(*) FROM a JOIN b ON a.n < b.n WHERE a.s = 'x'", "a.s", ""),
        ("SELECT count(*) FROM a POSITIONAL JOIN b WHERE a.s = 'x'", "", ""),
        ("SELECT k FROM a WHERE n = 3 UNION ALL SELECT k FROM a WHERE n = 4", "", ""),
        ("WITH m AS MATERIALIZED (SELECT * FROM a) SELECT k FROM m WHERE n = 3", "", ""),
    ],
)  # fmt: skip
def test_columns_that_need_not_be_sent(engine: Engine, sql: str, filtered: str, counted: str) -> None:
    graph = engine.join_graph(sql, _TABLES)

    assert (_named(graph.filtered), _named(graph.counted)) == (filtered, counted)


def _named(keys: frozenset[Key]) -> str:
    return " ".join(sorted(f"{key.relation}.{_TABLES[key.relation][key.column][0]}" for key in keys))


@pytest.mark.parametrize(
    ("sql", "summed"),
    [
        ("SELECT k, sum(n) FROM a GROUP BY k", "a.n"),
        ("SELECT avg(n), count(n), count(*), sum(k) FROM a", "a.k a.n"),
        ("SELECT s, count(n), sum(k) FROM a GROUP BY s", "a.k a.n"),
        ("SELECT k, sum(n::BIGINT) FROM a GROUP BY k", "a.n"),
        ("SELECT k, mean(n) FROM a GROUP BY k", "a.n"),
        ("SELECT k, sum(n) FROM a GROUP BY ROLLUP (k) HAVING sum(n) > 3 AND count(*) > 1", "a.n"),
        ("SELECT k, sum(n) FILTER (s = 'x'), count(n) FILTER (s = 'y') FROM a GROUP BY k", "a.n"),
        ("SELECT k, sum(n), max(s), list(s) FROM a WHERE s LIKE 'x%' AND length(s) > 3 GROUP BY k", "a.n"),
        ("SELECT max(t) FROM (SELECT s, sum(n) AS t FROM a GROUP BY s) GROUP BY t > 3", "a.n"),
        ("SELECT t, row_number() OVER (ORDER BY t) FROM (SELECT s, sum(n) AS t FROM a GROUP BY s) LIMIT 3", "a.n"),
        ("SELECT DISTINCT t FROM (SELECT s, sum(n) AS t FROM a GROUP BY s UNION SELECT s, sum(n) FROM b GROUP BY s)", "a.n b.n"),
        ("SELECT s, sum(m) FROM (SELECT n AS m, k + 1 AS j, s FROM a) WHERE j > 3 GROUP BY s", "a.n"),
        ("SELECT s, sum(x), sum(y) FROM (SELECT n AS x, n AS y, s FROM a) GROUP BY s", "a.n"),
        ("SELECT s, sum(n) FROM (SELECT * FROM a ORDER BY k) GROUP BY s", "a.n"),
        ("SELECT k, sum(n ORDER BY n) FROM a GROUP BY k", "a.n"),  # DuckDB drops an order that says nothing
        ("SELECT b.s, sum(a.n), sum(b.n), count(*) FROM a JOIN b USING (k) GROUP BY b.s", "a.n b.n"),
        ("SELECT b.s, sum(a.n), sum(b.n) FROM a, b WHERE a.k < b.k GROUP BY b.s", "a.n b.n"),
        ("SELECT b.s, sum(a.n), sum(b.n) FROM a, b GROUP BY b.s", "a.n b.n"),
        ("SELECT a.s, sum(a.n), avg(b.n) FROM a LEFT JOIN b USING (k) GROUP BY a.s", "a.n b.n"),
        ("SELECT a.s, sum(a.n), avg(b.n) FROM a RIGHT JOIN b USING (k) GROUP BY a.s", "a.n b.n"),
        ("SELECT a.s, sum(a.n), avg(b.n) FROM a FULL JOIN b USING (k) GROUP BY a.s", "a.n b.n"),
        ("SELECT a.s, sum(b.n) FROM c LEFT JOIN (a LEFT JOIN b USING (k)) ON c.k = a.k GROUP BY a.s", "b.n"),
        ("SELECT s, sum(n) FROM a SEMI JOIN b USING (k) GROUP BY s", "a.n"),
        ("SELECT s, sum(n) FROM a WHERE k NOT IN (SELECT k FROM b) GROUP BY s", "a.n"),
        ("SELECT s, sum(n) FROM a WHERE k IN (SELECT k FROM b) OR s = 'x' GROUP BY s", "a.n"),
        ("SELECT k, (SELECT sum(n) FROM b WHERE b.k = a.k) FROM a", "b.n"),
        ("SELECT s, sum(n) FROM a WHERE k > (SELECT avg(k) FROM b) GROUP BY s", "a.n b.k"),
        # what becomes of a row depends on its value
        ("SELECT k, sum(n) FROM a WHERE n > 3 GROUP BY k", ""),
        ("SELECT k, sum(n) FROM a WHERE n IS NOT NULL OR s = 'x' GROUP BY k", ""),
        ("SELECT k, sum(n) FILTER (n > 3) FROM a GROUP BY k", ""),
        ("SELECT n, sum(n) FROM a GROUP BY n", ""),
        ("SELECT n + 1, sum(n) FROM a GROUP BY ALL", ""),
        ("SELECT a.s, sum(a.n) FROM a JOIN b ON a.n = b.n GROUP BY a.s", ""),
        ("SELECT a.s, sum(b.n) FROM a LEFT JOIN b ON a.k = b.k AND b.n < a.n GROUP BY a.s", ""),
        ("SELECT a.s, sum(b.n) FROM a LEFT JOIN b USING (k) WHERE b.n IS NULL OR b.s = 'x' GROUP BY a.s", ""),
        ("SELECT s, sum(n) FROM a WHERE n IN (SELECT n FROM b) GROUP BY s", ""),
        ("SELECT s, sum(n) FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.n = a.n) GROUP BY s", ""),
        ("SELECT s, sum(n) FROM (SELECT DISTINCT s, n FROM a) GROUP BY s", ""),
        ("SELECT s, sum(n) FROM (SELECT s, n FROM a UNION ALL SELECT s, n FROM b) GROUP BY s", ""),
        ("SELECT s, sum(n) FROM (SELECT s, n FROM a EXCEPT SELECT s, n FROM b) GROUP BY s", ""),
        # on its value and on more than its sum
        ("SELECT k, sum(n), max(n) FROM a GROUP BY k", ""),
        ("SELECT k, sum(DISTINCT n) FROM a GROUP BY k", ""),
        ("SELECT k, sum(n), count(DISTINCT n) FROM a GROUP BY k", ""),
        ("SELECT k, sum(n + 1) FROM a GROUP BY k", ""),
        ("SELECT k, sum(n::DOUBLE) FROM a GROUP BY k", ""),
        ("SELECT k, sum(n::TINYINT) FROM a GROUP BY k", ""),
        ("SELECT k, sum(abs(n)) FROM a GROUP BY k", ""),
        ("SELECT k, fsum(n) FROM a GROUP BY k", ""),
        ("SELECT k, product(n), sum(n) FROM a GROUP BY k", ""),
        ("SELECT k, list(n), sum(n) FROM a GROUP BY k", ""),
        ("SELECT k, arg_max(s, n), sum(n) FROM a GROUP BY k", ""),
        ("SELECT k, list(s ORDER BY n), sum(n) FROM a GROUP BY k", ""),
        ("SELECT k, stddev(n), sum(n) FROM a GROUP BY k", ""),
        ("SELECT k, sum(n) OVER (PARTITION BY s) FROM a", ""),
        # on the other rows
        ("SELECT s, sum(n) FROM (SELECT * FROM a LIMIT 5) GROUP BY s", ""),
        ("SELECT s, sum(n) FROM (SELECT * FROM a ORDER BY k LIMIT 5) GROUP BY s", ""),
        ("SELECT s, sum(n) FROM (SELECT *, row_number() OVER (PARTITION BY s ORDER BY k) AS r FROM a) WHERE r = 1 GROUP BY s", ""),
        ("SELECT s, count(n) FROM (SELECT *, row_number() OVER (PARTITION BY s ORDER BY k) AS r FROM a) WHERE r = 1 GROUP BY s", ""),
        ("SELECT s, sum(n) FROM (SELECT DISTINCT ON (s) * FROM a) GROUP BY s", ""),
        ("SELECT s, sum(n) FROM a USING SAMPLE 10% GROUP BY s", ""),
        ("SELECT sum(x) FROM (SELECT (SELECT n FROM b WHERE b.k = a.k) AS x FROM a)", ""),
        ("SELECT s, sum(n) FROM (SELECT n, unnest([1, 2]) AS s FROM a) GROUP BY s", ""),
        ("SELECT sum(x.n) FROM a x JOIN a y ON x.k = y.k", ""),
        ("WITH m AS MATERIALIZED (SELECT * FROM a) SELECT k, sum(n) FROM m GROUP BY k", ""),
        ("SELECT sum(a.n) FROM a POSITIONAL JOIN b", ""),
        ("SELECT sum(a.n) FROM a ASOF JOIN b ON a.s = b.s AND a.k >= b.k", ""),
    ],
)  # fmt: skip
def test_columns_of_which_sums_are_enough(engine: Engine, sql: str, summed: str) -> None:
    assert _named(engine.join_graph(sql, _TABLES).summed) == summed
