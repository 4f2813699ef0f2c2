/*---
owner: claims-team@acme.example
description: All that an agent needs to review a claim now, from five kinds of sources.
version: 1.0.0
status: active
tags: [claims, review]
columns:
  claim_id: {description: Claim number, type: BIGINT, required: true}
  customer: {tags: [pii]}
  email:    {tags: [pii, email]}
  over_tariff: {description: Labour charged beyond the agreed rate}
---*/
SELECT
  c.claim_id, c.cause, c.region, c.reported_at, c.status, c.amount,      -- S3
  p.policy_no, p.product_line, p.deductible,                             -- Postgres
  k.name AS customer, k.email,                                           -- Postgres
  r.shop, r.total AS repair_total,                                       -- SFTP
  r.total - r.parts_amount - r.labour_hours * t.hourly_rate AS over_tariff,  -- FTP
  s.score AS fraud_score, s.reason                                       -- HTTP
FROM claims_lake.claim c
JOIN underwriting.policy p USING (policy_id)
JOIN crm.customer k USING (customer_id)
JOIN partners.repair r ON r.claim_id = c.claim_id
JOIN partners.tariff t ON t.repair_code = r.repair_code AND t.region = c.region
JOIN fraud.score s ON s.claim_id = c.claim_id
WHERE c.status = 'in_review'
