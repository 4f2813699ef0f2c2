-- a source [eve] not found lake.claim
SELECT * FROM lake.claim

-- a source by three parts [eve] not found policy_db.public.policy
SELECT * FROM policy_db.public.policy

-- a table of an API [eve bo] not found fraud_api.score
SELECT * FROM fraud_api.score

-- a table of SQLite [eve bo dora finn] not found ledger.booking
SELECT * FROM ledger.booking

-- a secret table [ana sam dora finn bo eve] not found lake.zqdark_secret
SELECT * FROM lake.zqdark_secret

-- a table that a rule reads [ana sam] not found lake.zqdark_assigned
SELECT * FROM lake.zqdark_assigned

-- a table that is denied [ana] not found lake.zqdark_denied
SELECT * FROM lake.zqdark_denied

-- a mapping of the vault [v_in_query v_exists v_equal] not found vfiles.zqdark_area
SELECT * FROM vfiles.zqdark_area

-- a product [eve finn] not found claims.claim_person
SELECT * FROM claims.claim_person

-- a whole domain [dora] not found underwriting.policy
SELECT * FROM underwriting.policy

-- counted [eve] not found lake.claim
SELECT count(*) FROM lake.claim

-- beside a syntax error in its name [eve] denied
SELECT * FROM lake.claim WHERE

-- beside an unknown column [eve] not found lake.claim
SELECT nope FROM lake.claim

-- beside a wrong type [eve] not found lake.claim
SELECT CAST('x' AS INTEGER), DATE '1' FROM lake.claim

-- beside an unknown function [eve] not found lake.claim
SELECT nope(1) FROM lake.claim

-- beside one that is known [ana] not found lake.zqdark_secret
SELECT * FROM lake.claim JOIN lake.zqdark_secret USING (claim_id)

-- behind one that is known and may not be read [bo] not found lake.zqdark_secret
SELECT * FROM lake.claim, lake.zqdark_secret

-- in front of one that may not be read [bo] not found lake.zqdark_secret
SELECT * FROM lake.zqdark_secret, lake.claim

-- beside a combination that is never allowed [ana] not found lake.zqdark_secret
SELECT 1 FROM lake.note, fraud_api.score, lake.zqdark_secret

-- in EXPLAIN [eve] not found lake.claim
EXPLAIN SELECT * FROM lake.claim

-- in EXPLAIN ANALYZE [eve] not found lake.claim
EXPLAIN ANALYZE SELECT * FROM lake.claim

-- in DESCRIBE [eve] not found lake.claim
DESCRIBE lake.claim

-- in DESCRIBE of a query [ana] not found lake.zqdark_secret
DESCRIBE SELECT * FROM lake.zqdark_secret

-- in a subquery that is never run [eve] not found lake.claim
SELECT 1 WHERE false AND 1 IN (SELECT claim_id FROM lake.claim)

-- one part of its name [ana] denied
SELECT * FROM zqdark_secret

-- one part of a name that one knows [ana] denied
SELECT * FROM booking

-- a column of it without FROM [ana] denied
SELECT lake.zqdark_secret.body

-- may be known and not read [bo] denied
SELECT * FROM lake.claim

-- may be known and not read, in Postgres [bo] denied
SELECT count(*) FROM policy_db.policy

-- may be known and not read, a product [bo] denied
SELECT * FROM claims.open_claim

-- may be known and not read, under LIMIT 0 [bo] denied
SELECT claim_id FROM lake.claim LIMIT 0

-- may be known and not read, explained [bo] denied
EXPLAIN SELECT * FROM lake.claim

-- may be known and not read, a hidden column guessed [bo] denied
SELECT ssn_zqhid FROM lake.claim
