-- quotients have a fraction
SELECT policy_id / 7 AS a, IFF(risk > 1, 'high', 'low') AS b, NVL(risk, 0) AS c, ZEROIFNULL(risk) AS d, DIV0(premium, renewals) AS e, NVL2(risk, 1, 2) AS f FROM policy_db.policy
-- is
SELECT policy_id / 7 AS a, CASE WHEN risk > 1 THEN 'high' ELSE 'low' END AS b, coalesce(risk, 0) AS c, CASE WHEN risk IS NULL THEN 0 ELSE risk END AS d, CASE WHEN renewals = 0 THEN 0 ELSE premium / renewals END AS e, CASE WHEN risk IS NOT NULL THEN 1 ELSE 2 END AS f FROM policy_db.policy

-- flatten
SELECT claim_id, f.value AS tag, f.index AS n FROM claims_lake.claim c, LATERAL FLATTEN(INPUT => c.tags) f
-- is
SELECT claim_id, f.value AS tag, f.index AS n FROM claims_lake.claim c, LATERAL (SELECT unnest(c.tags) AS value, generate_subscripts(c.tags, 1) - 1 AS index) f

-- qualify [in order]
SELECT policy_id, product_line FROM policy_db.policy QUALIFY ROW_NUMBER() OVER (PARTITION BY product_line ORDER BY end_date DESC, policy_id) = 1 ORDER BY product_line
-- is
SELECT policy_id, product_line FROM policy_db.policy QUALIFY row_number() OVER (PARTITION BY product_line ORDER BY end_date DESC NULLS FIRST, policy_id) = 1 ORDER BY product_line

-- lists count from 0, and of nothing they are empty
SELECT segment, LISTAGG(region, '/') WITHIN GROUP (ORDER BY customer_id) AS a, ARRAY_AGG(region) WITHIN GROUP (ORDER BY customer_id) AS b FROM policy_db.customer WHERE customer_id < 60 GROUP BY segment
-- is
SELECT segment, coalesce(string_agg(region, '/' ORDER BY customer_id), '') AS a, coalesce(list(region ORDER BY customer_id) FILTER (WHERE region IS NOT NULL), []) AS b FROM policy_db.customer WHERE customer_id < 60 GROUP BY segment

-- of nothing
SELECT LISTAGG(name) AS a, ARRAY_SIZE(ARRAY_AGG(id)) AS b FROM policy_db.empty
-- is
SELECT '' AS a, 0::BIGINT AS b

-- elements
SELECT claim_id, tags[0] AS a, tags[1] AS b FROM claims_lake.claim
-- is
SELECT claim_id, list_select(tags, [1])[1] AS a, list_select(tags, [2])[1] AS b FROM claims_lake.claim

-- dates
SELECT DATEADD(month, 2, issued_at) AS a, DATEDIFF(month, start_date, issued_at) AS b, DAYOFWEEK(start_date) AS c, DATE_TRUNC('week', issued_at) AS d, LAST_DAY(start_date) AS e, MONTHNAME(start_date) AS f, TO_DATE('2024-02-03') AS g FROM policy_db.policy
-- is
SELECT issued_at + INTERVAL 2 MONTH AS a, date_diff('month', start_date, issued_at) AS b, dayofweek(start_date) AS c, date_trunc('week', issued_at) AS d, last_day(start_date) AS e, strftime(start_date, '%b') AS f, DATE '2024-02-03' AS g FROM policy_db.policy

-- json paths
SELECT doc:a::string AS a FROM policy_db.public.extreme
-- is
SELECT doc ->> '$.a' AS a FROM policy_db.public.extreme

-- decode, ilike any, regular expressions
SELECT DECODE(renewals, 0, 'none', 1, 'one', 'more') AS a, product_line ILIKE ANY ('MOTOR', 'home') AS b, REGEXP_LIKE(product_line, 'mo.*') AS c, EQUAL_NULL(end_date, NULL) AS d, TO_NUMBER('12') AS e FROM policy_db.policy
-- is
SELECT CASE renewals WHEN 0 THEN 'none' WHEN 1 THEN 'one' ELSE 'more' END AS a, product_line ILIKE 'MOTOR' OR product_line ILIKE 'home' AS b, regexp_full_match(product_line, 'mo.*') AS c, end_date IS NOT DISTINCT FROM NULL AS d, CAST('12' AS DECIMAL(38, 0)) AS e FROM policy_db.policy
