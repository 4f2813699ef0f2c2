-- Orders of a week by one clerk's desk of which a large line was sent back.
SELECT o.o_orderkey AS order_no, o.o_orderdate AS ordered_on, o.o_clerk AS clerk, o.o_totalprice AS total
FROM {orders} o
WHERE o.o_orderdate BETWEEN DATE '1994-02-07' AND DATE '1994-02-13'
  AND o.o_clerk LIKE 'Clerk#00000001%'
  AND EXISTS (
    SELECT 1 FROM {lineitem} l
    WHERE l.l_orderkey = o.o_orderkey AND l.l_returnflag = 'R' AND l.l_quantity > 40)
ORDER BY ordered_on, order_no
