/*---
owner: role:sales-owner
description: Orders that are not paid yet.
version: 1.0.0
status: active
tags: [sales]
---*/
SELECT order_id, customer, ordered_on, amount FROM files.orders WHERE status = 'open'
