SELECT claim_id, amount, ssn, email FROM claims.open_claim WHERE amount > 10
