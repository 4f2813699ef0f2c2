-- top, brackets, hints [in order]
SELECT TOP 7 [policy_id], p.premium AS [the premium] FROM [policy_db].[policy] AS p WITH (NOLOCK) ORDER BY [premium] DESC, policy_id
-- is
SELECT policy_id, premium AS "the premium" FROM policy_db.policy ORDER BY premium DESC, policy_id LIMIT 7

-- nulls are smallest [in order]
SELECT policy_id, end_date FROM policy_db.policy ORDER BY end_date, policy_id OFFSET 3 ROWS FETCH NEXT 5 ROWS ONLY
-- is
SELECT policy_id, end_date FROM policy_db.policy ORDER BY end_date NULLS FIRST, policy_id LIMIT 5 OFFSET 3

-- whole numbers divide and average to whole numbers
SELECT product_line, AVG(renewals) AS a, AVG(risk) AS b, SUM(renewals) / COUNT(*) AS c, MAX(policy_id) / 7 AS d FROM policy_db.policy GROUP BY product_line
-- is
SELECT product_line, sum(renewals) // count(renewals) AS a, sum(risk) / count(risk) AS b, sum(renewals) // count(*) AS c, max(policy_id) // 7 AS d FROM policy_db.policy GROUP BY product_line

-- averages of windows
SELECT policy_id, AVG(renewals) OVER (PARTITION BY product_line) AS a FROM policy_db.policy
-- is
SELECT policy_id, sum(renewals) OVER (PARTITION BY product_line) // count(renewals) OVER (PARTITION BY product_line) AS a FROM policy_db.policy

-- texts
SELECT LEN(product_line + '  ') AS a, 'x' + segment + 'y' AS b, CHARINDEX('a', segment) AS c, ISNULL(region, N'none') AS d, IIF(region = 'EU', 1, 0) AS e, STUFF(segment, 1, 2, '##') AS f, REPLICATE('ab', 2) AS g, CONCAT(region, '-', NULL) AS h, SUBSTRING(segment, 0, 3) AS i FROM policy_db.policy JOIN policy_db.customer ON customer.customer_id = policy.customer_id
-- is
SELECT len(rtrim(product_line || '  ')) AS a, 'x' || segment || 'y' AS b, strpos(segment, 'a') AS c, coalesce(region, 'none') AS d, CASE WHEN region = 'EU' THEN 1 ELSE 0 END AS e, '##' || segment[3:] AS f, 'abab' AS g, concat(region, '-', NULL) AS h, left(segment, 2) AS i FROM policy_db.policy JOIN policy_db.customer ON customer.customer_id = policy.customer_id

-- casts
SELECT CAST(risk AS INT) AS a, CAST(premium AS BIGINT) AS b, CAST(1 AS BIT) AS c, CAST(product_line AS VARCHAR(3)) AS d, CONVERT(VARCHAR(10), issued_at, 120) AS e, CONVERT(INT, renewals) AS f, TRY_CAST(product_line AS INT) AS g, CAST(premium AS FLOAT) AS h FROM policy_db.policy
-- is
SELECT CAST(trunc(risk) AS INT) AS a, CAST(trunc(CAST(premium AS DECIMAL(38, 10))) AS BIGINT) AS b, true AS c, left(product_line, 3) AS d, strftime(issued_at, '%Y-%m-%d') AS e, renewals AS f, TRY_CAST(product_line AS INT) AS g, CAST(premium AS DOUBLE) AS h FROM policy_db.policy

-- dates
SELECT DATEADD(month, 2, issued_at) AS a, DATEDIFF(month, start_date, issued_at) AS b, DATEPART(weekday, start_date) AS c, YEAR(issued_at) AS d, EOMONTH(start_date) AS e, DATETRUNC(month, issued_at) AS f, FORMAT(issued_at, 'yyyy-MM-dd HH:mm') AS g, DATEFROMPARTS(2024, 2, 3) AS h FROM policy_db.policy
-- is
SELECT issued_at + INTERVAL 2 MONTH AS a, date_diff('month', CAST(start_date AS TIMESTAMP), issued_at) AS b, dayofweek(start_date) + 1 AS c, year(issued_at) AS d, last_day(start_date) AS e, date_trunc('month', issued_at) AS f, strftime(issued_at, '%Y-%m-%d %H:%M') AS g, make_date(2024, 2, 3) AS h FROM policy_db.policy

-- apply
SELECT c.customer_id, p.policy_id FROM policy_db.customer c CROSS APPLY (SELECT TOP 1 policy_id FROM policy_db.policy p WHERE p.customer_id = c.customer_id ORDER BY policy_id) p
-- is
SELECT c.customer_id, p.policy_id FROM policy_db.customer c, LATERAL (SELECT policy_id FROM policy_db.policy p WHERE p.customer_id = c.customer_id ORDER BY policy_id LIMIT 1) p

-- outer apply
SELECT c.customer_id, p.n FROM policy_db.customer c OUTER APPLY (SELECT policy_id AS n FROM policy_db.policy p WHERE p.customer_id = c.customer_id AND premium > 4000) p
-- is
SELECT c.customer_id, p.n FROM policy_db.customer c LEFT JOIN LATERAL (SELECT policy_id AS n FROM policy_db.policy p WHERE p.customer_id = c.customer_id AND premium > 4000) p ON true
