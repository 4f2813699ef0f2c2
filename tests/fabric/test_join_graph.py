"""What keys say of other rows is read from DuckDB's logical plan, and nothing more than it says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fabric.engine import Engine
from fabric.join_graph import Graph, graph

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
        for edge in engine.join_edges(sql, _TABLES)
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


def test_a_plan_of_another_shape_says_nothing() -> None:
    plan = '{"plans": [{"type": "LOGICAL_NEWS", "children": [{"type": "LOGICAL_OTHER", "children": []}]}]}'
    assert graph(plan, lambda table, n: None) == Graph()


def test_what_does_not_bind_has_no_edges(engine: Engine) -> None:
    assert engine.join_edges("SELECT nothing FROM a JOIN b USING (k)", _TABLES) == ()
