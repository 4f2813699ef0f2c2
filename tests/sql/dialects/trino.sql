-- Pairs: a statement in trino, then what it becomes.

SELECT a / b FROM t
SELECT RIPSTOP_DIVIDE(a, b) AS "a / b" FROM t

SELECT date_diff('month', a, b) FROM t
SELECT DATE_SUB('month', a, b) AS "date_diff('month', a, b)" FROM t

SELECT regexp_extract(a, 'x(y)', 1) FROM t
SELECT REGEXP_EXTRACT_ALL(a, 'x(y)', 1)[1] AS "regexp_extract(a, 'x(y)', 1)" FROM t

SELECT regexp_replace(a, 'x(y)', '$1') FROM t
SELECT REGEXP_REPLACE(a, 'x(y)', '\1', 'g') AS "regexp_replace(a, 'x(y)', '$1')" FROM t

SELECT CAST(a AS BIGINT), CAST(a AS VARCHAR(3)) FROM t
SELECT CAST(LIST_TRANSFORM([{'a0': a}], LAMBDA v : RIPSTOP_ROUNDED(v['a0']))[1] AS BIGINT) AS "a", LEFT(CAST(a AS TEXT), 3) AS "a AS VARCHAR(3)" FROM t

SELECT a FROM t CROSS JOIN UNNEST(b) AS u(a)
SELECT a FROM t CROSS JOIN UNNEST(b) AS u(a)

SELECT greatest(a, b), contains(l, 1), transform(l, x -> x + 1) FROM t
SELECT CASE WHEN a IS NULL OR b IS NULL THEN NULL ELSE GREATEST(a, b) END AS "greatest(a, b)", ARRAY_CONTAINS(l, 1) AS "contains(l, 1)", LIST_TRANSFORM(l, LAMBDA x : x + 1) AS "transform(l, x -> x + 1)" FROM t

SELECT a FROM t ORDER BY a DESC OFFSET 2 FETCH FIRST 3 ROWS ONLY
SELECT a FROM t ORDER BY a DESC LIMIT 3 OFFSET 2

SELECT date_format(a, '%Y-%m-%d %H:%i:%s') FROM t
SELECT STRFTIME(a, '%Y-%m-%d %H:%M:%S') AS "date_format(a, '%Y-%m-%d %H:%i:%s')" FROM t
