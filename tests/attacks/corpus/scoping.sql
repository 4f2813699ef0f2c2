-- PIVOT of the table [ana] rows
PIVOT (SELECT status, region, claim_id FROM lake.claim) ON region IN ('EU', 'US', 'APAC') USING count(claim_id)

-- PIVOT directly over the name [ana] rows
PIVOT lake.archive ON region IN ('EU', 'US') USING count(*) GROUP BY code

-- PIVOT whose values are not named [ana] refused: its columns are not known before it runs
PIVOT lake.archive ON region USING count(*) GROUP BY code

-- PIVOT in FROM [ana] rows
SELECT * FROM (PIVOT lake.archive ON region IN ('EU', 'US') USING sum(amount) GROUP BY code)

-- PIVOT as a table's suffix [ana] rows
SELECT * FROM lake.archive PIVOT (sum(amount) FOR region IN ('EU', 'US') GROUP BY code)

-- PIVOT on a hidden column [ana] error
PIVOT lake.claim ON ssn_zqhid IN ('a') USING count(*) GROUP BY region

-- PIVOT using a hidden column [ana] error
PIVOT lake.claim ON region IN ('EU', 'US') USING max(ssn_zqhid) GROUP BY status

-- PIVOT grouped by a hidden column [ana] error
PIVOT lake.claim ON region IN ('EU', 'US') USING count(*) GROUP BY ssn_zqhid

-- PIVOT using a masked column [ana] rows
PIVOT lake.claim ON region IN ('EU', 'US') USING max(email) GROUP BY status

-- PIVOT on a masked column [ana] rows
PIVOT (SELECT phone, region, claim_id FROM lake.claim) ON phone IN ('***003', '+49-3') USING count(claim_id) GROUP BY region

-- PIVOT of a forbidden table [ana eve] denied
PIVOT lake.zqdark_secret ON claim_id IN (1, 2) USING max(body)

-- PIVOT with values from a forbidden table [ana] denied
PIVOT lake.archive ON code IN (SELECT body FROM lake.zqdark_secret) USING count(*)

-- WITH before PIVOT [ana] rows
WITH w AS (SELECT region, code, amount FROM lake.archive) PIVOT w ON region IN ('EU', 'US') USING sum(amount)

-- WITH before PIVOT of a forbidden table [ana] denied
WITH w AS (SELECT 1) PIVOT lake.zqdark_secret ON claim_id IN (1) USING max(body)

-- UNPIVOT [ana] rows
UNPIVOT (SELECT claim_id, status, body FROM lake.claim) ON status, body INTO NAME n VALUE v

-- UNPIVOT of every text column [ana] rows
SELECT n, max(v) AS v FROM (UNPIVOT (SELECT COLUMNS(lambda c: c IN ('status', 'email', 'phone', 'body', 'ssn_zqhid')) FROM lake.claim) ON * INTO NAME n VALUE v) GROUP BY n

-- UNPIVOT of a hidden column [ana] error
UNPIVOT lake.claim ON ssn_zqhid, body INTO NAME n VALUE v

-- UNPIVOT in FROM [ana] rows
SELECT v FROM (SELECT claim_id, email, phone FROM lake.claim) UNPIVOT (v FOR n IN (email, phone))

-- UNPIVOT of a forbidden table [ana] denied
UNPIVOT lake.zqdark_secret ON body INTO NAME n VALUE v

-- a recursive WITH over the table [ana] rows
WITH RECURSIVE r(id) AS (SELECT min(claim_id) FROM lake.claim UNION SELECT c.claim_id FROM lake.claim c JOIN r ON c.claim_id = r.id + 3) SELECT count(*) AS n FROM r

-- a recursive WITH named as the table [ana] rows
WITH RECURSIVE claim(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM claim WHERE id < 4) SELECT id FROM claim

-- a recursive WITH that names itself in its first part [ana] denied
WITH RECURSIVE secret AS (SELECT * FROM secret) SELECT * FROM secret

-- a recursive WITH over a forbidden table [ana] denied
WITH RECURSIVE r(b) AS (SELECT body FROM lake.zqdark_secret UNION SELECT b FROM r) SELECT * FROM r

-- WITH in a subquery of a WITH [ana] rows
WITH a AS (WITH b AS (SELECT region FROM lake.claim) SELECT DISTINCT region FROM b) SELECT * FROM a

-- WITH NOT MATERIALIZED [ana] rows
WITH a AS NOT MATERIALIZED (SELECT * FROM lake.claim) SELECT max(x.region) AS r FROM a x JOIN a y USING (claim_id)

-- WITH MATERIALIZED [ana] rows
WITH a AS MATERIALIZED (SELECT * FROM lake.claim) SELECT max(x.region) AS r FROM a x JOIN a y USING (claim_id)

-- a set operation by name [ana] rows
SELECT claim_id, region FROM lake.claim UNION ALL BY NAME SELECT region, claim_id FROM lake.archive

-- a set operation by name over a hidden column [ana] error
SELECT claim_id, ssn_zqhid FROM lake.claim UNION BY NAME SELECT claim_id FROM lake.claim

-- EXCEPT to find hidden rows [ana] rows
SELECT unnest(range(1, 400)) AS i EXCEPT SELECT claim_id FROM lake.claim

-- INTERSECT with guesses [ana] rows
SELECT 'US' AS r INTERSECT SELECT region FROM lake.claim

-- EXCEPT of a table with itself [ana] rows
(FROM lake.claim) EXCEPT (FROM lake.claim)

-- FROM first [ana] rows
FROM lake.claim SELECT region, count(*) AS n GROUP BY region

-- FROM alone [ana] rows
FROM lake.archive

-- TABLE [ana] rows
TABLE lake.archive

-- a parenthesised table [ana] rows
SELECT count(*) AS n FROM (lake.claim)

-- a parenthesised join [ana] rows
SELECT count(*) AS n FROM (lake.claim c JOIN lake.archive a USING (claim_id))

-- a subquery in a join condition [ana] rows
SELECT count(*) AS n FROM lake.claim c JOIN lake.archive a ON c.claim_id = (SELECT max(claim_id) FROM lake.note) OR a.claim_id = c.claim_id

-- a lateral join over the table [ana] rows
SELECT x.i, l.n FROM (VALUES (3), (4), (5)) x(i), LATERAL (SELECT count(*) AS n FROM lake.claim WHERE claim_id = x.i) l

-- GROUPING SETS, CUBE and ROLLUP [ana] rows
SELECT region, status, count(*) AS n FROM lake.claim GROUP BY CUBE (region, status)

-- a sample of everything [ana] rows
SELECT count(*) AS n, max(region) AS r FROM (FROM lake.claim USING SAMPLE 100%)

-- a table sample [ana] rows
SELECT count(*) AS n, max(region) AS r FROM lake.claim TABLESAMPLE 100%

-- POSITIONAL JOIN lines rows up [ana] rows
SELECT count(*) AS n, count(a.claim_id) AS m FROM (SELECT claim_id FROM lake.claim ORDER BY 1) a POSITIONAL JOIN range(1, 400) r(i)

-- ASOF JOIN [ana] rows
SELECT x.i, c.claim_id FROM (VALUES (4), (100)) x(i) ASOF JOIN lake.claim c ON x.i >= c.claim_id

-- rowid tells places of hidden rows [ana] denied
SELECT rowid FROM lake.claim

-- file_row_number [ana] denied
SELECT file_row_number FROM lake.claim

-- filename [ana] denied
SELECT filename FROM lake.claim
