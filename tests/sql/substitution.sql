-- Triples: what is stored, what is asked, and how that reads over what is stored, or `live: why not`. The columns of
-- lake.claim and lake.policy are in tests/fabric/substituted.py, as are claims.open and claims.totals.

-- the same
SELECT region, count(*) AS n FROM lake.claim GROUP BY region;
SELECT region, count(*) AS k FROM lake.claim GROUP BY region;
SELECT v.region AS region, ANY_VALUE(v.n) AS k FROM view AS v GROUP BY v.region;

-- counts and sums roll up
SELECT region, status, count(*) AS n, sum(amount) AS total FROM lake.claim GROUP BY ALL;
SELECT region, count(*), sum(amount) AS t FROM lake.claim GROUP BY region;
SELECT v.region AS region, CAST(COALESCE(SUM(v.n), 0) AS BIGINT) AS "count_star()", SUM(v.total) AS t FROM view AS v GROUP BY v.region;

-- a global aggregate over no rows is one row: a count of 0
SELECT region, count(*) AS n, sum(amount) AS total FROM lake.claim GROUP BY region;
SELECT count(*) AS n, sum(amount) AS t FROM lake.claim WHERE region = 'nowhere';
SELECT CAST(COALESCE(SUM(v.n), 0) AS BIGINT) AS n, SUM(v.total) AS t FROM view AS v WHERE v.region = 'nowhere';

-- what is one row over no rows gives no group
SELECT count(*) AS n FROM lake.claim;
SELECT DISTINCT 'x' AS x FROM lake.claim;
live: it is one row, and groups are asked for;

SELECT count(*) AS n, avg(amount) AS a FROM lake.claim;
SELECT avg(amount) AS a, count(*) AS n FROM lake.claim;
SELECT ANY_VALUE(v.a) AS a, ANY_VALUE(v.n) AS n FROM view AS v;

SELECT count(*) AS n, avg(amount) AS a FROM lake.claim;
SELECT count(*) AS n FROM lake.claim WHERE 1 = 2;
SELECT CAST(COALESCE(SUM(v.n), 0) AS BIGINT) AS n FROM view AS v WHERE 1 = 2;

-- a range within a range; what is stored of it is asked for again
SELECT opened, sum(amount) AS t FROM lake.claim WHERE opened >= DATE '2024-01-01' GROUP BY opened;
SELECT sum(amount) AS t FROM lake.claim WHERE opened BETWEEN DATE '2024-02-01' AND '2024-03-01';
SELECT SUM(v.t) AS t FROM view AS v WHERE v.opened >= CAST('2024-02-01' AS DATE) AND v.opened <= '2024-03-01';

-- a wider one
SELECT opened, sum(amount) AS t FROM lake.claim WHERE opened >= DATE '2024-02-02' GROUP BY opened;
SELECT sum(amount) AS t FROM lake.claim WHERE opened >= DATE '2024-02-01';
live: it may hold fewer rows;

-- a bound itself
SELECT n, count(*) AS k FROM lake.claim WHERE n > 3 GROUP BY n;
SELECT count(*) AS k FROM lake.claim WHERE n >= 3;
live: it may hold fewer rows;

SELECT n, count(*) AS k FROM lake.claim WHERE n >= 3 GROUP BY n;
SELECT count(*) AS k FROM lake.claim WHERE 3 < n;
SELECT CAST(COALESCE(SUM(v.k), 0) AS BIGINT) AS k FROM view AS v WHERE 3 < v.n;

-- the day of a month that has none is its last; an interval is reckoned
SELECT opened, count(*) AS k FROM lake.claim WHERE opened < DATE '2024-03-01' GROUP BY opened;
SELECT count(*) AS k FROM lake.claim WHERE opened < DATE '2024-01-31' + INTERVAL 1 MONTH;
SELECT CAST(COALESCE(SUM(v.k), 0) AS BIGINT) AS k FROM view AS v WHERE v.opened < CAST('2024-01-31' AS DATE) + INTERVAL '1' MONTH;

-- lists of values
SELECT region, count(*) AS k FROM lake.claim WHERE region IN ('EU', 'US') GROUP BY region;
SELECT count(*) AS k FROM lake.claim WHERE region = 'EU';
SELECT CAST(COALESCE(SUM(v.k), 0) AS BIGINT) AS k FROM view AS v WHERE v.region = 'EU';

SELECT region, count(*) AS k FROM lake.claim WHERE region IN ('EU', 'US') GROUP BY region;
SELECT count(*) AS k FROM lake.claim WHERE region <> 'UK';
live: it may hold fewer rows;

-- NULL: a comparison rules it out, and nothing else does
SELECT region, count(*) AS k FROM lake.claim WHERE region IS NOT NULL GROUP BY region;
SELECT count(*) AS k FROM lake.claim WHERE region > 'A';
SELECT CAST(COALESCE(SUM(v.k), 0) AS BIGINT) AS k FROM view AS v WHERE v.region > 'A';

SELECT region, count(*) AS k FROM lake.claim WHERE region IS NOT NULL GROUP BY region;
SELECT count(*) AS k FROM lake.claim;
live: it may hold fewer rows;

SELECT region, count(*) AS k FROM lake.claim WHERE region = region GROUP BY region;
SELECT count(*) AS k FROM lake.claim;
live: it may hold fewer rows;

SELECT region, count(*) AS k FROM lake.claim GROUP BY region;
SELECT count(*) AS k FROM lake.claim WHERE region = region;
SELECT CAST(COALESCE(SUM(v.k), 0) AS BIGINT) AS k FROM view AS v WHERE v.region = v.region;

SELECT region, count(*) AS k FROM lake.claim WHERE region <> 'EU' GROUP BY region;
SELECT count(*) AS k FROM lake.claim WHERE NOT region = 'EU';
live: it may hold fewer rows;

-- count(column) is no count(*)
SELECT region, count(*) AS k FROM lake.claim GROUP BY region;
SELECT count(amount) AS a FROM lake.claim;
live: 'amount' is not in it;

SELECT status, count(amount) AS k FROM lake.claim GROUP BY status;
SELECT count(*) AS a FROM lake.claim;
live: 'COUNT(*)' is not in it;

SELECT region, count(*) AS k FROM lake.claim GROUP BY region;
SELECT count(region) AS a FROM lake.claim;
SELECT CAST(COALESCE(SUM(v.k) FILTER(WHERE NOT v.region IS NULL), 0) AS BIGINT) AS a FROM view AS v;

SELECT amount, count(amount) AS k FROM lake.claim WHERE amount > 0 GROUP BY amount;
SELECT count(*) AS a FROM lake.claim WHERE amount > 0;
SELECT CAST(COALESCE(SUM(v.k), 0) AS BIGINT) AS a FROM view AS v;

-- what does not ask how often is taken from the keys
SELECT region, opened, count(*) AS k FROM lake.claim GROUP BY region, opened;
SELECT region, count(DISTINCT opened) AS days, min(opened) AS first FROM lake.claim GROUP BY 1;
SELECT v.region AS region, COUNT(DISTINCT v.opened) AS days, MIN(v.opened) AS first FROM view AS v GROUP BY v.region;

-- an average does not roll up, a sum of DOUBLE neither; of the same groups both are taken as they are
SELECT region, status, avg(amount) AS a, sum(amount) AS s, count(amount) AS c FROM lake.claim GROUP BY region, status;
SELECT region, avg(amount) AS a FROM lake.claim GROUP BY region;
live: 'AVG(amount)' does not roll up from it;

SELECT region, status, avg(amount) AS a FROM lake.claim GROUP BY region, status;
SELECT status, avg(amount) AS a FROM lake.claim WHERE region = 'EU' GROUP BY status;
SELECT v.status AS status, ANY_VALUE(v.a) AS a FROM view AS v WHERE v.region = 'EU' GROUP BY v.status;

SELECT region, status, sum(score) AS s FROM lake.claim GROUP BY region, status;
SELECT region, sum(score) AS s FROM lake.claim GROUP BY region;
live: 'SUM(score)' does not roll up from it;

-- of 0.0 and -0.0 only one is stored
SELECT score, count(*) AS k FROM lake.claim GROUP BY score;
SELECT CAST(score AS VARCHAR) AS s, count(*) AS k FROM lake.claim GROUP BY 1;
live: 'score' is not in it;

-- conditional sums of what all rows of a group share
SELECT region, status, count(*) AS k, sum(amount) AS total FROM lake.claim GROUP BY region, status;
SELECT region, sum(CASE WHEN status = 'open' THEN amount ELSE 0 END) AS o, sum(CASE WHEN status <> 'open' THEN 1 ELSE 0 END) AS c FROM lake.claim GROUP BY region;
SELECT v.region AS region, SUM(CASE WHEN v.status = 'open' THEN v.total ELSE 0 END) AS o, SUM(CASE WHEN v.status <> 'open' THEN 1 * v.k ELSE 0 END) AS c FROM view AS v GROUP BY v.region;

SELECT region, status, count(*) AS k, sum(amount) AS total FROM lake.claim GROUP BY region, status;
SELECT sum(amount) FILTER (WHERE status = 'open') AS o FROM lake.claim;
SELECT SUM(v.total) FILTER(WHERE v.status = 'open') AS o FROM view AS v;

-- HAVING, ORDER BY and LIMIT stay on top
SELECT region, status, sum(amount) AS total FROM lake.claim GROUP BY region, status;
SELECT region, sum(amount) AS total FROM lake.claim GROUP BY region HAVING sum(amount) > 10 ORDER BY total DESC NULLS LAST, 1 LIMIT 2;
SELECT v.region AS region, SUM(v.total) AS total FROM view AS v GROUP BY v.region HAVING SUM(v.total) > 10 ORDER BY total DESC, 1 LIMIT 2;

SELECT region, sum(amount) AS total FROM lake.claim GROUP BY region;
SELECT region, sum(amount) AS total FROM lake.claim GROUP BY region LIMIT 2;
live: its LIMIT leaves open which rows;

SELECT region, sum(amount) AS total FROM lake.claim GROUP BY region HAVING sum(amount) > 0;
SELECT region, sum(amount) AS total FROM lake.claim GROUP BY region;
live: it is cut off;

SELECT region, amount FROM lake.claim ORDER BY amount LIMIT 10;
SELECT region, amount FROM lake.claim;
live: it is cut off;

-- rows of one that is aggregated, and the other way round
SELECT region, sum(amount) AS total FROM lake.claim GROUP BY region;
SELECT region FROM lake.claim;
live: it is aggregated, and single rows are asked for;

SELECT DISTINCT region, status FROM lake.claim;
SELECT DISTINCT status FROM lake.claim;
SELECT v.status AS status FROM view AS v GROUP BY v.status;

SELECT DISTINCT region, status FROM lake.claim;
SELECT status, count(*) AS k FROM lake.claim GROUP BY status;
live: 'COUNT(*)' is not in it;

SELECT claim_id, region, amount FROM lake.claim WHERE status = 'open';
SELECT region, avg(amount) AS a FROM lake.claim WHERE status = 'open' AND amount > 5 GROUP BY region;
SELECT v.region AS region, AVG(v.amount) AS a FROM view AS v WHERE v.amount > 5 GROUP BY v.region;

SELECT claim_id, score FROM lake.claim;
SELECT sum(score) AS s FROM lake.claim;
live: 'SUM(score)' depends on the order of adding;

-- a column that only the predicate of what is stored reads
SELECT region, count(*) AS k FROM lake.claim WHERE status = 'open' GROUP BY region;
SELECT region, count(*) AS k FROM lake.claim GROUP BY region;
live: it may hold fewer rows;

-- inner joins: of equal columns one is as good as another
SELECT c.region, p.policy_id, sum(c.amount) AS t FROM lake.claim AS c JOIN lake.policy AS p ON c.policy_id = p.policy_id GROUP BY ALL;
SELECT p.policy_id, sum(amount) AS t FROM lake.policy AS p, lake.claim WHERE p.policy_id = claim.policy_id AND claim.region = 'EU' GROUP BY p.policy_id;
SELECT v.policy_id AS policy_id, ANY_VALUE(v.t) AS t FROM view AS v WHERE v.region = 'EU' GROUP BY v.policy_id;

SELECT policy_id, c.region, p.premium FROM lake.claim AS c JOIN lake.policy AS p USING (policy_id);
SELECT c.policy_id, sum(p.premium) AS s FROM lake.claim AS c, lake.policy AS p WHERE c.policy_id = p.policy_id AND c.policy_id > 2 GROUP BY 1;
SELECT v.policy_id AS policy_id, SUM(v.premium) AS s FROM view AS v WHERE v.policy_id > 2 GROUP BY v.policy_id;

-- a join that is not asked for, and one table more
SELECT c.region, count(*) AS k FROM lake.claim AS c JOIN lake.policy AS p USING (policy_id) GROUP BY c.region;
SELECT region, count(*) AS k FROM lake.claim GROUP BY region;
live: it reads other tables;

SELECT c.region, count(*) AS k FROM lake.claim AS c JOIN lake.policy AS p USING (policy_id) GROUP BY c.region;
SELECT c.region, count(*) AS k FROM lake.claim AS c, lake.policy AS p GROUP BY c.region;
live: it may hold fewer rows;

-- outer joins
SELECT c.region, count(*) AS k FROM lake.claim AS c LEFT JOIN lake.policy AS p USING (policy_id) GROUP BY c.region;
SELECT c.region, count(*) AS k FROM lake.claim AS c JOIN lake.policy AS p USING (policy_id) GROUP BY c.region;
live: it has other left joins;

SELECT c.region, count(*) AS k FROM lake.claim AS c JOIN lake.policy AS p USING (policy_id) GROUP BY c.region;
SELECT c.region, count(*) AS k FROM lake.claim AS c LEFT JOIN lake.policy AS p USING (policy_id) GROUP BY c.region;
live: it has other left joins;

SELECT c.region, p.holder, count(*) AS k, count(p.holder) AS h FROM lake.claim AS c LEFT JOIN lake.policy AS p USING (policy_id) GROUP BY ALL;
SELECT c.region, count(*) AS k, count(DISTINCT holder) AS d FROM lake.claim AS c LEFT OUTER JOIN lake.policy AS p ON p.policy_id = c.policy_id GROUP BY c.region;
SELECT v.region AS region, CAST(COALESCE(SUM(v.k), 0) AS BIGINT) AS k, COUNT(DISTINCT v.holder) AS d FROM view AS v GROUP BY v.region;

SELECT c.region, p.holder, count(*) AS k FROM lake.claim AS c LEFT JOIN lake.policy AS p USING (policy_id) GROUP BY ALL;
SELECT holder, count(*) AS k FROM lake.policy AS p LEFT JOIN lake.claim AS c USING (policy_id) GROUP BY holder;
live: it has other left joins;

SELECT c.region, p.holder, p.premium FROM lake.claim AS c LEFT JOIN lake.policy AS p ON c.policy_id = p.policy_id AND p.premium > 20;
SELECT c.region, p.holder FROM lake.claim AS c LEFT JOIN lake.policy AS p USING (policy_id) WHERE p.premium > 20;
live: it has other left joins;

SELECT c.region, p.holder, p.premium FROM lake.claim AS c LEFT JOIN lake.policy AS p USING (policy_id);
SELECT c.region, p.holder FROM lake.claim AS c LEFT JOIN lake.policy AS p ON c.policy_id = p.policy_id AND p.premium > 20;
live: it has other left joins;

SELECT c.region, p.holder, p.premium FROM lake.claim AS c LEFT JOIN (SELECT holder, policy_id AS id, premium FROM lake.policy WHERE premium > 20) AS p ON c.policy_id = p.id;
SELECT c.region, p.holder FROM lake.claim AS c LEFT JOIN lake.policy AS p ON c.policy_id = p.policy_id AND p.premium > 20 WHERE p.premium > 40 OR p.premium IS NULL;
SELECT v.region AS region, v.holder AS holder FROM view AS v WHERE v.premium > 40 OR v.premium IS NULL;

SELECT c.region, p.premium FROM lake.claim AS c LEFT JOIN (SELECT policy_id, coalesce(premium, 0) AS premium FROM lake.policy) AS p USING (policy_id);
SELECT c.region, p.premium FROM lake.claim AS c LEFT JOIN (SELECT policy_id, coalesce(premium, 0) AS premium FROM lake.policy) AS p USING (policy_id);
live: it left joins something else than one table;

SELECT c.region FROM lake.claim AS c FULL JOIN lake.policy AS p USING (policy_id);
SELECT c.region FROM lake.claim AS c FULL JOIN lake.policy AS p USING (policy_id);
live: it has a join of another kind than inner or left;

-- one table twice, in either order
SELECT a.region AS one, b.region AS other, count(*) AS k FROM lake.policy AS a, lake.policy AS b WHERE a.premium < b.premium GROUP BY ALL;
SELECT y.region, count(*) AS k FROM lake.policy AS x, lake.policy AS y WHERE x.premium > y.premium GROUP BY y.region;
SELECT v.one AS region, CAST(COALESCE(SUM(v.k), 0) AS BIGINT) AS k FROM view AS v GROUP BY v.one;

-- products, derived tables and WITH entries are unfolded
SELECT region, opened, sum(amount) AS t FROM claims.open GROUP BY region, opened;
SELECT region, sum(amount) AS t FROM lake.claim WHERE status = 'open' GROUP BY region;
SELECT v.region AS region, SUM(v.t) AS t FROM view AS v GROUP BY v.region;

SELECT region, status, sum(amount) AS t FROM lake.claim GROUP BY region, status;
SELECT sum(amount) AS t FROM claims.open WHERE region = 'EU';
SELECT SUM(v.t) AS t FROM view AS v WHERE v.status = 'open' AND v.region = 'EU';

SELECT region, status, sum(amount) AS t FROM lake.claim GROUP BY region, status;
WITH c AS (SELECT region AS r, amount, status FROM lake.claim) SELECT r, sum(amount) AS t FROM (SELECT * FROM c WHERE status = 'open') AS x GROUP BY r;
SELECT v.region AS r, ANY_VALUE(v.t) AS t FROM view AS v WHERE v.status = 'open' GROUP BY v.region;

-- a product that is aggregated is replaced, and what stands over it stays
SELECT region, status, sum(amount) AS t, count(*) AS k FROM lake.claim GROUP BY region, status;
SELECT max(total) AS m FROM claims.totals WHERE claims > 5;
SELECT MAX(total) AS m FROM (SELECT v.region AS region, SUM(v.t) AS total, CAST(COALESCE(SUM(v.k), 0) AS BIGINT) AS claims FROM view AS v GROUP BY v.region) AS "totals"(region, total, claims) WHERE claims > 5;

-- subqueries, and branches of a UNION
SELECT region, sum(amount) AS t FROM lake.claim GROUP BY region;
SELECT region, sum(amount) AS t FROM lake.claim WHERE region <> 'EU' GROUP BY region UNION ALL SELECT 'all', sum(amount) FROM lake.claim;
SELECT v.region AS region, ANY_VALUE(v.t) AS t FROM view AS v WHERE v.region <> 'EU' GROUP BY v.region UNION ALL SELECT 'all' AS c0, SUM(v.t) AS c1 FROM view AS v;

SELECT region, sum(amount) AS t FROM lake.claim GROUP BY region;
SELECT region FROM lake.claim GROUP BY region HAVING sum(amount) > (SELECT sum(amount) / 10 FROM lake.claim);
SELECT v.region AS region FROM view AS v GROUP BY v.region HAVING ANY_VALUE(v.t) > (SELECT SUM(v.t) / 10 AS c0 FROM view AS v);

-- a subquery that depends on the query around it
SELECT region, status, sum(amount) AS t FROM lake.claim GROUP BY region, status;
SELECT region FROM lake.claim AS c GROUP BY region HAVING sum(amount) > (SELECT sum(d.amount) FROM lake.claim AS d WHERE d.region = c.region);
live: 'region' is not known;

-- an alias is that of an output, or of a column, and not both
SELECT region, status, sum(amount) AS t FROM lake.claim GROUP BY region, status;
SELECT upper(region) AS region, sum(amount) AS t FROM lake.claim GROUP BY region;
live: 'region' is a column and an output;

SELECT status AS s, sum(amount) AS t FROM lake.claim GROUP BY s;
SELECT status AS zone, sum(amount) AS t FROM lake.claim GROUP BY zone ORDER BY zone;
SELECT v.s AS zone, ANY_VALUE(v.t) AS t FROM view AS v GROUP BY v.s ORDER BY zone;

-- what is not on the list
SELECT region, n FROM lake.claim;
SELECT region, row_number() OVER (ORDER BY n) AS r FROM lake.claim;
live: 'ROW_NUMBER() OVER (ORDER BY n)' is of no form that is compared;

SELECT region, n FROM lake.claim;
SELECT region, list(n) AS l FROM lake.claim GROUP BY region;
live: 'ARRAY_AGG(n)' is of no form that is compared;

SELECT region, n FROM lake.claim;
SELECT region, sum(DISTINCT n) AS s FROM lake.claim GROUP BY region;
live: 'SUM(DISTINCT n)' depends on the order of adding;

SELECT region, n FROM lake.claim;
SELECT region, n FROM lake.claim QUALIFY row_number() OVER (ORDER BY n) = 1;
live: it has QUALIFY;

SELECT region, n, count(*) AS k FROM lake.claim GROUP BY ALL;
SELECT region, n, count(*) AS k FROM lake.claim GROUP BY ROLLUP (region, n);
live: 'ROLLUP (region, n)' is of no form that is compared;

-- DuckDB divides otherwise where a sum stands beside an average: that is another last digit
SELECT region, avg(amount) AS a, sum(amount) AS s FROM lake.claim GROUP BY region;
SELECT region, avg(amount) AS a FROM lake.claim GROUP BY region;
live: 'AVG(amount)' does not roll up from it;

SELECT region, avg(amount) AS a, sum(amount) AS s FROM lake.claim GROUP BY region;
SELECT region, avg(amount) AS a, sum(amount) AS s FROM lake.claim GROUP BY region;
SELECT v.region AS region, ANY_VALUE(v.a) AS a, ANY_VALUE(v.s) AS s FROM view AS v GROUP BY v.region;

-- what each side of an OR says is said by the OR
SELECT p.holder, c.status, c.amount FROM lake.claim AS c, lake.policy AS p WHERE p.policy_id = c.policy_id AND c.status IN ('open', 'closed');
SELECT count(*) AS n FROM lake.claim AS c, lake.policy AS p WHERE (p.policy_id = c.policy_id AND c.status = 'open' AND amount > 5) OR (c.policy_id = p.policy_id AND c.status = 'closed' AND holder = 'holder 1');
SELECT COUNT(*) AS n FROM view AS v WHERE (TRUE AND v.status = 'open' AND v.amount > 5) OR (TRUE AND v.status = 'closed' AND v.holder = 'holder 1');

SELECT p.holder, c.status, c.amount FROM lake.claim AS c, lake.policy AS p WHERE p.policy_id = c.policy_id AND c.status IN ('open', 'closed');
SELECT count(*) AS n FROM lake.claim AS c, lake.policy AS p WHERE (p.policy_id = c.policy_id AND c.status = 'open') OR (c.status = 'closed' AND holder = 'holder 1');
live: it may hold fewer rows;

-- a parameter is a cast of its text; one that is rounded is not reckoned with
SELECT amount, count(*) AS k FROM lake.claim WHERE amount > 1.25 GROUP BY amount;
SELECT count(*) AS k FROM lake.claim WHERE amount > CAST('1.50' AS DECIMAL(3, 2));
SELECT CAST(COALESCE(SUM(v.k), 0) AS BIGINT) AS k FROM view AS v WHERE v.amount > CAST('1.50' AS DECIMAL(3, 2));

SELECT amount, count(*) AS k FROM lake.claim WHERE amount > 1.25 GROUP BY amount;
SELECT count(*) AS k FROM lake.claim WHERE amount > CAST('1.26' AS DECIMAL(2, 1));
live: it may hold fewer rows;
