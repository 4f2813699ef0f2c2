-- an unknown column names no candidates [ana] error
SELECT ssn FROM lake.claim

-- an unknown column that is nearly a hidden one [ana] error
SELECT ssn_zqhi FROM lake.claim

-- an unknown column of a product [ana dora] error
SELECT ssn_z FROM claims.open_claim

-- an unknown function [ana] denied
SELECT nope(claim_id) FROM lake.claim

-- wrong argument types [ana] error
SELECT sum(region) FROM lake.claim

-- too many arguments [ana] error
SELECT lower(region, region) FROM lake.claim

-- an ambiguous column [ana] error
SELECT claim_id FROM lake.claim a, lake.archive b

-- not grouped [ana] error
SELECT region, count(*) FROM lake.claim

-- an aggregate in WHERE [ana] error
SELECT claim_id FROM lake.claim WHERE count(*) > 1

-- a set operation of different widths [ana] error
SELECT * FROM lake.claim UNION ALL SELECT 1

-- types that do not compare [ana] error
SELECT claim_id FROM lake.claim WHERE born = 5

-- a conversion that raises on visible rows [ana] error
SELECT CAST(region AS INTEGER) FROM lake.claim

-- a conversion that raises on masked values [ana] error
SELECT CAST(email AS INTEGER) FROM lake.claim

-- an overflow on visible rows [ana] error
SELECT CAST(claim_id AS BIGINT) * 9223372036854775807 AS x FROM lake.claim

-- a date that raises on visible rows [ana] error
SELECT strptime(region, '%Y') FROM lake.claim

-- a regexp that raises [ana] error
SELECT regexp_matches(region, '(') FROM lake.claim

-- JSON that raises [ana] error
SELECT json_extract(region, '$.a') FROM lake.claim

-- a scalar subquery of many rows [ana] error
SELECT (SELECT claim_id FROM lake.claim) AS x

-- a scalar subquery of many hidden rows and one visible [ana] rows
SELECT (SELECT claim_id FROM lake.claim WHERE claim_id IN (1, 2, 3, 4, 5)) AS x

-- a scalar subquery of many hidden rows in Postgres [ana] rows
SELECT (SELECT policy_id FROM policy_db.policy WHERE policy_id IN (1, 2, 3, 4, 5)) AS x

-- a list index far away [ana] rows
SELECT tags[99] AS t FROM lake.event LIMIT 1

-- an error in Postgres's answer is ours [ana] error
SELECT CAST(line AS INTEGER) FROM policy_db.policy

-- an error over an API [ana] error
SELECT CAST(model AS INTEGER) FROM fraud_api.score

-- an error over SQLite [ana] error
SELECT CAST(region AS DATE) FROM ledger.booking

-- an error in a product's body [dora] error
SELECT level FROM claims.claim_level

-- a syntax error that echoes [ana] denied
SELECT * FROM lake.claim WHERE region = 'EU' AND AND

-- a quote that is not closed [ana] denied
SELECT * FROM lake.claim WHERE region = 'EU

-- a parameter that is missing [ana] denied
SELECT * FROM lake.claim WHERE region = ?

-- nested very deeply [ana] denied
SELECT ((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))

-- a division by zero [ana] error
SELECT claim_id // 0 AS x FROM lake.claim LIMIT 1

-- a division by zero on hidden rows only [ana] rows
SELECT sum(100 // (claim_id - 4)) AS x, sum(100 % (claim_id - 5)) AS y, sum(1 / (claim_id - 7)) AS z FROM lake.claim

-- a parameter that an API requires, of a hidden column [ana] denied
SELECT claim_id FROM fraud_api.lookup

-- the same beneath a product [ana] denied
SELECT * FROM fraud.looked_up

-- the same, explained [ana] denied
EXPLAIN SELECT claim_id FROM fraud_api.lookup
