-- One supplier's month, by how it was shipped.
SELECT s.s_name AS supplier, l.l_shipmode AS ship_mode, count(*) AS shipments, sum(l.l_quantity) AS quantity,
       sum(l.l_extendedprice) AS value
FROM {supplier} s
JOIN {lineitem} l ON l.l_suppkey = s.s_suppkey
WHERE s.s_name = 'Supplier#000000042'
  AND l.l_shipdate >= DATE '1996-03-01' AND l.l_shipdate < DATE '1996-04-01'
GROUP BY s.s_name, l.l_shipmode
ORDER BY value DESC
