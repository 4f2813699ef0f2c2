-- The ten best customers of one segment in one country, by a quarter's revenue.
SELECT c.c_custkey AS customer_no, c.c_name AS customer, count(DISTINCT o.o_orderkey) AS orders,
       sum(l.l_extendedprice * (1 - l.l_discount)) AS revenue
FROM {customer} c
JOIN {nation} n ON n.n_nationkey = c.c_nationkey
JOIN {orders} o ON o.o_custkey = c.c_custkey
JOIN {lineitem} l ON l.l_orderkey = o.o_orderkey
WHERE n.n_name = 'MOROCCO' AND c.c_mktsegment = 'MACHINERY'
  AND o.o_orderdate >= DATE '1996-10-01' AND o.o_orderdate < DATE '1997-01-01'
GROUP BY c.c_custkey, c.c_name
ORDER BY revenue DESC, customer_no
LIMIT 10
