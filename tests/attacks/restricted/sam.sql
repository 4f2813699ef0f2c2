-- What sam may see: as ana, but claims of the US too (both roles' rules in one file are alternatives), and no
-- claim is assigned to him.
CREATE TABLE beneath.claim AS
SELECT claim_id, region, status, amount, body, big, customer_id, CAST(NULL AS VARCHAR) AS ssn_zqhid,
    mail_masked(email) AS email, last_masked(phone, 3) AS phone, year_masked(born) AS born,
    salary // 1000000 * 1000000 AS salary, keyed(token) AS token, CAST(NULL AS VARCHAR) AS remark,
    left(memo, 2) || '…' AS memo
FROM raw.lake_claim WHERE region IN ('EU', 'US');
CREATE TABLE lake.claim AS SELECT * EXCLUDE (ssn_zqhid) FROM beneath.claim;
CREATE TABLE beneath.note AS
SELECT note_id, claim_id, author, text, CAST(NULL AS VARCHAR) AS draft_zqhid FROM raw.lake_note WHERE false;
CREATE TABLE lake.note AS SELECT * EXCLUDE (draft_zqhid) FROM beneath.note;
CREATE TABLE lake.event AS SELECT event_id, claim_id, kind, detail, tags FROM raw.lake_event WHERE false;
CREATE TABLE beneath.archive AS SELECT * FROM raw.lake_archive WHERE code = '1';
CREATE TABLE lake.archive AS SELECT * FROM beneath.archive;
CREATE TABLE beneath.person AS
SELECT customer_id, region, name, mail_masked(email) AS email, year_masked(birth) AS birth, CAST(NULL AS VARCHAR) AS note_zqhid
FROM raw.desk_person WHERE region = 'EU';
CREATE TABLE desk.person AS SELECT * EXCLUDE (note_zqhid) FROM beneath.person;
CREATE TABLE beneath.policy AS
SELECT policy_id, customer_id, region, line, body, CAST(floor(premium / 100) * 100 AS DECIMAL(12, 2)) AS premium, started,
    CAST(NULL AS VARCHAR) AS holder_zqhid, mail_masked(email) AS email, year_masked(born) AS born
FROM raw.policy_db_policy WHERE region = 'EU';
CREATE TABLE policy_db.public.policy AS SELECT * EXCLUDE (holder_zqhid) FROM beneath.policy;
CREATE VIEW policy_db.main.policy AS FROM policy_db.public.policy;
CREATE TABLE fraud_api.score AS
SELECT claim_id, region, score, model, body, CAST(NULL AS VARCHAR) AS reason FROM raw.fraud_api_score WHERE region = 'EU';
CREATE TABLE lifted.shared AS SELECT id, region FROM raw.lake_shared;
CREATE TABLE beneath.secret AS SELECT * FROM raw.lake_zqdark_secret;
-- The federation's mask of addresses is nobody's to lift.
CREATE TABLE lifted.claim AS SELECT * REPLACE (mail_masked(email) AS email) FROM raw.lake_claim;
CREATE TABLE lifted.person AS SELECT * FROM raw.desk_person;
