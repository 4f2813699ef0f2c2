-- ascending, nulls last by default [in order]
SELECT claim_id, policy_id FROM claims_lake.claim ORDER BY policy_id, claim_id LIMIT 30

-- descending, nulls by default [in order]
SELECT policy_id, risk FROM policy_db.policy ORDER BY risk DESC, policy_id LIMIT 60

-- descending, nulls first [in order]
SELECT policy_id, risk FROM policy_db.policy ORDER BY risk DESC NULLS FIRST, policy_id LIMIT 60

-- ascending, nulls first [in order]
SELECT policy_id, customer_id FROM policy_db.policy ORDER BY customer_id NULLS FIRST, policy_id DESC LIMIT 40

-- limit and offset [in order]
SELECT policy_id, premium FROM policy_db.policy ORDER BY premium DESC, policy_id LIMIT 10 OFFSET 25

-- offset alone [in order]
SELECT policy_id FROM policy_db.policy ORDER BY policy_id OFFSET 490

-- offset beyond the end [in order]
SELECT policy_id FROM policy_db.policy ORDER BY policy_id LIMIT 5 OFFSET 5000

-- limit zero
SELECT * FROM policy_db.policy LIMIT 0

-- limit in percent [in order]
SELECT policy_id FROM policy_db.policy ORDER BY policy_id LIMIT 2%

-- limit by an expression [in order]
SELECT policy_id FROM policy_db.policy ORDER BY policy_id LIMIT 1 + 2

-- limit by a subquery [in order]
SELECT policy_id FROM policy_db.policy ORDER BY policy_id LIMIT (SELECT count(*) FROM fraud_api.model)

-- a limit with a filter that the source takes [in order]
SELECT policy_id, premium FROM policy_db.policy WHERE renewals = 2 ORDER BY premium, policy_id LIMIT 8

-- a limit with a filter that the source does not take [in order]
SELECT policy_id FROM policy_db.policy WHERE length(product_line) = 5 AND risk > 1 ORDER BY policy_id DESC LIMIT 8

-- a limit with columns compared [in order]
SELECT policy_id FROM policy_db.policy WHERE premium * 2 < sum_insured ORDER BY policy_id LIMIT 6

-- a limit without order over one column that is the same everywhere
SELECT renewals FROM policy_db.policy WHERE renewals = 4 LIMIT 7

-- a limit without order over REST counts its rows
SELECT count(*) AS n FROM (SELECT * FROM fraud_api.score WHERE score >= 0.5 LIMIT 33)

-- a limit without order over REST with a filter it does not take counts its rows
SELECT count(*) AS n FROM (SELECT * FROM fraud_api.score WHERE weight < 3 LIMIT 33)

-- a limit without order over SQLite counts its rows
SELECT count(*) AS n FROM (SELECT * FROM ledger.booking WHERE account = 'payment' LIMIT 21)

-- ordered by an alias that hides a column [in order]
SELECT policy_id, -premium AS premium FROM policy_db.policy ORDER BY premium, policy_id LIMIT 6

-- ordered by a column under an alias [in order]
SELECT policy_id AS id, renewals AS policy_id FROM policy_db.policy ORDER BY policy_id DESC, id LIMIT 6

-- ordered by position [in order]
SELECT premium, policy_id FROM policy_db.policy ORDER BY 1 DESC, 2 LIMIT 6

-- ordered by an expression [in order]
SELECT policy_id, premium FROM policy_db.policy ORDER BY abs(premium - 2500), policy_id LIMIT 6

-- ordered by a column that is not selected [in order]
SELECT policy_id FROM policy_db.policy ORDER BY issued_at DESC LIMIT 6

-- ordered by a qualified column [in order]
SELECT p.policy_id FROM policy_db.policy p ORDER BY p.sum_insured DESC, p.policy_id LIMIT 6

-- ordered by text [in order]
SELECT product_line, policy_id FROM policy_db.policy ORDER BY product_line, policy_id LIMIT 90

-- ordered by text without case [in order]
SELECT product_line, policy_id FROM policy_db.policy ORDER BY product_line COLLATE NOCASE, policy_id LIMIT 90

-- ordered by dates and times [in order]
SELECT end_date, issued_at FROM policy_db.policy ORDER BY end_date DESC NULLS LAST, issued_at LIMIT 15

-- ordered by a boolean [in order]
SELECT customer_id, marketing_consent FROM policy_db.customer ORDER BY marketing_consent NULLS FIRST, customer_id LIMIT 200

-- ordered by decimals, extremes [in order]
SELECT id, huge FROM policy_db.extreme ORDER BY huge DESC NULLS FIRST, id LIMIT 4

-- ordered by infinite timestamps [in order]
SELECT id, moment FROM policy_db.extreme ORDER BY moment DESC NULLS LAST, id LIMIT 5

-- ordered by a struct field [in order]
SELECT claim_id FROM claims_lake.claim ORDER BY location.city DESC NULLS LAST, claim_id LIMIT 12

-- order by all descending [in order]
SELECT region, segment FROM policy_db.customer ORDER BY ALL DESC NULLS LAST LIMIT 20

-- top of a join [in order]
SELECT c.claim_id, p.premium FROM claims_lake.claim c JOIN policy_db.policy p USING (policy_id) ORDER BY p.premium DESC, c.claim_id LIMIT 11

-- top of REST [in order]
SELECT claim_id, score FROM fraud_api.score ORDER BY score DESC NULLS LAST, claim_id LIMIT 11

-- top of SQLite [in order]
SELECT booking_id, amount, account FROM ledger.booking ORDER BY account NULLS FIRST, amount DESC NULLS LAST, booking_id LIMIT 30

-- top of files [in order]
SELECT invoice_no, total FROM partner_files.repair ORDER BY total DESC, invoice_no LIMIT 11

-- an aggregate with order and limit [in order]
SELECT renewals, count(*) AS n FROM policy_db.policy GROUP BY renewals ORDER BY renewals DESC LIMIT 2

-- an aggregate whose output hides the column it is ordered by [in order]
SELECT max(policy_id) AS policy_id FROM policy_db.policy GROUP BY renewals ORDER BY policy_id LIMIT 3

-- a window with order and limit [in order]
SELECT policy_id, row_number() OVER (ORDER BY premium, policy_id) AS r FROM policy_db.policy ORDER BY policy_id LIMIT 5

-- unnest with order and limit [in order]
SELECT claim_id, unnest(tags) AS tag FROM claims_lake.claim ORDER BY claim_id, tag NULLS FIRST LIMIT 12

-- a distinct with order and limit [in order]
SELECT DISTINCT renewals FROM policy_db.policy ORDER BY renewals DESC LIMIT 3

-- a sample of everything
SELECT count(*) AS n FROM policy_db.policy USING SAMPLE 100%

-- ordered under column aliases that swap names [in order]
SELECT a, b FROM policy_db.policy AS p(b, a) ORDER BY a NULLS LAST, b LIMIT 7

-- ordered by a replaced column of a star [in order]
SELECT * REPLACE (-premium AS premium) FROM policy_db.policy ORDER BY premium, policy_id LIMIT 7

-- ordered by a renamed column of a star [in order]
SELECT * RENAME (policy_id AS renewals, renewals AS policy_id) FROM policy_db.policy ORDER BY renewals DESC LIMIT 7

-- ordered by a column of a with [in order]
WITH c AS (SELECT renewals AS premium, premium AS renewals, policy_id FROM policy_db.policy) SELECT policy_id FROM c ORDER BY premium DESC, policy_id LIMIT 7

-- ordered by an alias that hides a column, in an expression [in order]
SELECT policy_id, -premium AS premium FROM policy_db.policy ORDER BY premium + 0, policy_id LIMIT 6

-- ordered by columns made by an expression of columns [in order]
SELECT -COLUMNS(['policy_id', 'premium']) FROM policy_db.policy ORDER BY policy_id LIMIT 6

-- ordered by a qualified column whose alias is hidden [in order]
SELECT p.policy_id AS renewals FROM policy_db.policy p ORDER BY p.renewals, p.policy_id LIMIT 6

-- from first, ordered and limited [in order]
FROM policy_db.policy ORDER BY issued_at DESC LIMIT 4
