-- the row as a value [ana] rows
SELECT c FROM lake.claim c WHERE claim_id < 30

-- the row by the table's name [ana] rows
SELECT claim FROM lake.claim WHERE claim_id < 30

-- the row as text [ana] rows
SELECT CAST(c AS VARCHAR) AS t FROM lake.claim c WHERE claim_id < 30

-- the row as JSON [ana] rows
SELECT to_json(c) AS j FROM lake.claim c WHERE claim_id < 30

-- row_to_json [ana] rows
SELECT row_to_json(c) AS j FROM lake.claim c WHERE claim_id < 30

-- json_object of a row [ana] rows
SELECT json_object('row', c) AS j FROM lake.claim c WHERE claim_id < 30

-- json_group_array of rows [ana] rows
SELECT json_array_length(json_group_array(c)) AS n FROM lake.claim c

-- a field of the row [ana] error
SELECT c['ssn_zqhid'] FROM lake.claim c

-- a field of the row by extraction [ana] error
SELECT struct_extract(c, 'ssn_zqhid') FROM lake.claim c

-- a field of the row by position [ana] rows
SELECT struct_extract_at(CAST(row(c) AS STRUCT(x STRUCT(claim_id BIGINT, region VARCHAR, status VARCHAR, amount DECIMAL(12,2), body VARCHAR, big BIGINT, customer_id BIGINT, email VARCHAR, phone VARCHAR, born DATE, salary BIGINT, token VARCHAR, remark VARCHAR, memo VARCHAR))), 1).claim_id AS x FROM lake.claim c WHERE claim_id < 30

-- the row unpacked [ana] rows
SELECT unnest(c) FROM lake.claim c WHERE claim_id < 30

-- the row unpacked, star [ana] rows
SELECT c.* FROM (SELECT c FROM lake.claim c WHERE claim_id < 30) s(c)

-- a list of rows [ana] rows
SELECT list(c ORDER BY claim_id) AS l FROM lake.claim c WHERE claim_id < 30

-- a list of rows, unpacked [ana] rows
SELECT unnest(list(c), recursive := true) FROM lake.claim c WHERE claim_id < 30

-- struct keys [ana] rows
SELECT DISTINCT struct_keys(c) AS k FROM lake.claim c

-- the row's type [ana] rows
SELECT DISTINCT typeof(c) AS t FROM lake.claim c

-- json structure of the row [ana] rows
SELECT DISTINCT json_structure(to_json(c)) AS s FROM lake.claim c WHERE claim_id = 3

-- first row [ana] rows
SELECT arg_min(c, claim_id) AS r FROM lake.claim c

-- rows compared [ana] rows
SELECT count(*) AS n FROM lake.claim a JOIN lake.claim b ON a = b

-- rows distinct [ana] rows
SELECT count(DISTINCT c) AS n FROM lake.claim c

-- rows grouped [ana] rows
SELECT count(*) AS n FROM (SELECT c FROM lake.claim c GROUP BY c)

-- md5 of the row [ana] rows
SELECT md5(CAST(c AS VARCHAR)) AS m FROM lake.claim c WHERE claim_id < 30

-- hex of the row [ana] rows
SELECT hex(CAST(c AS VARCHAR)) AS m FROM lake.claim c WHERE claim_id < 9

-- base64 of the row [ana] rows
SELECT base64(encode(CAST(c AS VARCHAR))) AS m FROM lake.claim c WHERE claim_id < 9

-- reversed row [ana] rows
SELECT reverse(CAST(c AS VARCHAR)) AS m FROM lake.claim c WHERE claim_id < 9

-- the row of Postgres [ana] rows
SELECT p FROM policy_db.policy p WHERE policy_id < 30

-- the row of SQLite [ana] rows
SELECT to_json(b) AS j FROM ledger.booking b WHERE booking_id < 30

-- the row of an API [ana] rows
SELECT s FROM fraud_api.score s WHERE claim_id < 30

-- the row of a json file [ana] rows
SELECT e FROM lake.event e WHERE event_id < 30

-- the row of a csv file [ana] rows
SELECT to_json(n) AS j FROM lake.note n WHERE note_id < 30

-- the row of a product [ana dora] rows
SELECT o FROM claims.open_claim o WHERE claim_id < 30

-- the row of a product over a product [ana dora] rows
SELECT to_json(b) AS j FROM claims.big_claim b WHERE claim_id < 60

-- rows of what two files mask [finn] rows
SELECT s FROM lake.shared s WHERE id < 30

-- the row of a WITH name [ana] rows
WITH w AS (FROM lake.claim) SELECT w FROM w WHERE claim_id < 30

-- the row of a WITH name over a guess [ana] rows
WITH w AS (SELECT *, 'mine' AS ssn_zqhid FROM lake.claim) SELECT w.ssn_zqhid AS s, count(*) AS n FROM w GROUP BY ALL

-- the row in a lateral [ana] rows
SELECT l.x FROM lake.claim c, LATERAL (SELECT c AS x) l WHERE c.claim_id < 9

-- struct_pack of all columns [ana] either
SELECT struct_pack(*COLUMNS(*)) AS s FROM lake.claim WHERE claim_id < 9

-- list of all columns [ana] rows
SELECT [CAST(COLUMNS(*) AS VARCHAR)] FROM lake.claim WHERE claim_id < 9

-- hash of the row [ana] rows
SELECT count(DISTINCT hash(c)) AS n FROM lake.claim c

-- histogram of a masked column [ana] rows
SELECT histogram(email) AS h FROM lake.claim
