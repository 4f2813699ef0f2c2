-- A customer's orders with the running total of what they paid, tax included.
SELECT order_no, ordered_on, paid, sum(paid) OVER (ORDER BY ordered_on, order_no) AS paid_so_far
FROM (
  SELECT o.o_orderkey AS order_no, o.o_orderdate AS ordered_on,
         sum(l.l_extendedprice * (1 - l.l_discount) * (1 + l.l_tax)) AS paid
  FROM {orders} o
  JOIN {lineitem} l ON l.l_orderkey = o.o_orderkey
  JOIN {customer} c ON c.c_custkey = o.o_custkey
  WHERE c.c_name = 'Customer#000013003'
  GROUP BY o.o_orderkey, o.o_orderdate
) AS orders_paid
ORDER BY ordered_on, order_no
