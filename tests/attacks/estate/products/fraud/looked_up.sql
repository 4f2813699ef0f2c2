SELECT claim_id, score FROM fraud_api.lookup
