/*---
reads_as: domain
---*/
SELECT region, count(*) AS n, count(name) AS named FROM crm.person GROUP BY region
