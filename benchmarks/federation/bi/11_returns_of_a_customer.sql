-- Every order of a customer's year with what came back of it, also where nothing did.
SELECT o.o_orderkey AS order_no, o.o_orderdate AS ordered_on, o.o_totalprice AS total,
       count(l.l_orderkey) AS returned_lines, coalesce(sum(l.l_quantity), 0) AS returned_quantity
FROM {orders} o
LEFT JOIN {lineitem} l ON l.l_orderkey = o.o_orderkey AND l.l_returnflag = 'R'
WHERE o.o_custkey IN (1234, 7711)
  AND o.o_orderdate >= DATE '1993-01-01' AND o.o_orderdate < DATE '1996-01-01'
GROUP BY o.o_orderkey, o.o_orderdate, o.o_totalprice
ORDER BY ordered_on, order_no
