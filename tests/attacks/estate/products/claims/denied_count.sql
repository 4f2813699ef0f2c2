/*---
reads_as: domain
---*/
SELECT count(*) AS n FROM lake.zqdark_denied
