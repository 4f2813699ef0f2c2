/*---
description: Claims of every region, for all.
reads_as: domain
---*/
SELECT region, count(*) AS n, count(ssn_zqhid) AS with_ssn FROM lake.claim GROUP BY region
