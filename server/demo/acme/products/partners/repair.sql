/*---
owner: partners-team@acme.example
description: Invoices of the repair shops for claims.
version: 1.0.0
status: active
tags: [partners]
columns:
  invoice_no: {description: The shop's number, type: VARCHAR, required: true, unique: true}
  claim_id:   {description: Claim number, type: BIGINT, required: true}
quality:
  - {name: totals are positive, sql: "total > 0"}
  - {name: every invoice is paid, sql: "paid_on IS NOT NULL"}   # some are not: the product is marked, and served
---*/
SELECT invoice_no, claim_id, shop, repair_code, labour_hours, parts_amount, total, currency, issued_on, paid_on
FROM repair_files.repair
