-- A caller known by phone number only: the last lines they got, and who supplied them.
SELECT c.c_name AS customer, o.o_orderdate AS ordered_on, l.l_orderkey AS order_no, l.l_linenumber AS line,
       s.s_name AS supplier, s.s_phone AS supplier_phone
FROM {customer} c
JOIN {orders} o ON o.o_custkey = c.c_custkey
JOIN {lineitem} l ON l.l_orderkey = o.o_orderkey
JOIN {supplier} s ON s.s_suppkey = l.l_suppkey
WHERE c.c_phone LIKE '22-830-639%'
ORDER BY ordered_on DESC, order_no, line
LIMIT 20
