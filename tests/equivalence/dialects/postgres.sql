-- whole numbers divide to whole numbers
SELECT policy_id, policy_id / 7 AS a, renewals / 2 AS b, -policy_id / 7 AS c, premium / 4 AS d, risk / 2 AS e FROM policy_db.public.policy

-- counts and sums divide as their types do
SELECT product_line, count(*) / 7 AS a, sum(renewals) / count(*) AS b, sum(policy_id) / count(*) AS c, sum(premium) / count(*) AS d, sum(risk) / 3 AS e, sum(DISTINCT renewals) / 2 AS f FROM policy_db.public.policy GROUP BY product_line

-- nulls are larger, so a descending order begins with them [in order]
SELECT customer_id, name FROM policy_db.public.customer ORDER BY region DESC, customer_id LIMIT 40

-- nulls last ascending [in order]
SELECT policy_id, end_date FROM policy_db.public.policy ORDER BY end_date, policy_id DESC LIMIT 60 OFFSET 350

-- nulls in windows [in order]
SELECT policy_id, row_number() OVER (PARTITION BY product_line ORDER BY end_date DESC, policy_id) AS n FROM policy_db.public.policy ORDER BY policy_id

-- distinct on [in order]
SELECT DISTINCT ON (product_line) product_line, policy_id, premium FROM policy_db.public.policy ORDER BY product_line, premium DESC, policy_id

-- a null makes a concatenation null
SELECT customer_id, name || '/' || region AS a, concat(name, '/', region) AS b, concat_ws('/', name, region) AS c FROM policy_db.public.customer

-- texts
SELECT customer_id, upper(segment) AS a, lower(email) AS b, length(name) AS c, left(name, 2) AS d, left(name, -2) AS e, right(name, 3) AS f, substr(name, 2, 3) AS g, replace(segment, 'r', 'R') AS h, strpos(name, 'a') AS i, position('a' IN name) AS j, split_part(email, '@', 2) AS k, repeat(segment, 2) AS l, reverse(segment) AS m, lpad(segment, 4, 'x') AS n, rpad(segment, 12) AS o, trim(both 'r' FROM segment) AS p, btrim(segment) AS q, md5(segment) AS r, translate(segment, 'rt', 'RT') AS s, starts_with(segment, 're') AS t FROM policy_db.public.customer

-- substring counts places before the first
SELECT customer_id, substring(name, customer_id::int % 7 - 3, 4) AS a, substring(name FROM 2 FOR 3) AS b, substring(name, 0, 3) AS c, substring(name, -1, 4) AS d, substring(name FROM customer_id::int % 5 - 2) AS e FROM policy_db.public.customer

-- like escapes with a backslash
SELECT policy_id, product_line FROM policy_db.public.policy WHERE product_line LIKE 'mo\_or'

-- like escapes a percent sign
SELECT policy_id FROM policy_db.public.policy WHERE product_line LIKE 'mo\%or' OR product_line ILIKE 'MO\\OR'

-- like with another escape
SELECT policy_id FROM policy_db.public.policy WHERE product_line LIKE 'mo!_or' ESCAPE '!' OR product_line NOT LIKE '%o%'

-- like with a pattern that is computed
SELECT p.policy_id, q.policy_id AS other FROM policy_db.public.policy p JOIN policy_db.public.policy q ON p.product_line LIKE q.product_line WHERE p.policy_id < 1020 AND q.policy_id < 1020

-- regular expressions
SELECT customer_id, email ~ '[0-9]+@' AS a, name ~* '^a' AS b, segment !~ 'tail' AS c, regexp_replace(email, '[0-9]', '#') AS d, regexp_replace(email, '([0-9])', '<\1>', 'g') AS e FROM policy_db.public.customer

-- varchar(n) cuts
SELECT customer_id, name::varchar(3) AS a, CAST(email AS character varying(5)) AS b, name::text AS c FROM policy_db.public.customer

-- numeric without a precision keeps its digits
SELECT policy_id, sum_insured::numeric AS a, round(risk::numeric, 2) AS b, premium::numeric / 3 AS c, (risk * 1.00001)::numeric AS d, '1.23456789'::numeric AS e FROM policy_db.public.policy

-- rounding
SELECT policy_id, round(premium) AS a, round(premium, 1) AS b, round(risk) AS c, round((policy_id + 0.5)::numeric) AS d, round((policy_id + 0.5)::float8) AS e, ceil(risk) AS f, floor(risk) AS g, trunc(risk) AS h, trunc(premium, 1) AS i FROM policy_db.public.policy

-- casts to whole numbers
SELECT policy_id, risk::int AS a, premium::bigint AS b, (policy_id + 0.5)::float8::int AS c, (policy_id + 0.5)::numeric::int AS d, '17'::int AS e, marketing::int AS f FROM (SELECT *, renewals > 2 AS marketing FROM policy_db.public.policy) p

-- arithmetic
SELECT policy_id, policy_id % 7 AS a, -policy_id % 7 AS b, mod(policy_id, 5) AS c, power(renewals, 2) AS d, abs(risk) AS e, sign(risk) AS f, sqrt(premium) AS g, ln(premium + 1) AS h, log(premium + 1) AS i, exp(renewals) AS j, greatest(risk, 1) AS k, least(risk, renewals) AS l, div(policy_id, 7) AS m FROM policy_db.public.policy

-- dates
SELECT policy_id, start_date + 3 AS a, start_date - date '2020-01-01' AS b, start_date + interval '1 month' AS c, issued_at - interval '36 hours' AS d, date_trunc('month', issued_at) AS e, date_trunc('week', issued_at) AS f, end_date - start_date AS g FROM policy_db.public.policy

-- parts of dates
SELECT policy_id, extract(year FROM start_date) AS a, extract(quarter FROM start_date) AS b, extract(dow FROM start_date) AS c, extract(isodow FROM start_date) AS d, extract(doy FROM start_date) AS e, extract(week FROM start_date) AS f, extract(epoch FROM issued_at) AS g, date_part('hour', issued_at) AS h, extract(isoyear FROM start_date) AS i FROM policy_db.public.policy

-- seconds have a fraction
SELECT customer_id, extract(second FROM created_at) AS a, extract(minute FROM created_at) AS b FROM policy_db.public.customer

-- dates as texts
SELECT policy_id, to_char(issued_at, 'YYYY-MM-DD HH24:MI:SS') AS a, to_char(start_date, 'DD.MM.YY') AS b, to_date('2024-03-05', 'YYYY-MM-DD') AS c, start_date::text AS d, issued_at::text AS e FROM policy_db.public.policy

-- time zones
SELECT customer_id, created_at AT TIME ZONE 'Europe/Berlin' AS a, created_at::date AS b, date_trunc('day', created_at) AS c FROM policy_db.public.customer

-- aggregates
SELECT region, count(*) AS a, count(email) AS b, count(DISTINCT segment) AS c, avg(lifetime_value) AS d, stddev(lifetime_value) AS e, variance(lifetime_value) AS f, stddev_pop(lifetime_value) AS g, bool_and(marketing_consent) AS h, bool_or(marketing_consent) AS i, every(marketing_consent) AS j, min(name) IS NULL AS k, max(birth_date) AS l FROM policy_db.public.customer GROUP BY region

-- lists and joined texts
SELECT segment, string_agg(region, ',' ORDER BY customer_id) AS a, array_agg(region ORDER BY customer_id) AS b, count(*) FILTER (WHERE region = 'EU') AS c FROM policy_db.public.customer WHERE customer_id < 60 GROUP BY segment

-- percentiles
SELECT product_line, percentile_cont(0.5) WITHIN GROUP (ORDER BY premium) AS a, percentile_disc(0.25) WITHIN GROUP (ORDER BY premium) AS b FROM policy_db.public.policy GROUP BY product_line

-- an aggregate of nothing
SELECT count(*) AS a, sum(amount) AS b, string_agg(name, ',') AS c, array_agg(id) AS d, bool_and(id > 0) AS e FROM policy_db.public.empty

-- a sum from within
SELECT s / 2 AS a, t / 2 AS b, n / 7 AS c FROM (SELECT sum(policy_id) AS s, sum(renewals) AS t, count(*) AS n FROM policy_db.public.policy GROUP BY product_line) q

-- quotients in every clause [in order]
SELECT renewals / 2 AS half, sum(policy_id) / count(*) AS a, max(renewals) / 2 AS b, avg(renewals) / 2 AS c FROM policy_db.public.policy WHERE policy_id / 3 > 340 GROUP BY renewals / 2 HAVING count(*) / 2 > 10 ORDER BY renewals / 2, sum(renewals) / 2

-- quotients of windows
SELECT policy_id, rank() OVER (ORDER BY renewals) / 7 AS a, sum(renewals) OVER (PARTITION BY product_line) / 2 AS b, sum(premium) OVER () / 2 AS c, count(*) OVER () / 3 AS d, row_number() OVER (ORDER BY policy_id / 10, policy_id) AS e, round(avg(risk) OVER (PARTITION BY renewals)) AS f, avg(premium) OVER (PARTITION BY product_line)::int AS g, max(policy_id) OVER ()::numeric / 3 AS h FROM policy_db.public.policy

-- quotients in subqueries and lists
SELECT (SELECT max(policy_id) FROM policy_db.public.policy) / 3 AS a, (SELECT avg(risk) FROM policy_db.public.policy) / 2 AS b, unnest(ARRAY[7, 8]) / 2 AS c, (ARRAY[7.5, 8])[1] / 2 AS d

-- names of results
SELECT count(*), max(premium), 1 + 1, premium::int, CASE WHEN true THEN 1 END, coalesce(max(risk), 0), upper('a'), sum(renewals) / 2 FROM policy_db.public.policy GROUP BY premium HAVING premium < 100

-- windows
SELECT policy_id, sum(premium) OVER (PARTITION BY product_line ORDER BY policy_id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS a, lag(premium, 2, 0) OVER (ORDER BY policy_id) AS b, rank() OVER (ORDER BY renewals) AS c, ntile(7) OVER (ORDER BY policy_id) AS d, first_value(policy_id) OVER (PARTITION BY product_line ORDER BY premium DESC, policy_id) AS e, percent_rank() OVER (ORDER BY renewals) AS f, count(*) FILTER (WHERE risk > 0) OVER (PARTITION BY product_line) AS g FROM policy_db.public.policy

-- running totals share ties
SELECT policy_id, sum(renewals) OVER (ORDER BY renewals) AS a, sum(renewals) OVER (ORDER BY renewals GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW) AS b FROM policy_db.public.policy

-- lateral
SELECT c.customer_id, p.policy_id FROM policy_db.public.customer c, LATERAL (SELECT policy_id FROM policy_db.public.policy p WHERE p.customer_id = c.customer_id ORDER BY policy_id LIMIT 1) p

-- left join lateral
SELECT c.customer_id, p.n FROM policy_db.public.customer c LEFT JOIN LATERAL (SELECT count(*) AS n FROM policy_db.public.policy p WHERE p.customer_id = c.customer_id) p ON true

-- series
SELECT g.n, count(p.policy_id) AS policies FROM generate_series(0, 6) AS g(n) LEFT JOIN policy_db.public.policy p ON p.renewals = g.n GROUP BY g.n

-- lists
SELECT id, words[1] AS a, words[2] AS b, cardinality(words) AS c, array_length(words, 1) AS d, array_to_string(words, '|') AS e, array_append(words, 'x') AS f, 'é' = ANY(words) AS g, ARRAY[1, 2] AS h FROM policy_db.public.extreme e WHERE id > 4

-- unnest in the list of results
SELECT id, unnest(e.list) AS item FROM policy_db.public.extreme e

-- unnest in from
SELECT e.id, u.item FROM policy_db.public.extreme e, unnest(e.list) AS u(item)

-- with, union, except
WITH motor AS (SELECT policy_id FROM policy_db.public.policy WHERE product_line ILIKE 'motor'), home AS (SELECT policy_id FROM policy_db.public.policy WHERE product_line = 'home') SELECT policy_id FROM motor UNION ALL SELECT policy_id FROM home EXCEPT ALL SELECT 1001

-- recursive
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n * 3 FROM t WHERE n < 1000) SELECT n, n / 2 AS half FROM t

-- grouping sets
SELECT product_line, renewals, grouping(product_line, renewals) AS g, count(*) AS n FROM policy_db.public.policy GROUP BY ROLLUP (product_line, renewals)

-- having and an alias in group by
SELECT extract(year FROM start_date) AS year, count(*) AS n FROM policy_db.public.policy GROUP BY year HAVING count(*) > 60

-- is distinct from, between, case
SELECT policy_id, end_date IS DISTINCT FROM start_date AS a, premium BETWEEN 100 AND 2000 AS b, CASE WHEN risk > 2 THEN 'high' WHEN risk > 0 THEN 'low' END AS c, CASE renewals WHEN 1 THEN 'one' ELSE 'more' END AS d, nullif(renewals, 0) AS e, coalesce(risk, -1) AS f FROM policy_db.public.policy

-- exists and in
SELECT customer_id FROM policy_db.public.customer c WHERE EXISTS (SELECT 1 FROM policy_db.public.policy p WHERE p.customer_id = c.customer_id AND p.premium > 4000) AND region NOT IN (SELECT region FROM policy_db.public.customer WHERE region = 'US')

-- fetch first [in order]
SELECT policy_id FROM policy_db.public.policy ORDER BY policy_id OFFSET 3 ROWS FETCH FIRST 5 ROWS ONLY

-- a dollar-quoted text and an escaped one
SELECT $$it's$$ AS a, $x$a$$b$x$ AS b, E'a\tb' AS c

-- quoted names, comments
SELECT c."name" AS "The Name", /* inner */ c.region FROM policy_db."public"."customer" AS c

-- booleans
SELECT customer_id, marketing_consent AS a, NOT marketing_consent AS b, marketing_consent IS TRUE AS c, marketing_consent IS NOT FALSE AS d, true AND marketing_consent AS e FROM policy_db.public.customer

-- comparison of rows and of texts
SELECT policy_id FROM policy_db.public.policy WHERE (renewals, product_line) IN ((1, 'motor'), (3, 'home'), (0, 'Motor'), (0, 'motor'), (3, 'life'))

-- json
SELECT id, doc -> 'a' AS a, doc ->> 'a' AS b FROM policy_db.public.extreme WHERE id > 8

-- limit all, values
SELECT * FROM (VALUES (1, 'a'), (2, NULL)) AS v(n, t) LIMIT ALL

-- joins of every kind
SELECT c.customer_id, p.policy_id FROM policy_db.public.customer c FULL JOIN policy_db.public.policy p USING (customer_id) WHERE c.customer_id IS NULL OR p.policy_id IS NULL

-- intervals
SELECT policy_id, issued_at + renewals * interval '1 day' AS a, age(date '2024-03-01', date '2023-01-15') = interval '1 year 1 month 15 days' AS b FROM policy_db.public.policy WHERE policy_id < 1010

-- a date from its parts, a time from an epoch
SELECT make_date(2024, renewals + 1, 3) AS a, to_timestamp(1700000000) AS b FROM policy_db.public.policy
