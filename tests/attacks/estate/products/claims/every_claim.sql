SELECT claim_id, region, amount, body, 'now' AS era FROM lake.claim UNION ALL SELECT claim_id, region, amount, body, 'then' FROM lake.archive
