-- every mask at once [ana sam] rows
SELECT claim_id, email, phone, born, salary, token, remark, memo FROM lake.claim

-- email beneath a product [ana sam dora] rows
SELECT claim_id, email, phone, salary FROM claims.open_claim

-- the same mask is not applied twice [ana dora] rows
SELECT claim_id, email FROM claims.big_claim

-- email of Postgres [ana] rows
SELECT policy_id, email, premium, born FROM policy_db.policy

-- premium by a product [ana] rows
SELECT policy_id, email, premium, born FROM underwriting.policy

-- iban [ana] rows
SELECT booking_id, iban FROM ledger.booking

-- reason of an API [ana] rows
SELECT claim_id, reason FROM fraud_api.score

-- masks of two files [finn] rows
SELECT id, a, b, c, e, f FROM lake.shared

-- WHERE raw value [ana] rows
SELECT claim_id FROM lake.claim WHERE phone = '+49-313' || '373-003'

-- WHERE masked value [ana] rows
SELECT claim_id FROM lake.claim WHERE phone = '***003'

-- WHERE raw prefix [ana] rows
SELECT claim_id FROM lake.claim WHERE phone LIKE '+49%'

-- WHERE raw range [ana] rows
SELECT claim_id FROM lake.claim WHERE salary BETWEEN 313000001 AND 313999999

-- WHERE raw day [ana] rows
SELECT claim_id FROM lake.claim WHERE born > DATE '1913-01-02'

-- WHERE on Postgres, pushed or not [ana] rows
SELECT policy_id FROM policy_db.policy WHERE born > DATE '1913-01-02'

-- WHERE on Postgres, masked number [ana] rows
SELECT policy_id FROM policy_db.policy WHERE premium = 130.50

-- WHERE on Postgres, mask of a number [ana] rows
SELECT policy_id FROM policy_db.policy WHERE premium = 100

-- WHERE on SQLite [ana] rows
SELECT booking_id FROM ledger.booking WHERE iban LIKE 'DE%'

-- WHERE on an API parameter beside a mask [ana] rows
SELECT claim_id FROM fraud_api.score WHERE reason IS NOT NULL

-- IN [ana] rows
SELECT claim_id FROM lake.claim WHERE phone IN ('***003', '***006', '+49-1')

-- IS NULL of a mask null [ana] rows
SELECT count(*) AS n FROM lake.claim WHERE remark IS NULL

-- JOIN on raw values [ana] rows
SELECT count(*) AS n FROM lake.claim c JOIN lake.claim d ON c.phone = '+49-' || d.phone

-- JOIN on a mask [ana] rows
SELECT count(*) AS n FROM lake.claim c JOIN lake.claim d USING (email)

-- JOIN of keyed tokens [ana] rows
SELECT count(*) AS n FROM lake.claim c JOIN lake.claim d USING (token)

-- GROUP BY a mask [ana] rows
SELECT email, salary, born, count(*) AS n FROM lake.claim GROUP BY ALL

-- GROUP BY keyed tokens [ana] rows
SELECT token, count(*) AS n FROM lake.claim GROUP BY token

-- HAVING over a mask [ana] rows
SELECT region FROM lake.claim GROUP BY region HAVING max(salary) > 313000000

-- ORDER BY a mask [ana] rows, in order
SELECT claim_id FROM lake.claim ORDER BY phone DESC, claim_id

-- ORDER BY a mask, limit [ana] rows, in order
SELECT claim_id, phone FROM lake.claim ORDER BY salary DESC, token, claim_id LIMIT 5

-- top of Postgres by a mask [ana] rows, in order
SELECT policy_id, premium FROM policy_db.policy ORDER BY premium DESC, policy_id LIMIT 5

-- top of SQLite by a mask [ana] rows, in order
SELECT booking_id FROM ledger.booking ORDER BY iban DESC, booking_id LIMIT 5

-- DISTINCT [ana] rows
SELECT DISTINCT born FROM lake.claim

-- DISTINCT ON [ana] rows
SELECT DISTINCT ON (salary) salary FROM lake.claim

-- window over a mask [ana] rows
SELECT claim_id, rank() OVER (ORDER BY salary) AS r FROM lake.claim

-- QUALIFY over a mask [ana] rows
SELECT claim_id FROM lake.claim QUALIFY dense_rank() OVER (ORDER BY born) = 1

-- minimum and maximum [ana] rows
SELECT min(born) AS a, max(born) AS b, min(salary) AS c, max(salary) AS d, min(email) AS e, max(phone) AS f FROM lake.claim

-- minimum and maximum of a file's statistics [ana] rows
SELECT min(salary) AS a, max(born) AS b FROM lake.claim WHERE true

-- sum and average [ana] rows
SELECT sum(salary) AS s, avg(salary) AS a FROM lake.claim

-- count distinct [ana] rows
SELECT count(DISTINCT email) AS a, count(DISTINCT salary) AS b, count(DISTINCT token) AS c, count(remark) AS d FROM lake.claim

-- approximate count distinct [ana] rows
SELECT approx_count_distinct(salary) AS a FROM lake.claim

-- histogram [ana] rows
SELECT histogram(salary) AS h FROM lake.claim

-- quantile [ana] rows
SELECT quantile_disc(salary, [0.1, 0.5, 0.9]) AS q FROM lake.claim

-- bit patterns [ana] rows
SELECT bit_or(salary) AS o, bit_xor(salary) AS x FROM lake.claim

-- characters of an address [ana] rows
SELECT DISTINCT length(email) AS n, ascii(email) AS a, substring(email, 2, 3) AS s, split_part(email, '@', 1) AS p FROM lake.claim

-- reversed address [ana] rows
SELECT DISTINCT reverse(email) AS r FROM lake.claim

-- upper case [ana] rows
SELECT DISTINCT upper(email) AS r, lower(memo) AS m FROM lake.claim

-- hex, base64, digests [ana] rows
SELECT DISTINCT hex(email) AS h, base64(encode(email)) AS b, md5(email) AS m, sha256(email) AS s FROM lake.claim

-- regexp over a mask [ana] rows
SELECT DISTINCT regexp_extract(email, '(.*)@', 1) AS r FROM lake.claim

-- spelled apart [ana] rows
SELECT DISTINCT string_split(memo, '') AS l FROM lake.claim

-- the day of a year mask [ana] rows
SELECT DISTINCT day(born) AS d, month(born) AS m, dayofyear(born) AS y, epoch(born) AS e FROM lake.claim

-- the rest of a bucket [ana] rows
SELECT DISTINCT salary % 1000000 AS r FROM lake.claim

-- a cast that a mask survives [ana] rows
SELECT DISTINCT CAST(salary AS VARCHAR) AS s, CAST(born AS TIMESTAMP) AS t FROM lake.claim

-- a cast that raises on the mask [ana] error
SELECT CAST(phone AS INTEGER) FROM lake.claim

-- a cast of keyed tokens that raises on the mask [ana] error
SELECT CAST(token AS DATE) FROM lake.claim

-- CASE over a mask [ana] rows
SELECT claim_id, CASE WHEN phone LIKE '+49%' THEN 'raw' ELSE 'masked' END AS x FROM lake.claim

-- FILTER over a mask [ana] rows
SELECT count(*) FILTER (WHERE phone LIKE '+49%') AS n FROM lake.claim

-- a union of mask and guess [ana] rows
SELECT phone FROM lake.claim INTERSECT SELECT '***' || lpad(i::VARCHAR, 3, '0') FROM range(1, 400) t(i)

-- EXCEPT of two masks [ana] rows
SELECT email FROM lake.claim EXCEPT SELECT email FROM claims.open_claim

-- a correlated subquery over a mask [ana] rows
SELECT c.claim_id, (SELECT count(*) FROM lake.claim d WHERE d.phone < c.phone) AS n FROM lake.claim c

-- a scalar subquery over a mask [ana] rows
SELECT (SELECT max(phone) FROM lake.claim) AS p

-- IN a subquery over a mask [ana] rows
SELECT claim_id FROM lake.claim WHERE salary IN (SELECT 313000000)

-- EXISTS over a mask [ana] rows
SELECT x.i FROM range(0, 10) x(i) WHERE EXISTS (SELECT 1 FROM lake.claim WHERE phone = '+49-31' || '3373-00' || x.i)

-- a recursive walk over a mask [ana] rows
WITH RECURSIVE r(p) AS (SELECT min(phone) FROM lake.claim UNION SELECT (SELECT min(phone) FROM lake.claim WHERE phone > p) FROM r WHERE p IS NOT NULL) SELECT count(*) AS n FROM r

-- a mask in a struct [ana] rows
SELECT {'e': email, 'p': phone} AS s FROM lake.claim WHERE claim_id < 20

-- a mask in a list [ana] rows
SELECT list(phone ORDER BY claim_id) AS l FROM lake.claim

-- string_agg of a mask [ana] rows
SELECT string_agg(phone, ';' ORDER BY claim_id) AS l FROM lake.claim

-- arg_max by a mask [ana] rows
SELECT arg_max(claim_id, phone) AS i FROM lake.claim

-- COLUMNS over masks [ana] rows
SELECT max(COLUMNS('^(email|phone|memo)$')) FROM lake.claim

-- two different masks of one person [ana] rows
SELECT p.customer_id, p.email, p.birth FROM desk.person p

-- masks of another domain beneath a product [ana dora] rows
SELECT claim_id, name, email, birth FROM claims.claim_person

-- a mask of nothing left [dora] rows
SELECT DISTINCT phone FROM claims.open_claim

-- keyed in one file, shorter in the other [finn] rows
SELECT count(DISTINCT b) AS n, min(length(b)) AS l FROM lake.shared

-- cleared by the same file [finn] rows
SELECT DISTINCT e FROM lake.shared

-- aud sees values [aud] rows
SELECT claim_id, email, phone, born, salary, token, remark, memo, ssn_zqhid FROM lake.claim

-- aud sees values of shared [aud] rows
SELECT * FROM lake.shared
