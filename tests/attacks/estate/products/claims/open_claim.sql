/*---
owner: claims-team@acme.example
description: Claims not yet settled.
columns:
  claim_id: {description: Claim number}
---*/
SELECT claim_id, region, amount, body, email, phone, salary, ssn_zqhid AS ssn FROM lake.claim WHERE status = 'open'
