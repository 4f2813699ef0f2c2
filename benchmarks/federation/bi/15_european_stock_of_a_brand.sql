-- Stock that European suppliers hold of one brand's small jumbo packs.
SELECT n.n_name AS country, s.s_name AS supplier, ps.ps_partkey AS article_no, ps.ps_availqty AS available,
       ps.ps_supplycost AS cost
FROM {partsupp} ps
JOIN {supplier} s ON s.s_suppkey = ps.ps_suppkey
JOIN {nation} n ON n.n_nationkey = s.s_nationkey
JOIN {region} r ON r.r_regionkey = n.n_regionkey
WHERE r.r_name = 'EUROPE'
  AND ps.ps_partkey IN (
    SELECT p.p_partkey FROM {part} p
    WHERE p.p_brand = 'Brand#13' AND p.p_container = 'JUMBO PKG' AND p.p_size <= 10)
ORDER BY country, cost, article_no, supplier
