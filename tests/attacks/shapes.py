"""Queries whose expressions raise on the vault's hidden rows and on none of its visible ones.

``{t}`` is the table, ``{k}`` the kind of its source, as in the names of the products over it.
"""

from __future__ import annotations

from collections.abc import Mapping

_LISTS = {
    f"{name} of {length}": f"SELECT id FROM {{t}} WHERE CAST(body AS INTEGER) {word} ({', '.join(map(str, range(length)))})"
    for length in range(1, 9)
    for name, word in (("in list", "IN"), ("not in list", "NOT IN"))
}
_IMPLICIT_LISTS = {
    f"implicit in list of {length}": f"SELECT id FROM {{t}} WHERE body IN ({', '.join(map(str, range(length)))})"
    for length in range(1, 8)
}

# The name says which expression raises.
_EXPRESSIONS = {
    "cast": "CAST(body AS INTEGER) = 1",
    "cast of another type": "CAST(num AS UTINYINT) > 3",
    "implicit cast": "body = 1",
    "implicit cast, unequal": "body <> 1",
    "cast of an instant": "CAST(day AS TIMESTAMP) > TIMESTAMP '2024-01-05'",
    "cast of a day": "CAST(day AS DATE) > DATE '2024-01-05'",
    "cast to a struct": "CAST(doc AS JSON) IS NOT NULL",
    "cast to decimal": "CAST(num AS DECIMAL(4, 1)) > 3",
    "overflow": "num * num > 30",
    "overflow of a sum": "num + num * 2 > 0",
    "division by zero": "10 / (3 - id % 4) > 0",
    "whole division by zero": "10 // (3 - id % 4) > 0",
    "rest of a division by zero": "10 % (3 - id % 4) > 0",
    "negation of a cast": "-CAST(body AS TINYINT) < -1",
    "regexp from a column": "regexp_matches('foo', pattern)",
    "regexp replace": "regexp_replace('foo', pattern, 'x') = 'fx'",
    "json": "json_extract(doc, '$.a') IS NOT NULL",
    "json arrow": "doc ->> '$.a' <> ''",
    "code point": "chr(65 + CAST(real AS INTEGER)) <> 'x'",
    "date of parts": "make_date(2024, 1 + CAST(real AS INTEGER) % 12, 1) > DATE '2024-01-02'",
    "hex": "from_hex('0' || body) IS NOT NULL",
    "strptime": "strptime(day, '%Y-%m-%d') > TIMESTAMP '2024-01-03'",
    "date part from a column": "date_part(CASE WHEN grp IN ('a', 'b', 'c') THEN 'day' ELSE grp END, DATE '2024-01-02') = 2",
    "escape of two bytes": "CASE WHEN region = 'EU' THEN id > 3 ELSE body LIKE 'x' ESCAPE 'é' END",
    "unknown part of a fixed instant": "CASE WHEN region = 'EU' THEN id > 3 ELSE date_trunc('zq', now()) < now() END",
    "and": "id > 0 AND CAST(body AS INTEGER) = 1",
    "or": "CAST(body AS INTEGER) = 1 OR id = 4",
    "not": "NOT (CAST(body AS INTEGER) = 1)",
    "case": "CASE WHEN id > 0 THEN CAST(body AS INTEGER) ELSE 0 END = 1",
    "coalesce": "coalesce(CAST(body AS INTEGER), 0) = 1",
    "is null": "CAST(body AS INTEGER) IS NOT NULL",
    "is distinct": "CAST(body AS INTEGER) IS DISTINCT FROM 3",
    "list": "list_contains([1, 2], CAST(body AS INTEGER))",
    "lambda": "list_transform([body], lambda x: CAST(x AS INTEGER))[1] = 1",
    "many, that reorder": "id > -1 AND num > 0 AND length(body) > 0 AND CAST(body AS INTEGER) < 6 AND grp <> 'x'",
    "with the rule's own column": "region = 'EU' AND CAST(body AS INTEGER) = 1",
    "against the rule": "region <> 'EU' AND CAST(body AS INTEGER) = 1",
}
_WHERE = {f"where: {name}": f"SELECT id FROM {{t}} WHERE {text}" for name, text in _EXPRESSIONS.items()}

_CLAUSES = {
    "select list": "SELECT id, CAST(body AS INTEGER) AS n FROM {t}",
    "select list, limit 1": "SELECT CAST(body AS INTEGER) >= 0 AS fine FROM {t} LIMIT 1",
    "select list, limit 0": "SELECT CAST(body AS INTEGER) AS n FROM {t} LIMIT 0",
    "select list, an offset": "SELECT CAST(body AS INTEGER) < 9 AS fine FROM {t} OFFSET 19",
    "where, limit 1": "SELECT 1 AS one FROM {t} WHERE CAST(body AS INTEGER) = 1 LIMIT 1",
    "join on": "SELECT a.id FROM {t} a JOIN {t} b ON a.id = b.id AND CAST(a.body AS INTEGER) = 1",
    "join on, the other side": "SELECT a.id FROM {t} a LEFT JOIN {t} b ON a.id = b.id AND CAST(b.body AS INTEGER) = 1",
    "join key": "SELECT a.id FROM {t} a JOIN (VALUES (1), (2)) v(n) ON CAST(a.body AS INTEGER) = v.n",
    "join key, implicit": "SELECT a.id FROM {t} a JOIN (VALUES (1), (2)) v(n) ON a.body = v.n",
    "join using, implicit": "SELECT id FROM {t} JOIN (SELECT 1 AS body) USING (body)",
    "natural join, implicit": "SELECT id FROM {t} NATURAL JOIN (SELECT 1 AS body)",
    "join on an inequality": "SELECT count(*) AS n FROM {t} a JOIN (VALUES (3)) v(n) ON CAST(a.body AS INTEGER) > v.n",
    "self join on casts": "SELECT count(*) AS n FROM {t} a JOIN {t} b ON CAST(a.body AS INTEGER) = CAST(b.body AS INTEGER)",
    "full join": "SELECT a.id, v.n FROM {t} a FULL JOIN (VALUES (1)) v(n) ON CAST(a.body AS INTEGER) = v.n",
    "semi join": "SELECT id FROM {t} a SEMI JOIN (VALUES (1)) v(n) ON CAST(a.body AS INTEGER) = v.n",
    "anti join": "SELECT id FROM {t} a ANTI JOIN (VALUES (1)) v(n) ON CAST(a.body AS INTEGER) = v.n",
    "asof join": "SELECT a.id, v.d FROM {t} a ASOF JOIN (VALUES (DATE '2024-01-01')) v(d) ON CAST(a.day AS DATE) >= v.d",
    "comma join": "SELECT a.id FROM {t} a, (VALUES (1)) v(n) WHERE CAST(a.body AS INTEGER) = v.n",
    "in a query": "SELECT id FROM {t} WHERE CAST(body AS INTEGER) IN (SELECT n FROM (VALUES (1), (2)) v(n))",
    "in a query over itself": "SELECT id FROM {t} WHERE 1 IN (SELECT CAST(body AS INTEGER) FROM {t})",
    "not in a query": "SELECT id FROM {t} WHERE CAST(body AS INTEGER) NOT IN (SELECT n FROM (VALUES (1), (2)) v(n))",
    "any": "SELECT id FROM {t} WHERE CAST(body AS INTEGER) = ANY (SELECT n FROM (VALUES (1)) v(n))",
    "all": "SELECT id FROM {t} WHERE CAST(body AS INTEGER) >= ALL (SELECT n FROM (VALUES (1)) v(n))",
    "exists": "SELECT v.n FROM (VALUES (1), (9)) v(n) WHERE EXISTS (SELECT 1 FROM {t} WHERE CAST(body AS INTEGER) = v.n)",
    "not exists": "SELECT v.n FROM (VALUES (1), (9)) v(n) WHERE NOT EXISTS (SELECT 1 FROM {t} WHERE CAST(body AS INTEGER) = v.n)",
    "correlated": "SELECT id, (SELECT max(CAST(b.body AS INTEGER)) FROM {t} b WHERE b.id = a.id) AS n FROM {t} a",
    "scalar subquery": "SELECT (SELECT max(CAST(body AS INTEGER)) FROM {t}) AS n",
    "lateral": "SELECT a.id, l.n FROM {t} a, LATERAL (SELECT CAST(a.body AS INTEGER) + 1 AS n) l",
    "lateral alias": "SELECT id, CAST(body AS INTEGER) AS n FROM {t} WHERE n = 1",
    "group by": "SELECT CAST(body AS INTEGER) AS n, count(*) AS c FROM {t} GROUP BY 1",
    "group by all": "SELECT CAST(body AS INTEGER) AS n, count(*) AS c FROM {t} GROUP BY ALL",
    "grouping sets": "SELECT CAST(body AS INTEGER) AS n, grp, count(*) AS c FROM {t} GROUP BY GROUPING SETS ((n), (grp), ())",
    "having": "SELECT grp FROM {t} GROUP BY grp HAVING sum(CAST(body AS INTEGER)) > 0",
    "aggregate": "SELECT sum(CAST(body AS INTEGER)) AS n, sum(num) AS m FROM {t}",
    "aggregate by group": "SELECT grp, max(CAST(body AS INTEGER)) AS n FROM {t} GROUP BY grp",
    "filter": "SELECT count(*) FILTER (WHERE CAST(body AS INTEGER) = 1) AS n FROM {t}",
    "ordered aggregate": "SELECT list(id ORDER BY CAST(body AS INTEGER), id) AS ids FROM {t}",
    "distinct on": "SELECT DISTINCT ON (CAST(body AS INTEGER)) CAST(body AS INTEGER) AS n FROM {t}",
    "distinct": "SELECT DISTINCT CAST(body AS INTEGER) AS n FROM {t}",
    "order by": "SELECT id FROM {t} ORDER BY CAST(body AS INTEGER), id",
    "order by, limit": "SELECT id FROM {t} ORDER BY CAST(body AS INTEGER) DESC, id LIMIT 3",
    "window": "SELECT id, sum(CAST(body AS INTEGER)) OVER (ORDER BY id) AS n FROM {t}",
    "window partition": "SELECT id, count(*) OVER (PARTITION BY CAST(body AS INTEGER)) AS n FROM {t}",
    "window frame": "SELECT id, sum(num) OVER (ORDER BY CAST(body AS INTEGER), id ROWS 1 PRECEDING) AS n FROM {t}",
    "qualify": "SELECT id FROM {t} QUALIFY row_number() OVER (PARTITION BY grp ORDER BY CAST(body AS INTEGER), id) = 1",
    "union": "SELECT id FROM {t} WHERE CAST(body AS INTEGER) = 1 UNION SELECT id FROM {t} WHERE CAST(body AS INTEGER) = 2",
    "union, above it": "SELECT * FROM (SELECT body FROM {t} UNION ALL SELECT '3') WHERE CAST(body AS INTEGER) = 3",
    "except": "SELECT CAST(body AS INTEGER) AS n FROM {t} EXCEPT SELECT 1",
    "intersect": "SELECT CAST(body AS INTEGER) AS n FROM {t} INTERSECT SELECT 1",
    "with": "WITH w AS (SELECT id, CAST(body AS INTEGER) AS n FROM {t}) SELECT id FROM w WHERE n = 1",
    "with, used twice": "WITH w AS (SELECT id, CAST(body AS INTEGER) AS n FROM {t}) SELECT a.id FROM w a JOIN w b USING (n, id)",
    "with materialized": "WITH w AS MATERIALIZED (FROM {t}) SELECT id FROM w WHERE CAST(body AS INTEGER) = 1",
    "with recursive": "WITH RECURSIVE r(n) AS (SELECT 0 UNION SELECT n + 1 FROM r, {t} WHERE n < 3 AND CAST(body AS INTEGER) = n) SELECT n FROM r",
    "subqueries": "SELECT id FROM (SELECT * FROM (SELECT * FROM {t}) WHERE id > 0) WHERE CAST(body AS INTEGER) = 1",
    "below a limit": "SELECT id FROM (SELECT * FROM {t} ORDER BY id LIMIT 10) WHERE CAST(body AS INTEGER) = 1",
    "pivot": "PIVOT (SELECT grp, CAST(body AS INTEGER) AS n FROM {t}) ON grp IN ('a', 'b') USING sum(n)",
    "unpivot": "SELECT value FROM (SELECT CAST(body AS INTEGER) AS x, CAST(num AS INTEGER) AS y FROM {t}) UNPIVOT (value FOR name IN (x, y))",
    "unnest": "SELECT unnest([CAST(body AS INTEGER), 1]) AS n FROM {t}",
    "unnest of a range": "SELECT id, unnest(range(CAST(body AS INTEGER))) AS n FROM {t}",
    "struct": "SELECT {'n': CAST(body AS INTEGER)} AS s FROM {t}",
    "columns": "SELECT CAST(COLUMNS('^body$') AS INTEGER) FROM {t}",
    "replace": "SELECT * REPLACE (CAST(body AS INTEGER) AS body) FROM {t}",
    "count over a cast": "SELECT count(*) AS n FROM (SELECT CAST(body AS INTEGER) AS n FROM {t}) WHERE n IS NOT NULL",
    "cast that is not needed": "SELECT count(*) AS n FROM (SELECT CAST(body AS INTEGER) AS n FROM {t})",
    "arg_max": "SELECT arg_max(id, CAST(body AS INTEGER) * 1000 + id) AS i FROM {t}",
    "quantile": "SELECT quantile_disc(CAST(body AS INTEGER), 0.5) AS q FROM {t}",
    "case in the select list": "SELECT CASE CAST(body AS INTEGER) WHEN 1 THEN 'x' ELSE grp END AS g FROM {t}",
    "try beside a cast": "SELECT id FROM {t} WHERE TRY_CAST(body AS INTEGER) IS NOT NULL AND CAST(body AS INTEGER) = 1",
    "positional join": "SELECT a.n FROM (SELECT CAST(body AS INTEGER) AS n FROM {t} ORDER BY id) a POSITIONAL JOIN (SELECT id FROM {t} ORDER BY id) b",
    "sample": "SELECT CAST(body AS INTEGER) >= 0 AS fine FROM {t} USING SAMPLE 100 PERCENT (bernoulli)",
}

PRODUCTS: Mapping[str, str] = {
    "product: cast": "SELECT id, level FROM vault.cast_{k}",
    "product: cast, filtered": "SELECT id FROM vault.cast_{k} WHERE level IN (0, 1, 2, 3, 4)",
    "product: cast, joined": "SELECT a.id FROM vault.cast_{k} a JOIN vault.cast_{k} b USING (id, level)",
    "product: cast, not needed": "SELECT grp FROM vault.cast_{k}",
    "product: where": "SELECT id, grp FROM vault.where_{k}",
    "product: join": "SELECT id, grp FROM vault.join_{k}",
    "product: aggregate": "SELECT grp, n FROM vault.sum_{k}",
    "product over product": "SELECT id FROM vault.over_{k}",
    "product over product, cast": "SELECT count(*) AS n FROM vault.over_{k} WHERE CAST(id AS VARCHAR) <> '1'",
}

SHAPES: Mapping[str, str] = {**_LISTS, **_IMPLICIT_LISTS, **_WHERE, **_CLAUSES, **PRODUCTS}

NASTY = (
    "in list of 5",
    "not in list of 6",
    "implicit in list of 5",
    "where: cast",
    "where: implicit cast",
    "where: overflow",
    "where: regexp from a column",
    "where: many, that reorder",
    "join key",
    "join using, implicit",
    "in a query",
    "anti join",
    "self join on casts",
    "correlated",
    "exists",
    "group by",
    "filter",
    "order by, limit",
    "distinct on",
    "window partition",
    "union, above it",
    "select list, limit 1",
    "with, used twice",
    "lateral",
    "product: cast, filtered",
    "product: join",
    "product over product",
)
"""What leaked through one defence or another in trials; asked under every rule."""

BIG = {
    "in list of 5": "SELECT count(*) AS n FROM {t} WHERE CAST(body AS INTEGER) IN (0, 1, 2, 3, 4)",
    "reordering": "SELECT count(*) AS n FROM {t} WHERE CAST(body AS INTEGER) < 7 AND num < 90 AND length(padding) > 3 AND id > 10",
    "reordering, overflow": "SELECT count(*) AS n FROM {t} WHERE num * 10 >= 0 AND id % 3 = 1 AND padding LIKE '%7%'",
    "join keys": "SELECT count(*) AS n FROM {t} a JOIN (SELECT unnest(range(5)) AS k) b ON CAST(a.body AS INTEGER) = b.k",
    "top n": "SELECT id FROM {t} ORDER BY CAST(body AS INTEGER) DESC, id LIMIT 5",
    "group": "SELECT CAST(body AS INTEGER) AS n, count(*) AS c FROM {t} GROUP BY 1",
    "late materialization": "SELECT id, CAST(body AS INTEGER) AS n, padding FROM {t} ORDER BY id LIMIT 4",
    "a narrow range": "SELECT id, CAST(body AS INTEGER) AS n FROM {t} WHERE id BETWEEN 7000 AND 7020",
}
"""Over more rows than DuckDB's vectors hold, where filters reorder while they run."""
