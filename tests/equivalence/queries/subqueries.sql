-- scalar subquery
SELECT claim_id, amount - (SELECT avg(amount) FROM claims_lake.claim) AS above FROM claims_lake.claim WHERE claim_id < 20

-- correlated scalar subquery
SELECT p.policy_id, (SELECT count(*) FROM claims_lake.claim c WHERE c.policy_id = p.policy_id) AS claims FROM policy_db.policy p

-- correlated subquery over three sources
SELECT c.claim_id, (SELECT max(s.score) FROM fraud_api.score s WHERE s.claim_id = c.claim_id) AS score,
  (SELECT string_agg(n.author, ',' ORDER BY n.note_id) FROM desk.note n WHERE n.claim_id = c.claim_id) AS authors
FROM claims_lake.claim c WHERE c.status = 'open'

-- exists
SELECT customer_id FROM policy_db.customer c WHERE EXISTS (SELECT 1 FROM policy_db.policy p WHERE p.customer_id = c.customer_id AND p.premium > 4000)

-- not exists
SELECT claim_id FROM claims_lake.claim c WHERE NOT EXISTS (FROM desk.note n WHERE n.claim_id = c.claim_id) AND c.amount < 900

-- exists without correlation
SELECT count(*) AS n FROM claims_lake.claim WHERE EXISTS (SELECT 1 FROM policy_db.empty)

-- in a subquery
SELECT claim_id, score FROM fraud_api.score WHERE claim_id IN (SELECT claim_id FROM claims_lake.claim WHERE cause = 'fire')

-- not in a subquery without nulls
SELECT policy_id FROM policy_db.policy WHERE policy_id NOT IN (SELECT policy_id FROM claims_lake.claim WHERE policy_id IS NOT NULL)

-- not in a subquery with a null is never true
SELECT policy_id FROM policy_db.policy WHERE policy_id NOT IN (SELECT policy_id FROM claims_lake.claim)

-- in an empty subquery
SELECT count(*) AS n FROM desk.note WHERE note_id IN (SELECT id FROM policy_db.empty)

-- not in an empty subquery
SELECT count(*) AS n FROM desk.note WHERE note_id NOT IN (SELECT id FROM policy_db.empty)

-- comparison with any
SELECT claim_id FROM claims_lake.claim WHERE amount > ANY (SELECT premium FROM policy_db.policy WHERE product_line = 'life' AND premium > 4000)

-- comparison with all
SELECT claim_id, amount FROM claims_lake.claim WHERE amount > ALL (SELECT premium FROM policy_db.policy)

-- row in a subquery
SELECT repair_code, region FROM tariff_files.tariff WHERE (repair_code, region) IN (SELECT r.repair_code, c.region FROM partner_files.repair r, policy_db.customer c WHERE c.customer_id = r.claim_id)

-- subquery in FROM with its own order and limit
SELECT s.policy_id FROM (SELECT * FROM policy_db.policy ORDER BY premium DESC, policy_id LIMIT 20) s WHERE s.product_line = 'motor'

-- a filter outside a limited subquery does not move into it
SELECT * FROM (SELECT claim_id, score FROM fraud_api.score ORDER BY claim_id LIMIT 15) WHERE score >= 0.1

-- a subquery ordered the other way round than the statement [in order]
SELECT policy_id, premium FROM (SELECT * FROM policy_db.policy ORDER BY policy_id DESC LIMIT 5) s ORDER BY policy_id

-- a subquery that renames a column under the name of another [in order]
SELECT policy_id FROM (SELECT renewals AS policy_id, policy_id AS renewals FROM policy_db.policy) s ORDER BY policy_id, renewals LIMIT 9

-- nested subqueries with limits [in order]
SELECT note_id FROM (SELECT note_id FROM (SELECT note_id FROM desk.note ORDER BY note_id DESC LIMIT 50) ORDER BY note_id LIMIT 20) ORDER BY note_id DESC LIMIT 5

-- lateral join
SELECT p.policy_id, l.claim_id, l.amount FROM policy_db.policy p, LATERAL (SELECT claim_id, amount FROM claims_lake.claim c WHERE c.policy_id = p.policy_id ORDER BY amount DESC, claim_id LIMIT 1) l

-- left lateral join
SELECT c.customer_id, l.n FROM policy_db.customer c LEFT JOIN LATERAL (SELECT count(*) AS n, max(premium) AS top FROM policy_db.policy p WHERE p.customer_id = c.customer_id) l ON l.n > 1

-- lateral over a list
SELECT c.claim_id, u.tag FROM claims_lake.claim c, LATERAL (SELECT unnest(c.tags) AS tag) u WHERE c.claim_id < 40

-- subquery in a CASE
SELECT policy_id, CASE WHEN risk > (SELECT avg(risk) FROM policy_db.policy) THEN 'high' WHEN risk IS NULL THEN 'none' ELSE 'low' END AS band FROM policy_db.policy

-- array subquery
SELECT c.customer_id, ARRAY(SELECT p.policy_id FROM policy_db.policy p WHERE p.customer_id = c.customer_id ORDER BY p.policy_id) AS policies FROM policy_db.customer c WHERE c.customer_id < 60
