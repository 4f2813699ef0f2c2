-- Pairs: a statement in postgres, then what it becomes.

SELECT a / b FROM t
SELECT RIPSTOP_DIVIDE(a, b) AS "?column?" FROM t

SELECT sum(a) / count(*) FROM t
SELECT LIST_TRANSFORM([{'a0': SUM(RIPSTOP_SUMMAND(a)), 'a1': COUNT(*)}], LAMBDA v : RIPSTOP_DIVIDE(v['a0'], v['a1']))[1] AS "?column?" FROM t

SELECT a::numeric, b::varchar(3), c::text FROM t
SELECT LIST_TRANSFORM([{'a0': a}], LAMBDA v : RIPSTOP_NUMERIC(v['a0']))[1] AS "a", LEFT(CAST(b AS TEXT), 3) AS "b", CAST(c AS TEXT) AS "c" FROM t

SELECT a FROM t ORDER BY a DESC
SELECT a FROM t ORDER BY a DESC NULLS FIRST

SELECT DISTINCT ON (a) a, b FROM t ORDER BY a, b DESC
SELECT DISTINCT ON (a) a, b FROM t ORDER BY a, b DESC NULLS FIRST

SELECT a FROM t WHERE b LIKE 'x\_%' AND c LIKE 'y%'
SELECT a FROM t WHERE b LIKE 'x\_%' ESCAPE '\' AND c LIKE 'y%'

SELECT a ~ 'x', b !~* 'y' FROM t
SELECT REGEXP_MATCHES(a, 'x') AS "?column?", NOT REGEXP_MATCHES(b, 'y', 'i') AS "?column?" FROM t

SELECT extract(second FROM a), extract(dow FROM a), date_part('month', a) FROM t
SELECT (EXTRACT(MICROSECOND FROM a) / 1000000.0) AS "?column?", EXTRACT(dayofweek FROM a) AS "?column?", EXTRACT(month FROM a) AS "?column?" FROM t

SELECT to_char(a, 'YYYY-MM-DD') FROM t
SELECT STRFTIME(a, '%Y-%m-%d') AS "to_char" FROM t

SELECT round(a), round(a, 2) FROM t
SELECT RIPSTOP_ROUND_EVEN(a) AS "round", ROUND(a, 2) AS "round" FROM t

SELECT a = ANY(b) FROM t
SELECT CASE WHEN b IS NULL OR a IS NULL THEN NULL WHEN LIST_CONTAINS(b, a) THEN TRUE WHEN LEN(b) = LIST_COUNT(b) THEN FALSE END AS "?column?" FROM t

SELECT $$it's$$ AS a
SELECT 'it''s' AS a

SELECT a FROM t FETCH FIRST 5 ROWS ONLY
SELECT a FROM t LIMIT 5

SELECT string_agg(a, ',' ORDER BY b) FILTER (WHERE c) FROM t
SELECT LISTAGG(a, ',' ORDER BY b) FILTER(WHERE c) AS "?column?" FROM t

SELECT g FROM generate_series(1, 3) AS g
SELECT g FROM GENERATE_SERIES(1, 3) AS g

SELECT a -> 'k' ->> 'l' FROM t
SELECT (a -> '$.k') ->> '$.l' AS "?column?" FROM t
