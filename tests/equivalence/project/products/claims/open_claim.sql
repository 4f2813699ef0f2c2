/*---
owner: claims@acme.example
description: Claims not yet settled.
---*/
WITH open AS (SELECT * FROM claims_lake.claim WHERE status IN ('open', 'in_review'))
SELECT claim_id, policy_id, amount, status, cause, severity, tags, location FROM open
