/*---
owner: fraud-team@acme.example
description: The fraud model's score of every claim that is not settled; 1 is certain fraud.
version: 1.0.0
status: active
tags: [fraud]
columns:
  score: {description: Between 0 and 1, type: DOUBLE, required: true}
---*/
SELECT claim_id, score, model, reason, scored_at FROM fraud_api.score
