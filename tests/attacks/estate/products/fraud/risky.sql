SELECT claim_id, score, model, reason FROM fraud_api.score WHERE score > 0.5
