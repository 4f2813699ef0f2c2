-- tables [ana sam dora finn bo eve] search
SELECT * FROM information_schema.tables

-- columns [ana sam dora finn bo eve v_equal] search
SELECT * FROM information_schema.columns

-- schemata [ana dora finn bo eve] search
SELECT * FROM information_schema.schemata

-- products [ana dora finn bo eve] search
SELECT * FROM system.products

-- columns of products [ana dora finn bo eve] search
SELECT * FROM system.columns

-- sources [ana dora finn bo eve] search
SELECT * FROM system.sources

-- queries [ana dora finn bo eve] search
SELECT * EXCLUDE (sql, error, query_id, queued_at, started_at, ended_at, queue_seconds, plan_seconds, run_seconds) FROM system.queries

-- scans [ana dora finn bo eve] search
SELECT * EXCLUDE (query_id, seconds, as_of) FROM system.scans

-- hidden columns by name [ana dora finn bo] search
SELECT table_name, column_name FROM information_schema.columns WHERE column_name LIKE '%zq%hid'

-- columns that are counted [ana] search
SELECT table_name, count(*) AS n, max(ordinal_position) AS p FROM information_schema.columns GROUP BY ALL

-- dark tables by name [ana dora finn bo eve v_in_query] search
SELECT * FROM information_schema.tables WHERE table_name LIKE 'zq%dark%'

-- SHOW TABLES [ana dora finn bo eve] search
SHOW TABLES

-- SHOW ALL TABLES [ana dora finn bo eve] search
SHOW ALL TABLES

-- SHOW SCHEMAS [ana dora finn bo eve] search
SHOW SCHEMAS

-- DESCRIBE of each kind [ana] search
DESCRIBE SELECT * FROM lake.claim, policy_db.policy, ledger.booking, fraud_api.score

-- DESCRIBE of a product [ana dora] search
DESCRIBE claims.open_claim

-- DESCRIBE of what two files restrict [finn] search
DESCRIBE lake.shared

-- metadata joined with data [ana] search
SELECT c.table_name, c.column_name FROM information_schema.columns c JOIN (SELECT DISTINCT region FROM lake.claim) r ON true

-- metadata cast [ana] search
SELECT CAST(column_name AS INTEGER) FROM information_schema.columns

-- policies [ana dora eve] search
SELECT * FROM system.policies

-- lineage [ana dora eve] search
SELECT * REPLACE (CASE WHEN query_id IS NULL THEN "column" END AS "column") FROM system.lineage

-- the audit, but for what the user wrote [ana dora eve] search
SELECT event, decision, reason, rules, rows FROM system.audit

-- requests [ana dora eve] search
SELECT * FROM system.requests

-- a table of system that is not there [ana] denied
SELECT * FROM system.zq

-- pg_catalog's tables [ana] denied
SELECT * FROM pg_catalog.pg_tables

-- pg_catalog's columns [ana] denied
SELECT * FROM pg_catalog.pg_attribute

-- the engine's information schema [ana] denied
SELECT * FROM memory.information_schema.columns

-- the source's information schema [ana] denied
SELECT * FROM policy_db.information_schema.columns

-- Postgres's own catalog through the source [ana] denied
SELECT * FROM policy_db.pg_catalog.pg_stats

-- another schema of the source [ana] denied
SELECT * FROM policy_db.vault.box

-- SQLite's own catalog through the source [ana] denied
SELECT * FROM ledger.sqlite_master
