/*---
owner: crm-team@acme.example
description: Everyone who holds or held a policy.
version: 1.0.0
status: active
tags: [crm]
columns:
  customer_id: {description: Customer number, type: BIGINT, required: true, unique: true}
  name:        {description: As on the passport, tags: [pii]}
  email:       {tags: [pii, email]}
  birth_date:  {tags: [pii]}
---*/
SELECT customer_id, name, email, birth_date, region, country, city, segment
FROM crm_db.crm.customer
