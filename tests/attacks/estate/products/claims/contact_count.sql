/*---
reads_as: domain
---*/
SELECT count(*) AS n, count(name) AS named, max(name) AS last FROM crm.contact
