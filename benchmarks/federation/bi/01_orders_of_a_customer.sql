-- A service agent has a customer on the phone: what did they order, and where is it?
SELECT o.o_orderkey AS order_no, o.o_orderdate AS ordered_on, o.o_orderstatus AS status, l.l_linenumber AS line,
       l.l_quantity AS quantity, l.l_extendedprice * (1 - l.l_discount) AS net, l.l_shipdate AS shipped_on
FROM {orders} o
JOIN {lineitem} l ON l.l_orderkey = o.o_orderkey
WHERE o.o_custkey = 4711
ORDER BY ordered_on DESC, order_no, line
