/*---
owner: partners-team@acme.example
description: Invoices of the repair shops for claims.
version: 1.0.0
status: active
tags: [partners]
---*/
SELECT invoice_no, claim_id, shop, repair_code, labour_hours, parts_amount, total, currency, issued_on, paid_on
FROM repair_files.repair
