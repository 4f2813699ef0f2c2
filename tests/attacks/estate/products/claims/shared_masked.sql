/*---
reads_as: domain
---*/
SELECT id, a, b, c, d, e, f, g_zqhid AS g FROM lake.shared
