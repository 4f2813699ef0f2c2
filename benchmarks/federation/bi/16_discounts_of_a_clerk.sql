-- How much discount did one clerk give in a quarter, order by order?
WITH desk AS (
  SELECT o_orderkey, o_orderdate, o_custkey
  FROM {orders}
  WHERE o_clerk = 'Clerk#000000088'
    AND o_orderdate >= DATE '1996-04-01' AND o_orderdate < DATE '1996-07-01'
),
given AS (
  SELECT d.o_orderkey, d.o_orderdate, d.o_custkey, avg(l.l_discount) AS average_discount,
         sum(l.l_extendedprice * l.l_discount) AS discount
  FROM desk d
  JOIN {lineitem} l ON l.l_orderkey = d.o_orderkey
  GROUP BY d.o_orderkey, d.o_orderdate, d.o_custkey
)
SELECT g.o_orderkey AS order_no, g.o_orderdate AS ordered_on, c.c_name AS customer, g.average_discount, g.discount
FROM given g
JOIN {customer} c ON c.c_custkey = g.o_custkey
ORDER BY g.discount DESC, order_no
