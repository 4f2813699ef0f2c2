-- What dora may see: products of claims only; beneath them US claims and persons.
CREATE TABLE beneath.claim AS
SELECT claim_id, region, status, amount, body, big, customer_id, CAST(NULL AS VARCHAR) AS ssn_zqhid,
    mail_masked(email) AS email, first_masked(phone, 3) AS phone, born, salary, token, CAST(NULL AS VARCHAR) AS remark, memo
FROM raw.lake_claim WHERE region = 'US';
CREATE TABLE beneath.note AS SELECT * FROM raw.lake_note;
CREATE TABLE beneath.archive AS SELECT * FROM raw.lake_archive;
CREATE TABLE beneath.person AS
SELECT customer_id, region, CAST(NULL AS VARCHAR) AS name, mail_masked(email) AS email, birth, CAST(NULL AS VARCHAR) AS note_zqhid
FROM raw.desk_person WHERE region = 'US';
CREATE TABLE beneath.policy AS SELECT * REPLACE (mail_masked(email) AS email) FROM raw.policy_db_policy;
CREATE TABLE lifted.shared AS SELECT * FROM raw.lake_shared;
CREATE TABLE beneath.secret AS SELECT * FROM raw.lake_zqdark_secret;
-- The federation's mask of addresses is nobody's to lift.
CREATE TABLE lifted.claim AS SELECT * REPLACE (mail_masked(email) AS email) FROM raw.lake_claim;
CREATE TABLE lifted.person AS SELECT * FROM raw.desk_person;
CREATE TABLE beneath.denied AS SELECT * FROM raw.lake_zqdark_denied;
