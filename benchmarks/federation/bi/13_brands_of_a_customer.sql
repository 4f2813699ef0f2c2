-- Which brands and sorts has this customer bought since 1997?
SELECT DISTINCT p.p_brand AS brand, p.p_type AS sort, p.p_container AS container
FROM {orders} o
JOIN {lineitem} l ON l.l_orderkey = o.o_orderkey
JOIN {part} p ON p.p_partkey = l.l_partkey
WHERE o.o_custkey = 2024 AND o.o_orderdate >= DATE '1997-01-01'
ORDER BY brand, sort, container
