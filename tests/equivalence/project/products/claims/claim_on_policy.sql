/*---
owner: claims@acme.example
description: Claims with their policies, a product on a product.
---*/
SELECT c.claim_id, c.amount, c.status, c.cause, c.year, c.month, p.policy_id, p.product_line, p.premium, p.region, p.name
FROM claims_lake.claim c JOIN underwriting.policy p ON p.policy_id = c.policy_id
