-- Pairs: a statement, then how it reads once resolved. Relations stand as r1, r2, … in the order in which
-- they are found, WITH names as c1, c2, …; acme has the products claims.open and crm.person, and the sources lake and db.

-- a two-part name keeps its last part as alias
SELECT open.id FROM claims.open;
SELECT open.id FROM r1 AS "open";

-- an alias stays
SELECT o.id FROM claims.open AS o;
SELECT o.id FROM r1 AS o;

-- a qualified column loses what the relation no longer has
SELECT claims.open.id FROM claims.open;
SELECT open.id FROM r1 AS "open";

-- a struct field is not mistaken for a schema
SELECT o.a.b FROM claims.open AS o;
SELECT o.a.b FROM r1 AS o;

-- case does not count, and the alias keeps the spelling
SELECT * FROM CLAIMS."Open";
SELECT * FROM r1 AS "Open";

-- a source table by two parts, and by three
SELECT * FROM lake.claim, db.public.policy, acme.claims.open;
SELECT * FROM r1 AS "claim", r2 AS "policy", r3 AS "open";

-- a WITH name hides nothing that has a schema
WITH open AS (SELECT 1 AS id) SELECT * FROM open, claims.open AS c;
WITH c1 AS (SELECT 1 AS id) SELECT * FROM c1 AS "open", r1 AS c;

-- a WITH entry does not see itself: inside, the name is an object
WITH claim AS (SELECT * FROM lake.claim) SELECT * FROM claim;
WITH c1 AS (SELECT * FROM r1 AS "claim") SELECT * FROM c1 AS "claim";

-- a quoted WITH name of another case is the same name
WITH "Claim" AS (SELECT 1) SELECT * FROM claim;
WITH c1 AS (SELECT 1) SELECT * FROM c1 AS "claim";

-- WITH RECURSIVE sees itself; its columns keep their names, and so does an alias
WITH RECURSIVE t(n) AS (SELECT 1) SELECT x.n FROM t AS x;
WITH RECURSIVE c1(n) AS (SELECT 1) SELECT x.n FROM c1 AS x;

WITH RECURSIVE t AS (SELECT id FROM lake.claim UNION ALL SELECT id + 1 FROM t) SELECT * FROM t;
WITH RECURSIVE c1 AS (SELECT id FROM r1 AS "claim" UNION ALL SELECT id + 1 FROM c1 AS "t") SELECT * FROM c1 AS "t";

-- a later entry sees an earlier one
WITH a AS (SELECT * FROM lake.claim), b AS (SELECT * FROM a) SELECT * FROM b;
WITH c1 AS (SELECT * FROM r1 AS "claim"), c2 AS (SELECT * FROM c1 AS "a") SELECT * FROM c2 AS "b";

-- an inner WITH ends with its query
SELECT * FROM (WITH t AS (SELECT 1) SELECT * FROM t) AS x, lake.claim;
SELECT * FROM (WITH c1 AS (SELECT 1) SELECT * FROM c1 AS "t") AS x, r1 AS "claim";

-- both branches of a union, each by itself
SELECT id FROM lake.claim UNION SELECT id FROM lake.claim;
SELECT id FROM r1 AS "claim" UNION SELECT id FROM r2 AS "claim";

-- subqueries wherever they stand
SELECT (SELECT MAX(id) FROM lake.claim) FROM db.policy WHERE EXISTS(SELECT 1 FROM claims.open);
SELECT (SELECT MAX(id) FROM r1 AS "claim") AS "(SELECT MAX(id) FROM lake.claim)" FROM r2 AS "policy" WHERE EXISTS(SELECT 1 FROM r3 AS "open");

-- joins of every kind
FROM lake.claim ASOF JOIN db.policy USING (id) SEMI JOIN claims.open USING (id);
SELECT * FROM r1 AS "claim" ASOF JOIN r2 AS "policy" USING (id) SEMI JOIN r3 AS "open" USING (id);

-- PIVOT and UNPIVOT, as a statement and behind FROM
PIVOT lake.claim ON k IN ('a') USING SUM(v);
PIVOT r1 AS "claim" ON k IN ('a') USING SUM(v);

SELECT * FROM lake.claim PIVOT(SUM(v) FOR k IN ('a'));
SELECT * FROM r1 AS "claim" PIVOT(SUM(v) FOR k IN ('a'));

-- VALUES may hold a query
VALUES ((SELECT MAX(id) FROM lake.claim));
VALUES ((SELECT MAX(id) FROM r1 AS "claim"));

-- a lateral subquery
SELECT * FROM lake.claim AS c, LATERAL (SELECT * FROM db.policy AS p WHERE p.id = c.id) AS q;
SELECT * FROM r1 AS c, LATERAL (SELECT * FROM r2 AS p WHERE p.id = c.id) AS q;

-- a sample and a column alias list
SELECT * FROM lake.claim AS c(x, y) TABLESAMPLE (10 PERCENT);
SELECT * FROM r1 AS c(x, y) TABLESAMPLE SYSTEM (10 PERCENT);

-- a table function is nobody's relation
SELECT * FROM RANGE(0, 3), lake.claim;
SELECT * FROM RANGE(0, 3), r1 AS "claim";

-- a WITH entry that nobody reads is resolved all the same
WITH x AS (SELECT * FROM lake.claim) SELECT 1;
WITH c1 AS (SELECT * FROM r1 AS "claim") SELECT 1;
