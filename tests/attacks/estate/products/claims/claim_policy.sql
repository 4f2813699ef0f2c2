SELECT c.claim_id, p.policy_id, p.premium, p.holder FROM lake.claim c JOIN underwriting.policy p ON c.claim_id = p.policy_id
