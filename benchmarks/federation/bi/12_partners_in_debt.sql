-- Everyone in one country who owes us much, whether they buy or sell.
SELECT 'customer' AS kind, c.c_name AS name, c.c_phone AS phone, c.c_acctbal AS balance
FROM {customer} c
JOIN {nation} n ON n.n_nationkey = c.c_nationkey
WHERE n.n_name = 'KENYA' AND c.c_acctbal < -900
UNION ALL
SELECT 'supplier', s.s_name, s.s_phone, s.s_acctbal
FROM {supplier} s
JOIN {nation} n ON n.n_nationkey = s.s_nationkey
WHERE n.n_name = 'KENYA' AND s.s_acctbal < -500
ORDER BY balance, name
