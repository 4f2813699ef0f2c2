-- star
SELECT * FROM fraud_api.signal

-- from first
FROM tariff_files.region

-- from first with a filter
FROM policy_db.policy SELECT policy_id WHERE premium > 4950

-- star with exclude
SELECT * EXCLUDE (location, tags, attributes) FROM claims_lake.claim WHERE claim_id < 10

-- star with replace
SELECT * REPLACE (upper(text) AS text) FROM desk.note WHERE note_id < 10

-- star with rename
SELECT * RENAME (text AS words) FROM desk.note WHERE note_id < 10

-- star of one side of a join
SELECT s.*, n.author FROM fraud_api.score s JOIN desk.note n USING (claim_id)

-- columns by a pattern
SELECT COLUMNS('.*_id') FROM policy_db.policy WHERE policy_id < 1010

-- columns by a lambda
SELECT COLUMNS(lambda c: c LIKE '%_date') FROM policy_db.policy WHERE policy_id < 1010

-- an aggregate over columns
SELECT max(COLUMNS(*)) FROM desk.budget

-- columns in a filter
SELECT product_line, year FROM desk.budget WHERE COLUMNS('q[34]') > 14

-- star like
SELECT * LIKE 'q%' FROM desk.budget

-- an alias used beside it
SELECT premium * 2 AS twice, twice + 1 AS more FROM policy_db.policy WHERE twice > 9900

-- an alias in group by and having
SELECT substr(product_line, 1, 2) AS head, count(*) AS n FROM policy_db.policy GROUP BY head HAVING n > 100

-- names without case
SELECT POLICY_ID, Premium FROM Policy_DB.PUBLIC.Policy WHERE policy_ID < 1004

-- quoted names
SELECT "policy_id", "premium" AS "Größe, in €" FROM "policy_db"."public"."policy" WHERE "policy_id" < 1004

-- two columns of one name
SELECT policy_id, policy_id, premium AS policy_id FROM policy_db.policy WHERE policy_id < 1004

-- names that are keywords
SELECT text AS "select", stars AS "order" FROM desk.note WHERE note_id < 5

-- list comprehension
SELECT claim_id, [upper(x) FOR x IN tags IF x IS NOT NULL] AS u FROM claims_lake.claim WHERE claim_id < 20

-- casts, concatenation and dots
SELECT (policy_id || ':' || product_line).upper() AS t, (premium::VARCHAR)[1] AS c FROM policy_db.policy WHERE policy_id < 1006

-- range joined to a source
SELECT r.i, count(p.policy_id) AS n FROM range(0, 6) r(i) LEFT JOIN policy_db.policy p ON p.renewals = r.i GROUP BY r.i

-- a series of days joined to invoices
SELECT d.day::DATE AS day, count(r.invoice_no) AS n FROM generate_series(DATE '2024-03-01', DATE '2024-03-31', INTERVAL 1 DAY) d(day) LEFT JOIN partner_files.repair r ON r.issued_on = d.day GROUP BY ALL

-- if and case
SELECT note_id, if(urgent, 'now', 'later') AS w, CASE stars WHEN 0 THEN 'none' WHEN 4 THEN 'best' END AS s FROM desk.note

-- bits and powers
SELECT claim_id & 7 AS a, claim_id | 8 AS o, claim_id << 2 AS s, claim_id ** 2 AS p, xor(claim_id, 5) AS x FROM desk.note WHERE claim_id IS NOT NULL

-- a comment in the middle
SELECT policy_id /* not the ; end */ FROM policy_db.policy -- and ' one here
WHERE policy_id < 1003

-- a product
SELECT * FROM underwriting.policy WHERE region = 'EU'

-- a product on a product
SELECT claim_id, amount, name, product_line FROM claims.claim_on_policy WHERE year = 2024 AND product_line = 'motor'

-- a product joined to itself
SELECT a.claim_id, b.claim_id FROM claims.claim_on_policy a JOIN claims.claim_on_policy b ON a.policy_id = b.policy_id AND a.claim_id < b.claim_id

-- a product joined to one of its parts
SELECT o.claim_id, c.reported_at FROM claims.open_claim o JOIN claims_lake.claim c USING (claim_id) WHERE c.cause = 'hail'

-- a product with a with inside and a with outside
WITH open AS (SELECT claim_id FROM claims.open_claim WHERE severity > 1) SELECT count(*) AS n FROM open JOIN claims.open_claim USING (claim_id)

-- a product that aggregates
SELECT * FROM claims.cost_by_claim WHERE claim_id < 40

-- a product's column of a struct
SELECT claim_id, location.city FROM claims.open_claim WHERE len(tags) > 0

-- top of a product [in order]
SELECT policy_id, premium FROM underwriting.policy ORDER BY premium DESC, policy_id LIMIT 7

-- a product by its full name
SELECT count(*) AS n FROM acme.underwriting.policy

-- a product beside a table of the same name
SELECT count(*) AS n FROM underwriting.policy a JOIN policy_db.policy b USING (policy_id) WHERE b.risk > 0

-- products in a set operation
SELECT claim_id FROM claims.open_claim EXCEPT SELECT claim_id FROM claims.claim_on_policy

-- a product in a correlated subquery
SELECT o.claim_id, (SELECT amount FROM claims.cost_by_claim c WHERE c.claim_id = o.claim_id) AS cost FROM claims.open_claim o WHERE o.claim_id < 100
