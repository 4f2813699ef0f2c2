-- division by nothing is null
SELECT premium / renewals AS a, policy_id DIV 7 AS b, policy_id / 7 AS c, nvl(risk, 0) AS d FROM policy_db.policy
-- is
SELECT premium / nullif(renewals, 0) AS a, policy_id // nullif(7, 0) AS b, policy_id / nullif(7, 0) AS c, coalesce(risk, 0) AS d FROM policy_db.policy

-- casts cut
SELECT CAST(risk AS INT) AS a, CAST('12.9' AS INT) AS b, CAST(product_line AS INT) AS c, CAST(premium AS STRING) AS d FROM policy_db.policy
-- is
SELECT CAST(trunc(risk) AS INT) AS a, 12 AS b, CAST(NULL AS INT) AS c, CAST(premium AS VARCHAR) AS d FROM policy_db.policy

-- dates
SELECT datediff(date '2024-06-15', start_date) AS a, date_add(start_date, 3) AS b, add_months(start_date, 1) AS c, date_trunc('MONTH', issued_at) AS d, date_format(issued_at, 'yyyy-MM-dd HH:mm') AS e, dayofweek(start_date) AS f, weekofyear(start_date) AS g, last_day(start_date) AS h, trunc(start_date, 'MM') AS i FROM policy_db.policy
-- is
SELECT date_diff('day', start_date, DATE '2024-06-15') AS a, start_date + INTERVAL 3 DAY AS b, start_date + INTERVAL 1 MONTH AS c, date_trunc('month', issued_at) AS d, strftime(issued_at, '%Y-%m-%d %H:%M') AS e, dayofweek(start_date) + 1 AS f, weekofyear(start_date) AS g, last_day(start_date) AS h, date_trunc('month', start_date) AS i FROM policy_db.policy

-- lists count from 0
SELECT claim_id, tags[0] AS a, size(tags) AS b, array_contains(tags, 'vip') AS c, concat_ws('/', cause, status) AS d FROM claims_lake.claim
-- is
SELECT claim_id, tags[1] AS a, len(tags) AS b, list_contains(tags, 'vip') AS c, concat_ws('/', cause, status) AS d FROM claims_lake.claim

-- lateral view
SELECT claim_id, tag FROM claims_lake.claim LATERAL VIEW explode(tags) x AS tag
-- is
SELECT claim_id, t.tag FROM claims_lake.claim CROSS JOIN UNNEST(tags) AS t(tag)

-- collected lists are never null
SELECT collect_list(name) AS a, count(*) AS b FROM policy_db.empty
-- is
SELECT CAST([] AS VARCHAR[]) AS a, 0::BIGINT AS b

-- texts [in order]
SELECT customer_id, regexp_extract(email, '([0-9]+)x', 1) AS a, regexp_replace(email, '([0-9])', '<$1>') AS b, email RLIKE '[0-9]@' AS c, instr(segment, 'r') AS d, segment LIKE '%r\_%' AS e FROM policy_db.customer ORDER BY region, customer_id
-- is
SELECT customer_id, regexp_extract(email, '([0-9]+)x', 1) AS a, regexp_replace(email, '([0-9])', '<\1>', 'g') AS b, regexp_matches(email, '[0-9]@') AS c, strpos(segment, 'r') AS d, segment LIKE '%r\_%' ESCAPE '\' AS e FROM policy_db.customer ORDER BY region NULLS FIRST, customer_id
