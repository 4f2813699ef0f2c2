-- Every table of every source, small and seeded by arithmetic: the local copies that answers are compared
-- with, and what the servers are filled from. Doubles are sums of eighths, so that adding them in any order
-- gives the same bits.

-- ── policy_db: Postgres ─────────────────────────────────────────────────────────────────────────────

CREATE TABLE policy_db.public.customer AS
SELECT
    i AS customer_id,
    CASE WHEN i % 29 = 0 THEN NULL
         ELSE ['Ana', 'ana', 'Åsa', 'Zoë', 'Łukasz', '李雷', 'محمد', 'O''Brien', 'Straße', 'STRASSE'][1 + i % 10]
              || ' ' || ['Müller', 'Nuñez', 'de la Cruz', '山田', 'Smith'][1 + (i // 3) % 5] END AS name,
    CASE i % 7 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'c' || i || '@mail' || i % 4 || '.example' END AS email,
    ['EU', 'US', 'APAC', 'eu', NULL][1 + i % 5] AS region,
    (DATE '1930-01-01' + CAST((i * 7919) % 27000 AS INTEGER)) AS birth_date,
    ['retail', 'corporate', 'broker'][1 + (i * 5) % 3] AS segment,
    CAST(((i * 104729) % 2000000 - 500000) / 100 AS DECIMAL(12, 2)) AS lifetime_value,
    CASE i % 3 WHEN 0 THEN true WHEN 1 THEN false END AS marketing_consent,
    TIMESTAMPTZ '2020-01-01 00:00:00+00' + to_seconds(i * 86399) + to_microseconds(i * 37) AS created_at
FROM range(300) t(i);

CREATE TABLE policy_db.public.policy AS
SELECT
    1000 + i AS policy_id,
    CASE WHEN i % 31 = 0 THEN NULL ELSE (i * 17) % 320 END AS customer_id,
    ['motor', 'home', 'travel', 'life', 'Motor', 'mo_or', 'mo%or', 'mo\or'][1 + (i * 3) % 8] AS product_line,
    CAST(((i * 7907) % 500000) / 100 AS DECIMAL(10, 2)) AS premium,
    CAST(i * i * 1.0625 AS DECIMAL(20, 4)) AS sum_insured,
    DATE '2019-01-01' + CAST((i * 31) % 2200 AS INTEGER) AS start_date,
    CASE WHEN i % 4 = 0 THEN NULL ELSE DATE '2025-01-01' + CAST((i * 13) % 700 AS INTEGER) END AS end_date,
    TIMESTAMP '2019-01-01 08:30:00' + to_minutes(i * 611) AS issued_at,
    CAST(i % 6 AS INTEGER) AS renewals,
    CASE WHEN i % 11 = 0 THEN NULL ELSE (i % 97) / 8 - 3 END AS risk
FROM range(500) t(i);

CREATE TABLE policy_db.public.empty (id BIGINT, name VARCHAR, amount DECIMAL(9, 2), moment TIMESTAMP);

CREATE TABLE policy_db.public.extreme (
    id BIGINT, small SMALLINT, whole INTEGER, big BIGINT, single FLOAT, number DOUBLE,
    money DECIMAL(18, 2), huge DECIMAL(38, 10), word VARCHAR, flag BOOLEAN, day DATE, moment TIMESTAMP,
    instant TIMESTAMPTZ, clock TIME, uid UUID, bytes BLOB, doc JSON, list BIGINT[], words VARCHAR[], span INTERVAL, uids UUID[]
);
INSERT INTO policy_db.public.extreme VALUES
    (1, 0, 0, 0, 0, 0, 0, 0, '', false, '1970-01-01', '1970-01-01', '1970-01-01 00:00:00+00', '00:00:00',
     '00000000-0000-0000-0000-000000000000', '', '{}', [], [], INTERVAL 0 DAY, []),
    (2, 32767, 2147483647, 9223372036854775807, 3.4028235e38, 1.7976931348623157e308, 9999999999999999.99,
     9999999999999999999999999999.9999999999, 'ÿ', true, '9999-12-31', '9999-12-31 23:59:59.999999',
     '9999-12-31 23:59:59.999999+00', '23:59:59.999999', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '\xFF\x00\x27',
     '{"a": [1, {"b": null}], "ü": "☃"}', [9223372036854775807, NULL, -1], ['a', NULL, '', 'ü,"'],
     INTERVAL '1 year 2 months 3 days 04:05:06.789', []),
    (3, -32768, -2147483648, -9223372036854775807, -3.4028235e38, -1.7976931348623157e308,
     -9999999999999999.99, -9999999999999999999999999999.9999999999, 'it''s "quoted" \ and % and _', false,
     '0044-03-15 (BC)', '0044-03-15 (BC) 12:00:00', '0044-03-15 (BC) 12:00:00+00', '12:34:56.000001',
     '80000000-0000-0000-0000-000000000000', '\x00', '[]', [0], ['x'], INTERVAL '-1 day', []),
    (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (5, 1, 1, 1, 'NaN', 'NaN', 0.01, 0.0000000001, 'a' || chr(10) || 'b' || chr(9) || 'c', true,
     'infinity', 'infinity', 'infinity', '01:02:03', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'abc', 'null', NULL, NULL,
     INTERVAL '100 years', []),
    (6, -1, -1, -1, 'Infinity', 'Infinity', -0.01, -0.0000000001, '☃𝄞é', true, '-infinity', '-infinity', '-infinity',
     '12:00:00', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12', '\x61\x62', '"text"', [1, 2, 3], ['☃', '𝄞'], INTERVAL '1 microsecond', []),
    (7, 5, 5, 4611686018427387904, '-Infinity', '-Infinity', 5, 5, 'é', false, '2024-02-29',
     '2024-02-29 13:00:00', '2024-03-31 01:30:00+00', '13:00:00', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a13', '\xC3\xA9', '1.50',
     [5], ['NULL'], INTERVAL '1 month', ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a13', NULL]),
    (8, 5, 5, 9007199254740993, 1e-45, 5e-324, 1234.50, 1234.5, 'É', false, '1969-12-31', '1969-12-31 23:59:59.999999',
     '2024-10-27 01:30:00+00', '23:00:00', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a13', 'E', 'true', [5, 5], ['é', 'É'],
     INTERVAL '30 days', []),
    (9, 7, 1000000, 1000000000000, 0.1, 0.1, 1e3, 1e3, 'NULL', NULL, '1582-10-15', '2262-04-12 00:00:00',
     '1999-12-31 23:59:59+00', '00:00:00.5', 'deadbeef-dead-beef-dead-beefdeadbeef', '\x5C\x78', '{"a": 1}', [NULL], ['{}'],
     INTERVAL '2 hours', []);

-- ── claims_lake: S3, Parquet by year and month, JSON lines, CSV ──────────────────────────────────────

CREATE TABLE claims_lake.claim AS
SELECT
    i AS claim_id,
    CASE WHEN i % 37 = 0 THEN NULL ELSE 1000 + (i * 7) % 520 END AS policy_id,
    CAST(((i * 6151) % 900000) / 100 AS DECIMAL(12, 2)) AS amount,
    ['open', 'in_review', 'settled', 'rejected', 'Open', NULL][1 + (i * 7) % 6] AS status,
    ['fire', 'theft', 'water', 'hail', 'Hagel, groß'][1 + i % 5] AS cause,
    TIMESTAMP '2024-01-01' + to_months(CAST((i % 12) AS INTEGER)) + to_minutes(i * 41 % 40000) AS reported_at,
    CASE WHEN i % 9 = 0 THEN NULL ELSE
        {'lat': (i % 180) / 8 - 10, 'lon': (i % 360) / 2 - 90, 'city': ['Köln', 'Oslo', NULL][1 + i % 3]} END AS location,
    CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN []::VARCHAR[] ELSE list_slice(['urgent', 'vip', NULL, 'ß'], 1, i % 5) END AS tags,
    CASE WHEN i % 4 = 0 THEN NULL ELSE MAP {'channel': ['web', 'phone'][1 + i % 2], 'k' || i % 3: CAST(i AS VARCHAR)} END AS attributes,
    CASE i % 8 WHEN 0 THEN NULL ELSE (i % 50) / 8 END AS severity,
    CAST(CASE WHEN i % 12 < 6 THEN 2024 ELSE 2025 END AS BIGINT) AS year,
    1 + i % 6 AS month
FROM range(800) t(i);

CREATE TABLE claims_lake.event AS
SELECT
    i AS event_id,
    (i * 3) % 800 AS claim_id,
    ['created', 'assigned', 'paid', 'closed'][1 + i % 4] AS kind,
    TIMESTAMP '2024-01-01 00:00:00' + to_seconds(i * 9973) AS occurred_at,
    {'actor': ['ana', 'bob', 'Zoë'][1 + i % 3], 'steps': [i % 3, i % 5]} AS detail,
    CASE WHEN i % 6 = 0 THEN NULL ELSE (i % 10) / 8 END AS cost
FROM range(400) t(i);

CREATE TABLE claims_lake.extreme (
    id BIGINT, tiny TINYINT, whole INTEGER, big BIGINT, utiny UTINYINT, ubig UBIGINT, single FLOAT, number DOUBLE,
    money DECIMAL(18, 2), huge DECIMAL(38, 10), word VARCHAR, flag BOOLEAN, day DATE, moment TIMESTAMP,
    nanos TIMESTAMP_NS, instant TIMESTAMPTZ, clock TIME, uid UUID, bytes BLOB, list BIGINT[],
    nested STRUCT(a INTEGER, b VARCHAR[]), pairs MAP(VARCHAR, INTEGER)
);
INSERT INTO claims_lake.extreme
SELECT id, CAST(CASE WHEN small BETWEEN -128 AND 127 THEN small WHEN small > 0 THEN 127 WHEN small < 0 THEN -128 END AS TINYINT),
    whole, big, CASE id WHEN 2 THEN 255 WHEN 4 THEN NULL ELSE id END,
    CASE id WHEN 2 THEN 18446744073709551615 WHEN 4 THEN NULL ELSE id END, single, number, money, huge, word, flag,
    day, moment, CASE id WHEN 2 THEN TIMESTAMP_NS '2262-04-11 23:47:16.854775' WHEN 3 THEN TIMESTAMP_NS '1677-09-22 00:00:00.000000001'
                         WHEN 1 THEN TIMESTAMP_NS '1970-01-01 00:00:00.000000001' END,
    instant, clock, uid, bytes, list,
    CASE id WHEN 4 THEN NULL ELSE {'a': whole, 'b': words} END,
    CASE id WHEN 4 THEN NULL WHEN 1 THEN MAP {} ELSE MAP {'whole': whole, 'é': NULL} END
FROM policy_db.public.extreme;

-- Two files that differ: the older one has no `channel`, and a narrower `amount`.
CREATE TABLE claims_lake.payment AS
SELECT i AS payment_id, (i * 9) % 800 AS claim_id, i * 1000003 AS amount,
    CASE WHEN i < 60 THEN NULL ELSE ['bank', 'card', NULL][1 + i % 3] END AS channel
FROM range(150) t(i);

-- ── partner_files: SFTP, CSV (one file gzipped) ──────────────────────────────────────────────────────

CREATE TABLE partner_files.repair AS
SELECT
    'INV-' || lpad(CAST(i AS VARCHAR), 5, '0') AS invoice_no,
    CASE WHEN i % 23 = 0 THEN NULL ELSE (i * 11) % 850 END AS claim_id,
    ['Garage "Nord"', 'Škoda, Brno', 'Auto' || chr(10) || 'Zwei', 'shop;4', 'shop_5'][1 + i % 5] AS shop,
    ['R1', 'R2', 'R3', 'R4'][1 + (i * 3) % 4] AS repair_code,
    CAST(((i * 3571) % 400000) / 100 AS DECIMAL(10, 2)) AS total,
    CASE WHEN i % 10 = 0 THEN NULL ELSE (i % 40) / 4 END AS hours,
    DATE '2024-01-05' + CAST((i * 5) % 400 AS INTEGER) AS issued_on,
    CASE WHEN i % 6 = 0 THEN NULL ELSE i % 2 = 0 END AS paid,
    TIMESTAMP '2024-01-05 06:00:00' + to_seconds(i * 4001) AS received_at,
    CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'note ' || i || ' — ok' END AS remark
FROM range(360) t(i);

-- ── tariff_files: FTP, Parquet and CSV ───────────────────────────────────────────────────────────────

CREATE TABLE tariff_files.tariff AS
SELECT
    ['R1', 'R2', 'R3', 'R5'][1 + i % 4] AS repair_code,
    ['EU', 'US', 'APAC'][1 + (i // 4) % 3] AS region,
    DATE '2024-01-01' + CAST((i // 12) * 91 AS INTEGER) AS valid_from,
    CAST(40 + (i * 7) % 55 + 0.25 AS DECIMAL(6, 2)) AS hourly_rate,
    CAST(i % 3 AS TINYINT) AS class
FROM range(60) t(i);

CREATE TABLE tariff_files.region AS
SELECT * FROM (VALUES ('EU', 'Europe', 'Europe/Berlin', 27), ('US', 'United States', 'America/New_York', 50),
    ('APAC', 'Asia–Pacific', 'Asia/Tokyo', 21), ('LATAM', 'América Latina', 'America/Sao_Paulo', NULL)) t(region, title, zone, states);
ALTER TABLE tariff_files.region ALTER states TYPE BIGINT;

-- ── fraud_api: HTTP, REST endpoints and a file ───────────────────────────────────────────────────────

CREATE TABLE fraud_api.score AS
SELECT
    i * 2 AS claim_id,
    CASE WHEN i % 13 = 0 THEN NULL ELSE (i % 64) / 64 END AS score,
    ['m1', 'm2', 'M1'][1 + i % 3] AS model,
    CASE WHEN i % 5 = 0 THEN NULL ELSE 'reason ' || i % 7 || ' ☂' END AS reason,
    TIMESTAMP '2025-01-01 00:00:00' + to_seconds(i * 3607) AS scored_at,
    CAST(i % 100 AS DECIMAL(9, 3)) / 8 AS weight
FROM range(380) t(i);
ALTER TABLE fraud_api.score ALTER weight TYPE DECIMAL(9, 3);

CREATE TABLE fraud_api.signal AS
SELECT
    i AS signal_id, (i * 7) % 800 AS claim_id, ['ip', 'device', 'IBAN'][1 + i % 3] AS kind, i % 4 = 0 AS strong,
    DATE '2025-01-01' + CAST(i % 90 AS INTEGER) AS seen_on,
    {'n': i % 9, 'src': ['a', 'b'][1 + i % 2]} AS info, [i % 2, i % 3]::BIGINT[] AS path
FROM range(250) t(i);

-- The same, of APIs that answer for a claim or a kind only.
CREATE VIEW fraud_api.score_of AS SELECT claim_id, score, model, scored_at FROM fraud_api.score;
CREATE VIEW fraud_api.signal_of AS SELECT signal_id, claim_id, kind, strong FROM fraud_api.signal;

CREATE TABLE fraud_api.model AS
SELECT ['m1', 'm2', 'm3'][1 + i] AS model, DATE '2024-06-01' + CAST(i * 30 AS INTEGER) AS trained_on, (i + 1) / 8 AS threshold
FROM range(3) t(i);

-- ── desk: this machine, JSON lines and Parquet ───────────────────────────────────────────────────────

CREATE TABLE desk.note AS
SELECT
    i AS note_id,
    CASE WHEN i % 17 = 0 THEN NULL ELSE (i * 13) % 800 END AS claim_id,
    ['ana', 'Bob', 'Zoë', 'bob'][1 + i % 4] AS author,
    CASE i % 6 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN '100% sure' WHEN 3 THEN 'a_b' WHEN 4 THEN 'Ünïcode ☃'
         ELSE 'call back, "soon"' END AS text,
    TIMESTAMP '2025-03-01 09:00:00' + to_minutes(i * 97) AS written_at,
    CASE WHEN i % 8 = 0 THEN NULL ELSE i % 5 END AS stars,
    i % 3 = 0 AS urgent
FROM range(240) t(i);

CREATE TABLE desk.budget AS
SELECT * FROM (VALUES ('motor', 2024, 10, 20, 30, 40), ('home', 2024, 5, NULL, 15, 25), ('motor', 2025, 11, 21, 31, 41),
    ('travel', 2025, NULL, NULL, NULL, 9)) t(product_line, year, q1, q2, q3, q4);

-- ── ledger: SQLite through ADBC ──────────────────────────────────────────────────────────────────────

CREATE TABLE ledger.booking AS
SELECT
    i AS booking_id,
    CASE WHEN i % 19 = 0 THEN NULL ELSE (i * 5) % 800 END AS claim_id,
    CASE WHEN i % 14 = 0 THEN NULL ELSE (i % 400) / 8 - 12 END AS amount,
    CASE WHEN i % 9 = 0 THEN NULL ELSE ['reserve', 'payment', 'Recovery', 'fee ü', ''][1 + i % 5] END AS account,
    (i * 48271) % 1000003 - 500000 AS reference
FROM range(320) t(i);
