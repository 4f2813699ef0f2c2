SELECT claim_id FROM lake.zqdark_secret
