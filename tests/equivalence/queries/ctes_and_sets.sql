-- one with
WITH open AS (SELECT * FROM claims_lake.claim WHERE status = 'open') SELECT count(*) AS n, sum(amount) AS amount FROM open

-- a with that is read twice
WITH c AS (SELECT policy_id, premium FROM policy_db.policy WHERE premium > 100) SELECT a.policy_id, count(*) AS n FROM c a JOIN c b ON b.premium > a.premium GROUP BY a.policy_id HAVING count(*) < 20

-- a with that is read twice with different filters
WITH s AS (SELECT * FROM fraud_api.score) SELECT (SELECT count(*) FROM s WHERE score >= 0.5) AS high, (SELECT count(*) FROM s WHERE model = 'm2') AS m2

-- one with upon another
WITH a AS (SELECT claim_id, amount FROM claims_lake.claim), b AS (SELECT claim_id, amount FROM a WHERE amount > 1000), c AS (SELECT max(amount) AS top FROM b) SELECT b.claim_id FROM b, c WHERE b.amount = c.top

-- a materialized with
WITH s AS MATERIALIZED (SELECT claim_id, score FROM fraud_api.score WHERE score IS NOT NULL) SELECT a.claim_id, b.claim_id FROM s a JOIN s b ON a.score = b.score AND a.claim_id < b.claim_id

-- a with that is not materialized
WITH s AS NOT MATERIALIZED (SELECT * FROM policy_db.policy) SELECT a.policy_id FROM s a JOIN s b ON a.policy_id = b.policy_id + 1 WHERE a.premium > 4500

-- a with whose name hides nothing of the catalog
WITH policy AS (SELECT 1 AS x) SELECT policy.x, p.policy_id FROM policy, policy_db.policy p WHERE p.policy_id < 1003

-- a with that is never read
WITH unused AS (SELECT * FROM partner_files.repair) SELECT count(*) AS n FROM desk.note

-- a with and column names
WITH c(a, b) AS (SELECT claim_id, amount FROM claims_lake.claim) SELECT a, b FROM c WHERE a % 100 = 7

-- a with inside a subquery
SELECT (WITH t AS (SELECT max(amount) AS m FROM claims_lake.claim) SELECT m FROM t) AS m, count(*) AS n FROM policy_db.policy

-- recursive over numbers
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) SELECT i, p.premium FROM n JOIN policy_db.policy p ON p.policy_id = 1000 + n.i

-- recursive over a live source, read in each round
WITH RECURSIVE chain(id, depth) AS (SELECT policy_id, 0 FROM policy_db.policy WHERE policy_id = 1001 UNION ALL SELECT p.policy_id, depth + 1 FROM chain JOIN policy_db.policy p ON p.policy_id = chain.id + 7 WHERE depth < 12) SELECT * FROM chain

-- recursive over files, read in each round
WITH RECURSIVE walk(id, path) AS (SELECT claim_id, [claim_id] FROM claims_lake.claim WHERE claim_id = 3 UNION ALL SELECT e.event_id, list_append(path, e.event_id) FROM walk JOIN claims_lake.event e ON e.claim_id = walk.id + 3 WHERE len(path) < 6) SELECT * FROM walk

-- recursive union that stops at what it has seen
WITH RECURSIVE r(x) AS (SELECT claim_id % 10 FROM desk.note WHERE claim_id IS NOT NULL UNION SELECT (x * 3 + 1) % 17 FROM r) SELECT x FROM r

-- recursion over a REST table
WITH RECURSIVE r AS (SELECT claim_id, 1 AS step FROM fraud_api.score WHERE claim_id = 0 UNION ALL SELECT s.claim_id, step + 1 FROM r JOIN fraud_api.score s ON s.claim_id = r.claim_id + 2 WHERE step < 9) SELECT * FROM r

-- union all of four sources
SELECT claim_id FROM partner_files.repair UNION ALL SELECT claim_id FROM desk.note UNION ALL SELECT claim_id FROM fraud_api.score UNION ALL SELECT claim_id FROM ledger.booking

-- union removes duplicates and keeps one null
SELECT claim_id FROM partner_files.repair UNION SELECT claim_id FROM desk.note

-- union widens types
SELECT renewals AS n FROM policy_db.policy UNION SELECT amount FROM claims_lake.claim WHERE claim_id < 9

-- union by name
SELECT claim_id, text FROM desk.note UNION ALL BY NAME SELECT remark AS text, invoice_no, claim_id FROM partner_files.repair

-- intersect
SELECT claim_id FROM desk.note INTERSECT SELECT claim_id FROM fraud_api.score

-- intersect all
SELECT region FROM policy_db.customer INTERSECT ALL SELECT region FROM tariff_files.tariff

-- except
SELECT claim_id FROM claims_lake.claim EXCEPT SELECT claim_id FROM partner_files.repair

-- except all
SELECT author FROM desk.note EXCEPT ALL SELECT 'ana' FROM claims_lake.claim WHERE claim_id < 12

-- set operations in parentheses with order and limit [in order]
(SELECT claim_id FROM desk.note EXCEPT SELECT claim_id FROM fraud_api.score) UNION ALL (SELECT claim_id FROM claims_lake.claim WHERE claim_id < 3) ORDER BY 1 NULLS LAST LIMIT 17

-- a limit on each side of a union [in order]
SELECT * FROM ((SELECT policy_id FROM policy_db.policy ORDER BY policy_id LIMIT 3) UNION ALL (SELECT policy_id FROM policy_db.policy ORDER BY policy_id DESC LIMIT 2)) ORDER BY policy_id

-- a limit on one side of a union does not limit the other
SELECT count(*) AS n FROM ((SELECT claim_id FROM fraud_api.score LIMIT 4) UNION ALL SELECT claim_id FROM fraud_api.score)

-- values
VALUES (1, 'a'), (2, NULL)

-- values joined to a source
SELECT v.id, c.amount FROM (VALUES (1), (5), (99999), (NULL)) v(id) LEFT JOIN claims_lake.claim c ON c.claim_id = v.id

-- no source at all
SELECT 1 AS a, 'x' AS b, NULL AS c, [1, 2] AS d

-- distinct rows
SELECT DISTINCT region, segment FROM policy_db.customer

-- distinct on takes the first of each [in order]
SELECT DISTINCT ON (region) region, customer_id FROM policy_db.customer ORDER BY region NULLS LAST, customer_id DESC

-- distinct on with a limit [in order]
SELECT DISTINCT ON (product_line) product_line, premium, policy_id FROM policy_db.policy ORDER BY product_line, premium DESC, policy_id LIMIT 4

-- distinct with a limit above it
SELECT count(*) AS n FROM (SELECT DISTINCT kind FROM fraud_api.signal LIMIT 3)
