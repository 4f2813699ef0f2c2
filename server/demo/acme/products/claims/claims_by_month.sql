/*---
owner: claims-team@acme.example
description: How many claims and how much money, by month, region and cause.
version: 1.0.0
status: active
tags: [claims]
---*/
SELECT year, month, region, cause, count(*) AS claims, sum(amount) AS amount, sum(settled_amount) AS settled
FROM claims_lake.claim
GROUP BY year, month, region, cause
