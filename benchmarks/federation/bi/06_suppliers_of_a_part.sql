-- Who can deliver this article, at what cost, from which country?
SELECT p.p_name AS article, s.s_name AS supplier, n.n_name AS country, ps.ps_availqty AS available,
       ps.ps_supplycost AS cost
FROM {part} p
JOIN {partsupp} ps ON ps.ps_partkey = p.p_partkey
JOIN {supplier} s ON s.s_suppkey = ps.ps_suppkey
JOIN {nation} n ON n.n_nationkey = s.s_nationkey
WHERE p.p_partkey = 1550
ORDER BY cost
