-- backticks, safe_divide, if, countif
SELECT `product_line`, SAFE_DIVIDE(SUM(premium), SUM(renewals)) AS a, COUNTIF(risk > 1) AS b, IF(COUNT(*) > 60, 'many', 'few') AS c, SUM(policy_id) / 7 AS d, DIV(MAX(policy_id), 7) AS e, IFNULL(MAX(risk), 0) AS f FROM `policy_db.policy` GROUP BY product_line
-- is
SELECT product_line, CASE WHEN sum(renewals) <> 0 THEN sum(premium) / sum(renewals) END AS a, count_if(risk > 1) AS b, CASE WHEN count(*) > 60 THEN 'many' ELSE 'few' END AS c, sum(policy_id) / 7 AS d, max(policy_id) // 7 AS e, coalesce(max(risk), 0) AS f FROM policy_db.policy GROUP BY product_line

-- dates
SELECT DATE_DIFF(DATE '2024-06-15', start_date, MONTH) AS a, TIMESTAMP_DIFF(TIMESTAMP '2024-06-15 00:30:00', created_at, DAY) AS b, EXTRACT(DAYOFWEEK FROM start_date) AS c, DATE_TRUNC(start_date, MONTH) AS d, DATE_ADD(start_date, INTERVAL 3 DAY) AS e, FORMAT_DATE('%Y/%m', start_date) AS f, EXTRACT(ISOWEEK FROM start_date) AS g FROM policy_db.policy JOIN policy_db.customer USING (customer_id)
-- is
SELECT date_diff('month', start_date, DATE '2024-06-15') AS a, date_sub('day', created_at, TIMESTAMPTZ '2024-06-15 00:30:00') AS b, dayofweek(start_date) + 1 AS c, date_trunc('month', start_date) AS d, start_date + INTERVAL 3 DAY AS e, strftime(start_date, '%Y/%m') AS f, weekofyear(start_date) AS g FROM policy_db.policy JOIN policy_db.customer USING (customer_id)

-- lists
SELECT claim_id, tags[OFFSET(0)] AS a, tags[SAFE_ORDINAL(2)] AS b, ARRAY_LENGTH(tags) AS c, ARRAY_TO_STRING(tags, ',') AS d FROM claims_lake.claim
-- is
SELECT claim_id, tags[1] AS a, tags[2] AS b, len(tags) AS c, array_to_string(tags, ',') AS d FROM claims_lake.claim

-- unnest
SELECT claim_id, tag FROM claims_lake.claim, UNNEST(tags) AS tag
-- is
SELECT claim_id, t.tag FROM claims_lake.claim CROSS JOIN UNNEST(tags) AS t(tag)

-- except, replace, qualify
SELECT * EXCEPT (risk, sum_insured) REPLACE (premium + 1 AS premium) FROM policy_db.policy QUALIFY ROW_NUMBER() OVER (PARTITION BY product_line ORDER BY end_date, policy_id) = 1
-- is
SELECT * EXCLUDE (risk, sum_insured) REPLACE (premium + 1 AS premium) FROM policy_db.policy QUALIFY row_number() OVER (PARTITION BY product_line ORDER BY end_date NULLS FIRST, policy_id) = 1

-- texts
SELECT REGEXP_CONTAINS(email, r'\d@') AS a, REGEXP_EXTRACT(email, r'mail(\d)') AS b, SPLIT(email, '@') AS c, STARTS_WITH(segment, 're') AS d, CONCAT(name, NULL) AS e, GREATEST(customer_id, NULL) AS f, SUBSTR(name, 2, 3) AS g, SAFE_CAST(email AS INT64) AS h, CAST(lifetime_value AS INT64) AS i FROM policy_db.customer
-- is
SELECT regexp_matches(email, '\d@') AS a, regexp_extract_all(email, 'mail(\d)', 1)[1] AS b, str_split(email, '@') AS c, starts_with(segment, 're') AS d, name || NULL AS e, CAST(NULL AS BIGINT) AS f, substring(name, 2, 3) AS g, TRY_CAST(email AS BIGINT) AS h, CAST(round(CAST(lifetime_value AS DECIMAL(38, 10))) AS BIGINT) AS i FROM policy_db.customer
