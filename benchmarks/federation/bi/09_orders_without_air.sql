-- High-priority orders of one day in one segment that nothing of was sent by air.
SELECT o.o_orderkey AS order_no, c.c_name AS customer, o.o_totalprice AS total
FROM {orders} o
JOIN {customer} c ON c.c_custkey = o.o_custkey
WHERE o.o_orderdate = DATE '1998-03-04'
  AND o.o_orderpriority IN ('1-URGENT', '2-HIGH')
  AND c.c_mktsegment = 'AUTOMOBILE'
  AND NOT EXISTS (
    SELECT 1 FROM {lineitem} l WHERE l.l_orderkey = o.o_orderkey AND l.l_shipmode IN ('AIR', 'REG AIR'))
ORDER BY total DESC, order_no
