/*---
owner: underwriting@acme.example
description: Policies with the customer behind each.
---*/
SELECT p.policy_id, p.product_line, p.premium, p.start_date, p.end_date, p.risk, c.customer_id, c.name, c.region
FROM policy_db.policy p LEFT JOIN policy_db.public.customer c USING (customer_id)
