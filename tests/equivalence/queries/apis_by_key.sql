-- an API that answers for a claim is asked for the claims of a file
SELECT c.claim_id, c.amount, s.score FROM claims_lake.claim c JOIN fraud_api.score_of s ON s.claim_id = c.claim_id WHERE c.claim_id BETWEEN 100 AND 160

-- for those of a database
SELECT b.booking_id, s.score, s.model FROM ledger.booking b JOIN fraud_api.score_of s ON s.claim_id = b.claim_id WHERE b.account = 'payment'

-- for those of another API
SELECT g.signal_id, s.score FROM fraud_api.signal g JOIN fraud_api.score_of s USING (claim_id) WHERE g.kind = 'ip'

-- for claims, of which some have no score
SELECT c.claim_id, s.score FROM claims_lake.claim c LEFT JOIN fraud_api.score_of s ON s.claim_id = c.claim_id WHERE c.claim_id BETWEEN 740 AND 790

-- for no claim at all
SELECT c.claim_id, s.score FROM claims_lake.claim c JOIN fraud_api.score_of s ON s.claim_id = c.claim_id WHERE c.claim_id = -1

-- only claims that have a score
SELECT c.claim_id FROM claims_lake.claim c WHERE c.claim_id < 40 AND EXISTS (SELECT 1 FROM fraud_api.score_of s WHERE s.claim_id = c.claim_id AND s.score > 0.4)

-- only claims that have none
SELECT c.claim_id FROM claims_lake.claim c WHERE c.claim_id < 40 AND NOT EXISTS (SELECT 1 FROM fraud_api.score_of s WHERE s.claim_id = c.claim_id)

-- the parameter is a part of the path
SELECT k.kind, s.signal_id, s.strong FROM (VALUES ('ip'), ('IBAN')) v(kind) JOIN fraud_api.signal k ON k.kind = v.kind AND k.signal_id < 9 JOIN fraud_api.signal_of s ON s.kind = k.kind AND s.claim_id = k.claim_id

-- keys of a common table expression
WITH late AS (SELECT claim_id, sum(amount) AS paid FROM ledger.booking WHERE booking_id > 250 GROUP BY claim_id) SELECT late.claim_id, late.paid, s.score FROM late JOIN fraud_api.score_of s ON s.claim_id = late.claim_id

-- a chain: a database's keys choose claims, and these choose scores
SELECT p.policy_id, c.claim_id, s.score FROM policy_db.policy p JOIN claims_lake.claim c ON c.policy_id = p.policy_id JOIN fraud_api.score_of s ON s.claim_id = c.claim_id WHERE p.policy_id BETWEEN 1010 AND 1030

-- an aggregate over what the API says [in order]
SELECT s.model, count(*) AS n, round(avg(s.score), 6) AS mean FROM ledger.booking b JOIN fraud_api.score_of s ON s.claim_id = b.claim_id WHERE b.booking_id < 90 GROUP BY s.model ORDER BY s.model

-- a given value, and keys beside it
SELECT a.score, c.cause FROM fraud_api.score_of a JOIN claims_lake.claim c USING (claim_id) WHERE a.claim_id = 24
