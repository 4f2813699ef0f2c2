/*---
owner: underwriting-team@acme.example
description: Policies, with who sold them.
version: 1.1.0
status: active
tags: [underwriting]
columns:
  policy_id: {description: Policy key, type: BIGINT, required: true, unique: true}
  policy_no: {description: The number on the paper, required: true, unique: true}
---*/
SELECT
  p.policy_id, p.policy_no, p.customer_id, p.product_line, p.premium, p.sum_insured, p.deductible,
  p.start_date, p.end_date, p.status, b.name AS broker
FROM policy_db.policy p
LEFT JOIN policy_db.broker b USING (broker_id)
