-- by name [ana sam] error
SELECT ssn_zqhid FROM lake.claim

-- in capitals and quotes [ana] error
SELECT "SSN_ZQHID" FROM lake.claim

-- qualified by alias [ana] error
SELECT c.ssn_zqhid FROM lake.claim c

-- qualified by table [ana] error
SELECT claim.ssn_zqhid FROM lake.claim

-- qualified by schema [ana] error
SELECT lake.claim.ssn_zqhid FROM lake.claim

-- aliased in another's name [ana] error
SELECT ssn_zqhid AS region FROM lake.claim

-- star leaves it out [ana sam] rows
SELECT * FROM lake.claim

-- star by alias [ana] rows
SELECT c.* FROM lake.claim c WHERE c.claim_id < 20

-- star of every restricted source [ana] rows
SELECT * FROM ledger.booking

-- star of Postgres [ana] rows
SELECT * FROM policy_db.policy

-- star of a csv file [ana sam] rows
SELECT * FROM lake.note

-- star of a json file [ana] rows
SELECT * FROM lake.event

-- star of an API [ana] rows
SELECT * FROM fraud_api.score

-- EXCLUDE [ana] error
SELECT * EXCLUDE (ssn_zqhid) FROM lake.claim

-- REPLACE [ana] error
SELECT * REPLACE (ssn_zqhid AS region) FROM lake.claim

-- REPLACE of itself [ana] error
SELECT * REPLACE ('x' AS ssn_zqhid) FROM lake.claim

-- RENAME [ana] either
SELECT * RENAME (ssn_zqhid AS x) FROM lake.claim

-- star LIKE [ana] error
SELECT * LIKE 'ssn%' FROM lake.claim

-- star SIMILAR TO [ana] error
SELECT * SIMILAR TO '.*zqhid' FROM lake.claim

-- COLUMNS by expression [ana] error
SELECT COLUMNS('zqhid') FROM lake.claim

-- COLUMNS of all [ana] rows
SELECT COLUMNS(*) FROM lake.claim

-- COLUMNS by lambda [ana] error
SELECT COLUMNS(lambda c: c LIKE '%zqhid') FROM lake.claim

-- COLUMNS by lambda that takes all [ana] rows
SELECT COLUMNS(lambda c: true) FROM lake.claim

-- COLUMNS of a list [ana] error
SELECT COLUMNS(['ssn_zqhid']) FROM lake.claim

-- COLUMNS with EXCLUDE [ana] rows
SELECT COLUMNS(* EXCLUDE (claim_id)) FROM lake.claim

-- min of COLUMNS [ana] rows
SELECT min(COLUMNS(*)) FROM lake.claim

-- unpacked COLUMNS [ana] rows
SELECT coalesce(*COLUMNS('^(email|phone)$')) AS x FROM lake.claim

-- unpacked COLUMNS over it [ana] error
SELECT coalesce(*COLUMNS('zqhid')) FROM lake.claim

-- by position in the source [ana] error
SELECT #16 FROM lake.claim

-- by the place where it stood [ana] rows
SELECT #8 AS x FROM lake.claim

-- WHERE [ana sam] error
SELECT claim_id FROM lake.claim WHERE ssn_zqhid LIKE 'z%'

-- WHERE that is always true [ana] error
SELECT count(*) FROM lake.claim WHERE ssn_zqhid IS NOT NULL OR true

-- GROUP BY [ana] error
SELECT count(*) FROM lake.claim GROUP BY ssn_zqhid

-- HAVING [ana] error
SELECT region FROM lake.claim GROUP BY region HAVING max(ssn_zqhid) > 'a'

-- ORDER BY [ana] error
SELECT claim_id FROM lake.claim ORDER BY ssn_zqhid

-- ORDER BY ALL [ana] rows, in order
SELECT claim_id, region FROM lake.claim ORDER BY ALL

-- DISTINCT ON [ana] error
SELECT DISTINCT ON (ssn_zqhid) claim_id FROM lake.claim

-- QUALIFY [ana] error
SELECT claim_id FROM lake.claim QUALIFY row_number() OVER (ORDER BY ssn_zqhid) = 1

-- window partition [ana] error
SELECT count(*) OVER (PARTITION BY ssn_zqhid) FROM lake.claim

-- window order [ana] error
SELECT rank() OVER (ORDER BY ssn_zqhid) FROM lake.claim

-- a named window [ana] error
SELECT rank() OVER w FROM lake.claim WINDOW w AS (ORDER BY ssn_zqhid)

-- FILTER [ana] error
SELECT count(*) FILTER (WHERE ssn_zqhid > 'a') FROM lake.claim

-- ordered aggregate [ana] error
SELECT string_agg(claim_id::VARCHAR, ',' ORDER BY ssn_zqhid) FROM lake.claim

-- arg_max [ana] error
SELECT arg_max(claim_id, ssn_zqhid) FROM lake.claim

-- JOIN ON [ana] error
SELECT 1 FROM lake.claim a JOIN lake.claim b ON a.ssn_zqhid = b.ssn_zqhid

-- JOIN USING [ana] error
SELECT 1 FROM lake.claim JOIN lake.claim b USING (ssn_zqhid)

-- JOIN USING a guess [ana] error
SELECT 1 FROM lake.claim JOIN (SELECT 'x' AS ssn_zqhid) USING (ssn_zqhid)

-- NATURAL JOIN with a guess [ana] rows
SELECT count(*) AS n FROM lake.archive NATURAL JOIN (SELECT 'x' AS pin_zqhid, 3 AS claim_id)

-- NATURAL JOIN over the hidden column only [ana] error
SELECT count(*) AS n FROM lake.claim NATURAL JOIN (SELECT 'x' AS ssn_zqhid)

-- a subquery that finds it outside [ana] rows
SELECT (SELECT min(region || ssn_zqhid) FROM lake.claim WHERE claim_id = 3) AS x FROM (SELECT 'mine' AS ssn_zqhid)

-- a correlated guess [ana] rows
SELECT count(*) AS n FROM (SELECT 'mine' AS ssn_zqhid) o WHERE EXISTS (SELECT 1 FROM lake.claim WHERE ssn_zqhid = 'mine')

-- CASE [ana] error
SELECT CASE WHEN ssn_zqhid > 'a' THEN 1 END FROM lake.claim

-- method call [ana] error
SELECT ssn_zqhid.upper() FROM lake.claim

-- list comprehension [ana] error
SELECT [x FOR x IN [ssn_zqhid]] FROM lake.claim

-- lambda [ana] error
SELECT list_transform([1], lambda x: ssn_zqhid) FROM lake.claim

-- struct literal [ana] error
SELECT {'a': ssn_zqhid} FROM lake.claim

-- map literal [ana] error
SELECT MAP {'a': ssn_zqhid} FROM lake.claim

-- in a WITH name's columns [ana] error
WITH w(a) AS (SELECT ssn_zqhid FROM lake.claim) SELECT a FROM w

-- union with a guess of its name [ana] error
SELECT 'x' AS ssn_zqhid UNION ALL SELECT ssn_zqhid FROM lake.claim

-- named by the other branch [ana] rows
SELECT 'x' AS ssn_zqhid UNION ALL SELECT region FROM lake.claim

-- try_cast [ana] error
SELECT TRY_CAST(ssn_zqhid AS INTEGER) FROM lake.claim

-- a hidden column of Postgres [ana] error
SELECT holder_zqhid FROM policy_db.policy

-- a hidden column of Postgres in WHERE [ana] error
SELECT policy_id FROM policy_db.policy WHERE holder_zqhid = 'x'

-- a hidden column of SQLite [ana] error
SELECT pin_zqhid FROM ledger.booking

-- a hidden column of a csv file [ana] error
SELECT draft_zqhid FROM lake.note

-- a hidden struct [ana] error
SELECT payload_zqhid.pin FROM lake.event

-- a hidden struct by extraction [ana] error
SELECT struct_extract(payload_zqhid, 'pin') FROM lake.event

-- a hidden column that two files hide and one clears [finn] error
SELECT g_zqhid FROM lake.shared

-- a hidden column of a domain [finn] error
SELECT d FROM lake.shared

-- beneath a product it is NULL [ana dora] rows
SELECT claim_id, ssn FROM claims.open_claim

-- beneath two products [ana dora] rows
SELECT claim_id, ssn FROM claims.big_claim

-- beneath an aggregate [ana dora] rows
SELECT * FROM claims.ssn_count

-- filter on what is NULL beneath [ana] rows
SELECT claim_id FROM claims.open_claim WHERE ssn IS NOT NULL

-- its name in the source under a product [ana] error
SELECT ssn_zqhid FROM claims.open_claim

-- a self join on what is NULL beneath [ana] rows
SELECT count(*) AS n FROM claims.open_claim a JOIN claims.open_claim b USING (ssn)

-- in a product over another domain's product [ana dora] rows
SELECT claim_id, extra FROM claims.claim_person

-- in a product over Postgres [ana] rows
SELECT claim_id, holder FROM claims.claim_policy

-- describe leaves it out [ana] search
DESCRIBE lake.claim

-- describe of Postgres leaves it out [ana] search
DESCRIBE policy_db.policy
