/*---
owner: partners-team@acme.example
description: The rates that hold now, by repair and region.
version: 1.0.0
status: active
tags: [partners]
---*/
SELECT repair_code, region, description, hourly_rate, parts_cap
FROM tariff_files.tariff
WHERE valid_to IS NULL
