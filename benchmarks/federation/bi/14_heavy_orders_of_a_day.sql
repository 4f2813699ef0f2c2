-- One day's orders that need a lorry of their own.
SELECT o.o_orderkey AS order_no, c.c_name AS customer, c.c_address AS address, sum(l.l_quantity) AS pieces
FROM {orders} o
JOIN {customer} c ON c.c_custkey = o.o_custkey
JOIN {lineitem} l ON l.l_orderkey = o.o_orderkey
WHERE o.o_orderdate = DATE '1995-11-20'
GROUP BY o.o_orderkey, c.c_name, c.c_address
HAVING sum(l.l_quantity) > 230
ORDER BY pieces DESC, order_no
