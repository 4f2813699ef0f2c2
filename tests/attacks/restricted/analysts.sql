-- Products of other domains, which analysts and the auditor may read.
CREATE VIEW crm.person AS SELECT customer_id, region, name, email, birth, note_zqhid AS extra FROM beneath.person;
CREATE VIEW fraud.risky AS SELECT claim_id, score, model, reason FROM fraud_api.score WHERE score > 0.5;
CREATE VIEW fraud.note_zq AS SELECT note_id, claim_id FROM beneath.note;
CREATE VIEW underwriting.policy AS
SELECT policy_id, customer_id, region, line, premium, email, born, holder_zqhid AS holder FROM beneath.policy;
