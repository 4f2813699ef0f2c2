-- equality of text
SELECT customer_id, name FROM policy_db.customer WHERE name = 'Åsa Müller'

-- case counts
SELECT customer_id FROM policy_db.customer WHERE region = 'eu'

-- text is compared by code point
SELECT customer_id, name FROM policy_db.customer WHERE name > 'Zoë' AND name < '李'

-- text between
SELECT customer_id FROM policy_db.customer WHERE name BETWEEN 'Ana' AND 'ana Z'

-- ordering of text by code point [in order]
SELECT name, customer_id FROM policy_db.customer ORDER BY name DESC NULLS LAST, customer_id LIMIT 40

-- min and max of text
SELECT min(name) AS lo, max(name) AS hi, min(email) AS e FROM policy_db.customer

-- the empty text is not null
SELECT count(*) AS n FROM policy_db.customer WHERE email = ''

-- the empty text in a CSV
SELECT count(*) FILTER (remark = '') AS empty, count(*) FILTER (remark IS NULL) AS missing FROM partner_files.repair

-- text with a quote, a backslash and wildcards
SELECT id FROM policy_db.extreme WHERE word = 'it''s "quoted" \ and % and _'

-- text with a line break
SELECT invoice_no FROM partner_files.repair WHERE shop = 'Auto' || chr(10) || 'Zwei' AND total < 500

-- the word NULL as text
SELECT id FROM policy_db.extreme WHERE word = 'NULL'

-- emoji and astral characters
SELECT id, length(word) AS n, strlen(word) AS b, upper(word) AS u FROM policy_db.extreme WHERE word LIKE '%𝄞%'

-- composed letters are not folded
SELECT id FROM policy_db.extreme WHERE word = 'é' OR word = upper('é')

-- like with a prefix
SELECT policy_id FROM policy_db.policy WHERE product_line LIKE 'mo%'

-- like with a suffix
SELECT count(*) AS n FROM policy_db.customer WHERE email LIKE '%1.example'

-- like with an infix
SELECT count(*) AS n FROM policy_db.customer WHERE name LIKE '%uñe%'

-- like with an underscore
SELECT DISTINCT product_line FROM policy_db.policy WHERE product_line LIKE 'mo_or'

-- like with a literal underscore by an escape
SELECT DISTINCT product_line FROM policy_db.policy WHERE product_line LIKE 'mo!_or' ESCAPE '!'

-- like with a backslash in the pattern
SELECT DISTINCT product_line FROM policy_db.policy WHERE product_line LIKE 'mo\or'

-- like with a backslash before a wildcard
SELECT DISTINCT product_line FROM policy_db.policy WHERE product_line LIKE 'mo\%'

-- like with a percent in the text
SELECT note_id FROM desk.note WHERE text LIKE '100!%%' ESCAPE '!'

-- not like, and its nulls
SELECT note_id FROM desk.note WHERE text NOT LIKE '%a%'

-- like without wildcards
SELECT DISTINCT product_line FROM policy_db.policy WHERE product_line LIKE 'home'

-- like with only a wildcard
SELECT count(*) AS n FROM policy_db.customer WHERE name LIKE '%'

-- like over two patterns
SELECT DISTINCT product_line FROM policy_db.policy WHERE product_line LIKE '%t%r%' OR product_line LIKE 'l__e'

-- ilike
SELECT DISTINCT product_line FROM policy_db.policy WHERE product_line ILIKE 'MO_OR'

-- ilike of letters beyond ASCII
SELECT customer_id FROM policy_db.customer WHERE name ILIKE 'ÅSA%'

-- starts_with, contains and suffix
SELECT customer_id FROM policy_db.customer WHERE starts_with(name, 'Z') OR contains(email, '7@') OR suffix(segment, 'ate')

-- contains of a wildcard character
SELECT DISTINCT product_line FROM policy_db.policy WHERE contains(product_line, '%')

-- contains on a list is not contains on text
SELECT claim_id FROM claims_lake.claim WHERE contains(tags, 'vip')

-- regular expressions
SELECT customer_id FROM policy_db.customer WHERE regexp_matches(email, '^c[0-9]+@mail[13]') AND name SIMILAR TO '.*(Smith|山田)'

-- glob
SELECT DISTINCT product_line FROM policy_db.policy WHERE product_line GLOB 'm*[rt]'

-- functions of text
SELECT customer_id, upper(name) AS u, length(name) AS n, substring(name, 2, 3) AS s, reverse(email) AS r, md5(name) AS h, replace(name, 'a', '☃') AS x FROM policy_db.customer WHERE customer_id < 50

-- a short list
SELECT claim_id FROM fraud_api.score WHERE claim_id IN (4, 8, 15, 16, 23, 42)

-- a list with a null
SELECT claim_id FROM fraud_api.score WHERE claim_id IN (4, NULL, 16)

-- not in a list
SELECT policy_id FROM policy_db.policy WHERE product_line NOT IN ('motor', 'home', 'travel')

-- not in a list with a null
SELECT policy_id FROM policy_db.policy WHERE product_line NOT IN ('motor', NULL)

-- a list of text with quotes
SELECT id FROM policy_db.extreme WHERE word IN ('it''s "quoted" \ and % and _', 'é', 'nothing, "here"')

-- a list of dates
SELECT policy_id FROM policy_db.policy WHERE start_date IN ('2019-01-01', '2019-02-01', DATE '2020-03-04')

-- or over one column
SELECT policy_id FROM policy_db.policy WHERE policy_id = 1001 OR policy_id = 1400 OR policy_id > 1495

-- or over two columns
SELECT policy_id FROM policy_db.policy WHERE renewals = 3 OR premium > 4900

-- or with nulls
SELECT policy_id FROM policy_db.policy WHERE customer_id IS NULL OR risk IS NULL AND renewals <> 2

-- and within or within and
SELECT policy_id FROM policy_db.policy WHERE (renewals = 1 AND premium < 1000 OR renewals = 2 AND premium > 4000) AND product_line <> 'life'

-- is null and is not null
SELECT count(*) FILTER (customer_id IS NULL) AS a, count(*) FILTER (end_date IS NOT NULL) AS b FROM policy_db.policy WHERE risk IS NOT NULL

-- comparison with null is null
SELECT count(*) AS n FROM policy_db.policy WHERE premium = NULL

-- is distinct from
SELECT policy_id FROM policy_db.policy WHERE customer_id IS DISTINCT FROM 17 AND policy_id < 1100

-- nullif and coalesce
SELECT customer_id, coalesce(nullif(email, ''), name, 'nobody') AS who FROM policy_db.customer

-- not of and and or with nulls
SELECT policy_id FROM policy_db.policy WHERE NOT (risk > 2 OR customer_id > 100)

-- a constant false
SELECT * FROM claims_lake.claim WHERE 1 = 2

-- a constant true beside a filter
SELECT claim_id FROM claims_lake.claim WHERE true AND claim_id < 4

-- a contradiction
SELECT policy_id FROM policy_db.policy WHERE policy_id > 1400 AND policy_id < 1300

-- several bounds on one column
SELECT policy_id FROM policy_db.policy WHERE policy_id > 1100 AND policy_id >= 1120 AND policy_id < 1130 AND policy_id <> 1125

-- columns compared with each other
SELECT policy_id FROM policy_db.policy WHERE premium > sum_insured OR start_date = end_date

-- arithmetic over a column
SELECT policy_id FROM policy_db.policy WHERE policy_id + 1 = 1101 OR policy_id * 2 = 2100

-- a filter on a hive key
SELECT claim_id, year, month FROM claims_lake.claim WHERE year = 2025 AND month IN (2, 3)

-- a filter on a hive key and on what is in the files
SELECT claim_id FROM claims_lake.claim WHERE (year = 2024 AND status = 'open') OR (year = 2025 AND amount > 8000)

-- a hive key that no file has
SELECT * FROM claims_lake.claim WHERE year = 1999

-- hive keys alone
SELECT DISTINCT year, month FROM claims_lake.claim WHERE month > 4

-- a REST parameter that is a bound
SELECT claim_id, score FROM fraud_api.score WHERE score >= 0.75

-- a REST parameter that is declared for another operator
SELECT claim_id, score FROM fraud_api.score WHERE score > 0.75 AND score < 0.9

-- several REST parameters together
SELECT claim_id, model, score FROM fraud_api.score WHERE model = 'm1' AND score >= 0.5 AND claim_id IN (2, 8, 14, 68, 74, 140, 200, 266)

-- a REST parameter under another spelling of the value
SELECT count(*) AS n FROM fraud_api.score WHERE model = 'M1'

-- a filter on the REST column without a parameter
SELECT claim_id, weight FROM fraud_api.score WHERE weight > 10.5 AND reason IS NOT NULL

-- a REST filter with or
SELECT signal_id FROM fraud_api.signal WHERE kind = 'ip' OR signal_id < 10

-- filters on a product of CSV files
SELECT invoice_no, hours FROM partner_files.repair WHERE hours BETWEEN 2 AND 3.5 AND repair_code <> 'R2'

-- filters on JSON lines
SELECT note_id, text FROM desk.note WHERE author = 'Zoë' AND (stars > 2 OR stars IS NULL)

-- filters on SQLite
SELECT booking_id, amount, account FROM ledger.booking WHERE account = 'payment' AND amount BETWEEN 0 AND 10

-- text of SQLite beyond ASCII and its case
SELECT booking_id FROM ledger.booking WHERE account LIKE 'fee%' OR account LIKE 'RECOVERY' OR account = ''

-- nulls of SQLite
SELECT count(*) FILTER (claim_id IS NULL) AS a, count(*) FILTER (amount IS NULL) AS b, sum(amount) AS s, max(reference) AS r FROM ledger.booking

-- not like with an infix
SELECT count(*) AS n, min(name) AS first FROM policy_db.customer WHERE name NOT LIKE '%uñe%'

-- not like with two infixes
SELECT count(*) AS n FROM policy_db.customer WHERE email NOT LIKE '%1%mail%'

-- not like, with a prefix, a suffix and an escape
SELECT DISTINCT product_line FROM policy_db.policy
WHERE product_line NOT LIKE 'mo!_%' ESCAPE '!' AND product_line NOT LIKE 'tr%' AND product_line NOT LIKE '%me'

-- like denied from outside, and either of two
SELECT policy_id FROM policy_db.policy WHERE NOT (product_line LIKE '%o%r%') OR product_line NOT LIKE '_otor'

-- not like where a key is joined from outside
SELECT n, count(*) AS customers
FROM (
    SELECT c.customer_id, count(p.policy_id) AS n FROM policy_db.customer c
    LEFT JOIN policy_db.policy p ON p.customer_id = c.customer_id AND p.product_line NOT LIKE '%o%or%'
    GROUP BY c.customer_id
) t
GROUP BY n

-- not like over files and an API
SELECT count(*) AS n FROM desk.note WHERE text NOT LIKE '%a%e%'

-- two columns of one table, of numbers
SELECT policy_id, customer_id FROM policy_db.policy WHERE customer_id < policy_id AND customer_id <> 17

-- of texts, code point by code point
SELECT customer_id FROM policy_db.customer WHERE name < segment OR region = segment

-- of texts, the same column twice: no NULL equals itself
SELECT customer_id, email FROM policy_db.customer WHERE email = email AND name <= email

-- of dates, below a NOT
SELECT policy_id FROM policy_db.policy WHERE NOT (start_date < end_date)

-- of moments in files
SELECT invoice_no FROM partner_files.repair WHERE received_at = received_at AND shop < remark
