-- Five order numbers from an e-mail.
SELECT o.o_orderkey AS order_no, c.c_name AS customer, c.c_phone AS phone, p.p_name AS article,
       l.l_quantity AS quantity, l.l_shipmode AS ship_mode, l.l_receiptdate AS received_on
FROM {orders} o
JOIN {customer} c ON c.c_custkey = o.o_custkey
JOIN {lineitem} l ON l.l_orderkey = o.o_orderkey
JOIN {part} p ON p.p_partkey = l.l_partkey
WHERE o.o_orderkey IN (7, 32005, 160002, 384007, 576001)
ORDER BY order_no, l.l_linenumber
