-- The front page: the twenty newest urgent orders that are still open, with size and share already shipped by rail.
WITH newest AS (
  SELECT o_orderkey, o_orderdate, o_custkey, o_totalprice
  FROM {orders}
  WHERE o_orderstatus = 'O' AND o_orderpriority = '1-URGENT'
  ORDER BY o_orderdate DESC, o_orderkey DESC
  LIMIT 20
)
SELECT t.o_orderkey AS order_no, t.o_orderdate AS ordered_on, c.c_name AS customer, t.o_totalprice AS total,
       count(*) AS lines,
       sum(CASE WHEN l.l_shipmode = 'RAIL' THEN l.l_quantity ELSE 0 END) / sum(l.l_quantity) AS rail_share
FROM newest t
JOIN {customer} c ON c.c_custkey = t.o_custkey
JOIN {lineitem} l ON l.l_orderkey = t.o_orderkey
GROUP BY t.o_orderkey, t.o_orderdate, c.c_name, t.o_totalprice
ORDER BY ordered_on DESC, order_no DESC
