-- the domain's true does not widen the federation's rows [finn] rows
SELECT count(*) AS n FROM lake.shared

-- the federation's null is not cleared by the domain [finn] rows
SELECT DISTINCT a FROM lake.shared

-- of two other masks the federation's [finn] rows
SELECT id, b FROM lake.shared

-- the domain's stricter null [finn] rows
SELECT DISTINCT c FROM lake.shared

-- the domain's hide [finn] error
SELECT id, d FROM lake.shared

-- a role's clear lifts everyone's null in one file [finn] rows
SELECT id, e FROM lake.shared

-- a role's mask beats everyone's in one file [finn] rows
SELECT id, f FROM lake.shared

-- the federation's hide is not cleared by the domain [finn] error
SELECT id, g_zqhid FROM lake.shared

-- all at once [finn] rows
SELECT * FROM lake.shared

-- filter on a value that the federation masks [finn] rows
SELECT count(*) AS n FROM lake.shared WHERE a IS NOT NULL OR b LIKE 'zq%' OR c IS NOT NULL

-- a mask of both files in a join [finn] rows
SELECT count(*) AS n FROM lake.shared x JOIN lake.shared y USING (b, f)

-- the federation's row rule against its negation [finn] rows
SELECT count(*) AS n FROM lake.shared WHERE region <> 'EU' OR region IS NULL

-- a cast that raises on rows that the federation hides [finn] rows
SELECT sum(CASE region WHEN 'EU' THEN 1 ELSE CAST(e AS INTEGER) END) AS n FROM lake.shared

-- tags of the federation reach every domain's column [ana] rows
SELECT c.email AS x, p.email AS y, d.email AS z FROM lake.claim c JOIN policy_db.policy p ON p.policy_id = c.claim_id JOIN desk.person d ON d.customer_id = c.claim_id

-- tags travel through products [ana dora] rows
SELECT DISTINCT email FROM claims.claim_person

-- tags travel through two products [ana dora] rows
SELECT DISTINCT email FROM claims.big_claim

-- the auditor's clear of the federation's tag [aud] rows
SELECT c.email AS x, d.email AS z FROM lake.claim c JOIN desk.person d USING (customer_id)

-- the domain's column pattern hides in products [dora] rows
SELECT DISTINCT ssn FROM claims.open_claim

-- what the domain masks for readers only [dora] rows
SELECT DISTINCT phone, salary FROM claims.open_claim

-- a role through another role [sam] rows
SELECT count(*) AS n, count(DISTINCT region) AS r FROM lake.claim

-- an inherited mask [sam] rows
SELECT phone, salary FROM lake.claim

-- an inherited deny [sam] not found claims.shared_masked
SELECT * FROM claims.shared_masked

-- the federation's user [v_both] rows
SELECT count(*) AS n FROM vfiles.pq

-- both files, one of which raises [v_both] rows
SELECT id FROM vfiles.cs WHERE CAST(body AS INTEGER) = 1

-- both files over Postgres [v_both] rows
SELECT id FROM vpg.box WHERE CAST(body AS INTEGER) = 1

-- both files over SQLite [v_both] rows
SELECT id FROM vsql.box WHERE CAST(body AS INTEGER) IN (0, 1, 2, 3, 4)

-- two roles in one file are alternatives [v_roles] rows
SELECT count(*) AS n FROM vfiles.pq

-- a rule that is false [v_nothing] rows
SELECT count(*) AS n, max(body) AS b FROM vfiles.pq

-- a rule that is false over Postgres [v_nothing] rows
SELECT * FROM vpg.box

-- a rule that is false over an API [v_nothing] rows
SELECT id FROM vrest.box WHERE CAST(body AS INTEGER) = 1

-- a rule that is false beneath a product [v_nothing] rows
SELECT * FROM vault.cast_sqlite
