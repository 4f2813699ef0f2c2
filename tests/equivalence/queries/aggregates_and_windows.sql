-- count of rows without columns
SELECT count(*) AS n FROM policy_db.policy

-- count of rows of every source
SELECT (SELECT count(*) FROM policy_db.customer) AS a, (SELECT count(*) FROM claims_lake.claim) AS b, (SELECT count(*) FROM partner_files.repair) AS c,
  (SELECT count(*) FROM tariff_files.tariff) AS d, (SELECT count(*) FROM fraud_api.score) AS e, (SELECT count(*) FROM desk.note) AS f, (SELECT count(*) FROM ledger.booking) AS g

-- a constant for each row of a source
SELECT 7 AS seven FROM fraud_api.model

-- a constant for each row of every live source
SELECT 'x' AS x FROM policy_db.policy UNION ALL SELECT 'y' FROM fraud_api.score UNION ALL SELECT 'z' FROM ledger.booking

-- counts with nulls
SELECT count(*) AS n, count(email) AS emails, count(DISTINCT region) AS regions, count(*) - count(name) AS nameless FROM policy_db.customer

-- aggregates of an empty table
SELECT count(*) AS n, sum(amount) AS s, max(name) AS m, min(moment) AS t, list(id) AS l FROM policy_db.empty

-- aggregates of no rows, grouped
SELECT name, count(*) AS n FROM policy_db.empty GROUP BY name

-- aggregates that a filter leaves nothing of
SELECT sum(premium) AS s, avg(risk) AS a FROM policy_db.policy WHERE product_line = 'no such line'

-- sums and averages of decimals
SELECT product_line, sum(premium) AS s, avg(premium) AS a, min(premium) AS lo, max(premium) AS hi, sum(sum_insured) AS i FROM policy_db.policy GROUP BY product_line

-- sums of doubles
SELECT cause, sum(severity) AS s, avg(severity) AS a, min(severity) AS lo FROM claims_lake.claim GROUP BY cause

-- median, quantile, mode
SELECT median(premium) AS m, quantile_cont(premium, 0.9) AS q, quantile_disc(premium, [0.1, 0.5]) AS d, mode(renewals) AS o FROM policy_db.policy WHERE renewals < 3 AND policy_id <> 1001

-- aggregates with filter
SELECT count(*) FILTER (WHERE status = 'open') AS open, sum(amount) FILTER (WHERE status IS NULL) AS unknown, max(cause) FILTER (false) AS none FROM claims_lake.claim

-- the same column filtered in two aggregates and in where
SELECT count(*) FILTER (score >= 0.5) AS high, count(*) FILTER (score < 0.5) AS low FROM fraud_api.score WHERE score >= 0.25

-- ordered aggregates
SELECT author, string_agg(text, '|' ORDER BY note_id DESC) AS texts, list(stars ORDER BY stars NULLS FIRST, note_id) AS stars, first(text ORDER BY note_id) AS one FROM desk.note GROUP BY author

-- arg_min and arg_max
SELECT region, arg_max(name, lifetime_value) AS best, arg_min(customer_id, (birth_date, customer_id)) AS oldest FROM policy_db.customer GROUP BY region

-- boolean and bitwise aggregates
SELECT bool_and(paid) AS a, bool_or(paid) AS o, bit_xor(claim_id) AS x, bit_or(claim_id) AS b FROM partner_files.repair

-- group by an expression
SELECT date_trunc('quarter', issued_on) AS quarter, repair_code, count(*) AS n, sum(total) AS total FROM partner_files.repair GROUP BY date_trunc('quarter', issued_on), repair_code

-- group by all, order by all [in order]
SELECT year, month, count(*) AS n, sum(amount) AS amount FROM claims_lake.claim GROUP BY ALL ORDER BY ALL

-- having
SELECT customer_id, count(*) AS n FROM policy_db.policy GROUP BY customer_id HAVING count(*) > 1 AND max(premium) > 2000

-- group by position and alias
SELECT left(name, 1) AS initial, count(*) AS n FROM policy_db.customer GROUP BY 1 HAVING n > 5

-- grouping sets
SELECT region, segment, count(*) AS n, grouping(region, segment) AS g FROM policy_db.customer GROUP BY GROUPING SETS ((region, segment), (region), ())

-- rollup
SELECT year, month, sum(amount) AS amount FROM claims_lake.claim GROUP BY ROLLUP (year, month)

-- cube
SELECT model, score >= 0.5 AS high, count(*) AS n FROM fraud_api.score GROUP BY CUBE (model, high)

-- row_number and rank
SELECT policy_id, row_number() OVER (PARTITION BY product_line ORDER BY premium DESC, policy_id) AS r, rank() OVER (ORDER BY renewals) AS k, dense_rank() OVER (ORDER BY renewals DESC) AS d FROM policy_db.policy

-- a window over a limit does not read fewer rows
SELECT policy_id, count(*) OVER () AS n FROM policy_db.policy ORDER BY policy_id LIMIT 3

-- lag and lead
SELECT claim_id, amount, lag(amount) OVER w AS before, lead(amount, 2, 0.00) OVER w AS after FROM claims_lake.claim WINDOW w AS (PARTITION BY cause ORDER BY claim_id)

-- running sum over rows
SELECT event_id, sum(cost) OVER (PARTITION BY claim_id % 20 ORDER BY event_id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS s FROM claims_lake.event

-- range frame over dates
SELECT invoice_no, count(*) OVER (ORDER BY issued_on RANGE BETWEEN INTERVAL 10 DAYS PRECEDING AND INTERVAL 10 DAYS FOLLOWING) AS n FROM partner_files.repair

-- groups frame and exclude
SELECT note_id, sum(stars) OVER (ORDER BY stars GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE TIES) AS s FROM desk.note WHERE note_id < 20

-- first_value, nth_value and ignore nulls
SELECT note_id, first_value(stars IGNORE NULLS) OVER w AS f, last_value(stars) OVER w AS l, nth_value(text, 2) OVER w AS s FROM desk.note WINDOW w AS (PARTITION BY author ORDER BY note_id)

-- ntile, percent_rank and cume_dist
SELECT customer_id, ntile(7) OVER (ORDER BY customer_id) AS n, percent_rank() OVER (ORDER BY segment) AS p, cume_dist() OVER (ORDER BY segment) AS c FROM policy_db.customer

-- qualify
SELECT claim_id, policy_id, amount FROM claims_lake.claim QUALIFY row_number() OVER (PARTITION BY policy_id ORDER BY amount DESC, claim_id) = 1

-- qualify with where and an alias
SELECT shop, invoice_no, rank() OVER (PARTITION BY shop ORDER BY total DESC) AS r FROM partner_files.repair WHERE paid QUALIFY r <= 2

-- a filter above a window stays above it
SELECT * FROM (SELECT policy_id, renewals, sum(premium) OVER (PARTITION BY renewals) AS s FROM policy_db.policy) WHERE policy_id < 1010

-- a filter on the partition key of a window
SELECT * FROM (SELECT policy_id, renewals, sum(premium) OVER (PARTITION BY renewals) AS s FROM policy_db.policy) WHERE renewals = 2

-- pivot with named values
PIVOT (SELECT region, segment, lifetime_value FROM policy_db.customer) ON segment IN ('retail', 'corporate', 'broker') USING sum(lifetime_value) GROUP BY region

-- pivot with two aggregates
PIVOT claims_lake.claim ON year IN (2024, 2025) USING count(*) AS n, max(amount) AS top GROUP BY cause

-- standard pivot
SELECT * FROM (SELECT model, reason, score FROM fraud_api.score) PIVOT (max(score) FOR model IN ('m1', 'm2', 'M1'))

-- unpivot
UNPIVOT desk.budget ON q1, q2, q3, q4 INTO NAME quarter VALUE amount

-- unpivot that keeps nulls
SELECT * FROM desk.budget UNPIVOT INCLUDE NULLS (amount FOR quarter IN (q1, q2, q3, q4))

-- histogram and map aggregates
SELECT histogram(renewals) AS h, list_sort(map_keys(histogram(product_line))) AS k FROM policy_db.policy

-- regression and correlation of exact sums
SELECT regr_count(premium, renewals) AS n, count(DISTINCT (renewals, product_line)) AS pairs FROM policy_db.policy

-- a distinct count over SQLite
SELECT count(DISTINCT claim_id) AS exact FROM ledger.booking

-- rows are counted, and a name looks like a number
SELECT count("42") AS n FROM (SELECT risk AS "42" FROM policy_db.policy) x

-- rows of all kinds of sources are counted
SELECT (SELECT count(*) FROM policy_db.policy) AS a, (SELECT count(*) FROM ledger.booking) AS b, (SELECT count(*) FROM fraud_api.score) AS c, (SELECT count(*) FROM claims_lake.claim) AS d, (SELECT count(*) FROM policy_db.customer WHERE region = 'EU') AS e

-- few different rows among many
SELECT product_line, renewals, count(*) AS n, min(renewals) AS l, count(DISTINCT product_line) AS k FROM policy_db.policy GROUP BY product_line, renewals
