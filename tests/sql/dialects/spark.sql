-- Pairs: a statement in spark, then what it becomes.

SELECT a / b, a DIV b FROM t
SELECT a / NULLIF(b, 0) AS "a / b", RIPSTOP_QUOTIENT(a, NULLIF(b, 0)) AS "a DIV b" FROM t

SELECT CAST(a AS INT), CAST(a AS STRING) FROM t
SELECT TRY_CAST(LIST_TRANSFORM([{'a0': a}], LAMBDA v : RIPSTOP_TRUNCATED_TEXT(v['a0']))[1] AS INT) AS "a", TRY_CAST(a AS TEXT) AS "a" FROM t

SELECT datediff(a, b), date_add(a, 1), dayofweek(a) FROM t
SELECT DATE_DIFF('day', CAST(b AS DATE), CAST(a AS DATE)) AS "datediff(a, b)", CAST(a AS DATE) + INTERVAL 1 DAY AS "date_add(a, 1)", (EXTRACT(dayofweek FROM CAST(a AS DATE)) + 1) AS "dayofweek(a)" FROM t

SELECT l[0], size(l) FROM t
SELECT l[1] AS "l[0", ARRAY_LENGTH(l) AS "size(l)" FROM t

SELECT x FROM t LATERAL VIEW explode(l) u AS x
SELECT x FROM t CROSS JOIN UNNEST(l) AS u(x)

SELECT collect_list(a), nvl(a, b) FROM t
SELECT COALESCE(ARRAY_AGG(a) FILTER(WHERE a IS NOT NULL), []) AS "collect_list(a)", COALESCE(a, b) AS "nvl(a, b)" FROM t

SELECT /*+ BROADCAST(t) */ a FROM t
SELECT a FROM t

SELECT date_format(a, 'yyyy-MM-dd') FROM t
SELECT STRFTIME(CAST(a AS TIMESTAMP), '%Y-%m-%d') AS "date_format(a, 'yyyy-MM-dd')" FROM t

SELECT a RLIKE 'x', regexp_replace(a, '(x)', '$1') FROM t ORDER BY a
SELECT REGEXP_MATCHES(a, 'x') AS "a RLIKE 'x'", REGEXP_REPLACE(a, '(x)', '\1', 'g') AS "regexp_replace(a, '(x)', '$1')" FROM t ORDER BY a NULLS FIRST
