-- whole numbers divide to whole numbers
SELECT policy_id / 7 AS a, premium / 4 AS b, sum(renewals) OVER () / 7 AS c FROM policy_db.policy
-- is
SELECT policy_id // 7 AS a, premium / 4 AS b, sum(renewals) OVER () // 7 AS c FROM policy_db.policy

-- differences are what has elapsed
SELECT date_diff('month', start_date, DATE '2024-06-15') AS a, date_diff('day', issued_at, TIMESTAMP '2024-06-15 01:00:00') AS b, date_diff('year', start_date, DATE '2024-06-15') AS c FROM policy_db.policy
-- is
SELECT date_sub('month', start_date, DATE '2024-06-15') AS a, date_sub('day', issued_at, TIMESTAMP '2024-06-15 01:00:00') AS b, date_sub('year', start_date, DATE '2024-06-15') AS c FROM policy_db.policy

-- no match is null
SELECT regexp_extract(email, '([0-9]+)x') AS a, regexp_extract(email, 'mail([0-9])', 1) AS b, regexp_replace(email, 'c([0-9])', '$1c') AS c, regexp_like(email, '9') AS d FROM policy_db.customer
-- is
SELECT regexp_extract_all(email, '([0-9]+)x', 0)[1] AS a, regexp_extract_all(email, 'mail([0-9])', 1)[1] AS b, regexp_replace(email, 'c([0-9])', '\1c', 'g') AS c, regexp_matches(email, '9') AS d FROM policy_db.customer

-- casts round away from zero and cut
SELECT CAST(risk AS BIGINT) AS a, CAST(name AS VARCHAR(2)) AS b, CAST(premium AS INTEGER) AS c FROM policy_db.policy JOIN policy_db.customer USING (customer_id)
-- is
SELECT CAST(round(risk) AS BIGINT) AS a, left(name, 2) AS b, CAST(round(CAST(premium AS DECIMAL(38, 10))) AS INTEGER) AS c FROM policy_db.policy JOIN policy_db.customer USING (customer_id)

-- greatest of a null is null
SELECT greatest(risk, 1) AS a, least(risk, 0, premium) AS b, concat(product_line, NULL) AS c FROM policy_db.policy
-- is
SELECT CASE WHEN risk IS NULL THEN NULL ELSE greatest(risk, 1) END AS a, CASE WHEN risk IS NULL THEN NULL ELSE least(risk, 0, premium) END AS b, product_line || NULL AS c FROM policy_db.policy

-- lists
SELECT claim_id, cardinality(tags) AS n, element_at(tags, 1) AS t, contains(tags, 'vip') AS v, transform(tags, x -> upper(x)) AS u, filter(tags, x -> x = 'vip') AS f, array_join(tags, '/') AS j FROM claims_lake.claim
-- is
SELECT claim_id, len(tags) AS n, tags[1] AS t, list_contains(tags, 'vip') AS v, list_transform(tags, lambda x: upper(x)) AS u, list_filter(tags, lambda x: x = 'vip') AS f, array_to_string(tags, '/') AS j FROM claims_lake.claim

-- unnest
SELECT claim_id, t.tag FROM claims_lake.claim CROSS JOIN UNNEST(tags) AS t(tag)
-- is
SELECT claim_id, t.tag FROM claims_lake.claim CROSS JOIN UNNEST(tags) AS t(tag)

-- days of the week, parts, formats
SELECT day_of_week(start_date) AS a, week(start_date) AS b, date_format(issued_at, '%Y-%m-%d %H:%i') AS c, date_add('month', 2, start_date) AS d, date_trunc('week', issued_at) AS e, day_of_year(start_date) AS f FROM policy_db.policy
-- is
SELECT isodow(start_date) AS a, weekofyear(start_date) AS b, strftime(issued_at, '%Y-%m-%d %H:%M') AS c, start_date + INTERVAL 2 MONTH AS d, date_trunc('week', issued_at) AS e, dayofyear(start_date) AS f FROM policy_db.policy

-- aggregates
SELECT cause, count_if(amount > 100) AS a, arbitrary(month) IS NULL AS b, listagg(status, ',') WITHIN GROUP (ORDER BY claim_id) AS c, bool_or(severity > 5) AS d, every(amount > 0) AS e FROM claims_lake.claim GROUP BY cause
-- is
SELECT cause, count_if(amount > 100) AS a, any_value(month) IS NULL AS b, string_agg(status, ',' ORDER BY claim_id) AS c, bool_or(severity > 5) AS d, bool_and(amount > 0) AS e FROM claims_lake.claim GROUP BY cause

-- nulls come last in both orders [in order]
SELECT policy_id, end_date FROM policy_db.policy ORDER BY end_date DESC, policy_id OFFSET 400 ROWS FETCH FIRST 20 ROWS ONLY
-- is
SELECT policy_id, end_date FROM policy_db.policy ORDER BY end_date DESC NULLS LAST, policy_id LIMIT 20 OFFSET 400

-- like has no escape
SELECT policy_id FROM policy_db.policy WHERE product_line LIKE 'mo\_r' OR product_line LIKE 'mo!_or' ESCAPE '!'
-- is
SELECT policy_id FROM policy_db.policy WHERE product_line LIKE 'mo\_r' OR product_line LIKE 'mo!_or' ESCAPE '!'
