/*---
owner: claims-team@acme.example
description: Claims not yet settled, with the policy behind each.
version: 1.2.0
status: deprecated
sunset: 2027-06-30
tags: [claims]
columns:
  claim_id: {description: Claim number, type: BIGINT, required: true, unique: true}
---*/
SELECT c.claim_id, c.cause, c.region, c.reported_at, c.status, c.amount, p.policy_no, p.product_line, p.premium
FROM claims_lake.claim c
JOIN underwriting.policy p USING (policy_id)
WHERE c.status IN ('open', 'in_review')
