-- every type of Postgres with its extremes
SELECT * FROM policy_db.extreme

-- every type of Parquet with its extremes
SELECT * FROM claims_lake.extreme

-- extremes joined with extremes
SELECT a.id, b.id FROM policy_db.extreme a JOIN claims_lake.extreme b ON a.huge = b.huge AND a.money = b.money AND a.uid = b.uid AND a.day = b.day

-- integers at their bounds
SELECT id FROM policy_db.extreme WHERE big = 9223372036854775807 OR small = -32768 OR whole >= 2147483647

-- integers beyond 53 bits
SELECT id FROM policy_db.extreme WHERE big = 9007199254740993

-- integers compared beyond their type
SELECT id FROM policy_db.extreme WHERE small < 100000 AND whole > -99999999999

-- unsigned integers at their bounds
SELECT id, ubig FROM claims_lake.extreme WHERE ubig = 18446744073709551615 OR utiny = 255

-- decimals compared exactly
SELECT id FROM policy_db.extreme WHERE huge = 9999999999999999999999999999.9999999999 OR huge = -0.0000000001

-- decimals compared with doubles
SELECT id FROM policy_db.extreme WHERE money > 1e3::DOUBLE

-- decimals in a list
SELECT policy_id, premium FROM policy_db.policy WHERE premium IN (0.00, 79.07, 158.14, 12345.67, 79.070)

-- decimal arithmetic and rounding
SELECT policy_id, premium * 1.19 AS gross, round(premium / 3, 3) AS third, premium // 7 AS whole, premium % 7 AS rest FROM policy_db.policy

-- doubles with NaN and infinities in a filter
SELECT id FROM policy_db.extreme WHERE number > 1e300

-- NaN equals NaN
SELECT id FROM policy_db.extreme WHERE number = 'NaN'::DOUBLE

-- NaN is greater than all numbers
SELECT id FROM policy_db.extreme WHERE single >= 'Infinity'::FLOAT

-- infinities in Parquet
SELECT id FROM claims_lake.extreme WHERE number < '-1e308'::DOUBLE OR isnan(single)

-- ordering of doubles with NaN and NULL [in order]
SELECT number, id FROM policy_db.extreme ORDER BY number NULLS FIRST, id

-- min and max of doubles with NaN
SELECT min(number) AS lo, max(number) AS hi, max(single) AS s FROM policy_db.extreme

-- single precision against a double literal
SELECT id FROM policy_db.extreme WHERE single = 0.1

-- booleans and their NULL
SELECT customer_id FROM policy_db.customer WHERE marketing_consent

-- a negated boolean
SELECT customer_id FROM policy_db.customer WHERE NOT marketing_consent

-- a boolean that is not true
SELECT customer_id FROM policy_db.customer WHERE marketing_consent IS NOT TRUE

-- booleans of REST, CSV and JSON
SELECT (SELECT count(*) FROM fraud_api.signal WHERE strong) AS a, (SELECT count(*) FROM partner_files.repair WHERE NOT paid) AS b, (SELECT count(*) FROM desk.note WHERE urgent IS TRUE) AS c

-- dates at their bounds and infinite
SELECT id, day FROM policy_db.extreme WHERE day > '9999-01-01' OR day < '0001-01-01'

-- infinite dates by equality
SELECT id FROM policy_db.extreme WHERE day = 'infinity' OR moment = '-infinity'

-- isinf and isfinite of dates
SELECT id, isinf(day) AS i, isfinite(moment) AS f FROM policy_db.extreme

-- dates before Christ
SELECT id, year(day) AS y FROM policy_db.extreme WHERE day = '0044-03-15 (BC)'

-- extremes of dates in files
SELECT id, day, moment FROM claims_lake.extreme WHERE day <= '1582-10-15' OR moment >= '2262-04-12'

-- nanoseconds
SELECT id, nanos FROM claims_lake.extreme WHERE nanos < '1970-01-01 00:00:00.000000002'

-- date arithmetic and parts
SELECT policy_id, start_date + INTERVAL 1 MONTH AS next, end_date - start_date AS days, extract(isodow FROM start_date) AS dow, last_day(start_date) AS last, strftime(start_date, '%d.%m.%Y') AS text FROM policy_db.policy WHERE policy_id < 1050

-- dates compared with timestamps
SELECT policy_id FROM policy_db.policy WHERE start_date < TIMESTAMP '2019-06-01 12:00:00' AND issued_at >= DATE '2019-01-05'

-- between dates
SELECT invoice_no FROM partner_files.repair WHERE issued_on BETWEEN '2024-02-01' AND '2024-02-29'

-- timestamps to the microsecond
SELECT id, moment FROM policy_db.extreme WHERE moment = '9999-12-31 23:59:59.999999' OR moment = '1969-12-31 23:59:59.999999'

-- timestamps of REST by a parameter
SELECT claim_id, scored_at FROM fraud_api.score WHERE scored_at >= '2025-01-10 00:00:00' AND scored_at < '2025-01-11'

-- timestamps of REST between seconds
SELECT claim_id FROM fraud_api.score WHERE scored_at > '2025-01-05 04:12:20.5'

-- times of day
SELECT id, clock FROM policy_db.extreme WHERE clock >= '12:00:00' AND clock < '23:00:00.000001'

-- instants in zones
SELECT id, instant AT TIME ZONE 'Europe/Berlin' AS berlin, instant AT TIME ZONE 'America/New_York' AS york FROM policy_db.extreme WHERE isfinite(instant)

-- instants compared with another zone
SELECT customer_id, created_at FROM policy_db.customer WHERE created_at >= TIMESTAMPTZ '2020-06-01 00:00:00+02' AND created_at < '2020-06-10 00:00:00-05'

-- local time made an instant
SELECT policy_id, issued_at AT TIME ZONE 'Asia/Tokyo' AS instant FROM policy_db.policy WHERE policy_id % 50 = 0

-- a zone from another source
SELECT r.region, c.customer_id, c.created_at AT TIME ZONE r.zone AS local FROM tariff_files.region r JOIN policy_db.customer c ON c.region = r.region WHERE c.customer_id < 40

-- epochs
SELECT id, epoch_us(moment) AS us, epoch_ms(instant) AS ms FROM policy_db.extreme WHERE isfinite(moment)

-- grouped by an hour in a zone
SELECT date_trunc('month', created_at AT TIME ZONE 'Pacific/Auckland') AS m, count(*) AS n FROM policy_db.customer GROUP BY 1

-- time buckets
SELECT time_bucket(INTERVAL 2 WEEKS, issued_at) AS b, count(*) AS n FROM policy_db.policy GROUP BY b

-- intervals
SELECT id, span, span + INTERVAL 1 DAY AS more FROM policy_db.extreme

-- intervals compared
SELECT id FROM policy_db.extreme WHERE span > INTERVAL 20 DAYS

-- uuids
SELECT id, uid FROM policy_db.extreme WHERE uid = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a13' OR uid > '80000000-0000-0000-0000-000000000000'

-- uuids in order [in order]
SELECT uid, id FROM policy_db.extreme ORDER BY uid NULLS LAST, id LIMIT 6

-- uuids of Parquet in a list
SELECT id FROM claims_lake.extreme WHERE uid IN ('ffffffff-ffff-ffff-ffff-ffffffffffff', 'deadbeef-dead-beef-dead-beefdeadbeef')

-- bytes
SELECT id, bytes, octet_length(bytes) AS n FROM policy_db.extreme WHERE bytes <> '\x00'::BLOB

-- bytes with a backslash and a quote
SELECT id FROM policy_db.extreme WHERE bytes IN ('\x5C\x78'::BLOB, '\xFF\x00\x27'::BLOB)

-- json
SELECT id, doc, json_type(doc) AS t, doc ->> '$.ü' AS u, doc -> 'a' AS a FROM policy_db.extreme

-- json compared as text
SELECT id FROM policy_db.extreme WHERE doc ->> '$.a' = '1'

-- lists
SELECT id, list, len(list) AS n, list[1] AS one, list_contains(list, 5) AS five, list_sum(list) AS s, words FROM policy_db.extreme WHERE id <> 2

-- lists compared
SELECT id FROM policy_db.extreme WHERE list = [5, 5] OR list > [4]

-- list functions with lambdas
SELECT claim_id, list_transform(tags, lambda x: upper(x)) AS u, list_filter(tags, lambda x: x IS NOT NULL) AS f, tags[-1] AS last, tags[1:2] AS head FROM claims_lake.claim

-- unnest
SELECT claim_id, unnest(tags) AS tag FROM claims_lake.claim WHERE claim_id < 50

-- unnest with a limit
SELECT count(*) AS n FROM (SELECT unnest(words) AS w FROM policy_db.extreme LIMIT 5)

-- unnest a list of a REST table
SELECT signal_id, unnest(path) AS p FROM fraud_api.signal WHERE kind = 'IBAN'

-- structs
SELECT claim_id, location.city, location['lat'] AS lat, struct_extract(location, 'lon') AS lon FROM claims_lake.claim

-- struct of a table in three parts
SELECT c.location.city AS city, count(*) AS n FROM claims_lake.claim c GROUP BY c.location.city

-- a filter on a field of a struct
SELECT claim_id FROM claims_lake.claim WHERE location.lat > 5 AND location.city IS NULL

-- a struct as a star
SELECT note_id, unnest({'a': author, 'b': stars}) FROM desk.note WHERE note_id < 12

-- structs of JSON files and REST
SELECT e.event_id, e.detail.actor, e.detail.steps[2] AS step, s.info.n FROM claims_lake.event e JOIN fraud_api.signal s ON s.signal_id = e.event_id

-- a struct compared
SELECT count(*) AS n FROM claims_lake.claim WHERE location = {'lat': -9.875, 'lon': -89.5, 'city': 'Oslo'}

-- maps
SELECT claim_id, attributes['channel'] AS channel, map_keys(attributes) AS k, cardinality(attributes) AS n FROM claims_lake.claim

-- a filter on a map
SELECT claim_id FROM claims_lake.claim WHERE attributes['k1'] = '13' OR attributes['channel'] = 'phone' AND claim_id < 30

-- nested extremes of Parquet
SELECT id, nested.a, nested.b, pairs, map_values(pairs) AS v FROM claims_lake.extreme

-- made nested values
SELECT region, list({'id': customer_id, 'n': name} ORDER BY customer_id) AS people FROM policy_db.customer WHERE customer_id < 30 GROUP BY region

-- a whole row as a value
SELECT m FROM fraud_api.model m

-- a whole row of a live source
SELECT p FROM policy_db.policy p WHERE p.policy_id = 1001

-- a whole row counted
SELECT count(p) AS n, count(DISTINCT s) AS m FROM policy_db.policy p LEFT JOIN fraud_api.signal s ON s.signal_id = p.policy_id - 1000

-- casts
SELECT id, CAST(big AS VARCHAR) AS t, TRY_CAST(word AS INTEGER) AS i, CAST(day AS TIMESTAMP) AS d, flag::INTEGER AS f FROM policy_db.extreme

-- a cast in a filter
SELECT id FROM policy_db.extreme WHERE CAST(small AS VARCHAR) = '5'

-- a filter that compares a number column with text
SELECT claim_id FROM claims_lake.claim WHERE claim_id = '17'

-- typeof
SELECT typeof(a.premium) AS p, typeof(c.location) AS l, typeof(r.total) AS t, typeof(s.weight) AS w FROM policy_db.policy a, claims_lake.claim c, partner_files.repair r, fraud_api.score s WHERE a.policy_id = 1000 AND c.claim_id = 1 AND r.invoice_no = 'INV-00000' AND s.claim_id = 0

-- a column that only the newer file has
SELECT payment_id, amount, channel FROM claims_lake.payment WHERE channel IS NULL OR amount > 140000000

-- a filter that the older file cannot pass
SELECT count(*) AS n FROM claims_lake.payment WHERE channel = 'card'
