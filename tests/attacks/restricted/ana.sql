-- What ana may see. `beneath` is what a product of hers finds beneath it (hidden columns NULL), `lifted` what
-- one that reads as its domain finds; the sources themselves lack their hidden columns.
CREATE TABLE beneath.claim AS
SELECT claim_id, region, status, amount, body, big, customer_id, CAST(NULL AS VARCHAR) AS ssn_zqhid,
    mail_masked(email) AS email, last_masked(phone, 3) AS phone, year_masked(born) AS born,
    salary // 1000000 * 1000000 AS salary, keyed(token) AS token, CAST(NULL AS VARCHAR) AS remark,
    left(memo, 2) || '…' AS memo
FROM raw.lake_claim WHERE region = 'EU';
CREATE TABLE lake.claim AS SELECT * EXCLUDE (ssn_zqhid) FROM beneath.claim;

CREATE TABLE beneath.note AS
SELECT note_id, claim_id, author, text, CAST(NULL AS VARCHAR) AS draft_zqhid FROM raw.lake_note WHERE claim_id BETWEEN 0 AND 39;
CREATE TABLE lake.note AS SELECT * EXCLUDE (draft_zqhid) FROM beneath.note;

CREATE TABLE lake.event AS
SELECT event_id, claim_id, kind, detail, tags FROM raw.lake_event WHERE claim_id BETWEEN 0 AND 39;

CREATE TABLE beneath.archive AS SELECT * FROM raw.lake_archive WHERE code = '1';
CREATE TABLE lake.archive AS SELECT * FROM beneath.archive;

CREATE TABLE ledger.booking AS
SELECT booking_id, claim_id, amount, account, region, last_masked(iban, 4) AS iban
FROM raw.ledger_booking WHERE region IN ('EU', 'eu');

CREATE TABLE beneath.policy AS
SELECT policy_id, customer_id, region, line, body, CAST(floor(premium / 100) * 100 AS DECIMAL(12, 2)) AS premium, started,
    CAST(NULL AS VARCHAR) AS holder_zqhid, mail_masked(email) AS email, year_masked(born) AS born
FROM raw.policy_db_policy WHERE region = 'EU';
CREATE TABLE policy_db.public.policy AS SELECT * EXCLUDE (holder_zqhid) FROM beneath.policy;
CREATE VIEW policy_db.main.policy AS FROM policy_db.public.policy;

CREATE TABLE beneath.person AS
SELECT customer_id, region, name, mail_masked(email) AS email, year_masked(birth) AS birth, CAST(NULL AS VARCHAR) AS note_zqhid
FROM raw.desk_person WHERE region = 'EU';
CREATE TABLE desk.person AS SELECT * EXCLUDE (note_zqhid) FROM beneath.person;

CREATE TABLE fraud_api.score AS
SELECT claim_id, region, score, model, body, CAST(NULL AS VARCHAR) AS reason FROM raw.fraud_api_score WHERE region = 'EU';

-- Nothing in federation.csv speaks of an analyst's lake.shared, and what claims.csv says is lifted; they are
-- denied claims.shared_masked.
CREATE TABLE lifted.shared AS SELECT id, region FROM raw.lake_shared;
CREATE TABLE beneath.secret AS SELECT * FROM raw.lake_zqdark_secret;
-- The federation's mask of addresses is nobody's to lift.
CREATE TABLE lifted.claim AS SELECT * REPLACE (mail_masked(email) AS email) FROM raw.lake_claim;
CREATE TABLE lifted.person AS SELECT * FROM raw.desk_person;
