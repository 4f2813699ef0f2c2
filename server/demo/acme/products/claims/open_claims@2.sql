/*---
# The second version: what a claim waits for in place of its status, and no premium, which is underwriting's to tell.
owner: claims-team@acme.example
description: Claims not yet settled, what each waits for, and the policy behind it.
version: 2.0.0
status: active
tags: [claims]
columns:
  claim_id:  {description: Claim number, type: BIGINT, required: true, unique: true}
  waits_for: {description: "triage, or an agent", type: VARCHAR, required: true}
  amount:    {description: "What is claimed, in the customer's currency", type: "DECIMAL(12,2)"}
quality:
  - {name: amounts are positive, sql: "amount > 0"}
on_violation: refuse
freshness: 1h
---*/
SELECT c.claim_id, c.cause, c.region, c.reported_at, c.amount, p.policy_no, p.product_line,
  CASE c.status WHEN 'open' THEN 'triage' ELSE 'an agent' END AS waits_for
FROM claims_lake.claim c
JOIN underwriting.policy p USING (policy_id)
WHERE c.status IN ('open', 'in_review')
