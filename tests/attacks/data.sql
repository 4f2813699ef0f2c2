-- The raw data of every source: what nobody but the auditor may see in full.
--
-- Marks that the canary oracle looks for: `zqcanary…` (values that somebody may not see), `zqhid` (names of hidden
-- columns), `zqdark` (names of objects that nobody but a domain may know), `zqrule` (text of row rules), numbers
-- that begin with 313373, days in March 1913, and tables of 313 rows, a count that no restricted table has.
-- Region EU is what analysts see: every sixth row and the third behind it, 104 of 313.

CREATE MACRO region_of(i) AS ['EU', 'US', 'APAC', 'EU', 'eu', NULL][1 + i % 6];
CREATE MACRO canary(name, i) AS 'zqcanary-' || name || '-' || lpad(CAST(i AS VARCHAR), 3, '0');

CREATE TABLE lake_claim AS
SELECT
    i AS claim_id,
    region_of(i) AS region,
    CASE WHEN i % 3 = 0 THEN ['open', 'closed', 'review'][1 + (i // 3) % 3] ELSE canary('status', i) END AS status,
    CAST(CASE WHEN i % 3 = 0 THEN (i * 37 % 1000) / 4 ELSE 313373000 + i + 0.25 END AS DECIMAL(12, 2)) AS amount,
    CASE WHEN i % 3 = 0 THEN CAST((i // 3) % 7 AS VARCHAR) ELSE canary('body', i) END AS body,
    CASE WHEN i % 3 = 0 THEN CAST(i AS BIGINT) ELSE 3133730000000000000 + i END AS big,
    i % 50 AS customer_id,
    canary('ssn', i) AS ssn_zqhid,
    canary('mail', i) || '@mail' || i % 3 || '.example' AS email,
    '+49-313373-' || lpad(CAST(i AS VARCHAR), 3, '0') AS phone,
    DATE '1913-03-10' + CAST(i % 9 AS INTEGER) AS born,
    313373000 + i AS salary,
    canary('token', i % 40) AS token,
    canary('remark', i) AS remark,
    canary('memo', i) AS memo
FROM range(1, 314) t(i);

CREATE TABLE lake_note AS
SELECT
    i AS note_id, i % 100 AS claim_id,
    CASE WHEN i % 100 < 40 THEN ['ana', 'bob'][1 + i % 2] ELSE canary('author', i) END AS author,
    CASE WHEN i % 100 < 40 THEN CAST(i % 5 AS VARCHAR) ELSE canary('text', i) END AS text,
    canary('draft', i) AS draft_zqhid
FROM range(1, 314) t(i);

-- ana may see the notes and events of the claims that are hers.
CREATE TABLE lake_zqdark_assigned AS
SELECT i AS claim_id, CASE WHEN i < 40 THEN 'ana' ELSE canary('adjuster', i) END AS adjuster FROM range(0, 100) t(i);

CREATE TABLE lake_event AS
SELECT
    i AS event_id, i % 100 AS claim_id,
    CASE WHEN i % 100 < 40 THEN ['made', 'paid'][1 + i % 2] ELSE canary('kind', i) END AS kind,
    {'actor': CASE WHEN i % 100 < 40 THEN 'ana' ELSE canary('actor', i) END, 'steps': [i % 3, i % 5]} AS detail,
    [CASE WHEN i % 100 < 40 THEN CAST(i % 4 AS VARCHAR) ELSE canary('tag', i) END] AS tags,
    {'pin': canary('pin', i), 'why': 'x'} AS payload_zqhid
FROM range(1, 314) t(i);

-- Its rule raises on the rows that it hides.
CREATE TABLE lake_archive AS
SELECT
    i AS claim_id, CASE WHEN i % 3 = 0 THEN 'EU' ELSE 'US' END AS region,
    CASE WHEN i % 3 = 0 THEN CAST(i % 2 AS VARCHAR) ELSE canary('code', i) END AS code,
    CASE WHEN i % 6 = 3 THEN CAST(i % 4 AS VARCHAR) ELSE canary('old', i) END AS body,
    CAST(CASE WHEN i % 6 = 3 THEN i ELSE 313373000 + i END AS DECIMAL(12, 2)) AS amount
FROM range(1, 200) t(i);

CREATE TABLE lake_zqdark_denied AS SELECT i AS claim_id, canary('denied', i) AS body FROM range(1, 30) t(i);
CREATE TABLE lake_zqdark_secret AS SELECT i AS claim_id, canary('secret', i) AS body FROM range(1, 30) t(i);

CREATE TABLE lake_shared AS
SELECT
    i AS id, region_of(i) AS region,
    canary('a', i) AS a, canary('b', i) AS b, canary('c', i) AS c, canary('d', i) AS d,
    'plain-e-' || i AS e, canary('f', i) AS f, canary('g', i) AS g_zqhid
FROM range(1, 314) t(i);

CREATE TABLE ledger_booking AS
SELECT
    i AS booking_id, i AS claim_id,
    CASE WHEN i % 6 IN (0, 3, 4) THEN i / 8 ELSE 313373000.5 + i END AS amount,
    CASE WHEN i % 6 IN (0, 3, 4) THEN CAST(i % 5 AS VARCHAR) ELSE canary('account', i) END AS account,
    region_of(i) AS region,
    'DE-313373-' || lpad(CAST(i AS VARCHAR), 4, '0') AS iban,
    canary('pin', i) AS pin_zqhid
FROM range(1, 314) t(i);

CREATE TABLE policy_db_policy AS
SELECT
    i AS policy_id, i % 50 AS customer_id, region_of(i) AS region,
    CASE WHEN i % 3 = 0 THEN ['motor', 'home'][1 + i % 2] ELSE canary('line', i) END AS line,
    CASE WHEN i % 3 = 0 THEN CAST(i % 6 AS VARCHAR) ELSE canary('body', i) END AS body,
    CAST(CASE WHEN i % 3 = 0 THEN i * 10 + 0.5 ELSE 313373000 + i END AS DECIMAL(12, 2)) AS premium,
    DATE '2024-01-01' + CAST(i AS INTEGER) AS started,
    canary('holder', i) AS holder_zqhid,
    canary('owner', i) || '@mail.example' AS email,
    DATE '1913-03-10' + CAST(i % 9 AS INTEGER) AS born
FROM range(1, 314) t(i);

CREATE TABLE desk_person AS
SELECT
    i AS customer_id, region_of(i) AS region,
    CASE WHEN i % 3 = 0 THEN 'Person ' || i ELSE canary('name', i) END AS name,
    canary('person', i) || '@mail.example' AS email,
    DATE '1913-03-10' + CAST(i % 9 AS INTEGER) AS birth,
    canary('note', i) AS note_zqhid
FROM range(0, 313) t(i);

CREATE TABLE fraud_api_score AS
SELECT
    i AS claim_id, region_of(i) AS region,
    CASE WHEN i % 3 = 0 THEN (i % 64) / 64 ELSE 313373000.5 + i END AS score,
    CASE WHEN i % 3 = 0 THEN ['m1', 'm2'][1 + i % 2] ELSE canary('model', i) END AS model,
    CASE WHEN i % 3 = 0 THEN CAST(i % 8 AS VARCHAR) ELSE canary('body', i) END AS body,
    canary('reason', i) AS reason
FROM range(1, 314) t(i);

-- ── the vault: the same rows in a source of every kind ───────────────────────────────────────────────
-- Every expression over a row of region EU succeeds; over any other it raises, or shows a canary.

CREATE TABLE vault AS
SELECT
    i AS id,
    ['EU', 'US', NULL, 'APAC'][1 + i % 4] AS region,
    CASE WHEN i % 4 = 0 THEN CAST((i // 4) % 7 AS VARCHAR) ELSE canary('body', i) END AS body,
    CASE WHEN i % 4 = 0 THEN '7' ELSE canary('code', i) END AS code,
    CASE WHEN i % 4 = 0 THEN '2024-01-' || lpad(CAST(1 + i % 28 AS VARCHAR), 2, '0') ELSE canary('day', i) END AS day,
    CASE WHEN i % 4 = 0 THEN 'o+' ELSE '(zqcanary[' || i END AS pattern,
    CASE WHEN i % 4 = 0 THEN '{"a": ' || i || '}' ELSE '{zqcanary' || i END AS doc,
    CASE WHEN i % 4 = 0 THEN ['a', 'b', 'c'][1 + (i // 4) % 3] ELSE canary('grp', i) END AS grp,
    CASE WHEN i % 4 = 0 THEN 1 + i % 100 ELSE 3133730000000000000 + i END AS num,
    CAST(CASE WHEN i % 4 = 0 THEN 0.5 + i ELSE -313373.5 END AS DOUBLE) AS real
FROM range(1, 81) t(i);

CREATE TABLE vault_zqdark_area AS
SELECT * FROM (VALUES ('v_in_query', 'EU'), ('v_exists', 'EU'), ('v_domain', 'EU'), ('other', 'US')) t(usr, area);
CREATE TABLE vault_zqdark_block AS SELECT * FROM (VALUES ('US'), ('APAC')) t(area);

-- Larger than DuckDB's vectors, so that its filters reorder while they run.
CREATE TABLE vault_big AS
SELECT
    i AS id, ['EU', 'US'][1 + (i // 7) % 2] AS region,
    CASE WHEN (i // 7) % 2 = 0 THEN CAST(i % 7 AS VARCHAR) ELSE 'zqcanary-big-' || i END AS body,
    CASE WHEN (i // 7) % 2 = 0 THEN i % 100 ELSE 3133730000000000000 + i END AS num,
    CASE WHEN (i // 7) % 2 = 0 THEN '7' ELSE 'zqcanary-code' END AS code,
    'padding padding ' || i % 1000 AS padding
FROM range(30000) t(i);
