-- inner join of two sources
SELECT c.claim_id, c.amount, p.premium FROM claims_lake.claim c JOIN policy_db.policy p ON p.policy_id = c.policy_id WHERE c.amount > 5000

-- five sources at once
SELECT c.claim_id, k.name, r.shop, t.hourly_rate, s.score
FROM claims_lake.claim c
JOIN policy_db.policy p USING (policy_id)
JOIN policy_db.customer k USING (customer_id)
JOIN partner_files.repair r ON r.claim_id = c.claim_id
JOIN tariff_files.tariff t ON t.repair_code = r.repair_code AND t.region = k.region
JOIN fraud_api.score s ON s.claim_id = c.claim_id

-- all seven sources in one statement
SELECT c.claim_id, count(*) AS n, max(n.text) AS text, sum(b.amount) AS booked, max(t.hourly_rate) AS rate
FROM claims_lake.claim c
LEFT JOIN policy_db.policy p ON p.policy_id = c.policy_id
LEFT JOIN partner_files.repair r ON r.claim_id = c.claim_id
LEFT JOIN tariff_files.tariff t ON t.repair_code = r.repair_code AND t.class = 0
LEFT JOIN fraud_api.score s ON s.claim_id = c.claim_id
LEFT JOIN desk.note n ON n.claim_id = c.claim_id
LEFT JOIN ledger.booking b ON b.claim_id = c.claim_id
WHERE c.claim_id < 60
GROUP BY c.claim_id

-- left join keeps what has no partner
SELECT p.policy_id, p.customer_id, c.customer_id, c.name FROM policy_db.policy p LEFT JOIN policy_db.customer c ON p.customer_id = c.customer_id

-- left join with a filter on the right side in ON
SELECT c.claim_id, s.score FROM claims_lake.claim c LEFT JOIN fraud_api.score s ON s.claim_id = c.claim_id AND s.score >= 0.5

-- left join with a filter on the right side in WHERE
SELECT c.claim_id, s.score FROM claims_lake.claim c LEFT JOIN fraud_api.score s ON s.claim_id = c.claim_id WHERE s.score >= 0.5

-- left join filtered for what has no partner
SELECT c.claim_id FROM claims_lake.claim c LEFT JOIN fraud_api.score s ON s.claim_id = c.claim_id WHERE s.claim_id IS NULL

-- right join
SELECT r.invoice_no, c.claim_id FROM claims_lake.claim c RIGHT JOIN partner_files.repair r ON r.claim_id = c.claim_id

-- full join
SELECT c.claim_id, n.note_id, b.booking_id FROM claims_lake.claim c FULL JOIN desk.note n USING (claim_id) FULL JOIN ledger.booking b USING (claim_id)

-- cross join of small tables
SELECT * FROM tariff_files.region CROSS JOIN fraud_api.model

-- comma join with a condition
SELECT a.region, b.model FROM tariff_files.region a, fraud_api.model b WHERE b.threshold > 0.2 AND a.states IS NOT NULL

-- natural join
SELECT * FROM tariff_files.tariff NATURAL JOIN tariff_files.region

-- semi join
SELECT policy_id, premium FROM policy_db.policy p SEMI JOIN claims_lake.claim c ON c.policy_id = p.policy_id AND c.status = 'open'

-- anti join
SELECT customer_id, name FROM policy_db.customer ANTI JOIN policy_db.policy USING (customer_id)

-- anti join over a key with nulls
SELECT invoice_no FROM partner_files.repair r ANTI JOIN claims_lake.claim c ON r.claim_id = c.claim_id

-- as-of join of a rate to an invoice
SELECT r.invoice_no, r.issued_on, t.valid_from, t.hourly_rate
FROM partner_files.repair r ASOF JOIN (SELECT * FROM tariff_files.tariff WHERE region = 'EU' AND class = 1) t
  ON r.repair_code = t.repair_code AND r.issued_on >= t.valid_from

-- as-of left join
SELECT n.note_id, s.claim_id, s.scored_at
FROM desk.note n ASOF LEFT JOIN fraud_api.score s ON n.written_at >= s.scored_at

-- positional join of ordered subqueries
SELECT * FROM (SELECT note_id FROM desk.note ORDER BY note_id LIMIT 7) POSITIONAL JOIN (SELECT policy_id FROM policy_db.policy ORDER BY policy_id LIMIT 5)

-- inequality join
SELECT a.policy_id, b.claim_id FROM policy_db.policy a JOIN claims_lake.claim b ON a.premium < b.amount AND a.premium > b.amount - 30

-- join on an expression
SELECT a.customer_id, b.note_id FROM policy_db.customer a JOIN desk.note b ON lower(split_part(a.name, ' ', 1)) = lower(b.author)

-- join on null-safe equality
SELECT a.policy_id, b.invoice_no FROM (SELECT * FROM policy_db.policy WHERE policy_id < 1200) a JOIN partner_files.repair b ON a.customer_id IS NOT DISTINCT FROM b.claim_id

-- join on several columns
SELECT t.repair_code, r.invoice_no FROM tariff_files.tariff t JOIN partner_files.repair r ON (t.repair_code, t.valid_from) = (r.repair_code, date_trunc('month', r.issued_on)::DATE)

-- self join
SELECT a.policy_id, b.policy_id FROM policy_db.policy a JOIN policy_db.policy b ON a.customer_id = b.customer_id AND a.policy_id < b.policy_id

-- self join of a REST table
SELECT a.claim_id, b.claim_id FROM fraud_api.score a JOIN fraud_api.score b ON a.score = b.score AND a.claim_id < b.claim_id AND a.model = 'm1'

-- the same table twice with different filters
SELECT a.policy_id, a.product_line, b.policy_id, b.product_line
FROM (SELECT * FROM policy_db.policy WHERE product_line = 'motor') a JOIN (SELECT * FROM policy_db.policy WHERE product_line = 'home') b
  ON a.renewals = b.renewals AND a.premium > b.premium WHERE a.premium < 500

-- the same table three times with different columns
SELECT a.premium, b.risk, c.issued_at FROM policy_db.policy a, policy_db.policy b, policy_db.policy c
WHERE a.policy_id = 1001 AND b.policy_id = a.policy_id + 1 AND c.policy_id = b.policy_id + 1

-- join that returns nothing
SELECT * FROM policy_db.empty e JOIN claims_lake.claim c ON c.claim_id = e.id

-- left join from an empty table and to one
SELECT c.claim_id, e.name, e.amount FROM claims_lake.claim c LEFT JOIN policy_db.empty e ON e.id = c.claim_id WHERE c.claim_id < 5

-- using merges the key of a full join
SELECT claim_id, s.score, n.text FROM fraud_api.score s FULL JOIN desk.note n USING (claim_id) WHERE claim_id BETWEEN 10 AND 40

-- a join key of a type that the other side widens
SELECT p.policy_id, c.claim_id FROM policy_db.policy p JOIN claims_lake.claim c ON p.renewals = c.month AND c.claim_id < 30 AND p.policy_id < 1040

-- a column named by schema, table and column
SELECT policy_db.policy.premium FROM policy_db.policy WHERE policy_db.policy.policy_id = 1003

-- a table with a column alias list
SELECT x, y FROM tariff_files.region AS r(x, y) WHERE x <> 'US'

-- aliases that swap the names of columns
SELECT a, b FROM fraud_api.model AS m(b, a, c)

-- a union in front of two joins
SELECT u.x, p.policy_id, c.customer_id
FROM (SELECT renewals AS x, policy_id AS id FROM policy_db.policy UNION ALL SELECT renewals, policy_id FROM policy_db.policy) u
JOIN policy_db.policy p ON u.id = p.policy_id
JOIN policy_db.customer c ON u.x = c.customer_id
