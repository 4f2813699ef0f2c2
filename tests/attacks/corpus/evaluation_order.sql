-- cast in WHERE [ana] rows
SELECT claim_id FROM lake.claim WHERE CAST(body AS INTEGER) = 1

-- cast IN five values [ana] rows
SELECT claim_id FROM lake.claim WHERE CAST(body AS INTEGER) IN (0, 1, 2, 3, 4)

-- cast NOT IN [ana] rows
SELECT claim_id FROM lake.claim WHERE CAST(body AS INTEGER) NOT IN (0, 1, 2, 3, 4)

-- overflow [ana] rows
SELECT sum(big * 10) AS s FROM lake.claim WHERE big * 5 % 2 = 1

-- cast of a note by a mapping [ana] rows
SELECT note_id FROM lake.note WHERE CAST(text AS INTEGER) IN (1, 2, 3)

-- join key of a note by a mapping [ana] rows
SELECT n.note_id FROM lake.note n JOIN range(3) r(i) ON CAST(n.text AS INTEGER) = r.i

-- cast of an event by EXISTS [ana] rows
SELECT event_id FROM lake.event WHERE CAST(tags[1] AS INTEGER) = 1

-- unnested cast of an event [ana] rows
SELECT event_id, CAST(unnest(tags) AS INTEGER) AS t FROM lake.event

-- cast behind a rule that raises [ana] rows
SELECT claim_id FROM lake.archive WHERE CAST(body AS INTEGER) = 1 AND CAST(code AS INTEGER) = 1

-- cast in Postgres [ana] rows
SELECT policy_id FROM policy_db.policy WHERE CAST(body AS INTEGER) IN (1, 2)

-- cast in Postgres beside a predicate that is pushed [ana] rows
SELECT policy_id FROM policy_db.policy WHERE policy_id > 5 AND line <> 'x' AND CAST(body AS INTEGER) IN (0, 1, 2, 3, 4)

-- implicit cast in Postgres [ana] rows
SELECT policy_id FROM policy_db.policy WHERE body = 3

-- cast in SQLite [ana] rows
SELECT booking_id FROM ledger.booking WHERE CAST(account AS INTEGER) IN (0, 1, 2, 3, 4)

-- cast in an API [ana] rows
SELECT claim_id FROM fraud_api.score WHERE CAST(body AS INTEGER) IN (0, 1, 2, 3, 4, 5)

-- join of two sources on casts [ana] rows
SELECT count(*) AS n FROM policy_db.policy p JOIN fraud_api.score s ON CAST(p.body AS INTEGER) = CAST(s.body AS INTEGER)

-- join of file and live source on casts [ana] rows
SELECT count(*) AS n FROM lake.claim c JOIN ledger.booking b ON CAST(c.body AS INTEGER) = CAST(b.account AS INTEGER)

-- a product's own cast [ana] rows
SELECT * FROM claims.claim_level

-- a product's own cast, filtered [ana] rows
SELECT claim_id FROM claims.claim_level WHERE level IN (0, 1, 2) AND claim_id > 0

-- a product's cast where another user's rows raise [dora] error
SELECT * FROM claims.claim_level

-- a union product, cast above it [ana] rows
SELECT CAST(body AS INTEGER) AS n, count(*) AS c FROM claims.every_claim GROUP BY 1

-- a cast of a masked value that raises on raw values only [ana] rows
SELECT count(*) AS n FROM lake.claim WHERE CAST(substring(phone, 4) AS INTEGER) > 0

-- a cast in DISTINCT ON with LIMIT [ana] rows
SELECT count(*) AS n FROM (SELECT DISTINCT ON (CAST(body AS INTEGER)) body FROM lake.claim)

-- a correlated cast [ana] rows
SELECT c.claim_id, (SELECT count(*) FROM lake.claim d WHERE CAST(d.body AS INTEGER) < CAST(c.body AS INTEGER)) AS n FROM lake.claim c WHERE c.claim_id < 30

-- CASE that guards nothing [ana] rows
SELECT claim_id FROM lake.claim WHERE CASE WHEN true THEN CAST(body AS INTEGER) END = 2

-- a cast for two roles raises on rows that are visible [sam] error
SELECT claim_id FROM lake.claim WHERE CAST(body AS INTEGER) = 1

-- regexp with a column's pattern [ana] rows
SELECT count(*) AS n FROM lake.claim WHERE regexp_matches('zq', body)

-- aud's cast raises [aud] error
SELECT CAST(body AS INTEGER) FROM lake.claim
