-- Urgent orders of one day whose lines came later than was promised.
SELECT o.o_orderkey AS order_no, o.o_clerk AS clerk, l.l_linenumber AS line, l.l_commitdate AS promised,
       l.l_receiptdate AS received, l.l_receiptdate - l.l_commitdate AS days_late
FROM {orders} o
JOIN {lineitem} l ON l.l_orderkey = o.o_orderkey
WHERE o.o_orderdate = DATE '1997-05-12'
  AND o.o_orderpriority = '1-URGENT'
  AND l.l_receiptdate > l.l_commitdate
ORDER BY days_late DESC, order_no, line
LIMIT 50
