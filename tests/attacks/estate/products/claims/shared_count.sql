/*---
reads_as: domain
---*/
SELECT region, count(*) AS n FROM lake.shared GROUP BY region
