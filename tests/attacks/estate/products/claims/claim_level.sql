SELECT claim_id, CAST(body AS INTEGER) AS level, amount FROM lake.claim WHERE CAST(body AS INTEGER) IN (0, 1, 2, 3, 4)
