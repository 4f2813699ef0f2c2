/*---
owner: claims@acme.example
description: What each claim has cost, by what was booked, paid and repaired.
---*/
SELECT claim_id, count(*) AS entries, sum(amount) AS amount, list(DISTINCT origin ORDER BY origin) AS origins
FROM (
  SELECT claim_id, CAST(total AS DOUBLE) AS amount, 'repair' AS origin FROM partner_files.repair
  UNION ALL SELECT claim_id, CAST(amount AS DOUBLE), 'payment' FROM claims_lake.payment
  UNION ALL SELECT claim_id, cost, 'event' FROM claims_lake.event
)
WHERE claim_id IS NOT NULL
GROUP BY claim_id
