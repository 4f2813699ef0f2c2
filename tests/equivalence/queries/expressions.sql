-- lower of a text
SELECT customer_id, name FROM policy_db.customer WHERE lower(region) = 'eu'

-- upper of texts beyond ASCII
SELECT customer_id, name FROM policy_db.customer WHERE upper(name) LIKE 'STRASSE%' OR upper(name) = 'ÅSA MÜLLER'

-- lower like
SELECT customer_id FROM policy_db.customer WHERE lower(name) LIKE 'ana%' AND lower(segment) <> 'retail'

-- lower of a long text
SELECT customer_id FROM policy_db.customer WHERE lower(email) = 'c17@mail1.example'

-- the first characters of a text, as TPC-H asks for them
SELECT substring(email, 1, 2) AS c, count(*) AS n FROM policy_db.customer WHERE substring(email, 1, 2) IN ('c1', 'c2', 'x') GROUP BY c

-- left, right and characters within
SELECT policy_id FROM policy_db.policy WHERE left(product_line, 3) IN ('mo%', 'tra') OR right(product_line, 2) = 'me' OR substring(product_line, 2, 2) = 'if'

-- left with wildcards in the value
SELECT policy_id FROM policy_db.policy WHERE left(product_line, 3) = 'mo_'

-- the length of texts
SELECT policy_id FROM policy_db.policy WHERE length(product_line) > 5 OR length(product_line) = 4

-- the length of texts with characters of several bytes
SELECT id FROM policy_db.extreme WHERE length(word) = 3 OR length(word) = 0

-- trimmed and joined texts
SELECT policy_id FROM policy_db.policy WHERE trim(product_line) = 'home' OR product_line || '!' = 'life!'

-- a default for no text
SELECT customer_id FROM policy_db.customer WHERE coalesce(email, '') = ''

-- no text for an empty one
SELECT customer_id FROM policy_db.customer WHERE nullif(email, '') IS NULL

-- years of dates
SELECT policy_id FROM policy_db.policy WHERE year(start_date) IN (2020, 2022)

-- all years but some
SELECT policy_id FROM policy_db.policy WHERE year(start_date) NOT IN (2020, 2021) AND year(start_date) <> 2024

-- years of dates that have none
SELECT id FROM policy_db.extreme WHERE year(day) IN (1970, 2024, 9999) OR year(day) < 1

-- years of timestamps
SELECT policy_id FROM policy_db.policy WHERE extract(year FROM issued_at) = 2019

-- years of timestamps with a time zone
SELECT id FROM policy_db.extreme WHERE year(instant) IN (1970, 2024) OR year(instant) >= 9999

-- a year and a month
SELECT policy_id FROM policy_db.policy WHERE year(start_date) IN (2020, 2022) AND month(start_date) = 3

-- days of timestamps
SELECT policy_id FROM policy_db.policy WHERE CAST(issued_at AS DATE) BETWEEN DATE '2019-02-01' AND DATE '2019-02-11'

-- days of timestamps with a time zone
SELECT customer_id FROM policy_db.customer WHERE CAST(created_at AS DATE) IN (DATE '2020-01-05', DATE '2020-06-30')

-- months of dates and timestamps
SELECT policy_id FROM policy_db.policy WHERE date_trunc('month', start_date) IN (DATE '2019-02-01', DATE '2019-12-01') OR date_trunc('quarter', issued_at) = TIMESTAMP '2019-04-01'

-- months as texts
SELECT strftime(start_date, '%Y-%m') AS m, count(*) AS n FROM policy_db.policy WHERE strftime(start_date, '%Y-%m') IN ('2020-03', '2021-12') GROUP BY m

-- dates as texts
SELECT policy_id FROM policy_db.policy WHERE CAST(start_date AS VARCHAR) LIKE '2020-0%' AND CAST(policy_id AS VARCHAR) <> '1045'

-- dates and intervals
SELECT policy_id FROM policy_db.policy WHERE start_date + INTERVAL 1 MONTH > TIMESTAMP '2024-06-01' AND start_date - 3 < DATE '2024-09-01'

-- days between dates
SELECT policy_id FROM policy_db.policy WHERE date_diff('day', start_date, DATE '2024-12-31') < 30 OR DATE '2019-02-01' - start_date > 20

-- the last day of a month
SELECT policy_id FROM policy_db.policy WHERE last_day(start_date) = DATE '2020-02-29'

-- whole numbers and parts of them
SELECT policy_id FROM policy_db.policy WHERE policy_id > 1200.5 AND policy_id // 10 = 121 OR customer_id / 4 > 78 OR policy_id * 2 < 2010

-- sizes of numbers
SELECT customer_id FROM policy_db.customer WHERE abs(lifetime_value) < 50 OR round(lifetime_value) = 7000

-- decimals beside doubles
SELECT policy_id FROM policy_db.policy WHERE premium > 4900.5::DOUBLE OR premium * 1.19 < 100 OR premium / 2 = 10.5

-- doubles reckoned with
SELECT policy_id FROM policy_db.policy WHERE risk * -2 > 4 OR risk + 0.5 = 1 OR floor(risk) = 7

-- doubles that are none
SELECT id FROM policy_db.extreme WHERE number * -2 > 4 OR floor(number) = 0

-- rounded to another type
SELECT policy_id FROM policy_db.policy WHERE CAST(premium AS INTEGER) IN (79, 158, 4743)

-- numbers as texts
SELECT policy_id FROM policy_db.policy WHERE CAST(policy_id AS VARCHAR) IN ('1007', '01008', 'x')

-- a default for no number
SELECT policy_id FROM policy_db.policy WHERE coalesce(customer_id, 0) < 10 AND coalesce(risk, 1) > 0.5

-- cases
SELECT policy_id FROM policy_db.policy WHERE CASE WHEN renewals = 1 THEN premium WHEN renewals > 3 THEN sum_insured ELSE 0 END > 4000

-- cases of texts
SELECT region, count(*) AS n FROM (SELECT CASE WHEN region IN ('EU', 'eu') THEN 'Europe' WHEN region IS NULL THEN 'none' ELSE 'other' END AS region
FROM policy_db.customer) t WHERE region = 'Europe' GROUP BY region

-- distinct from a value
SELECT customer_id FROM policy_db.customer WHERE region IS NOT DISTINCT FROM 'EU' AND segment IS DISTINCT FROM 'retail'

-- columns of two widths
SELECT policy_id FROM policy_db.policy WHERE renewals >= customer_id

-- one or another
SELECT policy_id FROM policy_db.policy WHERE (renewals = 1 AND lower(product_line) = 'motor') OR (year(start_date) = 2021 AND product_line = 'home')

-- over a join
SELECT p.policy_id, c.name FROM policy_db.policy p JOIN policy_db.customer c USING (customer_id) WHERE year(p.start_date) IN (2020, 2021) AND lower(c.region) = 'us'

-- on the side that may miss
SELECT c.customer_id, p.policy_id FROM policy_db.customer c LEFT JOIN policy_db.policy p ON p.customer_id = c.customer_id AND year(p.start_date) IN (2020, 2021)
WHERE coalesce(p.product_line, 'none') IN ('none', 'home')

-- of groups
SELECT year(start_date) AS y, count(*) AS n FROM policy_db.policy GROUP BY y HAVING y IN (2020, 2022)

-- below a limit nothing is left out
SELECT policy_id FROM (SELECT * FROM policy_db.policy ORDER BY premium, policy_id LIMIT 40) t WHERE year(start_date) IN (2020, 2021)

-- with a limit above [in order]
SELECT policy_id, start_date FROM policy_db.policy WHERE year(start_date) IN (2020, 2022) ORDER BY start_date DESC, policy_id LIMIT 7

-- read twice
WITH p AS (SELECT * FROM policy_db.policy) SELECT a.policy_id FROM p a JOIN p b ON a.policy_id = b.policy_id + 1 WHERE year(a.start_date) IN (2020, 2021)

-- expressions over files
SELECT claim_id FROM claims_lake.claim WHERE CAST(reported_at AS DATE) BETWEEN DATE '2024-02-01' AND DATE '2024-02-20' AND lower(status) = 'open'

-- expressions over a partition's key
SELECT count(*) AS n FROM claims_lake.claim WHERE year * 100 + month = 202503 OR year * 2 = 4048 AND month + 0.5 > 5

-- expressions over CSV files
SELECT invoice_no FROM partner_files.repair WHERE year(issued_on) IN (2024, 2026) AND left(invoice_no, 6) = 'INV-00' AND coalesce(claim_id, 0) > 400

-- expressions over an API
SELECT claim_id FROM fraud_api.score WHERE lower(model) = 'm1' AND coalesce(claim_id, 0) * 2 < 100

-- expressions over SQLite
SELECT booking_id FROM ledger.booking WHERE booking_id * 3 < 100 OR coalesce(claim_id, 0) = 0 OR abs(reference) < 2000
