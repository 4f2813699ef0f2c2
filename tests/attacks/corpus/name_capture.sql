-- a WITH name of the table's own name [ana dora] denied
WITH claim AS (SELECT * FROM claim) SELECT * FROM claim

-- a WITH name over the table [ana] rows
WITH claim AS (SELECT * FROM lake.claim) SELECT count(*) AS n, min(region) AS r, max(region) AS s FROM claim

-- a WITH name beside the table [ana] rows
WITH claim AS (SELECT 1 AS x) SELECT count(*) AS n FROM lake.claim

-- a WITH name in another case [ana] rows
WITH "Claim" AS (SELECT 7 AS x) SELECT x FROM claim

-- a WITH name that holds a dot [ana] rows
WITH "lake.claim" AS (SELECT 7 AS x) SELECT x FROM "lake.claim"

-- a WITH name that holds a dot captures nothing [ana] rows
WITH "lake.claim" AS (SELECT 'US' AS region) SELECT DISTINCT region FROM lake.claim

-- a WITH name of the rule's table [ana] rows
WITH zqdark_assigned AS (SELECT 99 AS claim_id, 'ana' AS adjuster) SELECT count(*) AS n FROM lake.note

-- a WITH name of the rule's qualified table [ana] rows
WITH "lake.zqdark_assigned" AS (SELECT 99 AS claim_id, 'ana' AS adjuster), lake AS (SELECT 99 AS claim_id, 'ana' AS adjuster) SELECT count(*) AS n FROM lake.note

-- a WITH name of the rule's alias [ana] rows
WITH a AS (SELECT 99 AS claim_id, 'ana' AS adjuster) SELECT count(*) AS n FROM lake.event a

-- an alias of the rule's alias [ana] rows
SELECT count(*) AS n FROM lake.event AS zqdark_assigned

-- an alias of another object's name [ana] rows
SELECT count(*) AS n FROM lake.claim AS note, (SELECT 1) AS claim

-- an alias that is a schema's name [ana] rows
SELECT lake.claim_id FROM lake.claim AS lake WHERE lake.claim_id < 10

-- an alias that is a function's name [ana] rows
SELECT lower.region FROM lake.claim AS lower WHERE lower.claim_id < 10

-- a column alias of the rule's column [ana] rows
SELECT count(*) AS n FROM (SELECT 'EU' AS region, claim_id FROM lake.claim) WHERE region = 'EU'

-- column aliases that swap region away [ana] rows
SELECT DISTINCT b FROM lake.claim AS c(a, b)

-- column aliases over all columns [ana] rows
SELECT DISTINCT region FROM lake.claim AS c(claim_id, status, region)

-- a correlated name from outside does not reach the rule [ana] rows
SELECT (SELECT count(*) FROM lake.note WHERE note.claim_id = o.claim_id) AS n FROM (SELECT 99 AS claim_id, 'ana' AS adjuster, 'EU' AS region) o

-- a lateral name does not reach the rule [ana] rows
SELECT n.note_id FROM (SELECT 50 AS claim_id, 'EU' AS region) o, LATERAL (SELECT note_id FROM lake.note WHERE note.claim_id = o.claim_id) n

-- a WITH name in an inner scope only [ana] rows
SELECT (WITH claim AS (SELECT 5 AS x) SELECT x FROM claim) AS x, count(*) AS n FROM lake.claim

-- a WITH name of a later sibling [ana] denied
WITH a AS (SELECT * FROM b), b AS (SELECT 1 AS x) SELECT * FROM a

-- a WITH name in the other branch of a union [ana] denied
(WITH w AS (SELECT 1 AS x) SELECT x FROM w) UNION ALL SELECT x FROM w

-- a WITH name that shadows one outside [ana] rows
WITH w AS (SELECT 'US' AS r) SELECT r FROM (WITH w AS (SELECT region AS r FROM lake.claim LIMIT 1) SELECT r FROM w)

-- an unused WITH entry over a forbidden table [ana eve] denied
WITH w AS (FROM lake.zqdark_secret) SELECT 1

-- an unused WITH entry over a hidden column [ana] error
WITH w AS (SELECT ssn_zqhid FROM lake.claim) SELECT * FROM w LIMIT 0

-- a forbidden table in a branch that never runs [ana eve] denied
SELECT 1 WHERE false AND EXISTS (SELECT 1 FROM lake.zqdark_secret)

-- a forbidden table under LIMIT 0 [ana eve] denied
SELECT 1 FROM lake.zqdark_secret LIMIT 0

-- a forbidden table in a union with nothing [ana eve] denied
SELECT 1 UNION ALL (SELECT claim_id FROM lake.zqdark_secret WHERE false)

-- a forbidden table after a comma [ana] denied
SELECT 1 FROM lake.claim, lake.zqdark_secret

-- a forbidden table in JOIN ... USING [ana] denied
SELECT 1 FROM lake.claim JOIN lake.zqdark_secret USING (claim_id)

-- a forbidden table in ORDER BY [ana] denied
SELECT claim_id FROM lake.claim ORDER BY (SELECT max(body) FROM lake.zqdark_secret)

-- a forbidden table in LIMIT [ana] denied
SELECT claim_id FROM lake.claim LIMIT (SELECT count(*) FROM lake.zqdark_secret)

-- a forbidden table in VALUES [ana] denied
VALUES ((SELECT max(body) FROM lake.zqdark_secret))

-- a forbidden table in a lambda [ana] denied
SELECT list_transform([1], lambda x: (SELECT max(body) FROM lake.zqdark_secret)) AS l

-- a forbidden table by three parts [ana] denied
SELECT * FROM lake.main.zqdark_secret

-- a forbidden table in capitals and quotes [ana] denied
SELECT * FROM "LAKE"."Zqdark_Secret"

-- the fabric's own catalog in front [ana] rows
SELECT count(*) AS n FROM acme.claims.open_claim

-- a source below the fabric's catalog [ana] denied
SELECT * FROM acme.lake.claim

-- a four-part name [ana] denied
SELECT * FROM acme.lake.main.claim

-- column by schema and table [ana] rows
SELECT lake.claim.claim_id FROM lake.claim WHERE lake.claim.claim_id < 9

-- column by catalog, schema and table [ana] rows
SELECT policy_db.public.policy.policy_id FROM policy_db.public.policy WHERE policy_id < 9

-- a table of a WITH name with columns [ana] rows
WITH w(region) AS (SELECT claim_id FROM lake.claim) SELECT max(region) AS r FROM w

-- no-break spaces between words [ana] rows
SELECT count(*) AS n FROM lake.claim

-- a wide space and an em space between words [ana] rows
SELECT　count(*) AS n FROM lake.claim

-- names in full-width letters are others [ana] denied
SELECT * FROM ｌａｋｅ.claim

-- a Kelvin sign is a K or none, and opens nothing [ana] search
SELECT * FROM laKe.claim

-- a dotless i is no i [ana] denied
SELECT * FROM lake.claım

-- a dotted capital I is no i [ana] denied
SELECT * FROM lake.claİm

-- a soft hyphen in a name [ana] denied
SELECT * FROM lake.cla­im

-- a zero-width space in a name [ana] denied
SELECT * FROM lake.cla​im

-- a combining accent in a name [ana] denied
SELECT * FROM lake.claím

-- a right-to-left override in a comment [ana] rows
SELECT count(*) AS n /* ‮ mialc.ekal MORF ⁦ */ FROM lake.claim
