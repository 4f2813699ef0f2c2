/*---
reads_as: domain
---*/
SELECT email, count(*) AS n FROM lake.claim GROUP BY email
