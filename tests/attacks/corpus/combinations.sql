-- each alone [ana] rows
SELECT count(*) AS n FROM lake.note

-- the other alone [ana] rows
SELECT count(*) AS n FROM fraud_api.score

-- joined [ana] denied
SELECT n.note_id, s.score FROM lake.note n JOIN fraud_api.score s USING (claim_id)

-- the other way round [ana] denied
SELECT 1 FROM fraud_api.score, lake.note

-- in a union [ana] denied
SELECT claim_id FROM lake.note UNION ALL SELECT claim_id FROM fraud_api.score

-- in INTERSECT [ana] denied
SELECT claim_id FROM lake.note INTERSECT SELECT claim_id FROM fraud_api.score

-- in a WITH entry [ana] denied
WITH w AS (SELECT claim_id FROM fraud_api.score) SELECT * FROM lake.note JOIN w USING (claim_id)

-- in a WITH entry that is not used [ana] denied
WITH w AS (SELECT claim_id FROM fraud_api.score) SELECT count(*) FROM lake.note

-- in a scalar subquery [ana] denied
SELECT note_id, (SELECT max(score) FROM fraud_api.score) FROM lake.note

-- in EXISTS [ana] denied
SELECT note_id FROM lake.note n WHERE EXISTS (SELECT 1 FROM fraud_api.score s WHERE s.claim_id = n.claim_id)

-- in IN [ana] denied
SELECT note_id FROM lake.note WHERE claim_id IN (SELECT claim_id FROM fraud_api.score)

-- in a branch that is false [ana] denied
SELECT note_id FROM lake.note WHERE false AND claim_id IN (SELECT claim_id FROM fraud_api.score)

-- under LIMIT 0 [ana] denied
SELECT 1 FROM lake.note, (SELECT * FROM fraud_api.score LIMIT 0)

-- through one product [ana] denied
SELECT * FROM lake.note JOIN fraud.risky USING (claim_id)

-- through the other product [ana] denied
SELECT * FROM fraud.note_zq JOIN fraud_api.score USING (claim_id)

-- through both products [ana] denied
SELECT * FROM fraud.note_zq JOIN fraud.risky USING (claim_id)

-- inside one product [ana] denied
SELECT * FROM fraud.note_score

-- inside one product, counted [ana sam] denied
SELECT count(*) FROM fraud.note_score

-- in PIVOT [ana] denied
PIVOT (SELECT n.claim_id, s.model FROM lake.note n JOIN fraud_api.score s USING (claim_id)) ON model IN ('m1') USING count(*)

-- in LATERAL [ana] denied
SELECT * FROM lake.note n, LATERAL (SELECT s.score FROM fraud_api.score s WHERE s.claim_id = n.claim_id) l

-- in ORDER BY [ana] denied
SELECT note_id FROM lake.note ORDER BY (SELECT max(score) FROM fraud_api.score)

-- in a recursive WITH [ana] denied
WITH RECURSIVE r(i) AS (SELECT claim_id FROM lake.note UNION SELECT s.claim_id FROM fraud_api.score s JOIN r ON r.i = s.claim_id) SELECT * FROM r

-- each with something else [ana] rows
SELECT count(*) AS n FROM lake.note JOIN lake.claim USING (claim_id)

-- the other with something else [ana] rows
SELECT count(*) AS n FROM fraud_api.score JOIN lake.claim USING (claim_id)

-- inherited by a role [sam] denied
SELECT 1 FROM lake.note, fraud_api.score

-- who is not bound by it [aud] rows
SELECT n.note_id, s.score FROM lake.note n JOIN fraud_api.score s USING (claim_id)

-- who is not bound by it, in the product [aud] rows
SELECT * FROM fraud.note_score
