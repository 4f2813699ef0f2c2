SELECT n.note_id, s.score FROM lake.note n JOIN fraud_api.score s USING (claim_id)
