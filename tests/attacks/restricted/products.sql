-- The products, over what the user finds beneath them; a statement whose relation is not there for a user is
-- a product that is not there for that user.
CREATE VIEW claims.open_claim AS
SELECT claim_id, region, amount, body, email, phone, salary, ssn_zqhid AS ssn FROM beneath.claim WHERE status = 'open';
CREATE VIEW claims.claim_level AS
SELECT claim_id, CAST(body AS INTEGER) AS level, amount FROM beneath.claim WHERE CAST(body AS INTEGER) IN (0, 1, 2, 3, 4);
CREATE VIEW claims.big_claim AS SELECT claim_id, amount, ssn, email FROM claims.open_claim WHERE amount > 10;
CREATE VIEW claims.every_claim AS
SELECT claim_id, region, amount, body, 'now' AS era FROM beneath.claim
UNION ALL SELECT claim_id, region, amount, body, 'then' FROM beneath.archive;
CREATE VIEW claims.ssn_count AS
SELECT count(ssn_zqhid) AS known, count(DISTINCT ssn_zqhid) AS different, max(ssn_zqhid) AS most FROM beneath.claim;
CREATE VIEW claims.claim_person AS
SELECT c.claim_id, c.amount, p.name, p.email, p.birth, p.note_zqhid AS extra FROM beneath.claim c JOIN beneath.person p USING (customer_id);
CREATE VIEW claims.claim_policy AS
SELECT c.claim_id, p.policy_id, p.premium, p.holder_zqhid AS holder FROM beneath.claim c JOIN beneath.policy p ON c.claim_id = p.policy_id;
CREATE VIEW claims.region_count AS
SELECT region, count(*) AS n, count(ssn_zqhid) AS with_ssn FROM lifted.claim GROUP BY region;
CREATE VIEW claims.person_count AS SELECT region, count(*) AS n, count(name) AS named FROM lifted.person GROUP BY region;
CREATE VIEW claims.contact_count AS SELECT count(*) AS n, count(name) AS named, max(name) AS last FROM beneath.person;
CREATE VIEW claims.mail_count AS SELECT email, count(*) AS n FROM lifted.claim GROUP BY email;
CREATE VIEW claims.shared_count AS SELECT region, count(*) AS n FROM lifted.shared GROUP BY region;
CREATE VIEW claims.shared_masked AS SELECT id, a, b, c, d, e, f, g_zqhid AS g FROM lifted.shared;
CREATE VIEW claims.denied_part AS SELECT c.claim_id, d.body FROM beneath.claim c JOIN beneath.denied d USING (claim_id);
CREATE VIEW claims.denied_count AS SELECT count(*) AS n FROM beneath.denied;
CREATE VIEW claims.secret_part AS SELECT claim_id FROM beneath.secret;
