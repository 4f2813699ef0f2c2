-- The last order, line by line, of one country's customers with the highest balances.
WITH latest AS (
  SELECT c.c_name AS customer, c.c_acctbal AS balance, o.o_orderkey, o.o_orderdate,
         row_number() OVER (PARTITION BY c.c_custkey ORDER BY o.o_orderdate DESC, o.o_orderkey DESC) AS n
  FROM {customer} c
  JOIN {nation} na ON na.n_nationkey = c.c_nationkey
  JOIN {orders} o ON o.o_custkey = c.c_custkey
  WHERE na.n_name = 'PERU' AND c.c_acctbal > 9900
)
SELECT t.customer, t.balance, t.o_orderkey AS order_no, t.o_orderdate AS ordered_on, l.l_linenumber AS line,
       l.l_extendedprice AS price
FROM latest t
JOIN {lineitem} l ON l.l_orderkey = t.o_orderkey
WHERE t.n = 1
ORDER BY t.balance DESC, order_no, line
