-- read_text [ana] denied
SELECT content FROM read_text('/etc/passwd')

-- read_blob [ana] denied
SELECT * FROM read_blob('/etc/passwd')

-- glob [ana] denied
SELECT * FROM glob('/etc/*')

-- read_csv [ana] denied
SELECT * FROM read_csv('/etc/passwd', delim = ':', header = false)

-- read_csv_auto [ana] denied
SELECT * FROM read_csv_auto('lake/zqdark_secret.csv')

-- read_parquet of our own files [ana] denied
SELECT * FROM read_parquet('ripstop://lake/claim/1.parquet')

-- read_parquet with another case [ana] denied
SELECT * FROM READ_Parquet('lake/claim/1.parquet')

-- read_parquet, quoted [ana] denied
SELECT * FROM "read_parquet"('lake/claim/1.parquet')

-- read_parquet of a list [ana] denied
SELECT * FROM read_parquet(['lake/claim/1.parquet', 'lake/claim/2.parquet'])

-- parquet_scan [ana] denied
SELECT * FROM parquet_scan('lake/claim/1.parquet')

-- parquet_metadata tells minima and maxima [ana] denied
SELECT * FROM parquet_metadata('lake/claim/1.parquet')

-- parquet_bloom_probe [ana] denied
SELECT * FROM parquet_bloom_probe('lake/claim/1.parquet', 'region', 'US')

-- read_json [ana] denied
SELECT * FROM read_json('lake/event.jsonl')

-- read_ndjson_objects [ana] denied
SELECT * FROM read_ndjson_objects('lake/event.jsonl')

-- read_duckdb [ana] denied
SELECT * FROM read_duckdb('x.duckdb')

-- sniff_csv [ana] denied
FROM sniff_csv('/etc/passwd')

-- a schema-qualified table function [ana] denied
SELECT * FROM system.main.read_text('/etc/passwd')

-- a file as a table [ana] denied
SELECT * FROM '/etc/passwd'

-- a file as a quoted table [ana] denied
SELECT * FROM "/etc/passwd"

-- a parquet file as a table [ana] denied
SELECT * FROM 'lake/claim/1.parquet'

-- a file under our own scheme [ana] denied
SELECT * FROM "ripstop://lake/claim/1.parquet"

-- a URL as a table [ana] denied
SELECT * FROM 'http://127.0.0.1:1/x.parquet'

-- a Python variable as a table [ana] denied
SELECT * FROM USERS

-- a Python module's variable [ana] denied
SELECT * FROM pa

-- COPY out [ana] denied
COPY lake.claim TO '/tmp/zq.csv'

-- COPY of a query [ana] denied
COPY (SELECT * FROM lake.claim) TO '/tmp/zq.parquet' (FORMAT parquet)

-- COPY in [ana] denied
COPY lake.claim FROM '/etc/passwd'

-- COPY to standard output [ana] denied
COPY (SELECT 1) TO '/dev/stdout'

-- EXPORT DATABASE [ana] denied
EXPORT DATABASE '/tmp/zq'

-- IMPORT DATABASE [ana] denied
IMPORT DATABASE '/tmp/zq'

-- ATTACH a file [ana] denied
ATTACH '/tmp/zq.duckdb' AS zq

-- ATTACH memory [ana] denied
ATTACH ':memory:' AS zq

-- DETACH [ana] denied
DETACH lake

-- INSTALL [ana] denied
INSTALL httpfs

-- LOAD [ana] denied
LOAD httpfs

-- USE [ana] denied
USE lake

-- SET schema [ana] denied
SET schema = 'lake'

-- SET search_path [ana] denied
SET search_path = 'lake,main'

-- SET VARIABLE [ana] denied
SET VARIABLE zq = (SELECT 1)

-- getvariable [ana] denied
SELECT getvariable('zq')

-- SET an option [ana] denied
SET enable_external_access = true

-- RESET [ana] denied
RESET enable_external_access

-- PRAGMA [ana] denied
PRAGMA database_list

-- PRAGMA show_tables [ana] denied
PRAGMA show_tables

-- pragma_table_info [ana] denied
SELECT * FROM pragma_table_info('lake.claim')

-- pragma_storage_info [ana] denied
SELECT * FROM pragma_storage_info('lake.claim')

-- CREATE TEMP MACRO captures a function of a rule [ana] denied
CREATE TEMP MACRO lower(x) AS 'eu'

-- CREATE FUNCTION [ana] denied
CREATE OR REPLACE FUNCTION region() AS 'EU'

-- CREATE TEMP TABLE captures a table of a rule [ana] denied
CREATE TEMP TABLE zqdark_assigned AS SELECT 1 AS claim_id, 'ana' AS adjuster

-- CREATE VIEW outside the fabric [ana] denied
CREATE VIEW main.claim AS SELECT 1

-- CREATE SECRET [ana] denied
CREATE SECRET zq (TYPE s3, KEY_ID 'x', SECRET 'y')

-- CREATE TYPE from a query [ana] denied
CREATE TYPE zq AS ENUM (SELECT DISTINCT region FROM lake.claim)

-- CREATE SEQUENCE [ana] denied
CREATE SEQUENCE zq

-- INSERT [ana] denied
INSERT INTO lake.claim SELECT * FROM lake.claim

-- UPDATE [ana] denied
UPDATE lake.claim SET region = 'EU'

-- DELETE [ana] denied
DELETE FROM lake.claim

-- MERGE [ana] denied
MERGE INTO lake.claim USING (SELECT 1) s ON false WHEN NOT MATCHED THEN INSERT DEFAULT VALUES

-- TRUNCATE [ana] denied
TRUNCATE lake.claim

-- DROP [ana] denied
DROP TABLE lake.claim

-- ALTER [ana] denied
ALTER TABLE lake.claim RENAME TO zq

-- VACUUM [ana] denied
VACUUM ANALYZE

-- CHECKPOINT, which sqlglot reads as a column [ana] denied
CHECKPOINT

-- DEALLOCATE, which sqlglot reads as an alias [ana] denied
DEALLOCATE zq

-- BEGIN [ana] denied
BEGIN TRANSACTION

-- CALL of a table function [ana] denied
CALL pragma_version()

-- CALL of logging [ana] denied
CALL enable_logging()

-- duckdb_logs [ana] denied
SELECT * FROM duckdb_logs()

-- duckdb_secrets [ana] denied
SELECT * FROM duckdb_secrets()

-- which_secret [ana] denied
FROM which_secret('s3://x', 's3')

-- duckdb_settings [ana] denied
SELECT * FROM duckdb_settings()

-- current_setting [ana] denied
SELECT current_setting('temp_directory')

-- duckdb_tables holds raw counts [ana] denied
SELECT * FROM duckdb_tables()

-- duckdb_columns holds hidden names [ana] denied
SELECT column_name FROM duckdb_columns()

-- duckdb_views holds rules [ana] denied
SELECT sql FROM duckdb_views()

-- duckdb_prepared_statements [ana] denied
FROM duckdb_prepared_statements()

-- duckdb_temporary_files [ana] denied
FROM duckdb_temporary_files()

-- duckdb_external_file_cache [ana] denied
FROM duckdb_external_file_cache()

-- pg_catalog [ana] denied
SELECT reltuples FROM pg_catalog.pg_class

-- sqlite_master [ana] denied
SELECT sql FROM sqlite_master

-- temp.information_schema [ana] denied
SELECT * FROM temp.information_schema.tables

-- memory.main [ana] denied
SELECT * FROM memory.main.claim

-- a relation's id guessed by pattern [ana] denied
SELECT * FROM r_0123456789abcdef

-- seq_scan [ana] denied
SELECT * FROM seq_scan('claim')

-- arrow_scan with made-up pointers [ana] denied
SELECT * FROM arrow_scan(0::UBIGINT, 0::UBIGINT, 0::UBIGINT)

-- python_map_function [ana] denied
SELECT * FROM python_map_function(1)

-- getenv [ana] denied
SELECT getenv('HOME')

-- stats of a column [ana] denied
SELECT stats(amount) FROM lake.claim

-- histogram as a table function [ana] denied
FROM histogram(lake.claim, amount)

-- current_query [ana] denied
SELECT current_query()

-- current_schemas [ana] denied
SELECT current_schemas(true)

-- nextval [ana] denied
SELECT nextval('zq')

-- write_log [ana] denied
SELECT write_log('x')

-- sleep_ms [ana] denied
SELECT sleep_ms(10)

-- error() chooses the text of an error [ana] denied
SELECT error('x') FROM lake.claim

-- setseed [ana] denied
SELECT setseed(0.5)

-- invoke of a lambda [ana] denied
SELECT invoke(lambda x: x + 1, 1)

-- test_all_types [ana] denied
FROM test_all_types()

-- repeat_row [ana] denied
FROM repeat_row(1, num_rows = 3)

-- checkpoint as a table function [ana] denied
FROM checkpoint()

-- create_external_resource [ana] denied
FROM create_external_resource('zq', 'x')
