SELECT c.claim_id, d.body FROM lake.claim c JOIN lake.zqdark_denied d USING (claim_id)
