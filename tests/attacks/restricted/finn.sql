-- What finn may see: lake.shared as the federation and the domain leave it, and two products over it.
CREATE TABLE lake.shared AS
SELECT id, region, CAST(NULL AS VARCHAR) AS a, last_masked(b, 2) AS b, CAST(NULL AS VARCHAR) AS c, e, last_masked(f, 2) AS f
FROM raw.lake_shared WHERE region = 'EU';
CREATE TABLE lifted.shared AS
SELECT id, region, CAST(NULL AS VARCHAR) AS a, last_masked(b, 2) AS b, last_masked(c, 2) AS c, last_masked(d, 2) AS d,
    e, f, CAST(NULL AS VARCHAR) AS g_zqhid
FROM raw.lake_shared WHERE region = 'EU';
