-- count [ana sam] rows
SELECT count(*) AS n FROM lake.claim

-- count of a column [ana] rows
SELECT count(claim_id) AS n, count(DISTINCT region) AS r, min(claim_id) AS a, max(claim_id) AS b FROM lake.claim

-- count of a file by its footer [ana] rows
SELECT count(*) AS n FROM lake.archive

-- count of Postgres [ana] rows
SELECT count(*) AS n FROM policy_db.policy

-- count of SQLite [ana] rows
SELECT count(*) AS n FROM ledger.booking

-- count of an API [ana] rows
SELECT count(*) AS n FROM fraud_api.score

-- count of csv by a mapping [ana sam] rows
SELECT count(*) AS n FROM lake.note

-- count of json by a mapping [ana sam] rows
SELECT count(*) AS n FROM lake.event

-- constants only [ana] rows
SELECT 1 AS one FROM lake.claim

-- regions that are left [ana sam] rows
SELECT DISTINCT region FROM lake.claim

-- the rule's negation [ana] rows
SELECT * FROM lake.claim WHERE region <> 'EU'

-- the rule's negation in Postgres [ana] rows
SELECT * FROM policy_db.policy WHERE region <> 'EU'

-- the rule's negation in SQLite [ana] rows
SELECT * FROM ledger.booking WHERE lower(region) <> 'eu'

-- the rule's negation in an API [ana] rows
SELECT * FROM fraud_api.score WHERE region = 'US'

-- NULLs of the rule [ana] rows
SELECT count(*) AS n FROM lake.claim WHERE region IS NULL

-- a tautology with OR [ana] rows
SELECT count(*) AS n FROM lake.claim WHERE region = 'US' OR 1 = 1

-- a tautology with OR in Postgres [ana] rows
SELECT count(*) AS n FROM policy_db.policy WHERE region = 'US' OR region <> 'US' OR region IS NULL

-- a tautology with OR in an API [ana] rows
SELECT count(*) AS n FROM fraud_api.score WHERE region IN ('US', 'EU') OR true

-- an injection in a text [ana] rows
SELECT count(*) AS n FROM lake.claim WHERE status = ''' OR 1=1 --'

-- a point in a hidden row [ana] rows
SELECT * FROM lake.claim WHERE claim_id = 1

-- a point in a hidden row of Postgres [ana] rows
SELECT * FROM policy_db.policy WHERE policy_id = 1

-- a point in a hidden row of SQLite [ana] rows
SELECT * FROM ledger.booking WHERE booking_id = 1

-- a point in a hidden row of an API [ana] rows
SELECT * FROM fraud_api.score WHERE claim_id = 1

-- keys from a list [ana] rows
SELECT claim_id FROM fraud_api.score WHERE claim_id IN (1, 2, 3, 4, 5, 6)

-- a join that would multiply hidden rows [ana] rows
SELECT count(*) AS n FROM lake.claim a, lake.claim b

-- a join with a list of keys [ana] rows
SELECT x.i, c.claim_id FROM range(1, 20) x(i) LEFT JOIN lake.claim c ON c.claim_id = x.i

-- a right join [ana] rows
SELECT c.claim_id, x.i FROM lake.claim c RIGHT JOIN range(1, 20) x(i) ON c.claim_id = x.i

-- a full join [ana] rows
SELECT c.claim_id, p.policy_id FROM lake.claim c FULL JOIN policy_db.policy p ON c.claim_id = p.policy_id + 1

-- an anti join [ana] rows
SELECT x.i FROM range(1, 20) x(i) ANTI JOIN lake.claim c ON c.claim_id = x.i

-- a semi join [ana] rows
SELECT x.i FROM range(1, 20) x(i) SEMI JOIN lake.claim c ON c.claim_id = x.i

-- NOT IN [ana] rows
SELECT x.i FROM range(1, 20) x(i) WHERE x.i NOT IN (SELECT claim_id FROM lake.claim)

-- EXISTS [ana] rows
SELECT EXISTS (SELECT 1 FROM lake.claim WHERE region = 'US') AS e

-- a correlated count [ana] rows
SELECT x.i, (SELECT count(*) FROM lake.claim c WHERE c.claim_id <= x.i) AS n FROM range(1, 20) x(i)

-- sources joined [ana] rows
SELECT c.claim_id, b.amount, p.premium, s.score FROM lake.claim c JOIN ledger.booking b USING (claim_id) JOIN policy_db.policy p ON p.policy_id = c.claim_id JOIN fraud_api.score s USING (claim_id)

-- sources joined by keys that travel [ana] rows
SELECT n.i, p.premium FROM (VALUES (1), (2), (3)) n(i) JOIN policy_db.policy p ON p.policy_id = n.i

-- LIMIT without order counts visible rows [ana] rows
SELECT count(*) AS n FROM (SELECT claim_id FROM lake.claim LIMIT 200)

-- LIMIT of Postgres is not met by hidden rows [ana] rows
SELECT count(*) AS n FROM (SELECT policy_id FROM policy_db.policy LIMIT 50)

-- LIMIT of SQLite is not met by hidden rows [ana] rows
SELECT count(*) AS n FROM (SELECT booking_id FROM ledger.booking LIMIT 50)

-- LIMIT of an API is not met by hidden rows [ana] rows
SELECT count(*) AS n FROM (SELECT claim_id FROM fraud_api.score LIMIT 50)

-- LIMIT of files is not met by hidden rows [ana] rows
SELECT count(*) AS n FROM (SELECT event_id FROM lake.event LIMIT 50)

-- OFFSET counts visible rows [ana] rows, in order
SELECT claim_id FROM lake.claim ORDER BY claim_id LIMIT 3 OFFSET 2

-- top of Postgres [ana] rows, in order
SELECT policy_id FROM policy_db.policy ORDER BY policy_id LIMIT 4

-- top of SQLite [ana] rows, in order
SELECT booking_id FROM ledger.booking ORDER BY booking_id DESC LIMIT 4

-- minimum and maximum [ana] rows
SELECT min(amount) AS a, max(amount) AS b, sum(amount) AS s FROM lake.claim

-- minimum and maximum of Postgres [ana] rows
SELECT min(line) AS a, max(line) AS b, min(body) AS c, max(body) AS d FROM policy_db.policy

-- minimum and maximum of SQLite [ana] rows
SELECT min(amount) AS a, max(amount) AS b, max(account) AS c FROM ledger.booking

-- quantiles [ana] rows
SELECT quantile_disc(amount, 0.99) AS q, mode(region) AS m, median(claim_id) AS d FROM lake.claim

-- window over all rows [ana] rows
SELECT claim_id, count(*) OVER () AS n, row_number() OVER (ORDER BY claim_id) AS r, lag(claim_id) OVER (ORDER BY claim_id) AS l FROM lake.claim

-- ntile [ana] rows
SELECT ntile(4) OVER (ORDER BY amount, claim_id) AS t, claim_id FROM lake.claim

-- percent rank [ana] rows
SELECT percent_rank() OVER (ORDER BY claim_id) AS p FROM lake.claim

-- grouping sets hold no hidden group [ana] rows
SELECT region, count(*) AS n FROM lake.claim GROUP BY ROLLUP (region)

-- gaps between keys [ana] rows
SELECT claim_id FROM lake.claim c WHERE NOT EXISTS (SELECT 1 FROM lake.claim d WHERE d.claim_id = c.claim_id + 1)

-- a mapping's own keys [ana] rows
SELECT DISTINCT claim_id FROM lake.note

-- notes of another's claims [ana] rows
SELECT * FROM lake.note WHERE claim_id = 50

-- events of another's claims [ana] rows
SELECT * FROM lake.event WHERE claim_id >= 40

-- nested values of hidden rows [ana] rows
SELECT DISTINCT detail.actor AS a, unnest(tags) AS t FROM lake.event

-- nested values in a filter [ana] rows
SELECT event_id FROM lake.event WHERE detail.actor LIKE 'zq%' OR list_contains(tags, '3')

-- a rule that raises on hidden rows [ana] rows
SELECT * FROM lake.archive

-- a rule that raises, with its own column cast [ana] rows
SELECT sum(CAST(code AS INTEGER)) AS s FROM lake.archive

-- two roles are alternatives [sam] rows
SELECT region, count(*) AS n FROM lake.claim GROUP BY region

-- hidden in both files' eyes [finn] rows
SELECT region, count(*) AS n FROM lake.shared GROUP BY region

-- a self join under two names [ana] rows
SELECT count(*) AS n FROM lake.claim a JOIN lake.claim b ON a.claim_id = b.claim_id + 1

-- the same table twice, filtered apart [ana] rows
SELECT (SELECT count(*) FROM lake.claim WHERE region = 'US') AS us, (SELECT count(*) FROM lake.claim WHERE region = 'EU') AS eu

-- union of a table with itself [ana] rows
SELECT count(*) AS n FROM (FROM lake.claim UNION ALL FROM lake.claim)

-- time-dependent predicates [ana] rows
SELECT count(*) AS n FROM lake.claim WHERE current_date > DATE '2000-01-01'

-- random that is always true [ana] rows
SELECT count(*) AS n, max(region) AS r FROM lake.claim WHERE random() >= 0

-- predicates that a file prunes by [ana] rows
SELECT count(*) AS n FROM lake.claim WHERE claim_id > 300

-- a predicate that the statistics refute [ana] rows
SELECT count(*) AS n FROM lake.claim WHERE amount > 313000000

-- LIKE over hidden values [ana] rows
SELECT count(*) AS n FROM policy_db.policy WHERE line LIKE 'zq%'

-- IN over hidden values [ana] rows
SELECT count(*) AS n FROM fraud_api.score WHERE model IN ('m1', 'm2', 'm3') OR model LIKE 'z%'

-- aud sees every row [aud] rows
SELECT region, count(*) AS n FROM lake.claim GROUP BY region

-- aud sees every note [aud] rows
SELECT * FROM lake.note

-- aud sees every policy [aud] rows
SELECT * FROM policy_db.policy

-- aud sees every booking [aud] rows
SELECT * FROM ledger.booking

-- aud sees every score [aud] rows
SELECT * FROM fraud_api.score
