-- query() [ana] denied
SELECT * FROM query('SELECT ssn_zqhid FROM lake.claim')

-- query_table() [ana] denied
SELECT * FROM query_table('lake.claim')

-- query_table() of a list [ana] denied
SELECT * FROM query_table(['claim', 'archive'])

-- query_table() of a computed name [ana] denied
SELECT * FROM query_table(concat('cl', 'aim'))

-- query(), quoted [ana] denied
SELECT * FROM "query"('SELECT 1')

-- query(), qualified [ana] denied
SELECT * FROM system.main.query('SELECT 1')

-- query() in a subquery [ana] denied
SELECT (SELECT count(*) FROM query('FROM lake.claim'))

-- query() in a WITH entry that is not used [ana] denied
WITH w AS (FROM query('SELECT 1')) SELECT 1

-- json_execute_serialized_sql [ana] denied
SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))

-- json_serialize_sql [ana] denied
SELECT json_serialize_sql('SELECT 1')

-- json_serialize_plan [ana] denied
SELECT json_serialize_plan('FROM lake.claim')

-- PRAGMA json_execute [ana] denied
PRAGMA json_execute_serialized_sql('{}')

-- PREPARE [ana] denied
PREPARE zq AS SELECT * FROM lake.claim

-- EXECUTE [ana] denied
EXECUTE zq

-- two statements [ana] denied
SELECT 1; SELECT ssn_zqhid FROM lake.claim

-- two statements, the second one quiet [ana] denied
SELECT 1 ;;; DROP TABLE lake.claim

-- a statement behind a comment [ana] denied
SELECT 1 --
; SELECT 2

-- DML in a WITH entry [ana] denied
WITH t AS (SELECT 1) DELETE FROM lake.claim

-- DML with RETURNING in a WITH entry [ana] denied
WITH x AS (DELETE FROM lake.claim RETURNING *) SELECT * FROM x

-- INSERT with RETURNING in a WITH entry [ana] denied
WITH x AS (INSERT INTO lake.claim SELECT * FROM lake.claim RETURNING *) SELECT * FROM x

-- UPDATE in a WITH entry [ana] denied
WITH x AS (UPDATE lake.claim SET region = 'EU' RETURNING *) SELECT * FROM x

-- EXPLAIN in a subquery [ana] denied
SELECT * FROM (EXPLAIN SELECT * FROM lake.claim)

-- SUMMARIZE [ana] denied
SUMMARIZE lake.claim

-- SUMMARIZE in FROM [ana] denied
SELECT * FROM (SUMMARIZE lake.claim)

-- DESCRIBE in FROM [ana] denied
SELECT * FROM (DESCRIBE lake.claim)

-- SHOW in FROM [ana] denied
SELECT * FROM (SHOW ALL TABLES)

-- SHOW of a table [ana] denied
SHOW lake.claim

-- EXPLAIN of a command [ana] denied
EXPLAIN COPY lake.claim TO '/tmp/zq'

-- EXPLAIN of EXPLAIN [ana] denied
EXPLAIN EXPLAIN SELECT 1

-- EXPLAIN with an option that there is not [ana] denied
EXPLAIN (FORMAT csv) SELECT * FROM lake.claim

-- EXPLAIN as JSON [ana] search
EXPLAIN (ANALYZE, FORMAT json) SELECT * FROM lake.claim

-- an assertion about a table of which rows are hidden [ana] search
ASSERT PUSHED SELECT * FROM lake.claim WHERE note LIKE '%'

-- EXPLAIN ANALYZE of DML [ana] denied
EXPLAIN ANALYZE DELETE FROM lake.claim

-- EXPLAIN POLICY for another [ana] denied
EXPLAIN POLICY FOR aud SELECT * FROM lake.claim

-- SELECT INTO [ana] denied
SELECT * INTO zq FROM lake.claim

-- a trailing FOR UPDATE [ana] denied
SELECT * FROM lake.claim FOR UPDATE

-- a backquoted name, which DuckDB does not read [ana] denied
SELECT * FROM `lake`.`claim`

-- a nested comment that hides a second statement [ana] search
SELECT 1 /* /* */ ; SELECT ssn_zqhid FROM lake.claim -- */

-- a dollar-quoted text closes early [ana] denied
SELECT $$a$$; SELECT 2 $$b$$

-- a NUL character by escape [ana] rows
SELECT 'a' AS x WHERE 'b' <> e'\x01'

-- a comment for sqlglot about case [ana] rows
/* sqlglot.meta case_sensitive */ SELECT count(*) AS n FROM "LAKE"."CLAIM" /* sqlglot.meta case_sensitive */

-- a comment for sqlglot about replacement [ana] error
SELECT ssn_zqhid /* sqlglot.meta replace=false */ FROM lake.claim /* sqlglot.meta is_table */
