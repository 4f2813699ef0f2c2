-- What came late in one month from one country's suppliers to another's customers?
SELECT s.s_name AS supplier, c.c_name AS customer, l.l_orderkey AS order_no, l.l_receiptdate AS received,
       l.l_receiptdate - l.l_commitdate AS days_late
FROM {lineitem} l
JOIN {supplier} s ON s.s_suppkey = l.l_suppkey
JOIN {nation} sn ON sn.n_nationkey = s.s_nationkey
JOIN {orders} o ON o.o_orderkey = l.l_orderkey
JOIN {customer} c ON c.c_custkey = o.o_custkey
JOIN {nation} cn ON cn.n_nationkey = c.c_nationkey
WHERE sn.n_name = 'SAUDI ARABIA' AND cn.n_name = 'KENYA'
  AND l.l_receiptdate >= DATE '1996-01-01' AND l.l_receiptdate < DATE '1996-02-01'
  AND l.l_receiptdate > l.l_commitdate + INTERVAL 60 DAY
ORDER BY days_late DESC, order_no, supplier, customer
LIMIT 25
