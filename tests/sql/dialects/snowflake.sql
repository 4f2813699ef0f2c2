-- Pairs: a statement in snowflake, then what it becomes.

SELECT IFF(a, b, c), NVL(a, b), DIV0(a, b) FROM t
SELECT CASE WHEN a THEN b ELSE c END AS "IFF(a, b, c)", COALESCE(a, b) AS "NVL(a, b)", CASE WHEN b = 0 AND NOT a IS NULL THEN 0 ELSE a / b END AS "DIV0(a, b)" FROM t

SELECT DATEADD(day, 1, a), DATEDIFF(month, a, b) FROM t
SELECT a + INTERVAL 1 DAY AS "DATEADD(day, 1, a)", DATE_DIFF('month', a, b) AS "DATEDIFF(month, a, b)" FROM t

SELECT f.value FROM t, LATERAL FLATTEN(INPUT => t.l) f
SELECT f.value FROM t, LATERAL (SELECT UNNEST(t.l) AS value, GENERATE_SUBSCRIPTS(t.l, 1) - 1 AS index) AS f

SELECT a FROM t QUALIFY ROW_NUMBER() OVER (ORDER BY a) = 1
SELECT a FROM t QUALIFY ROW_NUMBER() OVER (ORDER BY a) = 1

SELECT v:a.b::string, v:a[0] FROM t
SELECT CAST(v ->> '$.a.b' AS TEXT) AS "v", v -> '$.a[0]' AS "v" FROM t

SELECT l[0] FROM t
SELECT LIST_SELECT(l, [1])[1] AS "l[0" FROM t

SELECT LISTAGG(a, ',') WITHIN GROUP (ORDER BY b) FROM t
SELECT COALESCE(LISTAGG(a, ',' ORDER BY b), '') AS "a, ',') WITHIN GROUP (ORDER BY b" FROM t

SELECT TOP 3 a FROM t
SELECT a FROM t LIMIT 3

SELECT a ILIKE ANY ('x', 'y') FROM t
SELECT a ILIKE 'x' OR a ILIKE 'y' AS "a ILIKE ANY ('x', 'y')" FROM t
