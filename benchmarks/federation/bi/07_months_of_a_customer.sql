-- One customer's year, month by month.
SELECT date_trunc('month', o.o_orderdate) AS month, count(DISTINCT o.o_orderkey) AS orders,
       count(*) AS lines, sum(l.l_extendedprice * (1 - l.l_discount)) AS net
FROM {orders} o
JOIN {lineitem} l ON l.l_orderkey = o.o_orderkey
WHERE o.o_custkey = 10030
  AND o.o_orderdate BETWEEN DATE '1995-01-01' AND DATE '1996-12-31'
GROUP BY month
ORDER BY month
